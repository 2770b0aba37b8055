"""Bench for views of RRAM arrays: columns decide as in -1/+1/0 arithmetic, when they are said to.

The design holds many arrays side by side, number ``k`` behind the streams ``i<k>`` and ``o<k>``.
``cells<k>.npy`` holds its cells, shape (lines, columns): -1, +1 or, in a bias row, 0.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from binohm.sim.bench import Cycle, Sent, compare, fact, pack, record, under_stalls
from binohm.sim.golden import to_bits

CYCLES = 120
"""About as long as every array is kept busy."""

READ = 0

Signs = NDArray[np.int8]


@dataclass(frozen=True)
class Request:
    """What one request drives: rows or columns, each -1, +1 or 0 for off or disabled.

    ``codes`` are the reference codes, one for all columns or one a column.
    """

    cmd: int
    row: int
    rows: Signs
    columns: Signs
    codes: tuple[int, ...] = ()
    code_bits: int = 1

    def payload(self, row_bits: int) -> int:
        """Fields in the order of the pins."""
        lines, columns = len(self.rows), len(self.columns)
        fields = [
            (self.cmd, 3),
            (self.row, row_bits),
            (_bits(self.rows > 0), lines),
            (_bits(self.rows < 0), lines),
            (_bits(self.columns > 0), columns),
            (_bits(self.columns != 0), columns),
            (pack(self.codes, self.code_bits), self.code_bits * max(1, len(self.codes))),
        ]
        word, position = 0, 0
        for value, bits in fields:
            word |= value << position
            position += bits
        return word


class Case:
    """One array and its traffic."""

    def __init__(self, number: int, array: dict[str, Any]) -> None:
        self.readout: str = array["readout"]
        self.rows: int = array["rows"]
        self.bits: int = max(1, array["adc_bits"])
        self.code_bits: int = array["ref_bits"]
        self.per_column: bool = array["ref_per_column"]
        self.latency: int = array["latency"]
        self.interval: int = array["interval"]
        self.outstanding: int = array["outstanding"]
        self.cells: Signs = np.load(f"cells{number}.npy")
        lines, columns = self.cells.shape
        self.rng = np.random.default_rng(random.getrandbits(32))
        self.requests = [self._request(lines, columns) for _ in range(8 + CYCLES // self.interval)]
        row_bits = max(1, (lines - 1).bit_length())
        self.sent = [request.payload(row_bits) for request in self.requests]

    def _request(self, lines: int, columns: int) -> Request:
        """Some all off, some equal or opposite to a column, some of another command."""
        odds = float(self.rng.choice([0, 0.5, 1]))
        chosen = self.rng.choice([-1, 1], lines)
        if self.rng.random() < 0.5:
            chosen = self.cells[:, self.rng.integers(columns)] * self.rng.choice([-1, 1])
        rows = np.where(self.rng.random(lines) < odds, chosen, 0)
        if self.rng.random() < 0.7:
            rows[self.rows :] = 1
        enabled = self.rng.random(columns) < self.rng.choice([0.5, 1])
        return Request(
            cmd=int(self.rng.choice(6, p=[0.85, *[0.03] * 5])),
            row=int(self.rng.integers(self.rows)),
            rows=rows.astype(np.int8),
            columns=np.where(enabled, self.rng.choice([-1, 1], columns), 0).astype(np.int8),
            codes=self._codes(columns),
            code_bits=max(1, self.code_bits),
        )

    def _codes(self, columns: int) -> tuple[int, ...]:
        """Reference codes: of any size, or small enough to matter."""
        if not self.code_bits:
            return ()
        most = 1 << (self.code_bits - 1)
        reach = most if self.rng.random() < 0.3 else min(most, 3)
        codes = self.rng.integers(-reach, reach, columns if self.per_column else 1)
        return tuple(int(code) for code in codes)

    def answer(self, request: Request) -> int:
        """Sums in integers; the half step keeps the sense amplifiers from a tie."""
        if request.cmd != READ:
            return 0
        cells = self.cells.astype(np.int64)
        if self.readout == "pcsa":
            return _bits(request.columns * cells[request.row] > 0)
        sums = request.rows @ cells
        if self.readout == "sa":
            return _bits(2 * (sums + (np.array(request.codes) if request.codes else 0)) + 1 > 0)
        matches = (sums + np.count_nonzero(request.rows)) // 2
        return pack(np.minimum(matches, (1 << self.bits) - 1), self.bits)

    def golden(self, sent: Sent) -> Sequence[int]:
        """Responses to what is left of the traffic."""
        (left,) = sent.values()
        return [self.answer(request) for request in self.requests[len(self.requests) - len(left) :]]

    def check_timing(self, cycles: Sequence[Cycle], i: str, o: str) -> None:
        """Request and response in exactly the cycles that the datasheet states."""
        accepted: list[int] = []
        taken: list[int] = []
        for now, cycle in enumerate(cycles):
            due = len(taken) < len(accepted) and now >= accepted[len(taken)] + self.latency
            assert cycle[o].valid == (due and (not taken or now > taken[-1])), f"cycle {now}: {o}"
            if cycle[o].moved:
                taken.append(now)
            free = len(accepted) - len(taken) < self.outstanding
            assert cycle[i].ready == (
                free and (not accepted or now >= accepted[-1] + self.interval)
            ), f"cycle {now}: {i}"
            if cycle[i].moved:
                accepted.append(now)
            if cycle.reset:
                accepted, taken = [], []


async def traffic(dut: Any, **stalls: Any) -> tuple[list[Case], list[Cycle]]:
    """Use all arrays at once and check their responses."""
    cases = [Case(number, array) for number, array in enumerate(fact("arrays"))]
    sent = {f"i{k}": case.sent for k, case in enumerate(cases)}
    outputs = [f"o{k}" for k in range(len(cases))]
    cycles = await record(dut, sent, outputs, quiet=max(c.latency for c in cases), **stalls)
    for k, case in enumerate(cases):
        compare(cycles, {f"i{k}": case.sent}, case.golden, f"o{k}")
    return cases, cycles


@cocotb.test(timeout_time=2, timeout_unit="ms")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Every response, and when it comes."""
    cases, cycles = await traffic(dut, source_odds=source_odds, sink_odds=sink_odds)
    if fact("exact"):
        for k, case in enumerate(cases):
            case.check_timing(cycles, f"i{k}", f"o{k}")


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def reset_keeps_the_cells(dut: Any) -> None:
    """Requests on the way are dropped, what is stored is not."""
    cases, cycles = await traffic(dut, source_odds=0.8, sink_odds=0.5, resets=8)
    if fact("exact"):
        for k, case in enumerate(cases):
            case.check_timing(cycles, f"i{k}", f"o{k}")


def _bits(flags: NDArray[np.bool_]) -> int:
    """Flag ``k`` is bit ``k``."""
    return to_bits(np.where(flags, 1, -1))
