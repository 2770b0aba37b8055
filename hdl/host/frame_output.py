"""From results to a stream of bytes."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.scores import scores_layout
from binohm.hdl.checks import require_bool, require_int

__all__ = ["FrameOutput"]


class FrameOutput(wiring.Component):
    """Send each result as a frame of 32-bit little-endian words: the class, then the scores.

    ``tkeep`` is full but in the last beat, which keeps the bytes that remain; ``tlast`` marks it.

    Latency is 1 cycle to the first beat. Throughput is 1 beat per cycle, without a bubble between
    frames: the next result is accepted in the cycle of the last beat.

    Parameters
    ----------
    classes : int
        At least 1.
    output_bytes : int
        Width of ``tdata`` in bytes. At least 1.
    scores : bool
        Whether the scores follow the class.

    Members
    -------
    i : In(stream.Signature(scores_layout(classes)))
    tdata, tkeep, tlast, tvalid, tready
        AXI4-Stream. Bytes that are not kept are 0.
    done : Out(1)
        High in the cycle in which the last beat of a frame is taken.
    """

    def __init__(self, classes: int, *, output_bytes: int, scores: bool) -> None:
        require_int("classes", classes)
        require_int("output_bytes", output_bytes)
        require_bool("scores", scores)
        self.classes = classes
        self.output_bytes = output_bytes
        self.scores = scores
        self.bytes = 4 * (1 + classes * scores)
        self.beats = -(-self.bytes // output_bytes)
        super().__init__({
            "i": In(stream.Signature(scores_layout(classes))),
            "tdata": Out(8 * output_bytes),
            "tkeep": Out(output_bytes),
            "tlast": Out(1),
            "tvalid": Out(1),
            "tready": In(1),
            "done": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        words = [self.i.p.best, Const(0, 32 - len(self.i.p.best))]
        if self.scores:
            words += [self.i.p.scores.as_value()]
        frame = Signal(8 * self.beats * self.output_bytes, reset_less=True)
        beat = Signal(range(self.beats))
        m.d.comb += [
            self.tdata.eq(frame),
            self.tlast.eq(beat == self.beats - 1),
            self.tkeep.eq(Const(-1, self.output_bytes)),
            self.done.eq(self.tvalid & self.tready & self.tlast),
            self.i.ready.eq(~self.tvalid | (self.tready & self.tlast)),
        ]
        rest = self.bytes - (self.beats - 1) * self.output_bytes
        with m.If(self.tlast):
            m.d.comb += self.tkeep.eq((1 << rest) - 1)

        with m.If(self.i.ready):
            m.d.sync += [self.tvalid.eq(self.i.valid), frame.eq(Cat(*words)), beat.eq(0)]
        with m.Elif(self.tready):
            m.d.sync += [frame.eq(frame >> 8 * self.output_bytes), beat.eq(beat + 1)]

        return m
