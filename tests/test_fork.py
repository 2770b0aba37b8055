# amaranth: UnusedElaboratable=no
"""``Fork``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.streams.fork import Fork


class ForkedStream(wiring.Component):
    """A fork with a payload wired around it."""

    def __init__(self, branches: int) -> None:
        self.branches = branches
        super().__init__({
            "i": In(stream.Signature(8)),
            **{f"o{b}": Out(stream.Signature(8)) for b in range(branches)},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fork = fork = Fork(self.branches)
        m.d.comb += [fork.i.valid.eq(self.i.valid), self.i.ready.eq(fork.i.ready)]
        for b in range(self.branches):
            inner, outer = getattr(fork, f"o{b}"), getattr(self, f"o{b}")
            m.d.comb += [
                outer.valid.eq(inner.valid),
                inner.ready.eq(outer.ready),
                outer.payload.eq(self.i.payload),
            ]
        return m


@pytest.mark.parametrize(
    "branches", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 8, 65))]
)
def test_matches_golden(bench: Callable[..., None], branches: int) -> None:
    bench(ForkedStream(branches), "binohm.sim.benches.fork", branches=branches)


@pytest.mark.parametrize(
    ("branches", "error"),
    [
        ("3", TypeError("branches must be an int, not '3'")),
        (0, ValueError("branches must be at least 1, not 0")),
    ],
)
def test_branches_are_checked(branches: object, error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Fork(branches)
