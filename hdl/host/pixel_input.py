"""From a stream of bytes to activation vectors: where frames begin, end and are refused."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out

from binohm.hdl.arithmetic.popcount import add_up
from binohm.hdl.checks import require_int
from binohm.hdl.host.frame_rules import follow_frames, frame_members
from binohm.hdl.host.pixel_value import check_form, pixel_value, table_members
from binohm.hdl.streams.activations import activations_layout

__all__ = ["PixelInput"]


class PixelInput(wiring.Component):
    """Collect the bytes of an image, one a pixel, and turn each into its value.

    A frame is what ends with ``tlast``. A good one has ``ceil(elements / input_bytes)`` beats with
    all bytes kept, except that the last beat keeps exactly the bytes that remain, the low ones. Any
    other frame is dropped whole, and the next one is taken as if it had not been.

    Latency is 1 cycle from the last beat. Throughput is 1 beat per cycle: the beats of the next
    frame flow while an image waits at the output, up to its last one, where ``tready`` stays low
    until the image is taken. ``tready`` depends on neither ``tvalid`` nor what comes with it.

    Parameters
    ----------
    elements : int
        Pixels of an image. At least 1.
    input_bytes : int
        Width of ``tdata`` in bytes. At least 1.
    bits : int
        Bits of a value.
    form : str
        Value of pixel ``p``. ``identity``: ``p``, 8 bits. ``saturate``: ``min(p, 2**bits - 1)``,
        1 to 8 bits. ``step``: ``(p >= threshold) ^ inverted``, 1 bit. ``table``: looked up outside,
        1 to 16 bits.
    threshold : int
        ``step``: 0 to 256. Else 0.
    inverted : bool
        ``step`` alone.
    sum_range : (low, high) or None
        Range of the sum of all values of an image, which then travels with it. Values are signed,
        two's complement, if ``low`` is negative.

    Members
    -------
    tdata, tkeep, tlast, tvalid, tready
        AXI4-Stream. Element ``k`` is byte ``k % input_bytes`` of beat ``k // input_bytes``.
    o : Out(stream.Signature(activations_layout(elements, bits, sum_range)))
    enable : In(1)
        Low: no new frame begins, the one that has begun is completed.
    started, accepted, error : Out(1)
        High in the cycle of the first beat of a frame, of the last beat of a good one, of the last
        beat of a dropped one.
    too_short, too_long, badly_kept : Out(1)
        One of them with ``error``: :data:`binohm.hdl.host.frame_rules.FAULTS`.
    table_addr_<k>, table_data_<k> : Out(8), In(bits)
        ``table``: pixel and value of byte ``k``, in the same cycle.
    """

    def __init__(
        self,
        elements: int,
        *,
        input_bytes: int,
        bits: int,
        form: str,
        threshold: int = 0,
        inverted: bool = False,
        sum_range: tuple[int, int] | None = None,
    ) -> None:
        require_int("elements", elements)
        require_int("input_bytes", input_bytes)
        check_form(bits, form, threshold, inverted)
        self.elements = elements
        self.input_bytes = input_bytes
        self.bits = bits
        self.form = form
        self.threshold = threshold
        self.inverted = inverted
        self.sum_range = sum_range
        self.beats = -(-elements // input_bytes)
        self.rest = elements - (self.beats - 1) * input_bytes
        members = {
            **frame_members(input_bytes),
            "o": Out(stream.Signature(activations_layout(elements, bits, sum_range))),
            **table_members(bits, form, input_bytes),
        }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        frame = follow_frames(m, self, self.elements, self.input_bytes)
        last, moved, ended = frame.last, frame.moved, frame.ended
        m.d.comb += frame.room.eq(~last | ~self.o.valid | self.o.ready)

        values = [
            pixel_value(m, self, k, self.tdata[8 * k : 8 * (k + 1)])
            for k in range(self.input_bytes)
        ]
        whole = self._collect(m, values, moved)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.accepted):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.p.bits.eq(Cat(plane[: self.elements] for plane in whole)),
            ]
        if self.sum_range is not None:
            total = self._add(m, values, last, moved, ended)
            with m.If(self.accepted):
                m.d.sync += self.o.p.sum.eq(total)

        return m

    def _collect(self, m: Module, values: list[Signal], moved: Signal) -> list[Signal]:
        """Each bit plane of the frame, with its last beat as soon as that is there."""
        planes = []
        for p in range(self.bits):
            width = self.beats * self.input_bytes
            plane = Signal(width, name=f"plane_{p}")
            before = Signal(width - self.input_bytes, name=f"before_{p}", reset_less=True)
            m.d.comb += plane.eq(Cat(before, *(value[p] for value in values)))
            with m.If(moved):
                m.d.sync += before.eq(plane[self.input_bytes :])
            planes.append(plane)
        return planes

    def _add(
        self, m: Module, values: list[Signal], last: Signal, moved: Signal, ended: Signal
    ) -> Signal:
        """Sum of the frame's values, with its last beat as soon as that is there."""
        low, high = self.sum_range
        earlier = Signal(range(low, high + 1))
        total = Signal(range(low, high + 1))
        terms: list[Value] = []
        for k, value in enumerate(values):
            term = value.as_signed() if low < 0 else value
            terms.append(Mux(last, 0, term) if k >= self.rest else term)
        m.d.comb += total.eq(earlier + add_up(terms))
        with m.If(ended):
            m.d.sync += earlier.eq(0)
        with m.Elif(moved):
            m.d.sync += earlier.eq(total)
        return total
