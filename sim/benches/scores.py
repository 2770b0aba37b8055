"""Bench for ``scores``: plain integers and NumPy's argmax."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls

CHUNKS = 60


class Case:
    """Random sums, after all the lowest and all the highest; few scales, so that scores tie."""

    def __init__(self, dut: Any) -> None:
        self.classes, self.chunk = fact("classes"), fact("chunk")
        self.steps = int(np.ceil(self.classes / self.chunk))
        self.weight = 2 if fact("driven_range") else 1
        driven_low, driven_high = fact("driven_range") or (0, 0)
        low, high = fact("sum_range")
        lanes = (self.steps, self.chunk)
        images = max(8, CHUNKS // self.steps)
        rng = np.random.default_rng(random.getrandbits(32))
        self.sums = rng.integers(low, high, (images, *lanes), endpoint=True)
        self.driven = rng.integers(driven_low, driven_high, images, endpoint=True)
        self.sums[:2], self.driven[:2] = low, (driven_low, driven_high)
        self.sums[2:4], self.driven[2:4] = high, (driven_low, driven_high)

        self.scale, self.offset = (
            rng.choice([-(1 << bits - 1), *rng.integers(-1, 2, 4), (1 << bits - 1) - 1], lanes)
            if bits > 1
            else rng.integers(-1, 1, lanes)
            for bits in (fact("scale_bits"), fact("offset_bits"))
        )
        size = len(dut.i__payload) // self.chunk
        self.sent = {"i": [pack(chunk, size) for chunk in self.sums.reshape(-1, self.chunk)]}
        if self.weight == 2:
            self.sent["driven"] = [pack([d], len(dut.driven__payload)) for d in self.driven]
        mask = (1 << fact("scale_bits")) - 1
        bits = fact("scale_bits") + fact("offset_bits")
        words = (self.scale & mask) | self.offset << fact("scale_bits")
        self.rom = [pack(word, bits) for word in words]

    def golden(self, sent: Sent) -> Sequence[int]:
        """Scores of the last of the chunks and images, in 32 bits, and the best class below."""
        sums = self.sums.reshape(-1, self.chunk)[self.sums.size // self.chunk - len(sent["i"]) :]
        driven = self.driven[len(self.driven) - len(sent.get("driven", self.driven)) :]
        images = min(len(driven), len(sums) // self.steps)
        sums = sums[: images * self.steps].reshape(images, *self.scale.shape)
        u = self.weight * sums - driven[:images].reshape(-1, 1, 1)
        scores = (self.scale * u + self.offset).reshape(images, self.steps * self.chunk)
        scores = scores[:, : self.classes].astype(np.int32)
        below = (self.classes - 1).bit_length()
        return [int(row.argmax()) | pack(row, 32) << below for row in scores]

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """Two registers; only the last chunk of an image waits, while the result before has to."""
        scaled = full = False
        step = taken = 0
        for cycle in cycles:
            i, o = cycle["i"], cycle["o"]
            free = not o.valid or o.ready
            last = step == self.steps - 1
            collected = scaled and (free or not last)
            there = self.weight == 1 or cycle["driven"].valid
            assert o.valid == full
            assert i.ready == (there and (not scaled or collected))
            if self.weight == 2:
                assert cycle["driven"].ready == (i.moved and taken == self.steps - 1)
            taken = (taken + i.moved) % self.steps
            step = (step + collected) % self.steps
            full = (collected and last) or not free
            scaled = i.moved or (scaled and not collected)
            if cycle.reset:
                scaled = full = False
                step = taken = 0


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All images."""
    case = Case(dut)
    cycles = await record(
        dut, case.sent, source_odds=source_odds, sink_odds=sink_odds, rom=case.rom
    )
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_chunk_per_cycle(dut: Any) -> None:
    """A result two cycles after the last chunk; no bubble between images."""
    case = Case(dut)
    cycles = await record(dut, case.sent, rom=case.rom)
    chunks = moves(cycles, "i")
    assert chunks == list(range(chunks[0], chunks[0] + len(case.sent["i"])))
    assert moves(cycles, "o") == [moved + 2 for moved in chunks[case.steps - 1 :: case.steps]]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """After reset in mid-traffic the next chunk is the first of an image."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=9, rom=case.rom)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
