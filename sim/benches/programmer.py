"""Bench for ``programmer``: arrays whose devices need several pulses, are stuck or marginal.

What must happen is said device by device: each is verified, and given a pulse if it fails, until
it passes or has had as many as the limit. How the requests of a line do that for many at once is
the component's business; the arrays here count what reaches them.
"""

import copy
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from binohm.sim.bench import PERIOD_NS, fact, under_stalls
from binohm.sim.streams import Source

READ, SET, RESET, VERIFY_SET, VERIFY_RESET = 0, 2, 3, 4, 5
LINES = 12
LEFT_ALONE = (1, 1)
WORD = 32


@dataclass
class Device:
    """One device: pulses that it takes to flip, whether it is stuck, when it verifies."""

    low: bool
    needs: int
    stuck: bool = False
    marginal: int = 0
    wear: int = 0
    progress: int = 0
    late: int = field(default=0, repr=False)

    def pulse(self, low: bool) -> None:
        """One pulse towards the low or the high resistance."""
        self.wear += 1
        if self.stuck:
            return
        if self.low == low:
            self.progress, self.late = 0, max(0, self.late - 1)
            return
        self.progress += 1
        if self.progress == self.needs:
            self.low, self.progress, self.late = low, 0, self.marginal

    def verifies(self, low: bool) -> bool:
        """In the state, and no longer too near to the other."""
        return self.low == low and not self.late

    def written(self, low: bool, limit: int) -> bool:
        """What a line must do to this device; whether it verifies in the end."""
        for _ in range(limit):
            if self.verifies(low):
                break
            self.pulse(low)
        return self.verifies(low)


Place = tuple[int, int, int, int]  # tile, line, column, 0 for device a and 1 for device b


def devices() -> dict[Place, Device]:
    """Arrays in any state; one device in eight never does what it should."""
    made: dict[Place, Device] = {}
    for tile in range(fact("tiles")):
        for line in range(fact("lines")):
            for column in range(fact("columns")):
                for k in range(2):
                    kind = random.random()
                    made[tile, line, column, k] = Device(
                        low=random.random() < 0.5,
                        needs=random.randint(1, 4),
                        stuck=kind < 0.06,
                        marginal=100 if kind > 0.94 else random.choice([0, 0, 0, 1, 3]),
                    )
    return made


@dataclass(frozen=True)
class Line:
    """A command: bits of both devices of each column."""

    tile: int
    row: int
    limit: int
    a: tuple[int, ...]
    b: tuple[int, ...]

    @classmethod
    def any(cls, limit: int | None = None) -> "Line":
        """A line of +1, -1, 0 and columns to be left alone, or of one kind only."""
        kinds = random.choice([[(1, 0), (0, 1)], [(1, 0), (0, 1), (0, 0), LEFT_ALONE], [(0, 0)]])
        pairs = [random.choice(kinds) for _ in range(fact("columns"))]
        tile, row = (random.randrange(fact(name)) for name in ("tiles", "lines"))
        most = random.choice([0, 1, 4, 8, 255]) if limit is None else limit
        return cls(tile, row, most, tuple(a for a, _ in pairs), tuple(b for _, b in pairs))

    def pack(self) -> int:
        """The payload of the command."""
        word, at = 0, 0
        for value, bits in (
            (self.tile, _bits("tiles")),
            (self.row, _bits("lines")),
            (self.limit, 8),
            (_packed(self.a), fact("columns")),
            (_packed(self.b), fact("columns")),
        ):
            word |= value << at
            at += bits
        return word

    def rounds(self) -> Iterator[list[tuple[Place, bool]]]:
        """Devices of each round with what they must become: resets, resets of b of 0s, sets."""
        pairs = [*enumerate(zip(self.a, self.b, strict=True))]
        resets = [(c, int(a)) for c, (a, b) in pairs if (a, b) != LEFT_ALONE]
        yield [((self.tile, self.row, c, k), False) for c, k in resets]
        yield [((self.tile, self.row, c, 1), False) for c, pair in pairs if pair == (0, 0)]
        sets = [(c, int(b)) for c, (a, b) in pairs if a != b]
        yield [((self.tile, self.row, c, k), True) for c, k in sets]


def _bits(name: str) -> int:
    return (max(int(fact(name)), 2) - 1).bit_length()


def _packed(bits: Sequence[int]) -> int:
    return sum(bit << k for k, bit in enumerate(bits))


class Arrays:
    """Answers requests, after ``latency`` cycles and with stalls; checks every one of them."""

    def __init__(self, dut: Any, latency: int = 1, odds: float = 1.0) -> None:
        self.dut, self.latency, self.odds = dut, latency, odds
        self.devices = devices()
        self.pulses = {SET: 0, RESET: 0}
        self.requests = 0
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut = self.dut
        answer: tuple[int, int] | None = None
        cycle, stalled, offering = 0, None, False
        while True:
            offering = answer is not None and cycle >= answer[0] and (
                offering or random.random() < self.odds
            )  # fmt: skip
            dut.request__ready.value = int(answer is None and random.random() < self.odds)
            dut.response__valid.value = int(offering)
            dut.response__payload.value = answer[1] if answer and offering else _noise()
            await ReadOnly()
            request = int(dut.request__payload.value) if dut.request__valid.value else None
            assert stalled is None or request == stalled, "a request moved while stalled"
            stalled = None
            if request is None:
                self._check_idle()
            else:
                assert dut.active.value
            if request is not None and dut.request__ready.value:
                answer, offering = (cycle + self.latency, self._do(request)), False
            elif request is not None and not dut.rst.value:
                stalled = request
            assert answer is None or dut.active.value or dut.rst.value
            if offering and dut.response__ready.value:
                answer, offering = None, False
            if dut.rst.value:
                answer, offering = None, False
            cycle += 1
            await RisingEdge(dut.clk)

    def _fields(self, request: int) -> list[int]:
        fields = []
        for bits in (_bits("tiles"), 3, _bits("lines"), fact("columns"), fact("columns")):
            fields.append(request & (1 << bits) - 1)
            request >>= bits
        return fields

    def _check_idle(self) -> None:
        """Between requests the pins ask for a read of all columns."""
        _, command, _, _, enabled = self._fields(int(self.dut.request__payload.value))
        assert command == READ and enabled == (1 << fact("columns")) - 1

    def _do(self, request: int) -> int:
        tile, command, row, chosen, enabled = self._fields(request)
        self.requests += 1
        assert enabled, "a request of no column"
        answer = 0
        for column in range(fact("columns")):
            if not enabled >> column & 1:
                continue
            device = self.devices[tile, row, column, 1 - (chosen >> column & 1)]
            if command in (SET, RESET):
                device.pulse(command == SET)
                self.pulses[command] += 1
            else:
                assert command in (VERIFY_SET, VERIFY_RESET), f"command {command}"
                answer |= device.verifies(command == VERIFY_SET) << column
        return answer if command in (VERIFY_SET, VERIFY_RESET) else _noise()


def _noise() -> int:
    """What nobody may look at."""
    return random.getrandbits(fact("columns"))


class Counters:
    """Adds up what the component says it did."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.pulses = {SET: 0, RESET: 0}
        self.failed = 0
        self.latest = 0
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut = self.dut
        while True:
            await ReadOnly()
            count = int(dut.counted.value)
            assert not (dut.pulsed.value and dut.failed.value)
            if dut.pulsed.value and not dut.rst.value:
                self.pulses[SET if dut.setting.value else RESET] += count
                self.latest = count
            if dut.failed.value and not dut.rst.value:
                self.failed += count
            await RisingEdge(dut.clk)


async def start(dut: Any, *, latency: int = 1, odds: float = 1.0) -> tuple[Arrays, Counters]:
    """Clock and reset; the arrays, and the counts."""
    dut.stop.value, dut.empty.value, dut.rst.value = 0, 1, 1
    dut.command__valid.value, dut.command__payload.value = 0, 0
    dut.request__ready.value, dut.response__valid.value = 0, 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    return Arrays(dut, latency, odds), Counters(dut)


async def done(dut: Any) -> int:
    """Wait until a command is accepted; for how many cycles it was on offer."""
    cycles = 0
    while True:
        await ReadOnly()
        accepted = bool(dut.command__valid.value and dut.command__ready.value)
        cycles += bool(dut.command__valid.value)
        await RisingEdge(dut.clk)
        if accepted:
            return cycles


def expect(arrays: Arrays, line: Line) -> tuple[dict[Place, Device], int]:
    """The devices as they must be after ``line``, and how many must not verify."""
    after = copy.deepcopy(arrays.devices)
    failures = 0
    for devices_of_round in line.rounds():
        for place, low in devices_of_round:
            failures += not after[place].written(low, line.limit)
    return after, failures


def failing(line: Line, after: dict[Place, Device], k: int) -> int:
    """Which devices k of the line do not verify, as a map."""
    bits = 0
    for devices_of_round in line.rounds():
        for (tile, row, column, device), low in devices_of_round:
            if device == k and not after[tile, row, column, device].verifies(low):
                bits |= 1 << column
    return bits


@cocotb.test(timeout_time=1, timeout_unit="ms")
@under_stalls
async def matches_the_devices(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Every device has what it should, or is in the map; no pulse too many, none uncounted."""
    arrays, counters = await start(dut, latency=random.randint(1, 4), odds=sink_odds)
    source = Source(dut, "command", _sometimes(source_odds))
    failures = 0
    for _ in range(LINES):
        line = Line.any()
        wanted, more = expect(arrays, line)
        failures += more
        source.send(line.pack())
        await done(dut)
        assert arrays.devices == wanted
        for k, fails in enumerate((dut.fail_a, dut.fail_b)):
            assert int(fails.value) == failing(line, wanted, k)
        assert counters.pulses == arrays.pulses
        assert counters.failed == failures
        assert sum(device.wear for device in wanted.values()) == sum(arrays.pulses.values())


def _sometimes(odds: float) -> Iterator[bool]:
    while True:
        yield random.random() < odds


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def takes_the_cycles_it_claims(dut: Any) -> None:
    """By the rounds: how often they verify, how often they give pulses, whether they give up."""
    latency = random.randint(1, 5)
    arrays, _ = await start(dut, latency=latency)
    source = Source(dut, "command")
    words = -(-fact("columns") // WORD)
    for _ in range(LINES):
        line = Line.any()
        cycles = 2
        before = copy.deepcopy(arrays.devices)
        for members in line.rounds():
            cycles += 1
            if members:
                verified = [before[place].written(low, line.limit) for place, low in members]
                pulses = max(
                    before[place].wear - arrays.devices[place].wear for place, _ in members
                )
                cycles += (pulses + 1) * (latency + 2) + pulses * (words + latency + 2)
                cycles += (words + 1) * (not all(verified))
        source.send(line.pack())
        assert await done(dut) == cycles


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def what_is_right_gets_no_pulse(dut: Any) -> None:
    """The same line again, and a read back of it, touch only what failed."""
    arrays, counters = await start(dut)
    for device in arrays.devices.values():
        device.stuck, device.marginal = False, 0
    source = Source(dut, "command")
    line = Line.any(limit=8)
    again = [line, Line(line.tile, line.row, 0, line.a, line.b)]
    for number, command in enumerate([line, *again]):
        before = dict(arrays.pulses)
        source.send(command.pack())
        await done(dut)
        assert number == 0 or arrays.pulses == before
        assert counters.failed == 0 and int(dut.fail_a.value) == int(dut.fail_b.value) == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def waits_for_the_frames(dut: Any) -> None:
    """Nothing is asked of the arrays while a frame is inside; stop ends the wait."""
    arrays, _ = await start(dut)
    source = Source(dut, "command")
    dut.empty.value = 0
    source.send(Line.any(limit=4).pack())
    await ClockCycles(dut.clk, 50)
    assert arrays.requests == 0 and not dut.active.value
    dut.stop.value = 1
    await done(dut)
    dut.stop.value = 0
    assert arrays.requests == 0
    source.send(Line.any(limit=4).pack())
    await ClockCycles(dut.clk, 5)
    dut.empty.value = 1
    await done(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def stops_between_requests(dut: Any) -> None:
    """Told at any moment: ends soon, whatever it did is counted, and the next line is right."""
    arrays, counters = await start(dut, latency=3, odds=0.6)
    source = Source(dut, "command")
    for _ in range(LINES):
        source.send(Line.any(limit=255).pack())
        ended = cocotb.start_soon(done(dut))
        await ClockCycles(dut.clk, random.randint(1, 60))
        dut.stop.value = 1
        if not ended.done():
            requests = arrays.requests
            await ended
            assert arrays.requests - requests <= 2
        dut.stop.value = 0
        assert counters.pulses == arrays.pulses
    await whole_line(dut, arrays, source)


async def whole_line(dut: Any, arrays: Arrays, source: Source) -> None:
    """One line, as it must be."""
    line = Line.any(limit=8)
    wanted, _ = expect(arrays, line)
    source.send(line.pack())
    await done(dut)
    assert arrays.devices == wanted


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_mid_line(dut: Any) -> None:
    """The line begins anew; a pulse that reset cancelled may be counted, none is missed."""
    arrays, counters = await start(dut, latency=2, odds=0.5)
    source = Source(dut, "command")
    for _ in range(LINES):
        line = Line.any(limit=8)
        source.send(line.pack())
        before = dict(arrays.pulses), dict(counters.pulses)
        await ClockCycles(dut.clk, random.randint(1, 40))
        ended = not dut.command__valid.value
        dut.rst.value = 1
        await RisingEdge(dut.clk)
        dut.rst.value = 0
        given, counted = (
            sum(now.values()) - sum(then.values())
            for now, then in zip((arrays.pulses, counters.pulses), before, strict=True)
        )
        assert given <= counted <= given + counters.latest
        if ended:
            continue
        wanted, _ = expect(arrays, line)
        await done(dut)
        assert arrays.devices == wanted
