"""From chunks to vectors."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import popcount
from binohm.hdl.checks import require_bool, require_int
from binohm.hdl.streams.activations import activations_layout
from binohm.hdl.streams.walk import walk

__all__ = ["Gather"]


class Gather(wiring.Component):
    """Collect the chunks of a vector of activations, and count its ones.

    Latency is 1 cycle from the last chunk, and throughput is 1 chunk per cycle without a bubble
    between vectors. The next vector is collected while ``o`` waits: ``i`` is stalled only when its
    last chunk arrives and ``o`` is not taken in the same cycle.

    Parameters
    ----------
    outputs : int
        Elements of a vector. At least 1.
    chunk : int
        Elements of a chunk. At least 1. What the last chunk of a vector has too many is ignored.
    count : bool
        Whether the number of ones travels with the vector.

    Members
    -------
    i : In(stream.Signature(chunk))
        Chunk ``t`` holds elements ``t * chunk`` and up.
    o : Out(stream.Signature(activations_layout(outputs, 1, (0, outputs) if count else None)))
        Element ``k`` is bit ``k``.
    """

    def __init__(self, outputs: int, *, chunk: int, count: bool) -> None:
        require_int("outputs", outputs)
        require_int("chunk", chunk)
        require_bool("count", count)
        self.outputs = outputs
        self.chunk = chunk
        self.count = count
        layout = activations_layout(outputs, 1, (0, outputs) if count else None)
        super().__init__({"i": In(stream.Signature(chunk)), "o": Out(stream.Signature(layout))})

    @property
    def steps(self) -> int:
        """Chunks in a vector."""
        return -(-self.outputs // self.chunk)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        free = Signal()
        moved = Signal()
        finished = Signal()
        _, last, _ = walk(m, self.steps, moved)
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(free | ~last),
            moved.eq(self.i.valid & self.i.ready),
            finished.eq(moved & last),
        ]

        # The chunks before the last one, which goes to the output directly.
        early = Signal((self.steps - 1) * self.chunk, reset_less=True)
        with m.If(moved):
            m.d.sync += early.eq(Cat(early, self.i.payload)[self.chunk :])

        with m.If(free):
            m.d.sync += self.o.valid.eq(finished)
        with m.If(finished):
            m.d.sync += self.o.payload.bits.eq(Cat(early, self.i.payload))
        if self.count:
            ones = self._ones(m, moved, last)
            with m.If(finished):
                m.d.sync += self.o.payload.sum.eq(ones)

        return m

    def _ones(self, m: Module, moved: Value, last: Value) -> Signal:
        """Number of ones so far, this chunk included."""
        used = self.outputs - (self.steps - 1) * self.chunk
        ones = Signal(range(self.outputs + 1))
        if self.steps == 1:
            m.d.comb += ones.eq(popcount(self.i.payload[:used]))
            return ones
        counted = Signal(self.chunk)
        before = Signal.like(ones)
        m.d.comb += [
            counted.eq(Mux(last, self.i.payload[:used], self.i.payload)),
            ones.eq(before + popcount(counted)),
        ]
        with m.If(moved):
            m.d.sync += before.eq(Mux(last, 0, ones))
        return ones
