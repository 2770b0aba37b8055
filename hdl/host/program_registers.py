"""What a host sees and sets to program the arrays: the registers around a programmer."""

from typing import Literal

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arrays.programmer import WORD, program_command
from binohm.hdl.checks import require_int
from binohm.hdl.host.register import Field, Register

__all__ = ["FIRST_PROGRAM", "HOST_ACCESS", "ProgramRegisters", "program_map"]

FIRST_PROGRAM = 0xF00
"""Byte address of the first of these registers."""

LIMIT = 32
"""Most pulses to a device in one command, after reset."""

PROGRAM, VERIFY, STOP, CLEAR = 1, 2, 4, 8

HOST_ACCESS = wiring.Signature({
    "write": Out(1),
    "write_word": Out(5),
    "write_data": Out(32),
    "accepted": In(1),
    "read_word": Out(5),
    "read_data": In(32),
})
"""Reads and writes of the words from ``FIRST_PROGRAM`` on. A write is over in its cycle, and
``accepted`` tells then whether it was one that could be done; so is a read."""


REGISTERS: tuple[tuple[str, Literal["ro", "rw", "wo"], str], ...] = (
    (
        "PROGRAM_COMMAND",
        "wo",
        "One bit of these; while busy, only STOP is accepted.",
    ),
    (
        "PROGRAM_STATUS",
        "ro",
        "FAILED and STOPPED are since the last clear.",
    ),
    ("PROGRAM_TILE", "rw", "The array: its number in the plan."),
    ("PROGRAM_LINE", "rw", "The line: its rows, then its bias rows."),
    ("PROGRAM_LIMIT", "rw", f"Most pulses to a device, 0 to 255; {LIMIT} after reset."),
    (
        "PROGRAM_WORD",
        "rw",
        """Which 32 columns the next four registers show, column 0 lowest. A write of PROGRAM_B goes
        on to the next word.""",
    ),
    ("PROGRAM_A", "rw", "Device a of each column: 1 is to be set, 0 reset."),
    (
        "PROGRAM_B",
        "rw",
        """Device b. So +1 is a alone, -1 is b alone, 0 is neither; a column with both is left
        alone, as all are after reset.""",
    ),
    ("FAIL_A", "ro", "Devices a of the last line that did not verify."),
    ("FAIL_B", "ro", "Devices b of the last line that did not verify."),
    ("FAILED_LINE", "ro", "Devices of the last line that did not verify."),
    ("FAILED", "ro", "Devices that PROGRAM gave up, since the last clear."),
    ("PULSES_SET", "ro", "Set pulses given, one a device, since the last clear."),
    ("PULSES_RESET", "ro", "Reset pulses given, one a device, since the last clear."),
    (
        "WEAR",
        "rw",
        """Pulses ever given to line PROGRAM_LINE of PROGRAM_TILE. Neither reset nor clear changes
        it; a host may restore it after power-up.""",
    ),
    (
        "REMAP",
        "wo",
        "A spare column stands for a bad one of PROGRAM_TILE.",
    ),
)

FIELDS = {
    "PROGRAM_COMMAND": (
        Field("PROGRAM", 0, "program the line."),
        Field("VERIFY", 1, "read it back."),
        Field("STOP", 2, "stop."),
        Field("CLEAR", 3, "clear PROGRAM_STATUS and all counts but WEAR."),
    ),
    "PROGRAM_STATUS": (
        Field("BUSY", 0, "a command is at work."),
        Field("FAILED", 1, "a device did not verify."),
        Field("STOPPED", 2, "a command was told to stop, and its line may be unfinished."),
    ),
    "REMAP": (
        Field("COLUMN", 0, "the bad column.", 16),
        Field("SPARE", 16, "the spare column that gives its output.", 8),
        Field("UNUSED", 31, "the spare is not used, as after reset."),
    ),
}


def program_map(spares: int = 0) -> tuple[Register, ...]:
    """The registers, by offset; ``REMAP`` is for arrays with spare columns."""
    return tuple(
        Register(
            name, FIRST_PROGRAM + 4 * number, access, " ".join(meaning.split()),
            FIELDS.get(name, ()),
        )
        for number, (name, access, meaning) in enumerate(REGISTERS)
        if spares or name != "REMAP"
    )  # fmt: skip


class ProgramRegisters(wiring.Component):
    """The registers of :func:`program_map`, and the pulses that each line was given.

    A write that cannot be done (of what is read only, of a value out of range, or while busy)
    changes nothing and is not accepted. Values take effect in the next cycle, ``WEAR`` one later.

    Parameters
    ----------
    tile_lines : tuple of int
        Lines of each array, by its number.
    columns : int
        Most columns of an array, spare ones included.
    spares : int
        Most spare columns of an array.
    memory : str
        Module of the memory of pulses.

    Members
    -------
    host : In(HOST_ACCESS)
    command, stop, fail_a, fail_b, counted, pulsed, failed, setting
        The other side of a :class:`~binohm.hdl.arrays.programmer.Programmer`.
    busy : Out(1)
        A command is at work or waits.
    remap : Out(1)
        High for a cycle in which column ``remap_column`` of the array of the command is given to
        spare ``remap_spare``, if ``remap_used``. All of them only with spares.
    """

    def __init__(
        self, tile_lines: tuple[int, ...], *, columns: int, spares: int, memory: str
    ) -> None:
        for lines in tile_lines:
            require_int("lines", lines)
        require_int("columns", columns)
        require_int("spares", spares, least=0)
        self.tile_lines = tile_lines
        self.columns = columns
        self.spares = spares
        self.memory = memory
        command = program_command(len(tile_lines), max(tile_lines), columns)
        every = (1 << columns) - 1
        members = {
            "host": In(HOST_ACCESS),
            "command": Out(stream.Signature(command, payload_init={"a": every, "b": every})),
            "stop": Out(1),
            "fail_a": In(columns),
            "fail_b": In(columns),
            "counted": In(range(columns + 1)),
            "pulsed": In(1),
            "failed": In(1),
            "setting": In(1),
            "busy": Out(1),
        }
        if spares:
            members |= {
                "remap": Out(1),
                "remap_used": Out(1),
                "remap_spare": Out(range(max(spares, 2))),
                "remap_column": Out(range(max(columns - spares, 2))),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        p = self.command.p
        there, address = self._place(m)
        accepted = self._writes(m, there)
        wear = Signal(32)
        m.submodules.wear = Instance(
            self.memory,
            p_WIDTH=32,
            p_DEPTH=sum(self.tile_lines),
            i_clk=ClockSignal(),
            i_addr=address,
            i_write=self.pulsed | accepted["WEAR"],
            i_wdata=Mux(self.pulsed, wear + self.counted, self.host.write_data),
            o_rdata=wear,
        )
        counts = self._counts(m, accepted["PROGRAM_COMMAND"])
        words = {
            name: Signal(32, name=f"{name.lower()}_word")
            for name in ("PROGRAM_A", "PROGRAM_B", "FAIL_A", "FAIL_B")
        }
        sources = (p.a, p.b, self.fail_a, self.fail_b)
        m.d.comb += [
            word.eq(Value.cast(source).word_select(self._word, WORD))
            for word, source in zip(words.values(), sources, strict=True)
        ]
        self._read(
            m,
            counts
            | words
            | {
                "PROGRAM_TILE": p.tile,
                "PROGRAM_LINE": p.row,
                "PROGRAM_LIMIT": self._limit,
                "PROGRAM_WORD": self._word,
                "WEAR": wear,
            },
        )
        return m

    def _place(self, m: Module) -> tuple[Signal, Signal]:
        """Whether the tile has the line, and where its count is."""
        depth = sum(self.tile_lines)
        first, lines = Signal(range(depth + 1)), Signal(range(max(self.tile_lines) + 1))
        there, address = Signal(name="there"), Signal(range(max(depth, 2)), name="address")
        start = 0
        with m.Switch(self.command.p.tile):
            for tile, count in enumerate(self.tile_lines):
                with m.Case(tile):
                    m.d.comb += [first.eq(start), lines.eq(count)]
                start += count
        m.d.comb += [
            there.eq(self.command.p.row < lines),
            address.eq(first + self.command.p.row),
        ]
        return there, address

    def _writes(self, m: Module, there: Signal) -> dict[str, Signal]:
        """Take what can be; high, by register, in the cycle in which it is."""
        data, p = self.host.write_data, self.command.p
        words = -(-self.columns // WORD)
        self._limit, self._word = Signal(8, init=LIMIT), Signal(range(max(words, 2)))
        begins = ((data == PROGRAM) | (data == VERIFY)) & there
        possible: dict[str, Value] = {
            "PROGRAM_COMMAND": (data == STOP) | (~self.busy & (begins | (data == CLEAR))),
            "PROGRAM_TILE": ~self.busy & (data < len(self.tile_lines)),
            "PROGRAM_LINE": ~self.busy & (data < max(self.tile_lines)),
            "PROGRAM_LIMIT": ~self.busy & (data < 1 << len(self._limit)),
            "PROGRAM_WORD": ~self.busy & (data < words),
            "PROGRAM_A": ~self.busy,
            "PROGRAM_B": ~self.busy,
            "WEAR": ~self.busy & there,
        }
        if self.spares:
            fits = (data[:16] < self.columns - self.spares) & (data[16:24] < self.spares)
            possible["REMAP"] = ~self.busy & (data[31] | fits) & (data[24:31] == 0)
        accepted = {name: Signal(name=f"to_{name.lower()}") for name in possible}
        numbers = {register.name: n for n, register in enumerate(program_map(self.spares))}
        m.d.comb += [
            signal.eq(self.host.write & (self.host.write_word == numbers[name]) & possible[name])
            for name, signal in accepted.items()
        ]
        m.d.comb += self.host.accepted.eq(Cat(*accepted.values()).any())
        if self.spares:
            m.d.comb += [
                self.remap.eq(accepted["REMAP"]),
                self.remap_used.eq(~data[31]),
                self.remap_spare.eq(data[16:24]),
                self.remap_column.eq(data[:16]),
            ]

        for name, register in (
            ("PROGRAM_TILE", p.tile),
            ("PROGRAM_LINE", p.row),
            ("PROGRAM_LIMIT", self._limit),
            ("PROGRAM_WORD", self._word),
        ):
            with m.If(accepted[name]):
                m.d.sync += register.eq(data)
        for name, line in (("PROGRAM_A", p.a), ("PROGRAM_B", p.b)):
            with m.If(accepted[name]):
                m.d.sync += line.word_select(self._word, WORD).eq(data)
        with m.If(accepted["PROGRAM_B"]):
            m.d.sync += self._word.eq(Mux(self._word == words - 1, 0, self._word + 1))
        return accepted

    def _counts(self, m: Module, commanded: Signal) -> dict[str, Value]:
        """Go through a command, and count what it does; the registers that tell."""
        data, p = self.host.write_data, self.command.p
        reported, failed, stopped = (Signal(name=n) for n in ("reported", "some_failed", "stopped"))
        counters = {
            name: Signal(32, name=name.lower())
            for name in ("FAILED_LINE", "FAILED", "PULSES_SET", "PULSES_RESET")
        }
        m.d.comb += [self.busy.eq(self.command.valid)]
        events = {
            "FAILED_LINE": self.failed,
            "FAILED": self.failed & reported,
            "PULSES_SET": self.pulsed & self.setting,
            "PULSES_RESET": self.pulsed & ~self.setting,
        }
        for name, counter in counters.items():
            with m.If(events[name]):
                m.d.sync += counter.eq(counter + self.counted)
        with m.If(self.failed):
            m.d.sync += failed.eq(1)
        with m.If(self.command.valid & self.command.ready):
            m.d.sync += [self.command.valid.eq(0), self.stop.eq(0), stopped.eq(stopped | self.stop)]
        with m.Elif(commanded & (data == STOP)):
            m.d.sync += self.stop.eq(self.busy)
        with m.If(commanded & ((data == PROGRAM) | (data == VERIFY))):
            m.d.sync += [
                self.command.valid.eq(1),
                p.limit.eq(Mux(data == PROGRAM, self._limit, 0)),
                reported.eq(data == PROGRAM),
                counters["FAILED_LINE"].eq(0),
            ]
        with m.If(commanded & (data == CLEAR)):
            m.d.sync += [failed.eq(0), stopped.eq(0), *(c.eq(0) for c in counters.values())]
        return counters | {"PROGRAM_STATUS": Cat(self.busy, failed, stopped)}

    def _read(self, m: Module, values: dict[str, Value]) -> None:
        with m.Switch(self.host.read_word):
            for number, register in enumerate(program_map(self.spares)):
                if register.access != "wo":
                    with m.Case(number):
                        m.d.comb += self.host.read_data.eq(values[register.name])
