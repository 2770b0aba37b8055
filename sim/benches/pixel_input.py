"""Bench for ``pixel_input``: good frames become images, all others vanish, whatever they look like.

A beat on stream ``i`` is TDATA, above it TKEEP, above it TLAST.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from numpy.typing import NDArray

from binohm.sim.bench import Sent, compare, fact, moves, pack, record, under_stalls, unpack

BEATS = 200
FAULTS = ("short", "shortest", "long", "longest", "bytes", "hole", "full", "none")


@dataclass(frozen=True)
class Beat:
    """One transfer on the bus."""

    data: int
    keep: int
    last: bool


class Case:
    """Frames of random pixels, some of them malformed."""

    def __init__(self, dut: Any) -> None:
        self.elements: int = fact("elements")
        self.bytes: int = fact("input_bytes")
        self.bits: int = fact("bits")
        self.sum_bits = len(dut.o__payload) - self.bits * self.elements
        self.beats = -(-self.elements // self.bytes)
        rest = self.elements - (self.beats - 1) * self.bytes
        self.keeps = [(1 << self.bytes) - 1] * (self.beats - 1) + [(1 << rest) - 1]

    def frames(self, odds: float) -> list[Beat]:
        """Frames one behind the other, malformed with probability ``odds``."""
        beats: list[Beat] = []
        while len(beats) < max(BEATS, 8 * self.beats):
            fault = random.choice(FAULTS) if random.random() < odds else ""
            keeps = self._malform(list(self.keeps), fault)
            data = [random.getrandbits(8 * self.bytes) for _ in keeps]
            lasts = [n == len(keeps) - 1 for n in range(len(keeps))]
            beats += [Beat(*beat) for beat in zip(data, keeps, lasts, strict=True)]
        return beats

    def _malform(self, keeps: list[int], fault: str) -> list[int]:
        full = (1 << self.bytes) - 1
        where = random.randrange(len(keeps))
        if fault == "short":
            keeps.pop(where)
        elif fault == "shortest":
            keeps = keeps[-1:]
        elif fault == "long":
            keeps.append(random.choice([keeps[-1], full, 1]))
        elif fault == "longest":
            keeps = [full] * (2 * len(keeps))
        elif fault == "bytes":
            keeps[-1] >>= 1
        elif fault == "hole":
            keeps[where] ^= 1 << random.randrange(self.bytes)
        elif fault == "full":
            keeps[-1] = full
        elif fault == "none":
            keeps[where] = 0
        return keeps or [full]

    def payload(self, beat: Beat) -> int:
        """A beat as the bench sends it."""
        return beat.data | beat.keep << 8 * self.bytes | beat.last << 9 * self.bytes

    def beat(self, payload: int) -> Beat:
        """The inverse."""
        keep = payload >> 8 * self.bytes & ((1 << self.bytes) - 1)
        return Beat(payload & ((1 << 8 * self.bytes) - 1), keep, bool(payload >> 9 * self.bytes))

    def golden(self, sent: Sent) -> Sequence[int]:
        """Images of the frames that are as long as an image, to the byte."""
        images = []
        frame: list[Beat] = []
        for payload in sent["i"]:
            frame.append(self.beat(payload))
            if frame[-1].last:
                if [beat.keep for beat in frame] == self.keeps:
                    images.append(self._image(frame))
                frame = []
        return images

    def _image(self, frame: Sequence[Beat]) -> int:
        pixels = np.concatenate([unpack(beat.data, 8, self.bytes) for beat in frame])
        values = self._values(pixels[: self.elements])
        planes = [pack(values >> b & 1, 1) for b in range(self.bits)]
        image = pack(planes, self.elements)
        if self.sum_bits:
            image |= pack([int(values.sum())], self.sum_bits) << self.bits * self.elements
        return image

    def _values(self, pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        form = fact("form")
        if form == "identity":
            return pixels
        if form == "saturate":
            return np.minimum(pixels, (1 << self.bits) - 1)
        if form == "step":
            low, high = (1, 0) if fact("inverted") else (0, 1)
            return np.where(pixels >= fact("threshold"), high, low)
        return np.array(fact("table"), np.int64)[pixels]


async def watch(dut: Any, case: Case) -> None:
    """Check in every cycle what is ready, what is valid, and which event is told."""
    frame: list[Beat] = []
    waiting = False
    while True:
        await RisingEdge(dut.clk)
        await ReadOnly()
        if dut.rst.value:
            frame, waiting = [], False
            continue
        doomed = (
            any(
                beat.keep != keep
                for beat, keep in zip(frame, [*case.keeps, *[0] * len(frame)], strict=False)
            )
            or len(frame) >= case.beats
        )
        full = len(frame) == case.beats - 1 and waiting and not dut.o__ready.value
        may_begin = bool(frame) or bool(dut.enable.value)
        assert dut.o__valid.value == waiting
        assert dut.i__ready.value == (may_begin and (doomed or not full))
        moved = dut.i__valid.value and dut.i__ready.value
        beat = case.beat(int(dut.i__payload.value)) if moved else None
        if beat:
            frame.append(beat)
        ended = bool(beat and beat.last)
        good = ended and [b.keep for b in frame] == case.keeps
        assert dut.started.value == (beat is not None and len(frame) == 1)
        assert dut.accepted.value == good
        assert dut.error.value == (ended and not good)
        assert int(dut.fault.value) == (fault_of(frame, case.keeps) if ended else 0)
        waiting = good or (waiting and not dut.o__ready.value)
        if ended:
            frame = []


def fault_of(frame: Sequence[Beat], keeps: Sequence[int]) -> int:
    """Bit 0: too short, 1: too long, 2: wrong TKEEP, by the first wrong beat; 0 if none is."""
    for number, (beat, keep) in enumerate(zip(frame, keeps, strict=False)):
        last = number == len(keeps) - 1
        if beat.last != last:
            return 1 if beat.last else 2
        if beat.keep != keep:
            return 4
    return 0


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def malformed_frames_vanish(dut: Any, source_odds: float, sink_odds: float) -> None:
    """A third of the frames is malformed."""
    dut.enable.value = 1
    case = Case(dut)
    sent = {"i": [case.payload(beat) for beat in case.frames(0.33)]}
    cocotb.start_soon(watch(dut, case))
    cycles = await record(dut, sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, sent, case.golden)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_beat_per_cycle(dut: Any) -> None:
    """Frames back to back, without a bubble; an image the cycle after its last beat."""
    dut.enable.value = 1
    case = Case(dut)
    sent = {"i": [case.payload(beat) for beat in case.frames(0.0)]}
    cycles = await record(dut, sent)
    first = moves(cycles, "i")[0]
    assert moves(cycles, "i") == list(range(first, first + len(sent["i"])))
    assert moves(cycles, "o") == list(
        range(first + case.beats, first + len(sent["i"]) + 1, case.beats)
    )


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """What is left of a frame after reset is a frame that is too short."""
    dut.enable.value = 1
    case = Case(dut)
    sent = {"i": [case.payload(beat) for beat in case.frames(0.2)]}
    cocotb.start_soon(watch(dut, case))
    cycles = await record(dut, sent, source_odds=0.8, sink_odds=0.5, resets=8)
    compare(cycles, sent, case.golden)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def frames_wait_for_enable(dut: Any) -> None:
    """Nothing begins while ``enable`` is low, and nothing is lost."""
    case = Case(dut)
    sent = {"i": [case.payload(beat) for beat in case.frames(0.2)]}
    cocotb.start_soon(toggle(dut))
    cocotb.start_soon(watch(dut, case))
    cycles = await record(dut, sent, source_odds=0.8, sink_odds=0.8, quiet=300)
    compare(cycles, sent, case.golden)


async def toggle(dut: Any) -> None:
    """``enable`` low for a while, high for a while."""
    dut.enable.value = 0
    while True:
        await RisingEdge(dut.clk)
        if random.random() < 0.2:
            dut.enable.value = int(random.random() < 0.5)
