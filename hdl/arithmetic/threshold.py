"""From sums to activations."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.driven import take_sums, u_values
from binohm.hdl.arithmetic.majority import majority
from binohm.hdl.checks import range_shape, require_int, require_range
from binohm.hdl.streams.walk import rom_address_shape

__all__ = ["Threshold"]


class Threshold(wiring.Component):
    """Compare sums with thresholds, flip, and let the groups of a split layer vote.

    Latency is 1 cycle and throughput 1 chunk per cycle. When ``o`` is stalled, ``i`` is stalled in
    the same cycle.

    Parameters
    ----------
    lanes : int
        Outputs per chunk. At least 1.
    groups : int
        Votes for an output. At least 1.
    steps : int
        Chunks in a vector. At least 1.
    sum_range : (low, high)
        Of the sums ``M``.
    theta_bits : int
        Of a threshold, two's complement. At least 1.
    driven_range : (low, high) or None
        Of the data-dependent sum ``D``, if there is one.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(range(low, high + 1), lanes * groups)))
        ``M``: group ``g`` of output ``s`` of the chunk is element ``s * groups + g``.
    o : Out(stream.Signature(lanes))
        Majority over the groups of ``(u >= theta) ^ flip``, where a tie gives 1. ``u`` is ``M``,
        or ``2 * M - D`` with ``driven_range``.
    driven : In(stream.Signature(range(low, high + 1)))
        ``D``, one for each vector; taken with the last chunk. Only with ``driven_range``.
    rom_addr : Out(range(steps))
        Chunk whose thresholds are wanted in the next cycle; 0 during reset. One bit if ``steps``
        is 1.
    rom_data : In(lanes * groups * (theta_bits + 1))
        For each element of ``i``, the first lowest: the threshold and, above it, the flip.
    """

    def __init__(
        self,
        lanes: int,
        *,
        groups: int,
        steps: int,
        sum_range: tuple[int, int],
        theta_bits: int,
        driven_range: tuple[int, int] | None,
    ) -> None:
        require_int("lanes", lanes)
        require_int("groups", groups)
        require_int("steps", steps)
        require_range("sum_range", sum_range)
        require_int("theta_bits", theta_bits)
        if driven_range is not None:
            require_range("driven_range", driven_range)
        self.lanes = lanes
        self.groups = groups
        self.steps = steps
        self.sum_range = sum_range
        self.theta_bits = theta_bits
        self.driven_range = driven_range
        members = {
            "i": In(stream.Signature(data.ArrayLayout(range_shape(sum_range), lanes * groups))),
            "o": Out(stream.Signature(lanes)),
            "rom_addr": Out(rom_address_shape(steps)),
            "rom_data": In(lanes * groups * (theta_bits + 1)),
        }
        if driven_range is not None:
            members["driven"] = In(stream.Signature(range_shape(driven_range)))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        free = Signal()
        m.d.comb += free.eq(~self.o.valid | self.o.ready)
        offered, moved = take_sums(m, self, self.steps, free)

        votes = Signal(self.lanes * self.groups)
        for n, u in enumerate(u_values(m, self)):
            word = self.rom_data.word_select(n, self.theta_bits + 1)
            m.d.comb += votes[n].eq((u >= word[:-1].as_signed()) ^ word[-1])

        with m.If(free):
            m.d.sync += self.o.valid.eq(offered)
        with m.If(moved):
            m.d.sync += self.o.payload.eq(
                Cat(
                    majority(votes[s * self.groups : (s + 1) * self.groups])
                    for s in range(self.lanes)
                )
            )

        return m
