"""Vectors for many takers, in turn."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int
from binohm.hdl.streams.walk import walk

__all__ = ["Dispatch", "turns"]


class Dispatch(wiring.Component):
    """Deal out transfers in turn, each to a register of its branch.

    Transfers come in series of ``items``, of which transfer ``n`` goes to branch ``n % branches``:
    each series begins at branch 0.

    Latency is 1 cycle and throughput 1 transfer per cycle. ``i`` is stalled only while the register
    of the branch whose turn it is holds a transfer that is not taken in the same cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of a transfer.
    branches : int
        At least 1.
    items : int
        Transfers of a series. At least 1.

    Members
    -------
    i : In(stream.Signature(shape))
    o0, o1, ... : Out(stream.Signature(shape))
        One for each branch.
    """

    def __init__(self, shape: ShapeLike, *, branches: int, items: int) -> None:
        require_int("branches", branches)
        require_int("items", items)
        self.shape = shape
        self.branches = branches
        self.items = items
        super().__init__({
            "i": In(stream.Signature(shape)),
            **{f"o{b}": Out(stream.Signature(shape)) for b in range(branches)},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        outputs = [getattr(self, f"o{b}") for b in range(self.branches)]
        free = Signal(self.branches)
        moved = Signal()
        turn = turns(m, self.branches, self.items, moved)
        m.d.comb += [
            free.eq(Cat(~o.valid | o.ready for o in outputs)),
            self.i.ready.eq((free & turn).any()),
            moved.eq(self.i.valid & self.i.ready),
        ]
        for b, o in enumerate(outputs):
            with m.If(free[b]):
                m.d.sync += o.valid.eq(self.i.valid & turn[b])
                # What is not valid takes whatever is offered, which does no harm.
                m.d.sync += o.payload.eq(self.i.payload)

        return m


def turns(m: Any, branches: int, items: int, moved: Value) -> Signal:
    """Whose turn it is, one bit a branch, of which one is set.

    It is the next one's after each cycle with ``moved``, and branch 0's after ``items`` of them.
    """
    turn = Signal(branches, init=1)
    last: Value = turn[-1]
    if items % branches:
        _, over, _ = walk(m, items, moved, name="item")
        last = last | over
    with m.If(moved):
        m.d.sync += turn.eq(Mux(last, 1, turn << 1))
    return turn
