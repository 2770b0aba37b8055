"""Maps with the conductances of a chip that somebody measured.

A file names arrays by tile. Each has a value in siemens for every line (rows, then bias rows) and
column of the tile, of device ``a`` or ``b``:

``<tile>_lrs_a``, ``<tile>_hrs_a``, ``<tile>_lrs_b``, ``<tile>_hrs_b``
    Each device in both states.
``<tile>_a``, ``<tile>_b``
    Each device once, as programmed: it reads the same whatever is written to it.

An ``.npz`` holds these arrays, of shape (lines, columns). A ``.csv`` holds a value a line, in any
order, below the heading ``tile,row,column,device,state,conductance_s``; state is ``lrs``, ``hrs``
or nothing, row counts from 0 through rows and bias rows.

Measured values stand for the resistances of the devices and for nothing else; all the rest is
drawn, whole tiles that the file leaves out too, and device b of ``1t1r`` rows. If both states were
measured, the medians of the whole file are the nominal resistances, of which the unit and the
reference cells are made.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.plan import Array, Plan
from binohm.sim.device.draw import draw
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.physics import Device

__all__ = ["load"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HEADING = ["tile", "row", "column", "device", "state", "conductance_s"]
STATES = ("lrs", "hrs")
LARGEST = (1 << 32) - 1


def load(path: Path, plan: Plan, device: Device, seed: int) -> dict[str, DeviceMap]:
    """The map of every tile of a plan, by its name.

    Parameters
    ----------
    path : Path
        An ``.npz`` or a ``.csv``, see the module.
    plan : Plan
    device : Device
        For all that is drawn.
    seed : int

    Raises
    ------
    ValueError
        In one line that names file, array and value, if something is missing, has a wrong shape or
        is not the conductance of a device, or if the window is not above 1.
    OSError
        If the file cannot be read.
    """
    arrays = {tile.name: layer.array for layer in plan.layers for tile in layer.tiles}
    try:
        values = _csv(path, arrays) if path.suffix == ".csv" else _npz(path)
        measured = {key: _ohm(key, value) for key, value in _named(values, arrays)}
        medians = {
            f"{state}_ohm": float(np.median(np.concatenate(found)))
            for state in STATES
            if (found := [ohm.ravel() for key, ohm in measured.items() if key[1] == state])
        }
        maps = draw(replace(device, **medians), plan, seed)
        return {name: _with(maps[name], name, measured) for name in maps}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


Key = tuple[str, str, int]
"""Tile, state (or nothing), and 0 for device a, 1 for b."""

KINDS = [(state, k) for state in ("", *STATES) for k in (0, 1)]


def _name(key: Key) -> str:
    tile, state, k = key
    return "_".join(part for part in (tile, state, "ab"[k]) if part)


def _npz(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        try:
            found = np.load(file, allow_pickle=False)
            return {key: found[key] for key in found.files}
        except Exception as error:  # zipfile, zlib, struct and NumPy all raise their own
            raise ValueError(f"not an .npz of arrays ({error})") from error


def _csv(path: Path, arrays: dict[str, Array]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        if next(lines, None) != HEADING:
            raise ValueError(f"line 1 must be {','.join(HEADING)}")
        for number, line in enumerate(lines, 2):
            try:
                _place(line, arrays, found)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
    return found


def _place(line: list[str], arrays: dict[str, Array], found: dict[str, NDArray[Any]]) -> None:
    """Put the value of one line where it belongs."""
    if len(line) != len(HEADING):
        raise ValueError(f"must be {','.join(HEADING)}")
    tile, row, column, which, state, value = line
    if tile not in arrays:
        raise ValueError(_unknown(tile, arrays))
    try:
        at, conductance = (int(row), int(column)), float(value)
    except ValueError:
        raise ValueError(f"must be {','.join(HEADING)}") from None
    shape = (arrays[tile].lines, arrays[tile].columns)
    if not all(0 <= k < size for k, size in zip(at, shape, strict=True)):
        raise ValueError(
            f"row {row}, column {column}: {tile} has {shape[0]} lines and {shape[1]} columns"
        )
    name = "_".join(part for part in (tile, state, which) if part)
    if name not in found:
        found[name] = np.full(shape, np.nan)
    if not np.isnan(found[name][at]):
        raise ValueError(f"{name} row {row} column {column} is there twice")
    found[name][at] = conductance


def _named(
    values: dict[str, NDArray[Any]], arrays: dict[str, Array]
) -> Iterator[tuple[Key, NDArray[Any]]]:
    """The arrays by what they are, each tile's checked to be complete and of its shape."""
    known = {_name((tile, state, k)): (tile, state, k) for tile in arrays for state, k in KINDS}
    for name in values:
        if name not in known:
            raise ValueError(f"{name}: {_unknown(name.rsplit('_', 1)[0], arrays)}")
    for tile in dict.fromkeys(known[name][0] for name in values):
        array = arrays[tile]
        found = [kind for kind in KINDS if _name((tile, *kind)) in values]
        single = array.cell == "1t1r" and not array.bias_rows
        needed = KINDS[2:] if found[0][0] else KINDS[:2]
        if found != needed and not (single and found == needed[::2]):
            have, need = (", ".join(_name((tile, *one)) for one in k) for k in (found, needed))
            raise ValueError(f"{tile}: there are {have}; there must be {need}")
        for kind in found:
            value = values[_name((tile, *kind))]
            if value.shape != (array.lines, array.columns) or value.dtype.kind not in "fiu":
                raise ValueError(
                    f"{_name((tile, *kind))} must be numbers of shape "
                    f"{(array.lines, array.columns)}, not {value.dtype} of shape {value.shape}"
                )
            yield (tile, *kind), value


def _unknown(name: str, arrays: dict[str, Array]) -> str:
    tiles = ", ".join(list(arrays)[:3]) + (", ..." if len(arrays) > 3 else "")
    return f"no tile is called {name}; the plan has {tiles}, with _lrs_a, _hrs_a, _a or the like"


def _ohm(key: Key, conductance: NDArray[Any]) -> Floats:
    """Resistances, with every conductance checked."""
    values = conductance.astype(np.float64)
    wrong = np.argwhere(~((values >= 0) & (values <= 1)))
    if wrong.size:
        row, column = (int(k) for k in wrong[0])
        raise ValueError(
            f"{_name(key)} row {row} column {column}: {values[row, column]:g} S: must be a "
            "conductance of 0 to 1 S"
        )
    return np.asarray(1 / np.maximum(values, 1 / LARGEST))


def _with(map: DeviceMap, name: str, measured: dict[Key, Floats]) -> DeviceMap:
    """A map with the resistances that were measured."""
    kept = {"lrs": map.r_lrs.copy(), "hrs": map.r_hrs.copy()}
    for (tile, state, k), ohm in measured.items():
        if tile == name:
            for one in (state,) if state else STATES:
                kept[one][:-1, :-2, k] = np.clip(np.rint(ohm), 1, LARGEST)
    return replace(map, r_lrs=kept["lrs"], r_hrs=kept["hrs"])
