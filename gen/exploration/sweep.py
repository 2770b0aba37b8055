"""A sweep: a configuration in which keys have several values, and the designs that this makes.

The file is a configuration (:mod:`binohm.gen.config`) with one or more tables ``[[grid]]`` of its
keys. A key with a list has each of its values in turn, and a grid stands for all combinations; two
grids stand for the designs of both, so values that belong together get a grid of their own::

    draws = 5                        # chips to draw of each design that has a [device]

    [array]
    columns = 64

    [[grid]]
    array.rows = [64, 128]
    array.readout = ["adc", "pcsa"]

    [[grid]]
    array.rows = 32
    split = [0, 32]                  # cut hidden layers into groups of so many inputs; 0: do not

``split`` is not trained again (:func:`binohm.gen.split.split`): what it costs is right, what it
computes can be much worse than a network trained in this form, which is a model of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from binohm.gen import config as configuration
from binohm.gen.config import Config
from binohm.gen.errors import ConfigError
from binohm.gen.toml import Keys, put, read

__all__ = ["MODEL", "MOST", "Point", "Sweep", "load"]

MODEL, SPLIT = "model", "split"
"""Names of what varies and is no key of a configuration."""

MOST = 100_000
"""Designs of a sweep, each chip counted."""

LARGEST_SPLIT = 1 << 16


@dataclass(frozen=True)
class Point:
    """One design, of which one chip is drawn if it has a ``[device]``.

    Parameters
    ----------
    values : mapping
        Of every axis, by its name; of a model, its file's name without suffix, if that will do.
    model : str
        As it was given.
    split : int
        Most inputs of a group; 0 leaves the layers as they are.
    draw : int
        Number of the chip, from 0; the seed of its devices is that many above ``device.seed``.
    config : Config
        With that seed.
    """

    values: Mapping[str, Any]
    model: str
    split: int
    draw: int
    config: Config


@dataclass(frozen=True)
class Sweep:
    """All designs of a file.

    Parameters
    ----------
    axes : tuple of str
        What varies: ``model`` where there are several, and keys.
    draws : int
        Chips of each design.
    points : tuple of Point
        Chips of a design are neighbours.
    """

    axes: tuple[str, ...]
    draws: int
    points: tuple[Point, ...]

    @property
    def labels(self) -> dict[str, str]:
        """A short name of each axis: as much of its end as tells it from the others."""
        return {axis: _ending(axis, self.axes) for axis in self.axes}


def load(path: Path, models: Sequence[str]) -> Sweep:
    """Read a sweep of these models.

    Raises
    ------
    ConfigError
        Names the file, the key, the value and the range, of a design that is no configuration too.
    """
    raw = read(path)
    draws = _count(path, "draws", raw.pop("draws", 1), 1, 1000)
    grids = raw.pop("grid", None)
    if not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
        raise ConfigError(f"{path}: must have a table [[grid]] of keys with lists of values")
    designs = list(_designs(path, [dict(_flat(grid)) for grid in grids]))
    if len(models) * len(designs) * draws > MOST:
        number = len(models) * len(designs) * draws
        raise ConfigError(f"{path}: {number} designs; at most {MOST} can be explored at once")
    keys = list(dict.fromkeys(key for design in designs for key in design))
    varied = [key for key in keys if len({repr(design.get(key)) for design in designs}) > 1]
    axes = ([MODEL] if len(models) > 1 else []) + varied
    points: list[Point] = []
    stems = [Path(model).stem for model in models]
    for model, stem in zip(models, stems, strict=True):
        short = stem if stems.count(stem) == 1 else model
        for design in designs:
            values = {key: {MODEL: short, **design}.get(key) for key in axes}
            points += _chips(path, raw, design, draws, model, values)
    return Sweep(tuple(axes), draws, tuple(points))


def _ending(axis: str, axes: Sequence[str]) -> str:
    """The last parts of a key, as few as no other one ends in."""
    parts = axis.split(".")
    for count in range(1, len(parts)):
        end = ".".join(parts[-count:])
        if sum(f".{other}".endswith(f".{end}") for other in axes) == 1:
            return end
    return axis


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Keys of nested tables, dotted, and their values."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _designs(path: Path, grids: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """All combinations of each grid, each once."""
    seen = set()
    for grid in grids:
        lists = [value if isinstance(value, list) else [value] for value in grid.values()]
        for key, values in zip(grid, lists, strict=True):
            if not values:
                raise ConfigError(f"{path}: grid: {key} = []: must have at least one value")
        for chosen in product(*lists):
            design = dict(zip(grid, chosen, strict=True))
            if (name := repr(sorted(design.items()))) not in seen:
                seen.add(name)
                yield design


def _chips(
    path: Path,
    base: Mapping[str, Any],
    design: Mapping[str, Any],
    draws: int,
    model: str,
    values: Mapping[str, Any],
) -> Iterator[Point]:
    """The chips of a design; one, where no devices are drawn."""
    raw = deepcopy(dict(base))
    split = 0
    for key, value in design.items():
        if key == SPLIT:
            split = _count(path, f"grid: {SPLIT}", value, 0, LARGEST_SPLIT)
        else:
            put(raw, tuple(key.split(".")), value, f"{path}: grid: {key}")
    config = configuration.settle(raw, lambda keys: f"{path}: {_from(keys, design)}")
    if config.device is None and draws > 1:
        raise ConfigError(
            f"{path}: draws = {draws}: without [device] there is nothing to draw; add it, or "
            "leave draws out"
        )
    for draw in range(draws):
        chip = config
        if config.device is not None:
            seed = (config.device.seed + draw) % (1 << 32)
            drawn = config.device.model_copy(update={"seed": seed})
            chip = config.model_copy(update={"device": drawn})
        yield Point(values, model, split, draw, chip)


def _from(keys: Keys, design: Mapping[str, Any]) -> str:
    """Where in the file a key is."""
    return "grid: " if ".".join(keys) in design else ""


def _count(path: Path, name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{path}: {name} = {value}: must be {low} to {high}")
    return value
