"""Many answers to one request."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int
from binohm.hdl.streams.handshake import HANDSHAKE

__all__ = ["Join"]


class Join(wiring.Component):
    """Accept one transfer from all branches in the same cycle.

    The payloads do not pass through: they are wired side by side to the receiver.

    Latency is 0 cycles and throughput 1 transfer per cycle. ``ready`` of a branch depends
    combinationally on ``valid`` of all of them.

    Parameters
    ----------
    branches : int
        At least 1.

    Members
    -------
    i0, i1, ... : In(HANDSHAKE)
        One for each branch.
    o : Out(HANDSHAKE)
        Valid while all branches are.
    """

    def __init__(self, branches: int) -> None:
        require_int("branches", branches)
        self.branches = branches
        super().__init__({
            **{f"i{b}": In(HANDSHAKE) for b in range(branches)},
            "o": Out(HANDSHAKE),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        inputs = [getattr(self, f"i{b}") for b in range(self.branches)]
        moved = Signal()
        m.d.comb += [
            self.o.valid.eq(Cat(i.valid for i in inputs).all()),
            moved.eq(self.o.valid & self.o.ready),
            Cat(i.ready for i in inputs).eq(moved.replicate(self.branches)),
        ]

        return m
