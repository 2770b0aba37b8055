"""What a macro promises, as TOML: cycles, times, write pulses and endurance.

A file may describe several macros, each a table ``[macros.<module>]``::

    schema = 1

    [macros.rram_sa_2t2r_128x64_b16_p4]
    readout = "sa"
    cell = "2t2r"
    rows = 128
    columns = 64
    bias_rows = 16
    adc_bits = 0

    [macros.rram_sa_2t2r_128x64_b16_p4.commands.read]
    latency = 17
    interval = 16
    outstanding = 2

Cycles are those of :class:`binohm.gen.plan.Array`; a command that is not listed is accepted and
answered with zeros. The tables ``timing``, ``write`` and ``endurance`` are for macros that are
silicon or a model of it; the digital view, which keeps its cells in a memory, has none. A macro
with reference codes says ``ref_bits`` and ``ref_per_column``, one that is read both ways
``transposed``, one that loads an image of its cells ``per_cycle``, the columns in a word of it.

``binohm check-macro`` holds a macro to its datasheet, see docs/macro.md.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from binohm.gen.errors import ConfigError
from binohm.gen.plan import Array, Cell, Plan, Readout

__all__ = [
    "SCHEMA",
    "Cycles",
    "Datasheet",
    "Macro",
    "Timing",
    "Write",
    "digital",
    "load",
    "render",
    "text",
]

SCHEMA = 1

Command = Literal["read", "transposed_read", "set", "reset", "verify_set", "verify_reset"]
Count = Annotated[int, Field(ge=1)]
Time = Annotated[float, Field(gt=0)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Cycles(_Table):
    """A command in clock cycles, see :class:`binohm.gen.plan.Array`."""

    latency: Count
    interval: Count
    outstanding: Count


class Timing(_Table):
    """Times in nanoseconds."""

    clock_period_ns: Time
    setup_ns: Time | None = None
    clock_to_output_ns: Time | None = None


class Write(_Table):
    """What a set or reset takes: pulses a command and the length of each."""

    pulses: Count
    pulse_ns: Time


class Macro(_Table):
    """One macro or view."""

    readout: Readout
    cell: Cell
    rows: Count
    columns: Count
    bias_rows: Annotated[int, Field(ge=0)]
    adc_bits: Annotated[int, Field(ge=0)]
    ref_bits: Annotated[int, Field(ge=0, le=14)] = 0
    ref_per_column: bool = False
    transposed: bool = False
    per_cycle: Count | None = None
    commands: dict[Command, Cycles]
    timing: Timing | None = None
    write: Write | None = None
    endurance_writes: Count | None = None

    @model_validator(mode="after")
    def _agree(self) -> "Macro":
        """Refuse keys that cannot be true together."""
        if "read" not in self.commands:
            raise ValueError("commands.read is missing: every macro can read")
        if (self.readout == "adc") != (self.adc_bits > 0):
            raise ValueError(f"adc_bits = {self.adc_bits} with readout {self.readout}")
        if self.readout != "sa" and (self.bias_rows or self.ref_bits):
            raise ValueError(f"bias_rows and ref_bits are for readout sa, not {self.readout}")
        if self.bias_rows and self.ref_bits:
            raise ValueError("bias_rows and ref_bits exclude each other")
        if self.ref_per_column and not self.ref_bits:
            raise ValueError("ref_per_column needs ref_bits")
        if self.transposed and (self.readout, self.cell) != ("adc", "1t1r"):
            raise ValueError(
                f"transposed is for adc with 1t1r cells, not {self.readout} with {self.cell}"
            )
        if self.transposed != ("transposed_read" in self.commands):
            raise ValueError("transposed and commands.transposed_read need each other")
        if (self.per_cycle or 1) > self.columns:
            raise ValueError(f"per_cycle = {self.per_cycle} of {self.columns} columns")
        return self

    @property
    def array(self) -> Array:
        """The array that a plan would have to use this macro."""
        read = self.commands["read"]
        width = self.columns if self.readout == "pcsa" else self.per_cycle or self.columns
        return Array(
            self.readout, self.cell, self.rows, self.columns, self.bias_rows, self.adc_bits, width,
            read.latency, read.interval, read.outstanding, self.ref_bits, self.ref_per_column,
            transposed=self.transposed,
        )  # fmt: skip


class Datasheet(_Table):
    """All macros of a file, by module name."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    macros: dict[str, Macro]


def digital(array: Array) -> Macro:
    """Datasheet of the digital view of ``array``: its cycles are exact.

    It can read; an array with transposed reads can be written, too.
    """
    cycles = Cycles(latency=array.latency, interval=array.interval, outstanding=array.outstanding)
    commands: tuple[Command, ...] = ("read", "transposed_read", "set", "reset")
    return Macro(
        readout=array.readout,
        cell=array.cell,
        rows=array.rows,
        columns=array.columns,
        bias_rows=array.bias_rows,
        adc_bits=array.adc_bits,
        ref_bits=array.ref_bits,
        ref_per_column=array.ref_per_column,
        transposed=array.transposed,
        per_cycle=array.per_cycle,
        commands=dict.fromkeys(commands if array.transposed else commands[:1], cycles),
    )


def written(array: Array) -> Macro:
    """Datasheet of the digital view of a ``pcsa`` array that pulses write: one pulse is enough."""
    cycles = Cycles(latency=array.latency, interval=array.interval, outstanding=array.outstanding)
    commands: tuple[Command, ...] = ("read", "set", "reset", "verify_set", "verify_reset")
    macro = digital(array).model_dump()
    return Macro.model_validate({**macro, "commands": dict.fromkeys(commands, cycles)})


def render(plan: Plan) -> str:
    """Text of ``macros/datasheet.toml``: the digital views of all arrays of a plan."""
    return text({f"binohm_{plan.name}_{array.name}": digital(array) for array in plan.arrays})


def text(macros: Mapping[str, Macro]) -> str:
    """A file that says of each module what it promises."""
    tables = [_table(f"macros.{name}", _stated(macro)) for name, macro in macros.items()]
    return "\n".join([f"schema = {SCHEMA}\n", *tables])


def load(path: Path) -> Datasheet:
    """Read and check a file.

    Raises
    ------
    ConfigError
        If the file is missing, is no TOML, or has a wrong or unknown key: names key and value.
    """
    try:
        return Datasheet.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "value_error":
            raise ConfigError(f"{path}: {key}: {first['ctx']['error']}") from error
        found = "" if first["type"] == "missing" else f", not {first['input']!r}"
        raise ConfigError(f"{path}: {key}: {first['msg']}{found}") from error


def _stated(macro: Macro) -> dict[str, Any]:
    """What a file has to say: reference codes and transposed reads only of who has them."""
    values = macro.model_dump(exclude_none=True)
    if not macro.ref_bits:
        del values["ref_bits"], values["ref_per_column"]
    if not macro.transposed:
        del values["transposed"]
    return values


def _table(name: str, values: dict[str, Any]) -> str:
    own = [f"{key} = {_literal(v)}\n" for key, v in values.items() if not isinstance(v, dict)]
    inner = [
        _table(f"{name}.{key}", value) for key, value in values.items() if isinstance(value, dict)
    ]
    head = [f"[{name}]\n" + "".join(own)] if own else []
    return "\n".join([*head, *inner])


def _literal(value: str | int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
