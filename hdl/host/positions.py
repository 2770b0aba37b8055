"""From the bytes of an image to its positions."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int
from binohm.hdl.host.pixel_value import check_form, pixel_value, table_members
from binohm.hdl.streams.activations import activations_layout
from binohm.hdl.streams.walk import walk

__all__ = ["Positions"]


class Positions(wiring.Component):
    """Cut the words of an image into positions, and turn the bytes of each into values.

    An image is ``positions * channels`` bytes in as few words as hold them; what the last word has
    too many is ignored.

    Latency is 1 cycle. Throughput is 1 position per cycle, or 1 word per cycle where a position
    takes more than one, without a bubble between images.

    Parameters
    ----------
    channels : int
        Bytes of a position. At least 1.
    positions : int
        Of an image. At least 1.
    input_bytes : int
        Bytes of a word. At least 1.
    bits, form, threshold, inverted
        See :func:`binohm.hdl.host.pixel_value.check_form`.

    Members
    -------
    i : In(stream.Signature(8 * input_bytes))
        The first byte is the lowest.
    o : Out(stream.Signature(activations_layout(channels, bits)))
    table_addr_<k>, table_data_<k> : Out(8), In(bits)
        ``table``: byte and value of channel ``k``, in the same cycle.
    """

    def __init__(
        self,
        channels: int,
        *,
        positions: int,
        input_bytes: int,
        bits: int,
        form: str,
        threshold: int = 0,
        inverted: bool = False,
    ) -> None:
        require_int("channels", channels)
        require_int("positions", positions)
        require_int("input_bytes", input_bytes)
        check_form(bits, form, threshold, inverted)
        self.channels = channels
        self.positions = positions
        self.input_bytes = input_bytes
        self.bits = bits
        self.form = form
        self.threshold = threshold
        self.inverted = inverted
        super().__init__({
            "i": In(stream.Signature(8 * input_bytes)),
            "o": Out(stream.Signature(activations_layout(channels, bits))),
            **table_members(bits, form, channels),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        # Fewer bytes than a position are left when a word is taken, and none of another image.
        held = Signal(8 * (self.channels - 1 + self.input_bytes), reset_less=True)
        have = Signal(range(self.channels + self.input_bytes))
        moved = Signal()
        came = Signal()
        _, last, _ = walk(m, self.positions, moved, name="position")
        left = Signal.like(have)
        rest = Signal.like(held)
        m.d.comb += [
            self.o.valid.eq(have >= self.channels),
            moved.eq(self.o.valid & self.o.ready),
            left.eq(Mux(moved, Mux(last, 0, have - self.channels), have)),
            rest.eq(Mux(moved, held >> 8 * self.channels, held)),
            self.i.ready.eq(left < self.channels),
            came.eq(self.i.valid & self.i.ready),
        ]
        # A byte of the word lands above those that are left.
        word: Value = self.i.payload
        landed = Signal.like(held)
        m.d.comb += landed.eq(rest)
        with m.Switch(left):
            for count in range(self.channels):
                with m.Case(count):
                    m.d.comb += landed.eq(Cat(rest[: 8 * count], word))
        with m.If(came):
            m.d.sync += [held.eq(landed), have.eq(left + self.input_bytes)]
        with m.Else():
            m.d.sync += [held.eq(rest), have.eq(left)]

        values = [pixel_value(m, self, k, held[8 * k : 8 * (k + 1)]) for k in range(self.channels)]
        m.d.comb += self.o.p.bits.eq(Cat(value[p] for p in range(self.bits) for value in values))
        return m
