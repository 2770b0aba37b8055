"""From results to bytes of a serial line."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.board.command_receiver import ESCAPE, ESCAPED, PACKET_END, Fault
from binohm.hdl.board.crc import crc16
from binohm.hdl.checks import require_int

__all__ = ["Reply", "ReplySender"]


class Reply(enum.IntEnum, shape=8):
    """First byte of a packet from the board."""

    RESULT = 0x52
    IDENTITY = 0x49
    ERROR = 0x45


class ReplySender(wiring.Component):
    """Send results, our identity and faults as packets.

    A packet is a :class:`Reply`, a tag, what it says, and the check, framed and escaped as at
    :class:`binohm.hdl.board.command_receiver.CommandReceiver`, with a ``PACKET_END`` on both sides.
    Numbers are 32 bits, little-endian.

    - ``RESULT``: the tag of the image; the cycles from the transfer of its last beat to the first
      cycle in which a beat of the result is offered; the bytes of the result.
    - ``IDENTITY``: the tag of the question; the build's identity, the pixels of an image, the bytes
      of a result.
    - ``ERROR``: tag 0; the :class:`binohm.hdl.board.command_receiver.Fault`, a byte. Of several
      that wait, the last one is sent.

    Throughput is that of the line, but for a cycle between two bytes.

    Parameters
    ----------
    build_id : int
        32 bits.
    elements, result_bytes : int
        At least 1.
    output_bytes : int
        Width of ``tdata`` in bytes. At least 1.

    Members
    -------
    image, identify, tag, image_tag, fault : In
        From the command receiver.
    busy : Out(1)
        High from the transfer of the last beat of an image to the end of its reply.
    tdata, tkeep, tlast, tvalid, tready
        AXI4-Stream; the bytes kept of a beat are the lowest ones, at least one.
    o : Out(stream.Signature(8))
    """

    def __init__(
        self, *, build_id: int, elements: int, result_bytes: int, output_bytes: int
    ) -> None:
        require_int("build_id", build_id, least=0)
        require_int("elements", elements)
        require_int("result_bytes", result_bytes)
        require_int("output_bytes", output_bytes)
        self.build_id = build_id
        self.elements = elements
        self.result_bytes = result_bytes
        self.output_bytes = output_bytes
        super().__init__({
            "image": In(1),
            "identify": In(1),
            "tag": In(8),
            "image_tag": In(8),
            "fault": In(Fault),
            "busy": Out(1),
            "tdata": In(8 * output_bytes),
            "tkeep": In(output_bytes),
            "tlast": In(1),
            "tvalid": In(1),
            "tready": Out(1),
            "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        # What waits to be said.
        asked, asked_tag = Signal(), Signal(8)
        failed = Signal(Fault)
        counting, cycles = Signal(), Signal(32)
        with m.If(self.identify):
            m.d.sync += [asked.eq(1), asked_tag.eq(self.tag)]
        with m.If(self.fault != Fault.NONE):
            m.d.sync += failed.eq(self.fault)
        with m.If(self.image):
            m.d.sync += [self.busy.eq(1), counting.eq(1), cycles.eq(1)]
        with m.Elif(counting & self.tvalid):
            m.d.sync += counting.eq(0)
        with m.Elif(counting):
            m.d.sync += cycles.eq(cycles + 1)

        # A byte of a packet waits in a register; there it is escaped, and counts for the check.
        plain, plain_valid, plain_sent = Signal(8), Signal(), Signal()
        waiting, full = Signal(8), Signal()
        check = Signal(16)
        m.d.comb += plain_sent.eq(plain_valid & ~full)
        with m.If(plain_sent):
            m.d.sync += [waiting.eq(plain), full.eq(1), check.eq(crc16(check, plain))]

        head = Signal(14 * 8)
        rest = Signal(range(15))
        resulting = Signal()
        sent, end = Signal(), Signal()
        m.d.comb += sent.eq(self.o.valid & self.o.ready)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += check.eq(0xFFFF)
                with m.If(failed != Fault.NONE):
                    self._load(m, head, rest, Reply.ERROR, Const(0, 8), Cat(failed, Const(0, 5)))
                    m.d.sync += [failed.eq(self.fault), resulting.eq(0)]
                    m.next = "BEGIN"
                with m.Elif(asked):
                    facts = [self.build_id, self.elements, self.result_bytes]
                    words = Cat(Const(fact, 32) for fact in facts)
                    self._load(m, head, rest, Reply.IDENTITY, asked_tag, words)
                    m.d.sync += [asked.eq(self.identify), resulting.eq(0)]
                    m.next = "BEGIN"
                with m.Elif(self.busy & ~counting & self.tvalid):
                    self._load(m, head, rest, Reply.RESULT, self.image_tag, cycles)
                    m.d.sync += resulting.eq(1)
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += end.eq(1)
                with m.If(sent):
                    m.next = "HEAD"
            with m.State("HEAD"):
                m.d.comb += [plain_valid.eq(1), plain.eq(head[:8])]
                with m.If(plain_sent):
                    m.d.sync += [head.eq(head >> 8), rest.eq(rest - 1)]
                    with m.If(rest == 1):
                        m.next = "BODY"
            with m.State("BODY"):
                with m.If(resulting):
                    self._body(m, plain, plain_valid, plain_sent, resulting)
                with m.Else():
                    m.d.sync += [head.eq(Cat(check[8:], check[:8])), rest.eq(2)]
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += [plain_valid.eq(1), plain.eq(head[:8])]
                with m.If(plain_sent):
                    m.d.sync += [head.eq(head >> 8), rest.eq(rest - 1)]
                    with m.If(rest == 1):
                        m.next = "END"
            with m.State("END"):
                m.d.comb += end.eq(1)
                with m.If(sent & ~full):
                    m.next = "IDLE"
        self._escape(m, waiting, full, end)
        return m

    def _load(
        self, m: Module, head: Signal, rest: Signal, kind: Reply, tag: Value, what: Value
    ) -> None:
        """Begin a packet with these."""
        m.d.sync += [head.eq(Cat(Const(kind, 8), tag, what)), rest.eq(2 + len(what) // 8)]

    def _body(
        self, m: Module, plain: Signal, valid: Signal, sent: Signal, resulting: Signal
    ) -> None:
        """The kept bytes of the beats of a result; the last one ends it."""
        lane = Signal(range(self.output_bytes))
        following = Cat(self.tkeep[1:], Const(0, 1))
        ends = ~following.bit_select(lane, 1).any()
        m.d.comb += [
            plain.eq(self.tdata.word_select(lane, 8)),
            valid.eq(self.tvalid),
            self.tready.eq(sent & ends),
        ]
        with m.If(sent):
            m.d.sync += lane.eq(Mux(ends, 0, lane + 1))
            with m.If(ends & self.tlast):
                m.d.sync += [resulting.eq(0), self.busy.eq(0)]

    def _escape(self, m: Module, byte: Signal, full: Signal, end: Signal) -> None:
        """Put ``byte`` on the line, in two bytes where it needs them, else an end if it is due."""
        second, special = Signal(), Signal()
        m.d.comb += [
            special.eq((byte == PACKET_END) | (byte == ESCAPE)),
            self.o.valid.eq(full | end),
        ]
        with m.If(~full):
            m.d.comb += self.o.payload.eq(PACKET_END)
        with m.Elif(second):
            m.d.comb += self.o.payload.eq(Mux(byte == ESCAPE, ESCAPED[ESCAPE], ESCAPED[PACKET_END]))
        with m.Else():
            m.d.comb += self.o.payload.eq(Mux(special, ESCAPE, byte))
        with m.If(full & self.o.ready):
            m.d.sync += [second.eq(special & ~second), full.eq(special & ~second)]
