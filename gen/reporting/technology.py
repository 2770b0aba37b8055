"""What an event costs and how long it takes: a TOML file of energies, voltages and times.

``data/technology.toml`` holds the defaults, and beside each where it comes from: ``fallback``,
``cited`` or ``computed``. A user's file says what differs. Units are in the names of the keys.

Every mistake raises :class:`~binohm.gen.errors.ConfigError` in one line which names the file, the
key, the value, the range and, for a key that does not exist, the nearest one.
"""

import json
import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from binohm.gen.errors import ConfigError
from binohm.gen.toml import nearest, read

__all__ = ["LABELS", "Technology", "load", "sources", "template"]

LABELS = ("fallback", "cited", "computed")
"""Where a default comes from."""

DEFAULTS = Path(__file__).parent.parent / "data" / "technology.toml"
ENTRY = re.compile(r"((?:^#.*\n)*)^(\w+) = (.*)$", re.MULTILINE)


def _range(low: float, high: float, unit: str) -> Any:
    allowed = f"{low:g} to {high:g} {unit}"
    return Field(ge=low, le=high, json_schema_extra={"allowed": allowed})


Nanoseconds = Annotated[float, _range(0.001, 1e9, "ns")]
Ohms = Annotated[float, _range(1, 1e12, "ohm")]
Volts = Annotated[float, _range(0.001, 100, "V")]
Femtofarads = Annotated[float, _range(0, 1e6, "fF")]
Femtojoules = Annotated[float, _range(0, 1e9, "fJ")]
Microwatts = Annotated[float, _range(0, 1e9, "uW")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Clock(_Section):
    """``[clock]`` of the digital part; the cycles of macros are counted in it."""

    period_ns: Nanoseconds


class Cells(_Section):
    """``[cells]``: devices and how they are read."""

    lrs_ohm: Ohms
    hrs_ohm: Ohms
    read_v: Volts
    read_ns: Nanoseconds


class Lines(_Section):
    """``[lines]``: word lines and bit lines."""

    gate_v: Volts
    ff_per_gate: Femtofarads
    ff_per_device: Femtofarads


class Sensing(_Section):
    """``[sensing]``: sense amplifiers and converters."""

    sense_fj: Femtojoules
    converter_uw: Microwatts
    converter_uw_per_bit: Microwatts
    converter_ns: Nanoseconds


class Digital(_Section):
    """``[digital]``: logic, memories and registers."""

    adder_bit_fj: Femtojoules
    popcount_bit_fj: Femtojoules
    compare_bit_fj: Femtojoules
    rom_bit_fj: Femtojoules
    toggle_fj: Femtojoules


class Write(_Section):
    """``[write]``: set and reset pulses."""

    pulse_v: Volts
    pulse_ns: Nanoseconds


class Processor(_Section):
    """``[processor]``: a small core and its memory."""

    instruction_fj: Femtojoules
    wait_fj: Femtojoules
    cache_access_fj: Femtojoules
    memory_access_fj: Femtojoules


class Technology(_Section):
    """A whole technology."""

    clock: Clock
    cells: Cells
    lines: Lines
    sensing: Sensing
    digital: Digital
    write: Write
    processor: Processor


def load(path: Path | None) -> Technology:
    """Read a technology: the defaults, with what the file at ``path`` says instead.

    Raises
    ------
    ConfigError
        See the module.
    """
    whole = tomllib.loads(template())
    if path is None:
        return Technology.model_validate(whole)
    for section, values in read(path, "binohm init --technology").items():
        if section not in whole:
            raise ConfigError(f"{path}: {section}: unknown section; {nearest(section, whole)}")
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {section} = {_shown(values)}: must be a table of keys")
        for key, value in values.items():
            name = f"{section}.{key}"
            if key not in whole[section]:
                raise ConfigError(f"{path}: {name}: unknown key; {nearest(key, whole[section])}")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{path}: {name} = {_shown(value)}: must be {_allowed(name)}")
            whole[section][key] = value
    try:
        found = Technology.model_validate(whole)
    except ValidationError as invalid:
        section, key = (str(part) for part in invalid.errors()[0]["loc"])
        name, value = f"{section}.{key}", whole[section][key]
        raise ConfigError(
            f"{path}: {name} = {_shown(value)}: must be {_allowed(name)}"
        ) from invalid
    if found.cells.hrs_ohm < found.cells.lrs_ohm:
        raise ConfigError(
            f"{path}: cells.hrs_ohm = {found.cells.hrs_ohm:g}: must be at least cells.lrs_ohm, "
            f"{found.cells.lrs_ohm:g} ohm"
        )
    return found


def template() -> str:
    """Text of the defaults, in which every value says where it comes from."""
    return DEFAULTS.read_text(encoding="utf-8")


def sources() -> dict[str, tuple[float, str, str]]:
    """Default, label and source of every key, such as ``cells.lrs_ohm``."""
    found: dict[str, tuple[float, str, str]] = {}
    for section, values in tomllib.loads(template()).items():
        part = template().split(f"[{section}]\n")[1].split("\n[")[0]
        for comment, key, _ in ENTRY.findall(part):
            label, _, text = " ".join(line[2:] for line in comment.splitlines()).partition(": ")
            found[f"{section}.{key}"] = (values[key], label, text)
    return found


def _allowed(name: str) -> str:
    section, key = name.split(".")
    model = Technology.model_fields[section].annotation
    assert isinstance(model, type) and issubclass(model, BaseModel)
    extra = model.model_fields[key].json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["allowed"])


def _shown(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, default=str)
