"""Bench for ``frame_output``: results as little-endian words, cut into beats.

A beat on stream ``o`` is TDATA, above it TKEEP, above it TLAST.
"""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls

RESULTS = 30


class Case:
    """Random results, after the lowest and the highest scores."""

    def __init__(self) -> None:
        self.classes, self.bytes, self.scores = (
            fact("classes"),
            fact("output_bytes"),
            fact("scores"),
        )
        self.best_bits = (self.classes - 1).bit_length()
        self.beats = -(-4 * (1 + self.classes * self.scores) // self.bytes)
        extremes = [
            (0, [-(1 << 31)] * self.classes),
            (self.classes - 1, [(1 << 31) - 1] * self.classes),
        ]
        results = extremes + [
            (
                random.randrange(self.classes),
                [random.randrange(-(1 << 31), 1 << 31) for _ in range(self.classes)],
            )
            for _ in range(RESULTS)
        ]
        self.sent = {"i": [best | pack(scores, 32) << self.best_bits for best, scores in results]}

    def golden(self, sent: Sent) -> Sequence[int]:
        """Bytes of the frame, beat by beat; what is not kept is 0."""
        beats = []
        for result in sent["i"]:
            frame = (result & ((1 << self.best_bits) - 1)).to_bytes(4, "little")
            if self.scores:
                frame += (result >> self.best_bits).to_bytes(4 * self.classes, "little")
            for start in range(0, len(frame), self.bytes):
                part = frame[start : start + self.bytes]
                keep, last = (1 << len(part)) - 1, start + self.bytes >= len(frame)
                data = int.from_bytes(part, "little")
                beats.append(data | keep << 8 * self.bytes | last << 9 * self.bytes)
        return beats

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """A result is taken when nothing waits, or with the last beat of the one before."""
        left = 0
        for cycle in cycles:
            assert cycle["o"].valid == (left > 0)
            assert cycle["i"].ready == (left == 0 or (left == 1 and cycle["o"].ready))
            left += self.beats * cycle["i"].moved - cycle["o"].moved
            left *= not cycle.reset


async def watch(dut: Any, case: Case) -> None:
    """``done`` comes with the last beat and at no other time."""
    while True:
        await RisingEdge(dut.clk)
        await ReadOnly()
        ends = dut.o__valid.value and dut.o__ready.value
        assert dut.done.value == bool(ends and int(dut.o__payload.value) >> 9 * case.bytes)


@cocotb.test(timeout_time=300, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All frames."""
    case = Case()
    cocotb.start_soon(watch(dut, case))
    cycles = await record(dut, case.sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def a_beat_per_cycle(dut: Any) -> None:
    """Frames back to back, without a bubble, from the cycle after the first result."""
    case = Case()
    cycles = await record(dut, case.sent)
    first = moves(cycles, "i")[0] + 1
    assert moves(cycles, "o") == list(range(first, first + case.beats * len(case.sent["i"])))


@cocotb.test(timeout_time=300, timeout_unit="us")
async def reset_drops_the_frame(dut: Any) -> None:
    """Reset in mid-frame."""
    case = Case()
    cycles = await record(dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=5)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
