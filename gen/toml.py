"""Tables of keys and values: TOML files, and ``KEY=VALUE`` on the command line.

Every mistake raises :class:`~binohm.gen.errors.ConfigError` in one line which names where it was
made (the file or ``--set``).
"""

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from binohm.gen.errors import ConfigError

__all__ = ["Keys", "nearest", "override", "put", "read"]

Keys = tuple[str, ...]
"""A key in parts, such as ``("array", "rows")``."""


def read(path: Path, init: str = "binohm init") -> dict[str, Any]:
    """Tables of keys and values of a TOML file.

    Parameters
    ----------
    path : Path
    init : str
        The command that writes such a file.

    Raises
    ------
    ConfigError
        If there is no such file, or it is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; `{init}` writes one") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: a folder, not a configuration file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def put(raw: dict[str, Any], keys: Keys, value: object, where: str) -> None:
    """Set a key, given in parts, in tables of keys and values.

    Raises
    ------
    ConfigError
        If a part of it is a value: ``where`` comes first.
    """
    table = raw
    for part in keys[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: {part} is a value and has no keys")
    table[keys[-1]] = value


def override(raw: dict[str, Any], text: str) -> Keys:
    """Put one ``KEY=VALUE`` into ``raw``; the key in parts.

    Raises
    ------
    ConfigError
        If it is none, or a part of the key is a value.
    """
    key, equals, value = text.partition("=")
    keys = tuple(part.strip() for part in key.split("."))
    if not equals or not all(keys):
        raise ConfigError(f"--set {text}: must be KEY=VALUE, such as array.rows=64")
    put(raw, keys, _value(text, value.strip()), f"--set {text}")
    return keys


def nearest(name: str, known: Iterable[str]) -> str:
    """What is said of a name that is not among the known: one like it, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"


def _value(text: str, value: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        if re.fullmatch(r"[A-Za-z0-9_-]+", value):
            return value
        raise ConfigError(f"--set {text}: the value is neither TOML nor a bare word") from error
    if len(parsed) > 1:
        raise ConfigError(f"--set {text}: the value has more than one line")
    return parsed["value"]
