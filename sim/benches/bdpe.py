"""Bench for ``bdpe``: matches are half of what the width and the sum of signs add up to."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls, unpack

OUTPUTS = 24


class Case:
    """Random reads, after all zeros, all ones, and the two extremes of every plane."""

    def __init__(self, dut: Any) -> None:
        self.size = len(dut.o__payload)
        self.width, self.reads = fact("width"), fact("reads_per_output")
        self.planes = fact("planes")
        ones = (1 << self.width) - 1
        self.transfers = self.reads * len(self.planes)
        reads = [0] * self.transfers + [ones] * self.transfers
        reads += [ones if plane > 0 else 0 for plane in self.planes] * self.reads
        reads += [ones if plane < 0 else 0 for plane in self.planes] * self.reads
        more = max(4, OUTPUTS // self.reads) * self.transfers
        self.sent = {"i": reads + [random.getrandbits(self.width) for _ in range(more)]}

    def golden(self, sent: Sent) -> Sequence[int]:
        """Matches of each read, weighted and added up."""
        outputs = len(sent["i"]) // self.transfers
        signs = [2 * unpack(word, 1, self.width) - 1 for word in sent["i"]]
        sums = np.array([sign.sum() for sign in signs[: outputs * self.transfers]], dtype=np.int64)
        matches = (self.width + sums.reshape(outputs, self.reads, len(self.planes))) // 2
        return [pack([m], self.size) for m in (matches @ np.array(self.planes)).sum(axis=1)]

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """A read is taken whenever no sum waits, and the last one of an output shows next."""
        read, full = 0, False
        for cycle in cycles:
            i, o = cycle["i"], cycle["o"]
            free = not o.valid or o.ready
            assert o.valid == full
            assert i.ready == free
            full = i.valid and read == self.transfers - 1 if free else True
            read = (read + i.moved) % self.transfers
            if cycle.reset:
                read, full = 0, False


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All outputs."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_read_per_cycle(dut: Any) -> None:
    """No bubble between outputs."""
    case = Case(dut)
    cycles = await record(dut, case.sent)
    reads = moves(cycles, "i")
    assert reads == list(range(reads[0], reads[0] + len(case.sent["i"])))
    assert moves(cycles, "o") == [
        moved + 1 for moved in reads[case.transfers - 1 :: case.transfers]
    ]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The reads before a reset are forgotten."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=5)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
