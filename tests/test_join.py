# amaranth: UnusedElaboratable=no
"""``Join``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.streams.join import Join

BITS = 4


class JoinedStreams(wiring.Component):
    """A join with payloads wired around it, and a clock for the bench."""

    def __init__(self, branches: int) -> None:
        self.branches = branches
        super().__init__({
            **{f"i{b}": In(stream.Signature(BITS)) for b in range(branches)},
            "o": Out(stream.Signature(data.ArrayLayout(BITS, branches))),
            "clk": In(1),
            "rst": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.join = join = Join(self.branches)
        m.d.comb += [self.o.valid.eq(join.o.valid), join.o.ready.eq(self.o.ready)]
        for b in range(self.branches):
            inner, outer = getattr(join, f"i{b}"), getattr(self, f"i{b}")
            m.d.comb += [
                inner.valid.eq(outer.valid),
                outer.ready.eq(inner.ready),
                self.o.payload[b].eq(outer.payload),
            ]
        return m


@pytest.mark.parametrize(
    "branches", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 8, 65))]
)
def test_matches_golden(bench: Callable[..., None], branches: int) -> None:
    bench(JoinedStreams(branches), "binohm.sim.benches.join", branches=branches, bits=BITS)


@pytest.mark.parametrize(
    ("branches", "error"),
    [
        (None, TypeError("branches must be an int, not None")),
        (0, ValueError("branches must be at least 1, not 0")),
    ],
)
def test_branches_are_checked(branches: object, error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Join(branches)
