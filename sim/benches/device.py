"""Bench for the device view of RRAM arrays: every response equals that of :mod:`binohm.sim.device`.

The design is that of :mod:`binohm.sim.benches.macro`. ``map<k>.hex`` is the map of array ``k``,
``blank<k>`` exists if no device of it has ever been written. Columns that differ from what perfect
cells would give, before any is written, are counted in ``faults.json``, a line a test.
"""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from binohm.gen.plan import Array
from binohm.sim.bench import Cycle, fact, pack, record, under_stalls, unpack
from binohm.sim.benches import macro
from binohm.sim.benches.macro import Request, Signs
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.read import Reader
from binohm.sim.device.state import RESET, SET, VERIFY_RESET, VERIFY_SET, State

Bits = NDArray[np.bool_]

READ, TRANSPOSED_READ = 0, 1
READS = [0.8, 0.2, 0.0, 0.0, 0.0, 0.0]
ALL = [0.6, 0.12, 0.07, 0.07, 0.07, 0.07]
"""Odds of the commands."""

STATES: dict[int, State] = {}
"""The devices, which outlast resets and tests."""


class Case(macro.Case):
    """One array, its traffic, and its devices in NumPy."""

    def __init__(self, number: int, array: dict[str, Any], odds: Sequence[float]) -> None:
        self.cell: str = array["cell"]
        self.odds = odds
        super().__init__(number, array)
        map = DeviceMap.from_text(Path(f"map{number}.hex").read_text(), f"map{number}.hex")
        self.blank = Path(f"blank{number}").exists()
        self.array = Array(**array)
        if number not in STATES:
            STATES[number] = State(map, number, None if self.blank else self.cells)
        self.state = STATES[number]
        self.first: int = fact("first")
        self.reads = self.transposed = 0
        self.reader: Reader | None = None
        self.faults = [0, 0]

    def _request(self, lines: int, columns: int) -> Request:
        """Rows of cells on one line are never driven with -1; any line is written."""
        request = super()._request(lines, columns)
        rows = request.rows
        if self.cell != "complementary" and self.readout != "pcsa":
            rows = np.concatenate([np.maximum(rows[: self.rows], 0), rows[self.rows :]])
        cmd = int(self.rng.choice(6, p=self.odds))
        row = request.row if cmd == READ else int(self.rng.integers(lines))
        return replace(request, cmd=cmd, row=row, rows=rows.astype(np.int8))

    def restart(self) -> None:
        """Reset: the numbers of images and of transposed reads begin anew."""
        self.reads = self.transposed = 0

    def serve(self, request: Request) -> int:
        """The response, after all requests before."""
        x, enabled = request.columns > 0, request.columns != 0
        if request.cmd in (SET, RESET):
            self.state.pulse(request.cmd, request.row, x, enabled)
            self.reader = None
        if request.cmd in (VERIFY_SET, VERIFY_RESET):
            return pack(self.state.verify(request.cmd, request.row, x, enabled), self.bits)
        self.reader = self.reader or Reader(self.array, self.state)
        if request.cmd == TRANSPOSED_READ and self.array.transposed:
            counts = self.reader.transposed((x & enabled)[None], np.array([self.transposed]))[0]
            self.transposed += 1
            self._count(pack(counts, self.bits), pack(self._ideal(x & enabled), self.bits))
            return pack(counts, self.bits)
        if request.cmd != READ:
            return 0
        image, read = divmod(self.reads, self.state.map.reads_per_image)
        self.reads += 1
        response = pack(self._read(self.reader, request, self.first + image, read), self.bits)
        self._count(response, self.answer(request))
        return response

    def _read(self, reader: Reader, request: Request, image: int, read: int) -> Sequence[int]:
        number = np.array([image]), np.array([read])
        if self.readout == "pcsa":
            columns = request.columns[None]
            row = np.array([request.row])
            values = reader.compare(row, columns > 0, columns != 0, *number)[0].astype(np.int64)
        else:
            rows: Signs = request.rows[None]
            codes = np.array(request.codes or [0])
            values = reader.read(rows > 0, rows < 0, *number, codes)[0]
        return [int(value) for value in values]

    def _ideal(self, on: Bits) -> NDArray[np.int64]:
        """Columns that are on and whose cell is +1, a row each."""
        counts = (self.cells > 0).astype(np.int64) @ on
        return np.minimum(counts, (1 << self.bits) - 1)

    def _count(self, response: int, ideal: int) -> None:
        if self.blank:
            return
        fields = self.array.fields
        wrong = unpack(response, self.bits, fields) != unpack(ideal, self.bits, fields)
        self.faults[0] += int(wrong.sum())
        self.faults[1] += fields

    def check(self, cycles: Sequence[Cycle], i: str, o: str) -> None:
        """Every response, in order; a request accepted in reset has no effect."""
        expected: deque[int] = deque()
        requests = iter(self.requests)
        for number, cycle in enumerate(cycles):
            if cycle[o].moved and not cycle.reset:
                assert expected, f"cycle {number}: {o} gave one too many"
                got, want = cycle[o].payload, expected.popleft()
                assert got == want, f"cycle {number}, {o}: got {got:x}, expected {want:x}"
            if cycle[i].moved:
                request = next(requests)
                if not cycle.reset:
                    expected.append(self.serve(request))
            if cycle.reset:
                expected.clear()
                self.restart()
        assert not expected, f"{len(expected)} responses never came from {o}"
        assert next(requests, None) is None, f"{i}: not all requests were taken"


async def traffic(dut: Any, odds: Sequence[float], **stalls: Any) -> list[Case]:
    """Use all arrays at once and check responses and timing."""
    cases = [Case(number, array, odds) for number, array in enumerate(fact("arrays"))]
    sent = {f"i{k}": case.sent for k, case in enumerate(cases)}
    outputs = [f"o{k}" for k in range(len(cases))]
    cycles = await record(dut, sent, outputs, quiet=max(c.latency for c in cases), **stalls)
    for k, case in enumerate(cases):
        case.check(cycles, f"i{k}", f"o{k}")
        case.check_timing(cycles, f"i{k}", f"o{k}")
    return cases


@cocotb.test(timeout_time=2, timeout_unit="ms")
@under_stalls
async def reads_equal_numpy(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Every response to a read, and when it comes."""
    cases = await traffic(dut, READS, source_odds=source_odds, sink_odds=sink_odds)
    with Path("faults.json").open("a") as file:
        file.write(json.dumps([case.faults for case in cases]) + "\n")


@cocotb.test(timeout_time=2, timeout_unit="ms")
@under_stalls
async def commands_equal_numpy(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Pulses and verifications between the reads."""
    await traffic(dut, ALL, source_odds=source_odds, sink_odds=sink_odds)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def reset_restarts_the_numbers(dut: Any) -> None:
    """Requests on the way are dropped; images count from the first again; devices stay."""
    await traffic(dut, ALL, source_odds=0.8, sink_odds=0.5, resets=8)
