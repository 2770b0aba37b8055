"""From the counts of all bit planes to sums."""

from amaranth.hdl import Const, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import add_up
from binohm.hdl.checks import range_shape, require_int, require_planes, require_range

__all__ = ["PlaneSums"]


class PlaneSums(wiring.Component):
    """Add up bit planes that come side by side, each times its weight, exactly.

    Latency is 1 cycle and throughput 1 chunk per cycle. When ``o`` is stalled, ``i`` is stalled in
    the same cycle.

    Parameters
    ----------
    lanes : int
        Outputs per chunk. At least 1.
    planes : tuple of int
        Weights: 1, 2, 4 and so on, of which the last may be negative.
    count_range : (low, high)
        Of the counts.

    Attributes
    ----------
    sum_range : (low, high)
        All values that counts in the range can lead to.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(range(low, high + 1), lanes * planes)))
        Counts: plane ``p`` of output ``s`` of the chunk is element ``s * planes + p``.
    o : Out(stream.Signature(ArrayLayout(range(low, high + 1), lanes)))
        Sums.
    """

    def __init__(
        self, lanes: int, *, planes: tuple[int, ...], count_range: tuple[int, int]
    ) -> None:
        require_int("lanes", lanes)
        require_planes(planes)
        require_range("count_range", count_range)
        self.lanes = lanes
        self.planes = planes
        self.count_range = count_range
        counts = data.ArrayLayout(range_shape(count_range), lanes * len(planes))
        sums = data.ArrayLayout(range_shape(self.sum_range), lanes)
        super().__init__({"i": In(stream.Signature(counts)), "o": Out(stream.Signature(sums))})

    @property
    def sum_range(self) -> tuple[int, int]:
        """All values that counts in the range can lead to."""
        ends = [sorted(plane * end for end in self.count_range) for plane in self.planes]
        return sum(low for low, _ in ends), sum(high for _, high in ends)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        planes = len(self.planes)
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
            for s in range(self.lanes):
                worth = [self.i.payload[s * planes + p] << p for p in range(planes)]
                negative = worth.pop() if self.planes[-1] < 0 else Const(0)
                m.d.sync += self.o.payload[s].eq(add_up(worth) - negative)

        return m
