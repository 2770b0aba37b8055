"""Bench for ``plane_sums``: sums of counts, of every plane its worth."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls

TRANSFERS = 60


class Case:
    """Random counts, after the two extremes of every plane."""

    def __init__(self, dut: Any) -> None:
        self.lanes, self.planes, (low, high) = fact("lanes"), fact("planes"), fact("count_range")
        fields = self.lanes * len(self.planes)
        self.bits, self.size = len(dut.i__payload) // fields, len(dut.o__payload) // self.lanes
        rng = np.random.default_rng(random.getrandbits(32))
        counts = rng.integers(low, high, (TRANSFERS, self.lanes, len(self.planes)), endpoint=True)
        counts[0], counts[1] = low, high
        counts[2] = np.where(np.array(self.planes) > 0, high, low)
        counts[3] = np.where(np.array(self.planes) > 0, low, high)
        self.counts = counts
        self.sent = {"i": [pack(row.ravel(), self.bits) for row in counts]}

    def golden(self, sent: Sent) -> Sequence[int]:
        """Of the last so many transfers: what was sent before a reset is gone."""
        counts = self.counts[len(self.counts) - len(sent["i"]) :]
        return [pack(row, self.size) for row in counts @ np.array(self.planes)]

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """One register."""
        full = False
        for cycle in cycles:
            i, o = cycle["i"], cycle["o"]
            assert o.valid == full
            assert i.ready == (not full or o.ready)
            full = i.moved or (full and not o.ready)
            if cycle.reset:
                full = False


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All sums."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_chunk_per_cycle(dut: Any) -> None:
    """A cycle later each."""
    case = Case(dut)
    cycles = await record(dut, case.sent)
    taken = moves(cycles, "i")
    assert taken == list(range(taken[0], taken[0] + len(case.sent["i"])))
    assert moves(cycles, "o") == [at + 1 for at in taken]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """What was inside is gone."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=5)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
