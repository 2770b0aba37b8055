"""Bench for ``gather``: chunks become vectors, and the ones are counted as a sum of signs."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls, unpack

TRANSFERS = 100


class Case:
    """Random chunks, after vectors of all zeros and all ones."""

    def __init__(self) -> None:
        self.outputs, self.chunk, self.count = (
            fact(name) for name in ("outputs", "chunk", "count")
        )
        self.steps = int(np.ceil(self.outputs / self.chunk))
        ones = (1 << self.chunk) - 1
        chunks = [0] * self.steps + [ones] * self.steps
        more = max(3, TRANSFERS // self.steps) * self.steps
        self.sent = {"i": chunks + [random.getrandbits(self.chunk) for _ in range(more)]}

    def golden(self, sent: Sent) -> Sequence[int]:
        """The elements that exist, and above them half of width plus sum of signs."""
        vectors = len(sent["i"]) // self.steps
        bits = [unpack(word, 1, self.chunk) for word in sent["i"][: vectors * self.steps]]
        payloads = []
        for elements in np.array(bits).reshape(vectors, self.steps * self.chunk):
            signs = 2 * elements[: self.outputs] - 1
            ones = (self.outputs + int(signs.sum())) // 2
            payloads.append(pack(signs > 0, 1) | self.count * ones << self.outputs)
        return payloads

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """Only the last chunk of a vector waits, and only while the vector before has to."""
        step, full = 0, False
        for cycle in cycles:
            i, o = cycle["i"], cycle["o"]
            free = not o.valid or o.ready
            last = step == self.steps - 1
            assert o.valid == full
            assert i.ready == (free or not last)
            step = (step + i.moved) % self.steps
            full = (i.moved and last) or not free
            if cycle.reset:
                step, full = 0, False


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All vectors."""
    case = Case()
    cycles = await record(dut, case.sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_chunk_per_cycle(dut: Any) -> None:
    """A vector a cycle after its last chunk; no bubble between vectors."""
    case = Case()
    cycles = await record(dut, case.sent)
    chunks = moves(cycles, "i")
    assert chunks == list(range(chunks[0], chunks[0] + len(case.sent["i"])))
    assert moves(cycles, "o") == [moved + 1 for moved in chunks[case.steps - 1 :: case.steps]]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The chunks before a reset are forgotten."""
    case = Case()
    cycles = await record(dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=5)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
