"""Bench for ``threshold``: plain integers, and votes in -1/+1 arithmetic."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls

CHUNKS = 100


class Case:
    """Random sums, after all the lowest and all the highest; thresholds that some sums meet."""

    def __init__(self, dut: Any) -> None:
        self.lanes, self.groups, self.steps = (fact(name) for name in ("lanes", "groups", "steps"))
        self.weight = 2 if fact("driven_range") else 1
        driven_low, driven_high = fact("driven_range") or (0, 0)
        low, high = fact("sum_range")
        shape = (max(4, CHUNKS // self.steps), self.steps, self.lanes, self.groups)
        rng = np.random.default_rng(random.getrandbits(32))
        self.sums = rng.integers(low, high, shape, endpoint=True)
        self.driven = rng.integers(driven_low, driven_high, len(self.sums), endpoint=True)
        self.sums[:2], self.driven[:2] = low, (driven_low, driven_high)
        self.sums[2:4], self.driven[2:4] = high, (driven_low, driven_high)

        bits = fact("theta_bits")
        u = self.weight * self.sums - self.driven.reshape(-1, 1, 1, 1)
        met = np.take_along_axis(u, rng.integers(len(u), size=(1, *shape[1:])), axis=0)[0]
        self.theta = np.clip(met, -(1 << bits - 1), (1 << bits - 1) - 1)
        self.flip = rng.integers(2, size=self.theta.shape)

        self.sums = self.sums.reshape(-1, self.lanes, self.groups)
        size = len(dut.i__payload) // (self.lanes * self.groups)
        self.sent = {"i": [pack(chunk.ravel(), size) for chunk in self.sums]}
        if self.weight == 2:
            self.sent["driven"] = [pack([d], len(dut.driven__payload)) for d in self.driven]
        words = (self.theta & (1 << bits) - 1) | self.flip << bits
        self.rom = [pack(word.ravel(), bits + 1) for word in words]

    def golden(self, sent: Sent) -> Sequence[int]:
        """The sign of the sum of votes, of the last of the chunks and vectors."""
        sums = self.sums[len(self.sums) - len(sent["i"]) :]
        driven = self.driven[len(self.driven) - len(sent.get("driven", self.driven)) :]
        chunks = []
        for k, chunk in enumerate(sums[: len(driven) * self.steps]):
            u = self.weight * chunk - driven[k // self.steps]
            votes = np.where(u >= self.theta[k % self.steps], 1, -1)
            votes *= np.where(self.flip[k % self.steps], -1, 1)
            chunks.append(pack(votes.sum(axis=1) >= 0, 1))
        return chunks

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """A chunk is taken whenever the output register is empty or being emptied."""
        step, full = 0, False
        for cycle in cycles:
            i, o = cycle["i"], cycle["o"]
            free = not o.valid or o.ready
            there = self.weight == 1 or cycle["driven"].valid
            assert o.valid == full
            assert i.ready == (free and there)
            if self.weight == 2:
                assert cycle["driven"].ready == (i.moved and step == self.steps - 1)
            step = (step + i.moved) % self.steps
            full = i.moved if free else True
            if cycle.reset:
                step, full = 0, False


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All chunks of all vectors."""
    case = Case(dut)
    cycles = await record(
        dut, case.sent, source_odds=source_odds, sink_odds=sink_odds, rom=case.rom
    )
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_chunk_per_cycle(dut: Any) -> None:
    """A cycle after it came; no bubble between vectors."""
    case = Case(dut)
    cycles = await record(dut, case.sent, rom=case.rom)
    first = moves(cycles, "i")[0]
    assert moves(cycles, "i") == list(range(first, first + len(case.sums)))
    assert moves(cycles, "o") == list(range(first + 1, first + 1 + len(case.sums)))


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """After reset in mid-traffic the next chunk is the first of a vector."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=9, rom=case.rom)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
