"""What a user may set, in TOML and by ``--set KEY=VALUE``, with every limit stated.

A configuration is a :class:`Config`: ``[design]``, ``[array]``, ``[layers.<name>]`` (the keys of
``[array]`` for one layer), ``[host]``, ``[goal]`` and, if there are device maps, ``[device]``.
Every field carries its unit or meaning, its range and its default once, below; :func:`template`
and the error messages are made from them. Whether a network fits is not decided here but in
:mod:`binohm.gen.mapping`.

Every mistake raises :class:`~binohm.gen.errors.ConfigError` in one line which names where it was
made (the file or ``--set``), the key, the value and the range.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from binohm.gen.errors import ConfigError
from binohm.gen.plan import Bus, Cell, Readout
from binohm.gen.toml import Keys, nearest, override, read

__all__ = [
    "MAX_SIDE",
    "ArrayConfig",
    "Config",
    "DesignConfig",
    "DeviceConfig",
    "GoalConfig",
    "HostConfig",
    "load",
    "settle",
    "template",
]

Auto = Literal["auto"]
MAX_SIDE = 4096
"""Rows, bias rows and columns of one array."""

MAX_COUNT = 1 << 20
"""Of counts that the size of a network bounds sooner."""


Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Spares = Annotated[int, Field(ge=0, le=64)]
BiasRows = Annotated[int, Field(ge=0, le=MAX_SIDE)]
RefBits = Annotated[int, Field(ge=1, le=MAX_SIDE.bit_length() + 1)]
AdcBits = Annotated[int, Field(ge=1, le=MAX_SIDE.bit_length())]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Bytes = Annotated[int, Field(ge=1, le=64)]
Seed = Annotated[int, Field(ge=0, le=(1 << 32) - 1)]
Cells = Annotated[int, Field(ge=1, le=32)]
CellCycles = Annotated[int, Field(ge=3, le=65535)]
Mode = Annotated[int, Field(ge=0, le=3)]
Level = Annotated[int, Field(ge=1, le=255)]
Window = Annotated[int, Field(ge=0, lt=1 << 32, multiple_of=1 << 12)]
Cycles = Annotated[int, Field(ge=1, le=10**9)]


def _key(default: object, text: str, allowed: str) -> Any:
    return Field(default, description=text, json_schema_extra={"allowed": allowed})


def _number(default: float, low: float, high: float, unit: str, text: str) -> Any:
    allowed = f"{low:g} to {high:g} {unit}".rstrip()
    return Field(
        default, ge=low, le=high, allow_inf_nan=False, description=text,
        json_schema_extra={"allowed": allowed},
    )  # fmt: skip


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DesignConfig(_Section):
    """``[design]``."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = _key(
        None,
        "Name of the design: the Verilog top is binohm_<name>. Without it, the network's name.",
        "1 to 64 of a-z, 0-9 and _, the first a letter",
    )


class ArrayConfig(_Section):
    """``[array]``, the arrays at hand and how they are used; ``[layers.<name>]`` for one layer."""

    rows: Side = _key(128, "Rows of one array: its inputs; for pcsa, its words.", "1 to 4096 rows")
    columns: Side = _key(
        128, "Columns of one array: its outputs; for pcsa, the bits of a word.", "1 to 4096 columns"
    )
    bias_rows: BiasRows = _key(
        48,
        "sa: rows beyond `rows`, always on, whose cells hold the thresholds. The default is four\n"
        "standard deviations of a random sum of 128 inputs.",
        "0 to 4096 rows",
    )
    threshold: Literal["bias", "reference"] = _key(
        "bias",
        "sa: where the thresholds are: in bias rows, or in a reference code that the layer gives\n"
        "the array with each read. An array with reference codes has no bias rows.",
        '"bias" or "reference"',
    )
    reference_bits: RefBits | Auto = _key(
        "auto",
        "sa: bits of a signed reference code. auto: as many as any threshold of `rows` inputs\n"
        "needs.",
        '"auto" or 1 to 14 bits',
    )
    reference_per_column: bool = _key(
        False,
        "sa: whether each column has a reference code of its own. Else all columns of an array\n"
        "share one, and must have equal thresholds.",
        "true or false",
    )
    spare_columns: Spares = _key(
        0,
        "sa, adc: columns beyond `columns`, each of which can replace a bad one; needs\n"
        "host.programming.",
        "0 to 64 columns",
    )
    cell: Cell = _key(
        "complementary",
        "Cell of one weight. complementary takes +1 and -1; 1t1r and 2t2r take +1 and off.",
        '"complementary", "1t1r" or "2t2r"',
    )
    readout: Readout | Auto = _key(
        "auto",
        "sa: one bit a column. adc: the matches of a column. pcsa: one word at a time.\n"
        "auto: sa where the layer allows it, adc elsewhere.",
        '"auto", "sa", "adc" or "pcsa"',
    )
    adc_bits: AdcBits | Auto = _key(
        "auto",
        "adc: bits of the converter. auto: as many as 0 to `rows` matches need.",
        '"auto" or 1 to 13 bits',
    )
    lossy: bool = _key(
        False, "adc: whether the converter may have fewer bits, and clip.", "true or false"
    )
    columns_per_cycle: Side | Auto = _key(
        "auto",
        "sa, adc: columns read in a clock cycle. auto: the fewest that meet goal.interval.",
        '"auto" or 1 to 4096 columns',
    )
    engines: Count | Auto = _key(
        "auto",
        "pcsa: outputs computed at once. auto: the fewest arrays that meet goal.interval.",
        f'"auto" or 1 to {MAX_COUNT} engines',
    )
    slices_per_read: Count | Auto = _key(
        "auto",
        "pcsa: arrays side by side in an engine: `columns` times as many inputs are read at once.",
        f'"auto" or 1 to {MAX_COUNT} arrays',
    )
    planes: Literal["series", "parallel"] = _key(
        "series",
        "adc, pcsa: how the bit planes of an input of several bits are read: one after another,\n"
        "or all at once, each from a copy of the layer's arrays.",
        '"series" or "parallel"',
    )
    replicas: Count = _key(
        1,
        "Convolutions: copies of the layer's arrays, which take its windows in turn. At most one\n"
        "a window is made: then all positions are computed at once.",
        f"1 to {MAX_COUNT} copies",
    )


class HostConfig(_Section):
    """``[host]``, the streams at the top."""

    input_bytes: Bytes = _key(8, "Width of the pixel stream; a pixel is a byte.", "1 to 64 bytes")
    output_bytes: Bytes = _key(8, "Width of the result stream.", "1 to 64 bytes")
    scores: bool = _key(
        True, "Whether a result holds the scores of all classes after the class.", "true or false"
    )
    programming: bool = _key(
        False, "Whether the host can program the arrays, by registers.", "true or false"
    )
    bus: Bus = _key(
        "axi4lite",
        "Where the registers are. wishbone: Wishbone B4 with the names of Caravel, in the top\n"
        "binohm_<name>_wishbone; the accelerator inside it keeps its AXI4-Lite.",
        '"axi4lite" or "wishbone"',
    )
    wishbone_base: Window = _key(
        0x3000_0000,
        "wishbone: byte address of the first register; 0x30000000 is where Caravel's user area\n"
        "begins.",
        "0 to 4294963200, a multiple of 4096",
    )


class GoalConfig(_Section):
    """``[goal]``, what ``auto`` aims at."""

    interval: Cycles | Literal["input"] = _key(
        "input",
        "Time from image to image. input: as long as one image takes to come in.",
        '"input" or 1 to 1000000000 clock cycles',
    )


class DeviceConfig(_Section):
    """``[device]``, the devices of which maps are drawn. docs/devices.md has the sources."""

    seed: Seed = _key(1, "Seed of everything that is drawn.", "0 to 4294967295")
    map: str | None = _key(
        None,
        "Measured conductances, an .npz or a .csv: the devices are these, and what was not\n"
        "measured is drawn.",
        "a file",
    )
    lrs_ohm: float = _number(
        100e3, 1e2, 1e8, "ohm", "Median of the low-resistance state (NeuroSim V1.4, a fallback)."
    )
    hrs_ohm: float = _number(
        1.7e6, 1e2, 1e9, "ohm",
        "Median of the high-resistance state, above lrs_ohm (NeuroSim V1.4).",
    )  # fmt: skip
    read_v: float = _number(0.55, 0.01, 1, "V", "Voltage across a cell in a read (NeuroSim V1.4).")
    lrs_sigma_d2d: float = _number(
        0.18, 0, 2, "", "Spread of ln(R) from device to device, low state."
    )
    hrs_sigma_d2d: float = _number(
        0.45, 0, 2, "", "Spread of ln(R) from device to device, high state."
    )
    lrs_sigma_c2c: float = _number(0.0, 0, 2, "", "Spread of ln(R) from write to write, low state.")
    hrs_sigma_c2c: float = _number(
        0.0, 0, 2, "", "Spread of ln(R) from write to write, high state."
    )
    read_noise: float = _number(
        0.0, 0, 1, "", "Deviation of a device's current from read to read, over that current."
    )
    sense_offset_a: float = _number(
        0.0, 0, 1e-3, "A", "Deviation of the offsets of sense amplifiers and converters."
    )
    stuck_lrs: float = _number(0.0, 0, 1, "", "Fraction of the devices stuck in the low state.")
    stuck_hrs: float = _number(0.0, 0, 1, "", "Fraction stuck in the high state.")
    gate_v: float = _number(
        1.1, 0.05, 5, "V", "Gate of the access transistors in a read (NeuroSim V1.4)."
    )
    k_a_per_v2: float = _number(
        5.7e-5,
        1e-7,
        1,
        "A/V^2",
        "Access transistors: their resistance is 1 / (k * (gate_v - threshold_v)).",
    )
    threshold_v: float = _number(0.4, 0, 2, "V", "Access transistors: threshold, an assumption.")
    threshold_sigma_v: float = _number(
        2.5e-3, 0, 0.1, "V", "Access transistors: deviation of the threshold, inferred."
    )
    line_ohm: float = _number(3.1, 0, 100, "ohm", "Wire from cell to cell (NeuroSim V1.4).")
    retention_s: float = _number(0.0, 0, 1e9, "s", "Time from programming to reading.")
    drift_lrs: float = _number(
        0.0, -0.2, 0.2, "", "R drifts by (1 + time / 1 s) to this power, low state."
    )
    drift_hrs: float = _number(0.0, -0.2, 0.2, "", "The same, high state.")
    endurance_median: float = _number(
        1e9, 1, 4e9, "pulses", "Pulses after which a device is stuck where it is."
    )
    endurance_sigma: float = _number(0.0, 0, 3, "", "Spread of the logarithm of the endurance.")
    pulses_set: float = _number(1.0, 1, 15, "pulses", "Median of the pulses that set a device.")
    pulses_reset: float = _number(1.0, 1, 15, "pulses", "Median of the pulses that reset a device.")
    pulses_sigma: float = _number(
        0.0, 0, 2, "", "Spread of the logarithm of both numbers of pulses."
    )


class StorageConfig(_Section):
    """``[storage]``, macros of single cells that hold the words of pcsa arrays; docs/storage.md."""

    rows: Cells = _key(32, "Rows of a macro.", "1 to 32 rows")
    columns: Cells = _key(32, "Columns of a macro.", "1 to 32 columns")
    write_cycles: CellCycles = _key(
        200, "Cycles from the command that writes a cell to the next one.", "3 to 65535 cycles"
    )
    read_cycles: CellCycles = _key(
        44, "Cycles from the command that reads a cell to the next one.", "3 to 65535 cycles"
    )
    mode_write: Mode = _key(3, "Code of the command that writes.", "0 to 3")
    mode_read: Mode = _key(1, "Code of the command that reads, another one.", "0 to 3")
    threshold: Level = _key(128, "The least data that makes a cell 1.", "1 to 255")
    cached: bool = _key(
        False, "Whether a word that was fetched is kept beside the macros.", "true or false"
    )


class Config(_Section):
    """A whole configuration.

    Parameters
    ----------
    design, array, host, goal
        The sections.
    layers : dict of str to ArrayConfig
        Layers that differ; what they leave out is taken from ``array``, see :meth:`for_layer`.
    device : DeviceConfig or None
        None unless the section is there: without it there are no device maps.
    storage : StorageConfig or None
        The same: without it there is no storage view.
    """

    design: DesignConfig = DesignConfig()
    array: ArrayConfig = ArrayConfig()
    layers: dict[str, ArrayConfig] = {}
    host: HostConfig = HostConfig()
    goal: GoalConfig = GoalConfig()
    device: DeviceConfig | None = None
    storage: StorageConfig | None = None

    def for_layer(self, name: str) -> ArrayConfig:
        """What holds for one layer."""
        own = self.layers.get(name)
        if own is None:
            return self.array
        return self.array.model_copy(
            update={key: getattr(own, key) for key in own.model_fields_set}
        )

    def check_layers(self, names: Sequence[str]) -> None:
        """Refuse settings for layers that are not among ``names``.

        Raises
        ------
        ConfigError
            Names the layer and the nearest one.
        """
        for name in self.layers:
            if name not in names:
                raise ConfigError(
                    f"layers.{name}: the network has no such layer; {nearest(name, names)}"
                )


OPTIONAL = {
    "device": "With this section, maps of the devices are drawn.",
    "storage": "With this section, words lie in macros of single cells, in the storage view.",
}
"""Sections that do something by being there, and what."""


def load(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration.

    Parameters
    ----------
    path : Path or None
        A TOML file; None for the defaults.
    overrides : sequence of str
        ``KEY=VALUE`` each, such as ``array.rows=64`` or ``layers.fc1.readout=pcsa``; the last
        one wins. A value is TOML; a bare word is a string.

    Raises
    ------
    ConfigError
        See the module.
    """
    raw = {} if path is None else read(path)
    changed = [override(raw, text) for text in overrides]

    def where(keys: Keys) -> str:
        given = path is None or any(_overlap(keys, key) for key in changed)
        return "--set " if given else f"{path}: "

    return settle(raw, where)


def settle(raw: dict[str, Any], where: Callable[[Keys], str]) -> Config:
    """The configuration that tables of keys and values make.

    Parameters
    ----------
    where : callable
        What an error says first, for a key in parts.

    Raises
    ------
    ConfigError
        See the module.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        keys = _location(first["loc"])
        raise ConfigError(f"{where(keys)}{_explain(keys, first['type'], raw)}") from invalid


def template() -> str:
    """Text of a configuration file in which every key is explained and has its default."""
    parts = ["# Every key has its default here and may be left out.\n"]
    for section in Config.model_fields:
        if section == "layers":
            parts.append(
                "\n# [layers.<name>] takes the keys of [array] for one layer, for example:\n"
                '# [layers.fc1]\n# readout = "pcsa"\n'
            )
            continue
        drawn = section in OPTIONAL
        parts.append(f"\n# {OPTIONAL[section]}\n# " if drawn else "\n")
        parts.append(f"[{section}]\n")
        for key, info in _fields(section).items():
            lines = f"{info.description}\nRange: {_allowed(info)}.".split("\n")
            parts += [f"# {line}\n" for line in lines]
            default = _default(key, info.default)
            parts.append(f"# {default}" if drawn and info.default is not None else default)
    return "".join(parts)


def _fields(section: str) -> dict[str, FieldInfo]:
    model: object = {
        "layers": ArrayConfig, "device": DeviceConfig, "storage": StorageConfig,
    }.get(section)  # fmt: skip
    model = model or Config.model_fields[section].annotation
    assert isinstance(model, type) and issubclass(model, BaseModel)
    return model.model_fields


def _allowed(info: FieldInfo) -> str:
    assert isinstance(info.json_schema_extra, dict)
    return str(info.json_schema_extra["allowed"])


def _default(key: str, value: object) -> str:
    return f'# {key} = "..."\n' if value is None else f"{key} = {json.dumps(value)}\n"


def _location(location: tuple[int | str, ...]) -> Keys:
    """The keys of an error, without what pydantic adds to tell the members of a union apart."""
    return tuple(str(part) for part in location[: _depth(location[0])])


def _depth(section: int | str) -> int:
    return 3 if section == "layers" else 2


def _overlap(one: Keys, other: Keys) -> bool:
    return all(a == b for a, b in zip(one, other, strict=False))


def _explain(keys: Keys, kind: str, raw: dict[str, Any]) -> str:
    name = ".".join(keys)
    if kind == "extra_forbidden":
        siblings = _fields(keys[0]) if len(keys) > 1 else Config.model_fields
        return f"{name}: unknown key; {nearest(keys[-1], siblings)}"
    value: Any = raw
    for key in keys:
        value = value[key]
    shown = json.dumps(value, default=str)
    if len(keys) < _depth(keys[0]):
        return f"{name} = {shown}: must be a table of keys"
    return f"{name} = {shown}: must be {_allowed(_fields(keys[0])[keys[-1]])}"
