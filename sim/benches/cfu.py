"""Bench for the function unit behind its buses: equal to :class:`binohm.sim.cfu.Unit`.

What the unit has accepted is done by the model in the same order, whatever the stalls; every answer
is compared. ``FACT_PORT`` says which bus there is, ``FACT_SIZES`` the sizes, ``FACT_JITTER``
whether the macro has random latency.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from binohm.sim import cfu
from binohm.sim.bench import PERIOD_NS, fact, under_stalls
from binohm.sim.cfu import ADD, DOT, GET, ROW, SET, SIGN, SUM, WINDOW, Sizes, Unit

COMMANDS = 250
AFTER = 3
"""Cycles from the last comparison's turn to the next command that waits for the sums."""

CUSTOM_0, OTHER = 0x0B, 0x33
LONGEST = 20000
"""Cycles that a test may take in which nothing is answered, macro with random latency included."""


@dataclass(frozen=True)
class Command:
    """A command of the CFU bus."""

    function: int
    a: int = 0
    b: int = 0

    @property
    def instruction(self) -> int:
        """As the core sees it; the registers are any."""
        funct7, funct3 = divmod(self.function, 8)
        registers = random.getrandbits(5) << 20 | random.getrandbits(5) << 15
        return funct7 << 25 | registers | funct3 << 12 | random.getrandbits(5) << 7 | CUSTOM_0


def sizes() -> Sizes:
    """Those of the unit under test."""
    return Sizes(**fact("sizes"))


class Traffic:
    """Random commands whose answers do not depend on when they are given.

    Counts and status are asked for only when nothing is under way.
    """

    def __init__(self, unit: Unit) -> None:
        self.sizes = unit.sizes
        self.quiet = False

    def __iter__(self) -> Iterator[Command]:
        while True:
            yield from self._some()

    def kernel(self, slot: int, limit: int | None = None) -> Iterator[Command]:
        """Program a slot, or verify it."""
        yield Command(SET, slot, cfu.SLOT)
        for _ in range(-(-self.sizes.width // 32)):
            yield Command(SET, random.getrandbits(32), cfu.KERNEL)
        pulses = random.choice([0, 1, 255]) if limit is None else limit
        yield Command(SET, pulses, cfu.PROGRAM)
        self.quiet = False

    def word(self) -> int:
        """Numbers that hit, mostly; and any bits above them."""
        word = random.getrandbits(32) << 32
        for _ in range(self.sizes.numbers):
            kind = random.random()
            number = random.randrange(self.sizes.codes)
            if kind < 0.1:
                number = random.choice([
                    self.sizes.codes, random.randrange(self.sizes.codes, self.sizes.none)
                ])  # fmt: skip
            elif kind < 0.2:
                number = self.sizes.none
            word = word << self.sizes.number_bits | number
        return word % 2**32

    def _some(self) -> Iterator[Command]:
        sizes = self.sizes
        kind = random.choices(
            ["dot", "row", "sign", "sum", "add", "set", "get", "window", "kernel", "wrong"],
            [30, 15, 8, 8, 6, 10, 8, 6, 1, 4],
        )[0]
        position = random.randrange(sizes.positions)
        if kind == "dot":
            self.quiet = False
            yield Command(DOT, self.word(), random.getrandbits(32))
            return
        if kind == "wrong":
            yield self._wrong()
            return
        if kind == "kernel":
            yield from self.kernel(random.randrange(sizes.slots))
            return
        if kind == "get":
            if not self.quiet:
                yield Command(SUM, position, 0)
                self.quiet = True
            yield Command(GET, random.getrandbits(32), random.randrange(cfu.SIZE + 1))
            return
        if kind == "row":
            yield Command(ROW, random.getrandbits(32), random.getrandbits(32))
            return  # may be refused, and then waits for nothing
        theta = random.choice([random.randint(-9, 9), random.randint(-(2**31), 2**31 - 1)])
        yield {
            "sign": Command(SIGN, theta % 2**32, random.getrandbits(32)),
            "sum": Command(SUM, position, random.choice([0, 0, 1, 2**32 - 1])),
            "add": Command(ADD, theta % 2**32, position),
            "set": self._set(),
            "window": Command(WINDOW, random.randrange(sizes.windows), self._where(position)),
        }[kind]
        self.quiet = True

    def _where(self, position: int) -> int:
        return position | random.randrange(-(-self.sizes.width // 32)) << 8

    def _set(self) -> Command:
        sizes = self.sizes
        value, register = random.choice([
            (random.randrange(sizes.windows), cfu.CHANNEL),
            (random.randrange(sizes.windows), cfu.WINDOW_AT),
            (random.randrange(31 + sizes.columns), cfu.SHIFT),
            (random.getrandbits(32), cfu.ROWS),
            (random.getrandbits(32), cfu.COLUMNS),
            (2**32 - 1, random.choice([cfu.ROWS, cfu.COLUMNS])),
            (random.randrange(sizes.slots), cfu.SLOT),
            (random.getrandbits(32), cfu.KERNEL),
            (random.getrandbits(32), cfu.CLEAR),
        ])
        return Command(SET, value, register)

    def _wrong(self) -> Command:
        sizes = self.sizes
        large = random.choice([0, random.getrandbits(31)])
        return random.choice([
            Command(random.randrange(8, 1024), random.getrandbits(32), random.getrandbits(3)),
            Command(SUM, sizes.positions + large, 1),
            Command(ADD, 1, sizes.positions + large),
            Command(SET, 0, cfu.CLEAR + 1 + large),
            Command(SET, sizes.windows + large, cfu.CHANNEL),
            Command(SET, sizes.windows + large, cfu.WINDOW_AT),
            Command(SET, 31 + sizes.columns + large, cfu.SHIFT),
            Command(SET, sizes.slots + large, cfu.SLOT),
            Command(SET, 256 + large, cfu.PROGRAM),
            Command(GET, 0, cfu.SIZE + 1 + large),
            Command(WINDOW, sizes.windows + large, 0),
            Command(WINDOW, 0, sizes.positions),
            Command(WINDOW, 0, -(-sizes.width // 32) << 8),
        ])


class Bus:
    """Offers commands at random, takes answers at random, and lets the model do the same.

    Attributes
    ----------
    accepted, answered : list of int
        Cycles in which this happened.
    lost_row : bool
        A reset may have come while a row of pixels was being written.
    unfinished : set of int
        Slots that may have been under way when a reset came.
    """

    def __init__(
        self, dut: Any, unit: Unit, source_odds: float = 1.0, sink_odds: float = 1.0
    ) -> None:
        self.dut, self.unit = dut, unit
        self.source_odds, self.sink_odds = source_odds, sink_odds
        self.commands: deque[Command] = deque()
        self.expected: deque[tuple[Command, int]] = deque()
        self.offering = False
        self.cycle = 0
        self.accepted: list[int] = []
        self.answered: list[int] = []
        self.asserted = False
        self.lost_row = False
        self.writing: set[int] = set()
        self.unfinished: set[int] = set()
        dut.clk.value = 0
        self._reset(True)
        if fact("port") == "cfu":
            dut.cmd_valid.value, dut.rsp_ready.value = 0, 0
        else:
            dut.pcpi_valid.value = 0
        Clock(dut.clk, PERIOD_NS, unit="ns").start()

    def _reset(self, active: bool) -> None:
        self.asserted = active
        if fact("port") == "cfu":
            self.dut.reset.value = int(active)
        else:
            self.dut.resetn.value = int(not active)

    async def start(self) -> None:
        """Reset, then go."""
        await ClockCycles(self.dut.clk, 2)
        self._reset(False)
        cocotb.start_soon(self._cfu() if fact("port") == "cfu" else self._pcpi())

    async def reset(self) -> None:
        """Hold reset for a few cycles in mid-traffic; what was not accepted is withdrawn."""
        self._reset(True)
        self.commands.clear()
        await ClockCycles(self.dut.clk, random.randint(1, 3))
        self.unit.reset()
        self.expected.clear()
        self.unfinished, self.writing = self.writing, set()
        self._reset(False)

    async def done(self) -> None:
        """Wait until every command has been answered."""
        still, before = 0, -1
        while self.commands or self.offering or self.expected:
            await RisingEdge(self.dut.clk)
            still = 0 if len(self.answered) != before else still + 1
            before = len(self.answered)
            assert still < LONGEST, f"no answer to {self.expected and self.expected[0]}"

    def _do(self, command: Command) -> None:
        self.accepted.append(self.cycle)
        self._note(command)
        if not self.asserted:
            self.expected.append((command, self.unit.execute(*_fields(command))))
        elif command.function == ROW:
            self.lost_row = True

    def _note(self, command: Command) -> None:
        """Which slots are being written: that is over when a word of numbers is accepted."""
        if command.function == DOT:
            self.writing.clear()
        elif (command.function, command.b) == (SET, cfu.PROGRAM):
            self.writing.add(self.unit.slot)

    def _compare(self, answer: int) -> None:
        self.answered.append(self.cycle)
        if not self.asserted:
            command, expected = self.expected.popleft()
            assert answer == expected, f"{command}: got {answer:#x}, expected {expected:#x}"

    async def _cfu(self) -> None:
        dut, offered, shown = self.dut, None, None
        while True:
            if offered is None and self.commands and random.random() < self.source_odds:
                offered = self.commands.popleft()
            self.offering = offered is not None
            dut.cmd_valid.value = int(offered is not None)
            command = offered or Command(*(random.getrandbits(bits) for bits in (10, 32, 32)))
            dut.cmd_payload_function_id.value = command.function
            dut.cmd_payload_inputs_0.value = command.a
            dut.cmd_payload_inputs_1.value = command.b
            dut.rsp_ready.value = int(random.random() < self.sink_odds)
            await ReadOnly()
            answer = int(dut.rsp_payload_outputs_0.value) if dut.rsp_valid.value else None
            assert shown is None or answer == shown, "an answer moved while stalled"
            shown = None
            if answer is not None and dut.rsp_ready.value:
                self._compare(answer)
            elif answer is not None and not self.asserted:
                shown = answer
            if offered is not None and dut.cmd_ready.value:
                self._do(offered)
                offered = None
            if self.asserted:
                offered = None
            self.offering = offered is not None
            self.cycle += 1
            await RisingEdge(dut.clk)

    async def _pcpi(self) -> None:
        dut, offered = self.dut, None
        while True:
            if offered is None and self.commands and random.random() < self.source_odds:
                offered = self.commands.popleft()
                word = offered.instruction
            self.offering = ours = offered is not None
            foreign = not ours and random.random() < 0.5
            dut.pcpi_valid.value = int(ours or foreign)
            noise = random.getrandbits(25) << 7 | OTHER
            dut.pcpi_insn.value = word if ours else noise
            dut.pcpi_rs1.value = offered.a if offered else random.getrandbits(32)
            dut.pcpi_rs2.value = offered.b if offered else random.getrandbits(32)
            await ReadOnly()
            assert bool(dut.pcpi_wait.value) == ours
            assert dut.pcpi_wr.value == dut.pcpi_ready.value
            if dut.pcpi_ready.value and not self.asserted:
                assert offered is not None, "ready without an instruction"
                self._do(offered)
                self._compare(int(dut.pcpi_rd.value))
                offered = None
            if self.asserted and offered is not None:  # may have been accepted, unseen
                if offered.function != DOT:
                    self._note(offered)
                self.lost_row |= offered.function == ROW
                offered = None
            self.offering = offered is not None
            self.cycle += 1
            await RisingEdge(dut.clk)


def _fields(command: Command) -> tuple[int, int, int]:
    return command.function, command.a, command.b


async def begin(dut: Any, *, source_odds: float = 1.0, sink_odds: float = 1.0) -> Bus:
    """A unit after reset, whose devices and pixels the model knows."""
    bus = Bus(dut, Unit(sizes()), source_odds, sink_odds)
    await bus.start()
    await known(bus)
    return bus


async def known(bus: Bus) -> None:
    """Write every device and every pixel, whatever they were."""
    bus.unfinished, bus.lost_row = set(range(bus.unit.sizes.slots)), True
    await known_again(bus)


async def known_again(bus: Bus) -> None:
    """Write what a reset may have left unfinished, and no more."""
    sizes = bus.unit.sizes
    if bus.lost_row:
        bus.lost_row = False
        bus.commands.append(Command(SET, 0, cfu.WINDOW_AT))
        rows = sizes.windows * sizes.rows
        bus.commands.extend(Command(ROW, random.getrandbits(32)) for _ in range(rows))
    for slot in sorted(bus.unfinished):
        bus.commands.extend(Traffic(bus.unit).kernel(slot, 255))
    bus.commands.append(Command(SET, 0, cfu.CLEAR))
    await bus.done()


@cocotb.test(timeout_time=5, timeout_unit="ms")
@under_stalls
async def matches_model(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Any commands, also what is refused; every answer."""
    bus = await begin(dut, source_odds=source_odds, sink_odds=sink_odds)
    traffic = iter(Traffic(bus.unit))
    bus.commands.extend(next(traffic) for _ in range(COMMANDS))
    await bus.done()
    assert len(bus.answered) == len(bus.accepted)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def reset_leaves_cells_and_pixels(dut: Any) -> None:
    """In mid-traffic, again and again; what was being written is written anew."""
    bus = await begin(dut, source_odds=0.8, sink_odds=0.6)
    for _ in range(12):
        traffic = Traffic(bus.unit)
        bus.commands.extend(c for c, _ in zip(traffic, range(60), strict=False))
        await ClockCycles(dut.clk, random.randint(1, 150))
        await bus.reset()
        await known_again(bus)
        bus.commands.extend(c for c, _ in zip(traffic, range(30), strict=False))
        await bus.done()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def takes_the_cycles_it_claims(dut: Any) -> None:
    """An answer a cycle after acceptance; a comparison a cycle, from word to word."""
    bus = await begin(dut)
    sizes = bus.unit.sizes
    first = len(bus.accepted)
    bus.commands.extend([Command(SUM, 0, 0)] * 20)
    await bus.done()
    accepted, answered = bus.accepted[first:], bus.answered[first:]
    step = 1 if fact("port") == "cfu" else 2
    assert accepted == list(range(accepted[0], accepted[0] + 20 * step, step))
    assert [b - a for a, b in zip(accepted, answered, strict=True)] == [2 - step] * 20

    await ClockCycles(dut.clk, 5)
    first, words = len(bus.accepted), sizes.windows // sizes.numbers
    if not words:
        return
    full = sum(sizes.number(0) << k * sizes.number_bits for k in range(sizes.numbers))
    bus.commands.extend([Command(SET, 0, cfu.CHANNEL), *[Command(DOT, full)] * words])
    bus.commands.append(Command(SUM, 0, 0))
    await bus.done()
    work = words * max(sizes.numbers * sizes.positions, step)
    took = bus.accepted[-1] - bus.accepted[first + 1]
    assert took >= work + AFTER if fact("jitter") else took == work + AFTER


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def all_but_questions_wait_for_programming(dut: Any) -> None:
    """A word of numbers is not even queued; status tells, at once."""
    bus = await begin(dut)
    low = Command(SET, 0, cfu.KERNEL)
    high = Command(SET, 2**32 - 1, cfu.KERNEL)
    for kernel in (low, high):
        bus.commands.extend([
            Command(SET, 0, cfu.SLOT),
            *[kernel] * 9,
            Command(SET, 9, cfu.PROGRAM),
        ])
    first = len(bus.accepted) + len(bus.commands) - 1
    bus.commands.extend([Command(GET, 0, cfu.SIZE), Command(DOT, 0)])
    await bus.done()
    program, question, dot = bus.accepted[first:]
    step = 1 if fact("port") == "cfu" else 2
    assert question == program + step
    assert dot > program + 12  # every device is verified, given a pulse, and verified again


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def no_function_locks_up(dut: Any) -> None:
    """All that there are not, each answered with 0 at once; then everything works."""
    bus = await begin(dut)
    first = len(bus.accepted)
    wrong = [Command(function, 1, 2) for function in range(8, 1024)]
    bus.commands.extend(wrong)
    bus.commands.append(Command(GET, 0, cfu.STATUS))
    await bus.done()
    accepted = bus.accepted[first:]
    step = 1 if fact("port") == "cfu" else 2
    assert accepted[-1] - accepted[0] == step * len(wrong)
    traffic = iter(Traffic(bus.unit))
    bus.commands.extend(next(traffic) for _ in range(60))
    await bus.done()
