"""Bench of ``binohm check-macro``: one macro, driven at its pins, against its datasheet.

The traffic comes in phases, each under one kind of disturbance. What is wrong is written to
``conformance.json``, a line for each pin or rule, and ends the traffic with its phase: what follows
from one mistake is not reported as another.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer
from numpy.typing import NDArray

from binohm.sim.bench import PERIOD_NS, fact, pack
from binohm.sim.benches.conformance_rules import Sample, judge
from binohm.sim.golden import to_bits

COMMANDS = ("read", "transposed_read", "set", "reset", "verify_set", "verify_reset")
"""By code."""

CYCLES = 400
"""About as long as a phase of reads lasts."""

REQUEST = ("cmd", "row", "x_p", "x_n", "col_x", "col_en", "ref_code")

Signs = NDArray[np.int8]


@dataclass(frozen=True)
class Request:
    """What the pins carry, by name, and the response, a value a field of ``bits`` bits."""

    command: str
    pins: dict[str, int]
    expected: tuple[int, ...]


@dataclass
class Macro:
    """The macro as golden knows it: its cells, and what it answers."""

    array: dict[str, Any]
    commands: dict[str, list[int]]
    cells: Signs
    rng: np.random.Generator
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows: int = self.array["rows"]
        self.lines, self.columns = self.cells.shape
        self.bits: int = max(1, self.array["adc_bits"])
        self.fields: int = max(self.cells.shape) if self.array["transposed"] else self.columns
        self.one_line = self.array["cell"] != "complementary"

    def cycles(self, command: str) -> tuple[int, int, int]:
        """Latency, interval and outstanding of a command; one not listed takes those of a read."""
        latency, interval, outstanding = self.commands.get(command, self.commands["read"])
        return latency, interval, outstanding

    def reads(self) -> Iterator[Request]:
        """Random reads, and between them commands that the datasheet does not list."""
        others = [name for name in COMMANDS if name not in self.commands]
        for _ in range(12 + CYCLES // self.cycles("read")[1]):
            yield self.read()
            if "transposed_read" in self.commands:
                yield self.transposed_read()
            if others and self.rng.random() < 0.15:
                yield self._request(str(self.rng.choice(others)), {}, [0] * self.columns)

    def read(self) -> Request:
        """One read; some drive nothing, some just what a column holds."""
        if self.array["readout"] == "pcsa":
            row = int(self.rng.integers(self.rows))
            x = self._signs(self.columns)
            on = self.rng.random(self.columns) < self.rng.choice([0.5, 1])
            pins = {"row": row, "col_x": _word(x > 0), "col_en": _word(on)}
            return self._request("read", pins, (on & (x == self.cells[row])).astype(int))
        drive = self._drive()
        codes = self._codes()
        pins = {"x_p": _word(drive > 0), "x_n": _word(drive < 0)}
        pins |= {"ref_code": pack(codes, max(1, self.array["ref_bits"]))}
        sums = drive.astype(np.int64) @ self.cells
        if self.array["readout"] == "sa":
            return self._request("read", pins, 2 * (sums + np.array(codes)) + 1 > 0)
        matches = (sums + np.count_nonzero(drive)) // 2
        return self._request("read", pins, np.minimum(matches, (1 << self.bits) - 1))

    def transposed_read(self) -> Request:
        """One read from the columns to the rows; some with nothing on."""
        x = self._signs(self.columns) > 0
        on = self.rng.random(self.columns) < self.rng.choice([0, 0.5, 1])
        pins = {"col_x": _word(x), "col_en": _word(on)}
        counts = (self.cells > 0).astype(np.int64) @ (x & on)
        return self._request("transposed_read", pins, np.minimum(counts, (1 << self.bits) - 1))

    def _drive(self) -> Signs:
        """What each line is driven with; rows of one-line cells are on or off, bias rows on."""
        x = self._signs(self.lines)
        if self.rng.random() < 0.5:
            x = self.cells[:, self.rng.integers(self.columns)] * self.rng.choice([-1, 1])
        x = np.where(self.rng.random(self.lines) < self.rng.choice([0, 0.5, 1]), x, 0)
        x = np.maximum(x, 0) if self.one_line else x
        x[self.rows :] = 1
        return x.astype(np.int8)

    def _codes(self) -> list[int]:
        bits = self.array["ref_bits"]
        if not bits:
            return [0]
        reach = min(1 << (bits - 1), int(self.rng.choice([3, 1 << (bits - 1)])))
        count = self.columns if self.array["ref_per_column"] else 1
        return [int(code) for code in self.rng.integers(-reach, reach, count)]

    def writes(self, pulses: int) -> Iterator[Request]:
        """Set and reset every device of the macro, a line at a time, so that it holds ``cells``.

        Each device once, in any order: what a command does to columns that are not enabled is
        not made good by the next.
        """
        for line in range(self.lines):
            for way in self.rng.permutation(4):
                command, wanted, first = ("set", "reset")[way & 1], not way & 1, way > 1
                chosen = self._low(line, first) == wanted
                if not self._exists(line, first) or not chosen.any():
                    continue
                pins = {"row": line, "col_en": _word(chosen)}
                pins["col_x"] = _word(np.full(self.columns, first))
                for _ in range(pulses):
                    yield self._request(command, pins, [0] * self.columns)

    def verifies(self) -> Iterator[Request]:
        """Ask for the state of devices, right and wrong, some columns left out."""
        for command, wanted in (("verify_set", True), ("verify_reset", False)):
            if command not in self.commands:
                continue
            for line in range(self.lines):
                first = self.rng.random(self.columns) < 0.5
                on = self.rng.random(self.columns) < 0.8
                state = np.where(first, self._low(line, True), self._low(line, False))
                right = (state == wanted) | (~first & (not self._exists(line, False)))
                pins = {"row": line, "col_x": _word(first), "col_en": _word(on)}
                yield self._request(command, pins, (on & right).astype(int))

    def _low(self, line: int, first: bool) -> NDArray[np.bool_]:
        """Which cells of a line have their first (or second) device at low resistance."""
        low: NDArray[np.bool_] = self.cells[line] == (1 if first else -1)
        return low

    def _exists(self, line: int, first: bool) -> bool:
        return first or line >= self.rows or self.array["cell"] != "1t1r"

    def _request(self, command: str, pins: dict[str, int], expected: Any) -> Request:
        given = {"x_p": 0, "x_n": 0, "row": 0, "col_x": 0, "ref_code": 0, **pins}
        given.setdefault("col_en", (1 << self.columns) - 1)
        self.counts[command] = self.counts.get(command, 0) + 1
        values = [int(value) for value in expected]
        values += [0] * (self.fields - len(values))
        return Request(command, {"cmd": COMMANDS.index(command), **given}, tuple(values))

    def _signs(self, size: int) -> Signs:
        return self.rng.choice(np.array([-1, 1], np.int8), size)


async def run(
    dut: Any, requests: Sequence[Request], patience: int, *,
    source: float = 1.0, sink: float = 1.0, resets: int = 0, restless: bool = False,
) -> list[Sample]:  # fmt: skip
    """Offer requests one by one until all are answered or nothing moves; every cycle is noted.

    Parameters
    ----------
    patience : int
        Cycles without a transfer after which no more is expected.
    source, sink : float
        Probability that a request is offered, and a response taken, in a cycle.
    resets : int
        How often reset is active for a cycle meanwhile.
    restless : bool
        Whether all inputs are something else for the first half of each cycle.
    """
    samples: list[Sample] = []
    position = still = answered = 0
    offering = False
    at = {random.randint(1 + patience * k, patience * (k + 1)) for k in range(resets)}
    while still < patience or len(samples) <= max(at, default=0):
        offering = offering or (position < len(requests) and random.random() < source)
        pins = requests[position].pins if offering else _anything(dut)
        ready, reset = int(random.random() < sink), int(len(samples) in at)
        early = None
        if restless:
            _drive(dut, _anything(dut), random.getrandbits(1), random.getrandbits(1), 0)
            await Timer(PERIOD_NS / 4, unit="ns")
            early = (_bit(dut.q_valid), _value(dut.q))
        _drive(dut, pins, int(offering), ready, reset)
        await ReadOnly()
        sample = Sample(
            bool(reset), position if offering else None, _bit(dut.req_ready), _bit(dut.q_valid),
            _value(dut.q), bool(ready), early,
        )  # fmt: skip
        samples.append(sample)
        moved = sample.accepted or sample.taken
        position += sample.accepted
        offering = offering and not sample.accepted
        answered += sample.taken
        still = 0 if moved else still + 1
        await RisingEdge(dut.clk)
        if position == len(requests) and answered >= position and still > 8 and not at:
            break
    return samples


async def restart(dut: Any) -> None:
    """Reset for two cycles."""
    _drive(dut, dict.fromkeys(REQUEST, 0), 0, 0, 1)
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)


def _drive(dut: Any, pins: dict[str, int], valid: int, ready: int, reset: int) -> None:
    for name, value in {**pins, "req_valid": valid, "q_ready": ready, "rst": reset}.items():
        getattr(dut, name).value = value


def _anything(dut: Any) -> dict[str, int]:
    return {name: random.getrandbits(len(getattr(dut, name))) for name in REQUEST}


def _bit(handle: Any) -> bool | None:
    value = _value(handle)
    return None if isinstance(value, str) else bool(value)


def _value(handle: Any) -> int | str:
    """The value of a pin, or its bits as text if some are not known."""
    try:
        return int(handle.value)
    except ValueError:
        return str(handle.value).lower()


def _word(flags: Any) -> int:
    return to_bits(np.where(flags, 1, -1))


@cocotb.test(timeout_time=2, timeout_unit="sec")
async def conforms(dut: Any) -> None:
    """All phases, in order, as long as nothing is wrong."""
    rng = np.random.default_rng(random.getrandbits(32))
    macro = Macro(fact("array"), fact("commands"), np.load("cells.npy"), rng)
    latency = max(macro.cycles(name)[0] + macro.cycles(name)[1] for name in COMMANDS)
    patience = 40 + 4 * latency
    failures: list[str] = []
    cycles = 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start()

    async def phase(kind: str, requests: Sequence[Request], **disturbed: Any) -> bool:
        nonlocal cycles
        if disturbed.pop("fresh", True):
            await restart(dut)
        samples = await run(dut, requests, patience, **disturbed)
        cycles += len(samples)
        timing = [macro.cycles(request.command) for request in requests]
        expected = [request.expected for request in requests]
        failures.extend(judge(kind, samples, timing, expected, macro.bits))
        return not failures

    async def reads() -> None:
        _ = (
            await phase("reads", [*macro.reads()], fresh=False)
            and await phase("after a reset, which keeps the cells", [*macro.reads()])
            and await phase("under stalls", [*macro.reads()], source=0.6, sink=0.4)
            and await phase("while other pins move", [*macro.reads()], sink=0.5, restless=True)
            and await phase("resets in between", [*macro.reads()], source=0.8, sink=0.5, resets=6)
            and await phase("after resets, which keep the cells", [*macro.reads()])
            and await phase("verify", [*macro.verifies()], sink=0.7)
        )

    await restart(dut)
    if fact("loaded"):
        await reads()
    if not failures and {"set", "reset"} <= set(macro.commands):
        if fact("loaded"):
            macro.cells = np.where(rng.random(macro.cells.shape) < 0.5, -macro.cells, macro.cells)
        if await phase("writes", [*macro.writes(fact("pulses"))]):
            await reads()
    facts = {"failures": failures, "counts": {**macro.counts, "cycles": cycles}}
    Path("conformance.json").write_text(json.dumps(facts), encoding="utf-8")
