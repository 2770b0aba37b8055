"""From bytes of a serial line to frames of pixels."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.board.crc import crc16
from binohm.hdl.checks import require_int

__all__ = ["ESCAPE", "ESCAPED", "PACKET_END", "Command", "CommandReceiver", "Fault"]

PACKET_END = 0xC0
ESCAPE = 0xDB
ESCAPED = {PACKET_END: 0xDC, ESCAPE: 0xDD}
"""As in SLIP (RFC 1055): the end of a packet is a byte that occurs nowhere else."""


class Command(enum.IntEnum, shape=8):
    """First byte of a packet to the board."""

    IMAGE = 0x49
    IDENTIFY = 0x51


class Fault(enum.IntEnum, shape=3):
    """Why a packet was dropped: the first thing that was wrong with it."""

    NONE = 0
    FRAMING = 1  # a stop bit was missing
    ESCAPE = 2  # an escape of nothing
    COMMAND = 3  # no such command
    LENGTH = 4  # too few bytes or too many
    CHECK = 5
    BUSY = 6  # another image is inside


class CommandReceiver(wiring.Component):
    """Take packets, and give the pixels of images on as frames of a stream.

    A packet is a command, a tag, the pixels of an image if the command is one, and the check
    (:func:`binohm.hdl.board.crc.crc16`, high byte first). It ends with :data:`PACKET_END`, which
    may precede it as well; in it, that byte and :data:`ESCAPE` are escaped. Whatever was wrong with
    a packet, it ends there, and the next one is taken as if it had not been.

    Pixels go on as they come. The last beat waits for the check: if that is wrong, a beat with
    ``tlast`` and no ``tkeep`` makes the frame one that the accelerator drops. Only one image can
    be inside at a time.

    Throughput is that of the line. A beat may wait as long as the next one takes to come.

    Parameters
    ----------
    elements : int
        Pixels of an image. At least 1.
    input_bytes : int
        Width of ``tdata`` in bytes. At least 1.

    Members
    -------
    byte, received, error : In
        From :class:`binohm.hdl.board.uart_receiver.UartReceiver`.
    tdata, tkeep, tlast, tvalid, tready
        AXI4-Stream.
    busy : In(1)
        An image is inside: another one is dropped.
    image : Out(1)
        High for one cycle: the last beat of a good image is taken.
    image_tag : Out(8)
        Of that image, until the next good one.
    identify : Out(1)
        High for one cycle: a good packet asks who we are, and ``tag`` is its tag.
    tag : Out(8)
    fault : Out(Fault)
        For one cycle at the end of a packet that is dropped; else ``NONE``.
    """

    def __init__(self, elements: int, *, input_bytes: int) -> None:
        require_int("elements", elements)
        require_int("input_bytes", input_bytes)
        self.elements = elements
        self.input_bytes = input_bytes
        super().__init__({
            "byte": In(8),
            "received": In(1),
            "error": In(1),
            "tdata": Out(8 * input_bytes),
            "tkeep": Out(input_bytes),
            "tlast": Out(1),
            "tvalid": Out(1),
            "tready": In(1),
            "busy": In(1),
            "image": Out(1),
            "identify": Out(1),
            "tag": Out(8),
            "image_tag": Out(8),
            "fault": Out(Fault),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ended, taken, byte, wrong = self._unescape(m)

        # Where a byte stands in its packet: command, tag, pixels, two bytes of check.
        longest = self.elements + 4
        place = Signal(range(longest + 1))
        asks = Signal()  # for our identity; otherwise an image
        tag = Signal(8)
        check = Signal(16, init=0xFFFF)
        with m.If(taken):
            m.d.sync += check.eq(crc16(check, byte))
            with m.If(place != longest):
                m.d.sync += place.eq(place + 1)
            with m.If(place == 0):
                m.d.sync += asks.eq(byte == Command.IDENTIFY)
            with m.If(place == 1):
                m.d.sync += tag.eq(byte)

        # The first fault of a packet is its fault.
        bad, fault = Signal(Fault), Signal(Fault)
        closing, crowded, inside, good, pixel = (
            Signal(name=n) for n in ("closing", "crowded", "inside", "good", "pixel")
        )
        known = (byte == Command.IDENTIFY) | (byte == Command.IMAGE)
        with m.If(bad != 0):
            m.d.comb += fault.eq(bad)
        with m.Elif(wrong != 0):
            m.d.comb += fault.eq(wrong)
        with m.Elif(taken):
            with m.If((place == 0) & ~known):
                m.d.comb += fault.eq(Fault.COMMAND)
            with m.Elif((place == 1) & ~asks & inside):
                m.d.comb += fault.eq(Fault.BUSY)
            with m.Elif((place == longest) | (asks & (place == 4))):
                m.d.comb += fault.eq(Fault.LENGTH)
            with m.Elif(crowded):
                m.d.comb += fault.eq(Fault.BUSY)
        with m.Elif(ended & (place != 0)):
            with m.If(place != Mux(asks, 4, longest)):
                m.d.comb += fault.eq(Fault.LENGTH)
            with m.Elif(check != 0):
                m.d.comb += fault.eq(Fault.CHECK)
        m.d.comb += [
            good.eq(ended & (place != 0) & (fault == 0)),
            inside.eq(self.busy | closing | (self.tvalid & self.tlast)),
            self.identify.eq(good & asks),
            self.tag.eq(tag),
            pixel.eq(taken & ~asks & (bad == 0) & (place >= 2) & (place < self.elements + 2)),
        ]
        m.d.sync += bad.eq(fault)
        with m.If(ended):
            m.d.comb += self.fault.eq(fault)
            m.d.sync += [place.eq(0), bad.eq(0), check.eq(check.init), asks.eq(0)]
        with m.If(good & ~asks):
            m.d.sync += self.image_tag.eq(tag)

        last = Signal()
        m.d.comb += last.eq(place == self.elements + 1)
        self._beats(m, pixel, byte, last, ended, good & ~asks, closing, crowded)
        return m

    def _unescape(self, m: Module) -> tuple[Signal, Signal, Signal, Signal]:
        """End of a packet, a byte of it is there, the byte, a fault below packets."""
        escaped, ended, taken = (Signal(name=n) for n in ("escaped", "ended", "taken"))
        byte, wrong = Signal(8), Signal(Fault)
        with m.If(self.error):
            m.d.comb += wrong.eq(Fault.FRAMING)
        with m.If(self.received):
            m.d.sync += escaped.eq(~escaped & (self.byte == ESCAPE))
            m.d.comb += [
                ended.eq(self.byte == PACKET_END),
                taken.eq(~ended & (escaped | (self.byte != ESCAPE))),
                byte.eq(self.byte),
            ]
            with m.If(escaped & ~ended):
                for plain, code in ESCAPED.items():
                    with m.If(self.byte == code):
                        m.d.comb += byte.eq(plain)
            codes = [self.byte == code for code in ESCAPED.values()]
            with m.If(escaped & ~(codes[0] | codes[1])):
                m.d.comb += wrong.eq(Fault.ESCAPE)
        return ended, taken, byte, wrong

    def _beats(
        self,
        m: Module,
        pixel: Signal,
        byte: Signal,
        last: Signal,
        ended: Signal,
        good: Value,
        closing: Signal,
        crowded: Signal,
    ) -> None:
        """Pixels to beats. The last one waits for what the packet turns out to be.

        Drives ``closing``: it is not on offer yet; and ``crowded``: a beat is complete while the
        one before it waits.
        """
        width = self.input_bytes
        rest = (self.elements - 1) % width + 1
        lane = Signal(range(width))
        word = Signal(8 * width, reset_less=True)
        begun = Signal()  # a beat of the frame has gone on
        whole, broken, free, full = (Signal(name=n) for n in ("whole", "broken", "free", "full"))
        m.d.comb += [
            free.eq(~self.tvalid | self.tready),
            full.eq(pixel & ~last & (lane == width - 1)),
            closing.eq(whole | broken),
            crowded.eq(full & (~free | closing)),
            self.image.eq(self.tvalid & self.tready & self.tlast & self.tkeep[0]),
        ]
        with m.If(free):
            m.d.sync += self.tvalid.eq(closing | full)
            with m.If(closing):
                m.d.sync += [
                    self.tdata.eq(word),
                    self.tlast.eq(1),
                    self.tkeep.eq(Mux(whole, (1 << rest) - 1, 0)),
                    whole.eq(0),
                    broken.eq(0),
                ]
            with m.Elif(full):
                m.d.sync += [
                    self.tdata.eq(Cat(word[: 8 * (width - 1)], byte)),
                    self.tlast.eq(0),
                    self.tkeep.eq(Const((1 << width) - 1, width)),
                    begun.eq(1),
                ]
        with m.If(pixel):
            m.d.sync += [
                word.word_select(lane, 8).eq(byte),
                lane.eq(Mux(lane == width - 1, 0, lane + 1)),
            ]
        with m.If(ended):
            m.d.sync += [lane.eq(0), begun.eq(0), whole.eq(good), broken.eq(begun & ~good)]
