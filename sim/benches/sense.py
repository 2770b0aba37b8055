"""Bench for ``sense``: flips and votes in -1/+1 arithmetic."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls, unpack

TRANSFERS = 100


class Case:
    """Random vectors and flips."""

    def __init__(self) -> None:
        self.chunk, self.steps, self.groups = (fact(name) for name in ("chunk", "steps", "groups"))
        bits = self.groups * self.steps * self.chunk
        vectors = max(4, TRANSFERS // self.steps)
        self.sent = {"i": [0, (1 << bits) - 1, *(random.getrandbits(bits) for _ in range(vectors))]}
        self.rom = [random.getrandbits(self.chunk * self.groups) for _ in range(self.steps)]

    def golden(self, sent: Sent) -> Sequence[int]:
        """The sign of the sum of votes, each multiplied by -1 where it is flipped."""
        flips = [2 * unpack(word, 1, self.chunk * self.groups) - 1 for word in self.rom]
        by_group = np.concatenate(flips).reshape(-1, self.groups).T
        chunks = []
        for word in sent["i"]:
            signs = 2 * unpack(word, 1, by_group.size).reshape(by_group.shape) - 1
            ones = np.sum(signs * -by_group, axis=0) >= 0
            chunks += [pack(part, 1) for part in ones.reshape(self.steps, self.chunk)]
        return chunks

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """A chunk is looked at whenever the output register is empty or being emptied."""
        step, full = 0, False
        for cycle in cycles:
            i, o = cycle["i"], cycle["o"]
            free = not o.valid or o.ready
            assert o.valid == full
            assert i.ready == (free and step == self.steps - 1)
            step = (step + (i.valid and free)) % self.steps
            full = i.valid if free else True
            if cycle.reset:
                step, full = 0, False


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All chunks of all vectors."""
    case = Case()
    cycles = await record(
        dut, case.sent, source_odds=source_odds, sink_odds=sink_odds, rom=case.rom
    )
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_chunk_per_cycle(dut: Any) -> None:
    """The first one a cycle after the vector came; no bubble between vectors."""
    case = Case()
    cycles = await record(dut, case.sent, rom=case.rom)
    first = moves(cycles, "i")[0] - case.steps + 2
    assert moves(cycles, "o") == list(range(first, first + len(case.sent["i"]) * case.steps))


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """A vector that waits is walked from its first chunk again."""
    case = Case()
    cycles = await record(dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=5, rom=case.rom)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
