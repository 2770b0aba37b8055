"""Bench for ``frame_memory``: the beats of good frames come out, all others vanish.

A beat on stream ``i`` is TDATA, above it TKEEP, above it TLAST.
"""

from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from binohm.sim.bench import Sent, compare, fact, moves, record, under_stalls
from binohm.sim.benches.pixel_input import Beat, toggle
from binohm.sim.benches.pixel_input import Case as Frames


class Case(Frames):
    """Frames of random bytes, some of them malformed."""

    def __init__(self) -> None:
        self.elements, self.bytes = fact("elements"), fact("input_bytes")
        self.beats = -(-self.elements // self.bytes)
        rest = self.elements - (self.beats - 1) * self.bytes
        self.keeps = [(1 << self.bytes) - 1] * (self.beats - 1) + [(1 << rest) - 1]

    def golden(self, sent: Sent) -> Sequence[int]:
        """Words of the frames that are as long as they should be, to the byte."""
        words: list[int] = []
        frame: list[Beat] = []
        for payload in sent["i"]:
            frame.append(self.beat(payload))
            if frame[-1].last:
                if [beat.keep for beat in frame] == self.keeps:
                    words += [beat.data for beat in frame]
                frame = []
        return words


async def watch(dut: Any, case: Case) -> None:
    """Check in every cycle what is ready, what is valid, and which event is told."""
    frame: list[Beat] = []
    waiting, whole = False, 0
    while True:
        await RisingEdge(dut.clk)
        await ReadOnly()
        if dut.rst.value:
            frame, waiting, whole = [], False, 0
            continue
        keeps = [*case.keeps, *[0] * len(frame)]
        wrong = any(beat.keep != keep for beat, keep in zip(frame, keeps, strict=False))
        doomed = wrong or len(frame) >= case.beats
        may_begin = bool(frame) or bool(dut.enable.value)
        room = whole + len(frame) < 2 * case.beats
        assert dut.i__ready.value == (may_begin and (doomed or room))
        assert dut.o__valid.value == waiting
        moved = dut.i__valid.value and dut.i__ready.value
        beat = case.beat(int(dut.i__payload.value)) if moved else None
        if beat:
            frame.append(beat)
        ended = bool(beat and beat.last)
        good = ended and [b.keep for b in frame] == case.keeps
        assert dut.started.value == (beat is not None and len(frame) == 1)
        assert dut.accepted.value == good
        assert dut.error.value == (ended and not good)
        if not waiting or dut.o__ready.value:
            waiting = whole > 0
            whole -= waiting
        whole += case.beats * good
        if ended:
            frame = []


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def malformed_frames_vanish(dut: Any, source_odds: float, sink_odds: float) -> None:
    """A third of the frames is malformed."""
    dut.enable.value = 1
    case = Case()
    sent = {"i": [case.payload(beat) for beat in case.frames(0.33)]}
    cocotb.start_soon(watch(dut, case))
    cycles = await record(dut, sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, sent, case.golden)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_beat_per_cycle(dut: Any) -> None:
    """Frames back to back, without a bubble; words from the second cycle after the last beat."""
    dut.enable.value = 1
    case = Case()
    sent = {"i": [case.payload(beat) for beat in case.frames(0.0)]}
    cycles = await record(dut, sent)
    first, count = moves(cycles, "i")[0], len(sent["i"])
    assert moves(cycles, "i") == list(range(first, first + count))
    start = first + case.beats + 1
    assert moves(cycles, "o") == list(range(start, start + count))


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """What is left of a frame after reset is a frame that is too short."""
    dut.enable.value = 1
    case = Case()
    sent = {"i": [case.payload(beat) for beat in case.frames(0.2)]}
    cocotb.start_soon(watch(dut, case))
    cycles = await record(dut, sent, source_odds=0.8, sink_odds=0.5, resets=8)
    compare(cycles, sent, case.golden)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def frames_wait_for_enable(dut: Any) -> None:
    """Nothing begins while ``enable`` is low, and nothing is lost."""
    case = Case()
    sent = {"i": [case.payload(beat) for beat in case.frames(0.2)]}
    cocotb.start_soon(toggle(dut))
    cocotb.start_soon(watch(dut, case))
    cycles = await record(dut, sent, source_odds=0.8, sink_odds=0.8, quiet=300)
    compare(cycles, sent, case.golden)
