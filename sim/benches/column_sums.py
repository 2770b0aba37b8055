"""Bench for ``column_sums``: tiles and bit planes, added up as plain integers."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls, unpack

TRANSFERS = 60


class Case:
    """Random counts, after all zeros, all ones, and the two extremes of every plane."""

    def __init__(self, dut: Any) -> None:
        self.chunk, self.steps, self.tiles, self.bits, self.planes = (
            fact(name) for name in ("chunk", "steps", "tiles_per_group", "bits", "planes")
        )
        self.size = len(dut.o__payload) // (self.chunk * len(self.tiles))
        width = len(dut.i__payload)
        ones = (1 << width) - 1
        transfers = [0] * len(self.planes) + [ones] * len(self.planes)
        transfers += [ones if plane > 0 else 0 for plane in self.planes]
        transfers += [ones if plane < 0 else 0 for plane in self.planes]
        for _ in range(max(4, TRANSFERS // self.steps // len(self.planes))):
            transfers += [random.getrandbits(width) for _ in self.planes]
        self.sent = {"i": transfers}

    def golden(self, sent: Sent) -> Sequence[int]:
        """A weighted sum over planes of a sum over tiles."""
        outputs = self.steps * self.chunk
        shape = (-1, len(self.planes), sum(self.tiles), outputs)
        whole = len(sent["i"]) // len(self.planes) * len(self.planes)
        counts = [unpack(word, self.bits, sum(self.tiles) * outputs) for word in sent["i"][:whole]]
        if not counts:
            return []
        starts = np.cumsum((0, *self.tiles[:-1]))
        by_group = np.add.reduceat(np.stack(counts).reshape(shape), starts, axis=2)
        sums = np.einsum("p,vpgo->vog", np.array(self.planes), by_group)
        return [pack(part.ravel(), self.size) for part in sums.reshape(-1, self.chunk, len(starts))]

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """A chunk is looked at whenever the output register is empty or being emptied."""
        step, plane, full = 0, 0, False
        for cycle in cycles:
            i, o = cycle["i"], cycle["o"]
            free = not o.valid or o.ready
            last = plane == len(self.planes) - 1
            assert o.valid == full
            assert i.ready == (free and step == self.steps - 1)
            plane = (plane + i.moved) % len(self.planes)
            step = (step + (i.valid and free)) % self.steps
            full = i.valid and last if free else True
            if cycle.reset:
                step, plane, full = 0, 0, False


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All chunks of all vectors."""
    case = Case(dut)
    cycles = await record(
        dut, case.sent, source_odds=source_odds, sink_odds=sink_odds, quiet=case.steps
    )
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_chunk_per_cycle(dut: Any) -> None:
    """A plane takes as many cycles as it has chunks, and nothing is lost between planes."""
    case = Case(dut)
    cycles = await record(dut, case.sent, quiet=case.steps)
    first = moves(cycles, "i")[0]
    transfers = len(case.sent["i"])
    assert moves(cycles, "i") == [first + n * case.steps for n in range(transfers)]
    chunks = [
        moved - case.steps + 2 + t
        for n, moved in enumerate(moves(cycles, "i"))
        for t in range(case.steps)
        if n % len(case.planes) == len(case.planes) - 1
    ]
    assert moves(cycles, "o") == chunks


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The planes before a reset are forgotten; one that waits is the first one then."""
    case = Case(dut)
    cycles = await record(
        dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=5, quiet=case.steps
    )
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
