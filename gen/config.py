"""What a user may set, in TOML and by ``--set KEY=VALUE``, with every limit stated.

A configuration is a :class:`Config`: ``[design]``, ``[array]``, ``[layers.<name>]`` (the keys of
``[array]`` for one layer), ``[host]`` and ``[goal]``. Every field carries its unit or meaning, its
range and its default once, below; :func:`template` and the error messages are made from them.
Whether a network fits is not decided here but in :mod:`binohm.gen.mapping`.

Every mistake raises :class:`~binohm.gen.errors.ConfigError` in one line which names where it was
made (the file or ``--set``), the key, the value and the range.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from binohm.gen.errors import ConfigError
from binohm.gen.plan import Cell, Readout

__all__ = [
    "MAX_SIDE",
    "ArrayConfig",
    "Config",
    "DesignConfig",
    "GoalConfig",
    "HostConfig",
    "load",
    "template",
]

Auto = Literal["auto"]
MAX_SIDE = 4096
"""Rows, bias rows and columns of one array."""

LIMIT = 1 << 20
"""Of counts that the size of a network bounds sooner."""


def _key(default: object, text: str, allowed: str) -> Any:
    return Field(default, description=text, json_schema_extra={"allowed": allowed})


def _between(low: int, high: int) -> Any:
    return Annotated[int, Field(ge=low, le=high)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DesignConfig(_Section):
    """``[design]``."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = _key(
        None,
        "Name of the design: the Verilog top is binohm_<name>. Without it, the network's name.",
        "1 to 64 of a-z, 0-9 and _, beginning with a letter",
    )


class ArrayConfig(_Section):
    """``[array]``, the arrays at hand and how they are used; ``[layers.<name>]`` for one layer."""

    rows: _between(1, MAX_SIDE) = _key(  # type: ignore[valid-type]
        128, "Inputs of one array; for pcsa, words of one array.", "1 to 4096"
    )
    columns: _between(1, MAX_SIDE) = _key(  # type: ignore[valid-type]
        128, "Columns of one array: its outputs; for pcsa, bits of a word.", "1 to 4096"
    )
    bias_rows: _between(0, MAX_SIDE) = _key(  # type: ignore[valid-type]
        32, "sa: rows beyond `rows`, always on, whose cells hold the thresholds.", "0 to 4096"
    )
    cell: Cell = _key(
        "complementary",
        "Cell of one weight. complementary takes +1 and -1, 1t1r and 2t2r take +1 and off.",
        "complementary, 1t1r or 2t2r",
    )
    readout: Readout | Auto = _key(
        "auto",
        "sa: one bit a column. adc: the number of matches of a column. pcsa: one word at a time.\n"
        "auto: sa where a layer allows it, adc elsewhere.",
        "auto, sa, adc or pcsa",
    )
    adc_bits: _between(1, 13) | Auto = _key(  # type: ignore[valid-type]
        "auto", "adc: bits of the converter. auto: as many as `rows` matches need.", "auto, 1 to 13"
    )
    lossy: bool = _key(
        False, "adc: whether a converter may clip (too few `adc_bits`).", "true or false"
    )
    columns_per_cycle: _between(1, MAX_SIDE) | Auto = _key(  # type: ignore[valid-type]
        "auto",
        "sa, adc: columns read in a clock cycle. auto: the fewest that meet goal.interval.",
        "auto, 1 to 4096",
    )
    engines: _between(1, LIMIT) | Auto = _key(  # type: ignore[valid-type]
        "auto",
        "pcsa: outputs computed at once. auto: the fewest arrays that meet goal.interval.",
        f"auto, 1 to {LIMIT}",
    )
    slices_per_read: _between(1, LIMIT) | Auto = _key(  # type: ignore[valid-type]
        "auto",
        "pcsa: arrays side by side in an engine, each with `columns` inputs of an output.",
        f"auto, 1 to {LIMIT}",
    )


class HostConfig(_Section):
    """``[host]``, the streams at the top."""

    input_bytes: _between(1, 64) = _key(  # type: ignore[valid-type]
        8, "Width of the pixel stream in bytes, one pixel each.", "1 to 64"
    )
    output_bytes: _between(1, 64) = _key(  # type: ignore[valid-type]
        8, "Width of the result stream in bytes.", "1 to 64"
    )
    scores: bool = _key(
        True, "Whether a result holds the scores of all classes after the class.", "true or false"
    )


class GoalConfig(_Section):
    """``[goal]``, what ``auto`` aims at."""

    interval: _between(1, 10**9) | Literal["input"] = _key(  # type: ignore[valid-type]
        "input",
        "Clock cycles from image to image. input: as many as an image takes to come in.",
        "input, 1 to 1000000000",
    )


class Config(_Section):
    """A whole configuration.

    Parameters
    ----------
    design, array, host, goal
        The sections.
    layers : dict of str to ArrayConfig
        Layers that differ; what they leave out is taken from ``array``, see :meth:`for_layer`.
    """

    design: DesignConfig = DesignConfig()
    array: ArrayConfig = ArrayConfig()
    layers: dict[str, ArrayConfig] = {}
    host: HostConfig = HostConfig()
    goal: GoalConfig = GoalConfig()

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
                    f"layers.{name}: the network has no layer of this name; {_nearest(name, names)}"
                )


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
    raw = {} if path is None else _read(path)
    changed = [_override(raw, text) for text in overrides]
    try:
        return Config.model_validate(raw)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        keys = _location(first["loc"])
        given = any(_overlap(keys, key) for key in changed)
        where = "--set" if given or path is None else str(path)
        raise ConfigError(f"{where}: {_explain(keys, first['type'], raw)}") from invalid


def template() -> str:
    """Text of a configuration file in which every key is explained and has its default."""
    parts = [
        "# Configuration of a binohm design. Every key has its default here and may be left out.\n"
    ]
    for section, field in Config.model_fields.items():
        if section == "layers":
            parts.append(
                "\n# [layers.<name>] takes the keys of [array] for one layer, for example:\n"
                "# [layers.fc1]\n"
                '# readout = "pcsa"\n'
            )
            continue
        parts.append(f"\n[{section}]\n")
        for key, info in _model(field).model_fields.items():
            lines = [*(info.description or "").split("\n"), f"{_allowed(info)}."]
            parts.append("".join(f"# {line[0].upper()}{line[1:]}\n" for line in lines))
            parts.append(f"{_toml(key, info.default)}\n")
    return "".join(parts)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; `binohm init` writes one") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: a folder, not a configuration file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _override(raw: dict[str, Any], text: str) -> tuple[str, ...]:
    """Put one ``KEY=VALUE`` into ``raw``; the key in parts."""
    key, equals, value = text.partition("=")
    keys = tuple(part.strip() for part in key.split("."))
    if not equals or not all(keys):
        raise ConfigError(f"--set {text}: must be KEY=VALUE, such as array.rows=64")
    table = raw
    for part in keys[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {text}: {part} is a value and has no keys")
    table[keys[-1]] = _value(text, value.strip())
    return keys


def _value(text: str, value: str) -> Any:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*|[0-9]+t[0-9]+r", value) and value not in (
        "true",
        "false",
    ):
        return value
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--set {text}: the value is neither TOML nor a bare word") from error
    if list(parsed) != ["value"]:
        raise ConfigError(f"--set {text}: the value is neither TOML nor a bare word")
    return parsed["value"]


def _model(field: FieldInfo) -> type[BaseModel]:
    assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    return field.annotation


def _fields(section: str) -> dict[str, FieldInfo]:
    field = Config.model_fields[section]
    return dict(ArrayConfig.model_fields if section == "layers" else _model(field).model_fields)


def _allowed(info: FieldInfo) -> str:
    assert isinstance(info.json_schema_extra, dict)
    return str(info.json_schema_extra["allowed"])


def _toml(key: str, value: object) -> str:
    if value is None:
        return f'# {key} = "..."'
    if isinstance(value, bool):
        return f"{key} = {str(value).lower()}"
    return f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"


def _location(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys of an error, without what pydantic adds to tell the members of a union apart."""
    length = 3 if location[0] == "layers" else 2
    return tuple(str(part) for part in location[:length])


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return all(a == b for a, b in zip(one, other, strict=False))


def _explain(keys: tuple[str, ...], kind: str, raw: dict[str, Any]) -> str:
    name = ".".join(keys)
    if kind == "extra_forbidden":
        known = list(_fields(keys[0]) if len(keys) > 1 else Config.model_fields)
        return f"unknown key {name}; {_nearest(keys[-1], known)}"
    value: Any = raw
    for key in keys:
        value = value[key]
    if len(keys) < (3 if keys[0] == "layers" else 2):
        return f"{name} = {_shown(value)}: must be a table of keys"
    return f"{name} = {_shown(value)}: must be {_allowed(_fields(keys[0])[keys[-1]])}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
