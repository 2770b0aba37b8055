"""Whole frames, kept until they are wanted."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Out

from binohm.hdl.checks import require_int
from binohm.hdl.host.frame_rules import follow_frames, frame_members
from binohm.hdl.streams.walk import walk

__all__ = ["FrameMemory"]


class FrameMemory(wiring.Component):
    """Store the beats of frames, and give those of good ones away, each frame without a gap.

    Which frames are good is said at :func:`binohm.hdl.host.frame_rules.follow_frames`; of any other
    nothing is ever seen. There is room for two frames.

    Latency is 2 cycles from the last beat of a frame to its first word. Throughput is 1 beat per
    cycle; ``tready`` depends on neither ``tvalid`` nor what comes with it.

    Parameters
    ----------
    elements : int
        Bytes of a good frame. At least 1.
    input_bytes : int
        Width of ``tdata`` in bytes. At least 1.

    Members
    -------
    tdata, tkeep, tlast, tvalid, tready
        AXI4-Stream.
    o : Out(stream.Signature(8 * input_bytes))
        ``tdata`` of each beat of a good frame.
    enable : In(1)
        Low: no new frame begins, the one that has begun is completed.
    started, accepted, error : Out(1)
        High in the cycle of the first beat of a frame, of the last beat of a good one, of the last
        beat of a dropped one.
    too_short, too_long, badly_kept : Out(1)
        One of them with ``error``: :data:`binohm.hdl.host.frame_rules.FAULTS`.
    """

    def __init__(self, elements: int, *, input_bytes: int) -> None:
        require_int("elements", elements)
        require_int("input_bytes", input_bytes)
        self.elements = elements
        self.input_bytes = input_bytes
        self.beats = -(-elements // input_bytes)
        super().__init__({
            **frame_members(input_bytes),
            "o": Out(stream.Signature(8 * input_bytes)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        frame = follow_frames(m, self, self.elements, self.input_bytes)
        words = 2 * self.beats
        m.submodules.words = memory = Memory(shape=8 * self.input_bytes, depth=words, init=[])
        write, read = memory.write_port(), memory.read_port()

        # A frame begins in the other half than the one before, if that was good.
        upper = Signal()
        whole = Signal(range(words + 1))  # words of good frames that have not been read
        m.d.comb += [
            frame.room.eq(whole + frame.beat < words),
            write.addr.eq(Mux(upper, frame.beat + self.beats, frame.beat)),
            write.data.eq(self.tdata),
            write.en.eq(frame.moved & ~frame.dropped),
        ]
        m.d.sync += upper.eq(upper ^ self.accepted)

        free = Signal()
        fetched = Signal()
        place, _, _ = walk(m, words, fetched, name="place")
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            fetched.eq(free & (whole != 0)),
            read.addr.eq(place),
            read.en.eq(free),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += whole.eq(whole + Mux(self.accepted, self.beats, 0) - fetched)
        with m.If(free):
            m.d.sync += self.o.valid.eq(fetched)

        return m
