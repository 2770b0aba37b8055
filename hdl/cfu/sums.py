"""From matches to sums, and from sums to bits."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import popcount
from binohm.hdl.cfu.functions import WORD, UnitSpec
from binohm.hdl.cfu.lookup import present

__all__ = ["Sums"]


class Sums(wiring.Component):
    """Add up the products of kernels and windows, position by position.

    The responses of the macro belong to positions 0 to ``positions - 1`` in turn. Each adds
    ``2 * matches - present`` to the sum of its position, which wraps; so a sum is that of the
    products of -1 and +1, where a pixel outside the image is 0. Latency is 1 cycle, throughput 1
    response per cycle.

    Parameters
    ----------
    spec : UnitSpec

    Members
    -------
    matches : In(stream.Signature(width))
        Always ready.
    asked : In(1)
        A comparison leaves in this cycle.
    room : Out(1)
        Another one may.
    busy : Out(1)
        A response has not come.
    rows_present, columns_present : In
        Not to be changed while busy.
    clear : In(1)
        All sums are 0 from the next cycle on.
    add : In(1)
        Adds ``value`` to the sum of ``position``. Not while busy.
    position : In(range(positions))
    value : In(signed 32)
        What is added, or the threshold.
    sum : Out
        That of ``position``. Not while busy.
    bits : Out(positions)
        Bit p: the sum of position p is ``value`` or more.
    """

    def __init__(self, spec: UnitSpec) -> None:
        self.spec = spec
        super().__init__({
            "matches": In(stream.Signature(spec.width)),
            "asked": In(1),
            "room": Out(1),
            "busy": Out(1),
            "rows_present": In(spec.rows),
            "columns_present": In(spec.patch_columns),
            "clear": In(1),
            "add": In(1),
            "position": In(range(max(spec.positions, 2))),
            "value": In(WORD),
            "sum": Out(spec.accumulator),
            "bits": Out(spec.positions),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        came = self.matches.valid
        waiting = Signal(4)
        m.d.comb += [
            self.matches.ready.eq(1),
            self.busy.eq(waiting != 0),
            self.room.eq(~waiting.all()),
        ]
        m.d.sync += waiting.eq(waiting + self.asked - came)

        turn, place = Signal.like(self.position, name="turn"), Signal.like(self.position)
        with m.If(came):
            m.d.sync += turn.eq(Mux(turn == spec.positions - 1, 0, turn + 1))
        m.d.comb += place.eq(Mux(came, turn, self.position))

        sums = [Signal(spec.accumulator, name=f"sum_{p}") for p in range(spec.positions)]
        inside, chosen = Signal(spec.width), Signal(spec.accumulator)
        with m.Switch(place):
            for p in range(spec.positions):
                with m.Default() if p == spec.positions - 1 else m.Case(p):
                    m.d.comb += [
                        inside.eq(present(spec, self.rows_present, self.columns_present, p)),
                        chosen.eq(sums[p]),
                    ]
        product = (popcount(self.matches.payload) << 1) - popcount(inside)
        total = Signal(spec.accumulator)
        m.d.comb += [
            total.eq(chosen + Mux(came, product, self.value.as_signed())),
            self.sum.eq(chosen),
            self.bits.eq(Cat(self._reaches(value) for value in sums)),
        ]
        for p, value in enumerate(sums):
            with m.If(self.clear):
                m.d.sync += value.eq(0)
            with m.Elif((came | self.add) & (place == p)):
                m.d.sync += value.eq(total)
        return m

    def _reaches(self, value: Signal) -> Value:
        """Whether a sum reaches the threshold, which may be out of the range of sums."""
        threshold, top = self.value, len(value) - 1
        if len(value) == WORD:
            return value >= threshold.as_signed()
        high = threshold[top:]
        return Mux(
            high.all() | ~high.any(), value >= threshold[: top + 1].as_signed(), threshold[-1]
        )
