"""Items that wait."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int, require_shape

__all__ = ["Queue"]


class Queue(wiring.Component):
    """First in, first out, in registers.

    Latency is 1 cycle. Throughput is 1 item per cycle; with a depth of 1 it is an item every
    second cycle. ``i.ready`` and ``o.valid`` are registered: a full queue accepts nothing, even
    while an item leaves.

    Parameters
    ----------
    shape : ShapeLike
        Of an item. At least one bit.
    depth : int
        Items. At least 1.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape: Any, *, depth: int) -> None:
        require_shape(shape)
        require_int("depth", depth)
        self.shape = shape
        self.depth = depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        # Item 0 leaves; the items in use are always the lowest ones.
        offered, first = Value.cast(self.i.payload), Value.cast(self.o.payload)
        others = [Signal.like(offered, name=f"item_{k}") for k in range(1, self.depth)]
        used = Signal(self.depth)
        came = Signal()
        left = Signal()
        m.d.comb += [
            self.i.ready.eq(~used[-1]),
            self.o.valid.eq(used[0]),
            came.eq(self.i.valid & self.i.ready),
            left.eq(self.o.valid & self.o.ready),
        ]
        with m.If(came & ~left):
            m.d.sync += used.eq(Cat(1, used))
        with m.Elif(left & ~came):
            m.d.sync += used.eq(used >> 1)

        # What is not in use takes whatever is offered, which does no harm.
        items = [first, *others, offered]
        behind_used = Cat(used[1:], 0)
        for k in range(self.depth):
            with m.If(left):
                m.d.sync += items[k].eq(Mux(behind_used[k], items[k + 1], offered))
            with m.Elif(~used[k]):
                m.d.sync += items[k].eq(offered)

        return m
