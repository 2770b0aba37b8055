"""A place to stop: it keeps ``ready`` from travelling on in the same cycle."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_shape

__all__ = ["SkidBuffer"]


class SkidBuffer(wiring.Component):
    """Pass transfers on at once, and keep one that is not taken.

    Latency is 0 cycles and throughput 1 transfer per cycle. ``i.ready`` is registered: it is low
    exactly while a transfer is kept. The way from ``valid`` to ``valid`` is combinational.

    Parameters
    ----------
    shape : ShapeLike
        Of a transfer. At least one bit.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape: ShapeLike) -> None:
        require_shape(shape)
        self.shape = shape
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        offered, passed = Value.cast(self.i.payload), Value.cast(self.o.payload)
        full = Signal()
        kept = Signal(len(offered), reset_less=True)
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(full | self.i.valid),
            passed.eq(Mux(full, kept, offered)),
        ]
        m.d.sync += full.eq(self.o.valid & ~self.o.ready)
        with m.If(~full):
            m.d.sync += kept.eq(offered)

        return m
