"""Bench for ``positions``: the values of an image, position by position."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls

WORDS = 150


class Case:
    """Random images; the last word of an image has bytes too many."""

    def __init__(self) -> None:
        self.channels, self.positions = fact("channels"), fact("positions")
        self.bytes, self.bits = fact("input_bytes"), fact("bits")
        self.words = -(-self.channels * self.positions // self.bytes)
        self.images = max(4, WORDS // self.words)
        count = self.images * self.words
        self.sent = {"i": [random.getrandbits(8 * self.bytes) for _ in range(count)]}

    def golden(self, sent: Sent) -> Sequence[int]:
        """As many positions as the bytes make; none of an image reaches into the next."""
        expected = []
        for start in range(0, len(sent["i"]), self.words):
            words = sent["i"][start : start + self.words]
            pixels = np.frombuffer(b"".join(w.to_bytes(self.bytes, "little") for w in words), "u1")
            whole = min(len(pixels) // self.channels, self.positions)
            for at in pixels[: whole * self.channels].reshape(whole, self.channels):
                values = self._values(at.astype(np.int64))
                expected.append(pack((pack(values >> b & 1, 1) for b in range(self.bits)),
                                     self.channels))  # fmt: skip
        return expected

    def _values(self, pixels: Any) -> Any:
        form = fact("form")
        if form == "saturate":
            return np.minimum(pixels, (1 << self.bits) - 1)
        if form == "step":
            low, high = (1, 0) if fact("inverted") else (0, 1)
            return np.where(pixels >= fact("threshold"), high, low)
        return pixels if form == "identity" else np.array(fact("table"), np.int64)[pixels]

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """A word waits only for positions that are whole; these are there in the next cycle."""
        have, missing = 0, self.positions
        for cycle in cycles:
            assert cycle["o"].valid == (have >= self.channels)
            left = have
            if cycle["o"].moved:
                left = have - self.channels if missing > 1 else 0
                missing = missing - 1 or self.positions
            assert cycle["i"].ready == (left < self.channels)
            have = left + self.bytes * cycle["i"].moved
            if cycle.reset:
                have, missing = 0, self.positions


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Positions, and when they move."""
    case = Case()
    cycles = await record(dut, case.sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def no_bubble(dut: Any) -> None:
    """A position a cycle, or a word a cycle, whichever there are more of; also between images."""
    case = Case()
    cycles = await record(dut, case.sent)
    busy = "o" if case.bytes >= case.channels else "i"
    count = case.images * (case.positions if busy == "o" else case.words)
    first = moves(cycles, busy)[0]
    assert moves(cycles, busy) == list(range(first, first + count))


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """What is left of the traffic is a new image."""
    case = Case()
    cycles = await record(dut, case.sent, source_odds=0.8, sink_odds=0.6, resets=5)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
