"""Binary dot products, word by word."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import popcount
from binohm.hdl.checks import range_shape, require_int, require_planes
from binohm.hdl.streams.walk import walk

__all__ = ["Bdpe"]


class Bdpe(wiring.Component):
    """Count matches and accumulate them over the reads of an output and over bit planes.

    An output takes ``reads_per_output`` times the number of planes reads, the planes of a slice
    of the inputs one after the other. With the last one leaves ``M``, the sum over all of them of
    plane weight times the number of matches.

    Latency is 1 cycle from the last read, and throughput is 1 read per cycle. When ``o`` is
    stalled, ``i`` is stalled in the same cycle.

    Parameters
    ----------
    width : int
        Bits of a read. At least 1.
    planes : tuple of int
        Weights: 1, 2, 4 and so on, of which the last may be negative.
    reads_per_output : int
        Slices of the inputs. At least 1.

    Attributes
    ----------
    sum_range : (low, high)
        All values that reads of ``width`` bits can lead to.

    Members
    -------
    i : In(stream.Signature(width))
        Bit ``k`` is 1 where input and weight match; 0 where there is no input.
    o : Out(stream.Signature(range(low, high + 1)))
        ``M``. It is accumulated in this register: meaningless while not valid.
    """

    def __init__(self, width: int, *, planes: tuple[int, ...], reads_per_output: int) -> None:
        require_int("width", width)
        require_planes(planes)
        require_int("reads_per_output", reads_per_output)
        self.width = width
        self.planes = planes
        self.reads_per_output = reads_per_output
        total = range_shape(self.sum_range)
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(total))})

    @property
    def sum_range(self) -> tuple[int, int]:
        """All values that reads of ``width`` bits can lead to."""
        ends = [self.width * self.reads_per_output * plane for plane in self.planes]
        return sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        moved = Signal()
        plane, last_plane, _ = walk(m, len(self.planes), moved, name="plane")
        _, last_read, _ = walk(m, self.reads_per_output, moved & last_plane, name="read")
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            moved.eq(self.i.valid & self.i.ready),
        ]

        count = Signal(range(self.width + 1))
        m.d.comb += count.eq(popcount(self.i.payload))
        if len(self.planes) == 1:
            weighted = count
        else:
            weighted = Signal(range(self.width * abs(self.planes[-1]) + 1))
            m.d.comb += weighted.eq(count << plane)

        finished = Signal()
        m.d.comb += finished.eq(last_plane & last_read)
        total = self._total(m, weighted, moved, last_plane, finished)

        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid & finished)
        with m.If(moved):
            m.d.sync += self.o.payload.eq(total)

        return m

    def _total(
        self, m: Module, weighted: Signal, moved: Signal, last_plane: Value, finished: Signal
    ) -> Value:
        """Sum over the reads of this output, up to this one."""
        before: Value = Const(0)
        if self.reads_per_output * len(self.planes) > 1:
            first = Signal(init=1)
            before = Signal.like(self.o.payload, name="before")
            m.d.comb += before.eq(Mux(first, 0, self.o.payload))
            with m.If(moved):
                m.d.sync += first.eq(finished)
        if self.planes[-1] > 0:
            return before + weighted
        if len(self.planes) == 1:
            return before - weighted
        return Mux(last_plane, before - weighted, before + weighted)
