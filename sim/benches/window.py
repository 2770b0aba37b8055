"""Bench for ``window``: every window of every image, padded with lines that are off."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls

IMAGES = 4


class Case:
    """Random images."""

    def __init__(self) -> None:
        self.depth: int = fact("depth")
        self.image, self.kernel = np.array(fact("image")), np.array(fact("kernel"))
        self.stride, self.padding = np.array(fact("stride")), np.array(fact("padding"))
        self.steps = (self.image + 2 * self.padding - self.kernel) // self.stride + 1
        self.positions = int(self.image.prod())
        self.sent = {"i": [random.getrandbits(self.depth) for _ in range(IMAGES * self.positions)]}

    def golden(self, sent: Sent) -> Sequence[int]:
        """Cut out of the padded image; if the last image breaks off, as many as are complete."""
        expected = []
        taps = int(self.kernel.prod())
        for start in range(0, len(sent["i"]), self.positions):
            known = sent["i"][start : start + self.positions]
            whole = [*known, *[0] * (self.positions - len(known))]
            bits = np.array(whole, object).reshape(self.image)
            padded = np.pad(bits, [(p, p) for p in self.padding], constant_values=-1)
            for due, at in zip(self.due(), np.ndindex(*self.steps), strict=True):
                if len(sent["i"]) % self.positions and due > len(sent["i"]) - start:
                    break
                top, left = np.array(at) * self.stride
                cut = padded[top : top + self.kernel[0], left : left + self.kernel[1]].ravel()
                word = pack([max(int(value), 0) for value in cut], self.depth)
                on = pack([int(value) >= 0 for value in cut], 1)
                expected.append(word | on << taps * self.depth)
        return expected

    def due(self) -> list[int]:
        """Positions that must have come before each window of an image."""
        last = self.kernel - 1 - self.padding
        return [
            int((np.array(at) * self.stride + last) @ (self.image[1], 1)) + 1
            for at in np.ndindex(*self.steps)
        ]

    def check_order(self, cycles: Sequence[Cycle]) -> None:
        """No window before its last position, but for those beyond the border."""
        came, left, due = 0, 0, self.due()
        for cycle in cycles:
            if cycle["o"].moved:
                image, window = divmod(left, len(due))
                need = image * self.positions + min(due[window], self.positions)
                assert came >= need, f"window {left} after {came} positions"
                left += 1
            came += cycle["i"].moved


@cocotb.test(timeout_time=1, timeout_unit="ms")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Windows, and none too early."""
    case = Case()
    cycles = await record(dut, case.sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, case.sent, case.golden)
    case.check_order(cycles)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_position_per_cycle(dut: Any) -> None:
    """No bubble, also between images; each window in the cycle after its last position."""
    case = Case()
    cycles = await record(dut, case.sent)
    due = case.due()
    if due[-1] > 2 * case.positions:
        return
    first = moves(cycles, "i")[0]
    assert moves(cycles, "i") == list(range(first, first + IMAGES * case.positions))
    expected = [first + n * case.positions + d for n in range(IMAGES) for d in due]
    assert moves(cycles, "o") == expected


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_starts_afresh(dut: Any) -> None:
    """What is left of the traffic is a new image."""
    case = Case()
    cycles = await record(dut, case.sent, source_odds=0.8, sink_odds=0.6, resets=4)
    compare(cycles, case.sent, case.golden)
