"""A clock for components that need none, since benches drive one."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["Clocked"]


class Clocked(wiring.Component):
    """``inner`` and ports ``clk`` and ``rst`` that do nothing."""

    def __init__(self, inner: wiring.Component) -> None:
        self.inner = inner
        super().__init__({**inner.signature.members, "clk": In(1), "rst": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = self.inner
        for name in self.inner.signature.members:
            wiring.connect(m, getattr(self.inner, name), wiring.flipped(getattr(self, name)))
        return m
