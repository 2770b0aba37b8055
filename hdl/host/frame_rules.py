"""Where frames begin, end and are refused, without a component of its own."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

__all__ = ["FAULTS", "Frame", "follow_frames", "frame_members"]

FAULTS = ("too_short", "too_long", "badly_kept")
"""What a malformed frame may be, by the first of its beats that no good frame has there: it ends
the frame too early, or does not end it, or has another TKEEP. One of them is high with ``error``.
"""


class Frame(NamedTuple):
    """The frame on the way.

    Attributes
    ----------
    beat : Signal
        Number of the beat on offer, which stays at the last one of a good frame.
    last : Signal
        It is the last one of a good frame.
    dropped : Signal
        The frame is known to be malformed.
    moved, ended : Signal
        A beat is taken in this cycle; it ends the frame.
    room : Signal
        To be driven: whether a beat of a frame that may be good can be taken.
    """

    beat: Signal
    last: Signal
    dropped: Signal
    moved: Signal
    ended: Signal
    room: Signal


def frame_members(input_bytes: int) -> dict[str, Any]:
    """Ports of a component that takes frames."""
    return {
        "tdata": In(8 * input_bytes),
        "tkeep": In(input_bytes),
        "tlast": In(1),
        "tvalid": In(1),
        "tready": Out(1),
        "enable": In(1),
        "started": Out(1),
        "accepted": Out(1),
        "error": Out(1),
        **{fault: Out(1) for fault in FAULTS},
    }


def follow_frames(m: Module, part: Any, elements: int, input_bytes: int) -> Frame:
    """Follow the frames at the ports of ``part``, and drive all its outputs of that kind.

    A frame is what ends with ``tlast``. A good one has ``ceil(elements / input_bytes)`` beats with
    all bytes kept, except that the last beat keeps exactly the bytes that remain, the low ones. Any
    other frame is malformed. No frame begins while ``enable`` is low.
    """
    beats = -(-elements // input_bytes)
    begun = Signal()
    dropped = Signal()
    beat = Signal(range(beats))
    last, kept, good, moved, ended, room = (
        Signal(name=n) for n in ("last", "kept", "good", "moved", "ended", "room")
    )
    before = Signal(len(FAULTS), name="fault_before")
    full: Value = Const((1 << input_bytes) - 1, input_bytes)
    rest = Const((1 << elements - (beats - 1) * input_bytes) - 1, input_bytes)
    m.d.comb += [
        last.eq(beat == beats - 1),
        kept.eq(part.tkeep == Mux(last, rest, full)),
        good.eq(~dropped & (part.tlast == last) & kept),
        part.tready.eq((part.enable | begun) & (dropped | room)),
        moved.eq(part.tvalid & part.tready),
        ended.eq(moved & part.tlast),
        part.started.eq(moved & ~begun),
        part.accepted.eq(ended & good),
        part.error.eq(ended & ~good),
    ]
    here = Cat(part.tlast & ~last, last & ~part.tlast, (part.tlast == last) & ~kept)
    fault = Mux(dropped, before, here)
    m.d.comb += Cat(getattr(part, name) for name in FAULTS).eq(Mux(ended, fault, 0))
    with m.If(moved):
        m.d.sync += before.eq(fault)
    with m.If(ended):
        m.d.sync += [begun.eq(0), dropped.eq(0), beat.eq(0)]
    with m.Elif(moved):
        m.d.sync += [begun.eq(1), dropped.eq(~good)]
        with m.If(~last):
            m.d.sync += beat.eq(beat + 1)
    return Frame(beat, last, dropped, moved, ended, room)
