"""Bench for ``pool``: the largest or the smallest of every window, in -1/+1 arithmetic."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from binohm.sim.bench import Sent, compare, fact, moves, record, under_stalls
from binohm.sim.golden import from_bits, to_bits

IMAGES = 5


class Case:
    """Random images of which most bits are alike, so that a window often has one kind only."""

    def __init__(self, dut: Any) -> None:
        self.channels: int = fact("channels")
        self.image, self.kernel, self.stride = fact("image"), fact("kernel"), fact("stride")
        self.lowest = random.getrandbits(self.channels)
        dut.lowest.value = self.lowest
        count = IMAGES * self.image[0] * self.image[1]
        rare = [
            random.getrandbits(self.channels) & random.getrandbits(self.channels)
            for _ in range(count)
        ]
        self.sent = {"i": [word ^ self.lowest for word in rare]}

    def golden(self, sent: Sent) -> Sequence[int]:
        """Maxima, or minima of the channels that are marked; of the last, whole images."""
        rows, columns = self.image
        whole = len(sent["i"]) // (rows * columns)
        taken = sent["i"][: whole * rows * columns]
        signs = np.array([from_bits(word, self.channels) for word in taken], np.int8)
        sense = -from_bits(self.lowest, self.channels)
        maps = (signs * sense).reshape(whole, rows, columns, self.channels)
        every = sliding_window_view(maps, self.kernel, axis=(1, 2)) if whole else maps[..., None]
        largest = (
            every[:, :: self.stride[0], :: self.stride[1]].max(axis=(-2, -1)) if whole else maps
        )
        return [to_bits(row) for row in largest.reshape(-1, self.channels) * sense]


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All windows of all images."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, case.sent, case.golden)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_position_per_cycle(dut: Any) -> None:
    """No bubble, also between images."""
    case = Case(dut)
    cycles = await record(dut, case.sent)
    taken = moves(cycles, "i")
    assert taken == list(range(taken[0], taken[0] + len(case.sent["i"])))
