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
silicon or a model of it; the digital view, which keeps its cells in a memory, has none.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from binohm.gen.errors import ConfigError
from binohm.gen.plan import Array, Cell, Plan, Readout

__all__ = ["SCHEMA", "Cycles", "Datasheet", "Macro", "Timing", "Write", "digital", "load", "render"]

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
    commands: dict[Command, Cycles]
    timing: Timing | None = None
    write: Write | None = None
    endurance_writes: Count | None = None


class Datasheet(_Table):
    """All macros of a file, by module name."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    macros: dict[str, Macro]


def digital(array: Array) -> Macro:
    """Datasheet of the digital view of ``array``: it can read, and its cycles are exact."""
    return Macro(
        readout=array.readout,
        cell=array.cell,
        rows=array.rows,
        columns=array.columns,
        bias_rows=array.bias_rows,
        adc_bits=array.adc_bits,
        commands={
            "read": Cycles(
                latency=array.latency, interval=array.interval, outstanding=array.outstanding
            )
        },
    )


def render(plan: Plan) -> str:
    """Text of ``macros/datasheet.toml``: the digital views of all arrays of a plan."""
    macros = {f"binohm_{plan.name}_{array.name}": digital(array) for array in plan.arrays}
    tables = [
        _table(f"macros.{name}", macro.model_dump(exclude_none=True))
        for name, macro in macros.items()
    ]
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
        found = "" if first["type"] == "missing" else f", not {first['input']!r}"
        raise ConfigError(f"{path}: {key}: {first['msg']}{found}") from error


def _table(name: str, values: dict[str, Any]) -> str:
    own = [f"{key} = {_literal(v)}\n" for key, v in values.items() if not isinstance(v, dict)]
    inner = [
        _table(f"{name}.{key}", value) for key, value in values.items() if isinstance(value, dict)
    ]
    head = [f"[{name}]\n" + "".join(own)] if own else []
    return "\n".join([*head, *inner])


def _literal(value: str | int) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
