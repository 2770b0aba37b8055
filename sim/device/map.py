"""The map of one array: every integer that decides what its reads return.

Each cell (line ``l``, column ``c``) has two devices, ``a`` (k = 0) and ``b`` (k = 1); a ``1t1r``
cell uses ``a`` alone. Lines are the rows, then the bias rows, then one reference line, all in the
high state. Columns are those of the array, then two reference columns: ``columns`` with all devices
in the low state, ``columns + 1`` with all in the high state. Device ``k`` of cell ``(l, c)`` has
index ``(l * (columns + 2) + c) * 2 + k``.

Random bits depend on what they are for, and on nothing else: ``mixed(seed, tile, kind, x, y, z)``,
with the number of the tile in the plan and ``z`` the index of a line, is, in unsigned 32 bits::

    h = seed
    for v in (tile, kind, x, y, z):
        h = (h ^ v) * 0x9E3779B1
        h = (h ^ h >> 15) * 0x85EBCA6B
        h = h ^ h >> 13

Kind 1 is the noise of a read (image, read, column), kind 2 the resistance of a device (index,
writes, 0), kind 3 the noise of a transposed read (count, 0, row).

A file is words of 64 bits, one a line, 16 lower-case hexadecimal digits:

=======================  ==========================================================================
0                        0x62696e6f686d0001
1                        rows, bias rows << 16, columns << 32, readout << 48 (``sa`` 0, ``adc`` 1,
                         ``pcsa`` 2), cell << 52 (``1t1r`` 0, ``2t2r`` 1, ``complementary`` 2)
2                        reads of an image
3                        seed, 32 bits
4                        read voltage in pA ohm: a current is this over the ohms, rounded down
5                        unit: what one weight is worth, pA, at least 1
6, 7                     pA at least, to verify as low state; at most, to verify as high state
8 to 15                  0
4096 words               quantiles of the normal law over sqrt(2), Q16, two's complement
4096 words, 4096 words   multipliers of the resistance of a write, low and high state, Q16
max(lines, columns) + 1  standard deviation of read noise, pA, by number of driven lines
columns, lines           offsets in pA, two's complement: of columns, of rows (transposed reads)
two words a device       low-state ohm, high-state ohm << 32; series ohm (20 bits), pulses that a
                         set needs << 20, a reset << 24, stuck << 28 (1 low, 2 high), endurance
                         in pulses << 32
=======================  ==========================================================================
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from binohm.gen.plan import Array, Cell, LayerPlan, Readout, Tile
from binohm.sim.device.words import read_words, write_words

__all__ = [
    "NOISE",
    "RESISTANCE",
    "TABLE",
    "TRANSPOSED",
    "DeviceMap",
    "mixed",
    "reads_per_image",
]

Ints = NDArray[np.int64]

MAGIC = 0x62696E6F686D0001
TABLE = 4096
"""Entries of a table."""
HEADER = 16
CURRENT_LIMIT = 1 << 40
"""Of currents, offsets and deviations, in pA."""

NOISE, RESISTANCE, TRANSPOSED = 1, 2, 3
"""Kinds of random numbers, see :func:`mixed`."""

READOUTS: tuple[str, ...] = get_args(Readout)
CELLS: tuple[str, ...] = get_args(Cell)

NUMBERS = ("reads_per_image", "seed", "read_pa_ohm", "unit", "verify_set", "verify_reset")
"""Words 2 to 7."""

RANGES = {
    "rows": (1, 0xFFFF),
    "bias_rows": (0, 0xFFFF),
    "columns": (1, 0xFFFF),
    "reads_per_image": (1, (1 << 32) - 1),
    "seed": (0, (1 << 32) - 1),
    "read_pa_ohm": (1, CURRENT_LIMIT),
    "unit": (1, CURRENT_LIMIT),
    "verify_set": (0, CURRENT_LIMIT),
    "verify_reset": (0, CURRENT_LIMIT),
    "normals": (-(1 << 20), 1 << 20),
    "lrs_table": (1, (1 << 31) - 1),
    "hrs_table": (1, (1 << 31) - 1),
    "noise_scale": (0, CURRENT_LIMIT),
    "column_offset": (-CURRENT_LIMIT, CURRENT_LIMIT),
    "row_offset": (-CURRENT_LIMIT, CURRENT_LIMIT),
    "r_lrs": (1, (1 << 32) - 1),
    "r_hrs": (1, (1 << 32) - 1),
    "series": (0, (1 << 20) - 1),
    "pulses_set": (1, 15),
    "pulses_reset": (1, 15),
    "stuck": (0, 2),
    "endurance": (0, (1 << 32) - 1),
}


@dataclass(frozen=True, eq=False)
class DeviceMap:
    """Every integer of a map; for their meaning see the module.

    Parameters
    ----------
    readout, cell : str
    rows, bias_rows, columns, reads_per_image, seed, read_pa_ohm, unit : int
    verify_set, verify_reset : int
    normals, lrs_table, hrs_table : int64 array, shape (4096,)
    noise_scale : int64 array, shape (max(lines, columns) + 1,)
    column_offset : int64 array, shape (columns,)
    row_offset : int64 array, shape (lines,)
    r_lrs, r_hrs, series, pulses_set, pulses_reset, stuck, endurance : int64 array
        Shape (lines + 1, columns + 2, 2). Reference devices are never stuck.

    Raises
    ------
    ValueError
        If a shape or a value is out of range, or readout or cell unknown.
    """

    readout: str
    cell: str
    rows: int
    bias_rows: int
    columns: int
    reads_per_image: int
    seed: int
    read_pa_ohm: int
    unit: int
    verify_set: int
    verify_reset: int
    normals: Ints
    lrs_table: Ints
    hrs_table: Ints
    noise_scale: Ints
    column_offset: Ints
    row_offset: Ints
    r_lrs: Ints
    r_hrs: Ints
    series: Ints
    pulses_set: Ints
    pulses_reset: Ints
    stuck: Ints
    endurance: Ints

    def __post_init__(self) -> None:
        for name, known in (("readout", READOUTS), ("cell", CELLS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}"
                )
        shapes = dict(_shapes(self.lines, self.columns))
        for name, (low, high) in RANGES.items():
            values = np.asarray(getattr(self, name))
            if values.shape != shapes.get(name, ()) or values.dtype != np.int64:
                raise ValueError(
                    f"{name} must be int64 of shape {shapes.get(name, ())}, not {values.dtype} of "
                    f"shape {values.shape}"
                )
            wrong = values[(values < low) | (values > high)]
            if wrong.size:
                raise ValueError(f"{name} = {wrong[0]}: must be {low} to {high}")
        if self.stuck[-1].any() or self.stuck[:, self.columns :].any():
            raise ValueError("reference devices must not be stuck")

    @property
    def lines(self) -> int:
        """Rows and bias rows."""
        return self.rows + self.bias_rows

    def require(self, array: Array, reads_per_image: int) -> None:
        """Raise ValueError unless this is a map of ``array``, read so often for an image."""
        own = (self.readout, self.cell, self.rows, self.bias_rows, self.columns)
        asked = (array.readout, array.cell, array.rows, array.bias_rows, array.columns)
        if own != asked:
            raise ValueError(f"the map is of {_named(own)}, but the array is {_named(asked)}")
        if self.reads_per_image != reads_per_image:
            raise ValueError(
                f"the map has {self.reads_per_image} reads per image, but the plan "
                f"{reads_per_image}"
            )

    def text(self) -> str:
        """The map as a file."""
        return write_words(np.concatenate([part.ravel() for part in self._words()]))

    @classmethod
    def from_text(cls, text: str, name: str) -> "DeviceMap":
        """Read what :meth:`text` wrote.

        Raises
        ------
        ValueError
            In one line that begins with ``name``, if it is not a whole map.
        """
        try:
            return cls._from_words(read_words(text))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def _words(self) -> Iterator[NDArray[Any]]:
        """Parts of the file."""
        shape = self.rows | self.bias_rows << 16 | self.columns << 32
        kind = READOUTS.index(self.readout) << 48 | CELLS.index(self.cell) << 52
        header = [MAGIC, shape | kind, *(getattr(self, name) for name in NUMBERS)]
        yield np.array(header + [0] * (HEADER - len(header)), np.uint64)
        for name, _ in _shapes(self.lines, self.columns):
            if name == "r_lrs":
                break
            yield getattr(self, name).astype(np.uint64)
        pulses = self.pulses_set << 20 | self.pulses_reset << 24 | self.stuck << 28
        one, two = self.r_lrs, self.series | pulses
        yield np.stack([one | self.r_hrs << 32, two | self.endurance << 32], -1).astype(np.uint64)

    @classmethod
    def _from_words(cls, words: NDArray[np.uint64]) -> "DeviceMap":
        if len(words) < HEADER or int(words[0]) != MAGIC:
            raise ValueError("not a device map of this version; build again")
        head = [int(word) for word in words[1:8]]
        rows, bias_rows, columns = (head[0] >> shift & 0xFFFF for shift in (0, 16, 32))
        readout, cell = head[0] >> 48 & 15, head[0] >> 52
        if readout >= len(READOUTS) or cell >= len(CELLS):
            raise ValueError(f"unknown readout {readout} or cell {cell}")
        shapes = dict(_shapes(rows + bias_rows, columns))
        tables = [key for key in shapes if key not in DEVICE]
        sizes = [shapes[key][0] for key in tables]
        devices = int(np.prod(shapes["r_lrs"]))
        if len(words) != HEADER + sum(sizes) + 2 * devices:
            raise ValueError(
                f"{len(words)} words instead of {HEADER + sum(sizes) + 2 * devices} for "
                f"{rows + bias_rows} lines and {columns} columns"
            )
        *parts, rest = np.split(words[HEADER:], np.cumsum(sizes))
        arrays = {key: part.astype(np.int64) for key, part in zip(tables, parts, strict=True)}
        one, two = rest.reshape(*shapes["r_lrs"], 2).transpose(3, 0, 1, 2)
        for key, (word, shift, bits) in DEVICE.items():
            value = (one, two)[word] >> np.uint64(shift) & np.uint64((1 << bits) - 1)
            arrays[key] = value.astype(np.int64)
        given: dict[str, Any] = {**dict(zip(NUMBERS, head[1:], strict=True)), **arrays}
        return cls(READOUTS[readout], CELLS[cell], rows, bias_rows, columns, **given)


DEVICE = {
    "r_lrs": (0, 0, 32),
    "r_hrs": (0, 32, 32),
    "series": (1, 0, 20),
    "pulses_set": (1, 20, 4),
    "pulses_reset": (1, 24, 4),
    "stuck": (1, 28, 2),
    "endurance": (1, 32, 32),
}
"""Word, lowest bit and bits of what a device has."""


def reads_per_image(layer: LayerPlan, tile: Tile) -> int:
    """Requests that a tile serves for an image; a replica has only its own windows."""
    return len(range(tile.replica, layer.windows, layer.replicas)) * layer.reads


def mixed(*values: int | NDArray[Any]) -> NDArray[np.uint32]:
    """32 random bits that depend on ``values`` alone, see the module.

    They are the seed, the tile, the kind and three more, taken modulo 2^32 and broadcast.
    """
    seed, *others = (np.atleast_1d(np.asarray(value)).astype(np.uint32) for value in values)
    h = seed
    for value in others:
        h = (h ^ value) * np.uint32(0x9E3779B1)
        h ^= h >> np.uint32(15)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
    return h


def _shapes(lines: int, columns: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Arrays of a map, in their order in a file."""
    for name in ("normals", "lrs_table", "hrs_table"):
        yield name, (TABLE,)
    yield "noise_scale", (max(lines, columns) + 1,)
    yield "column_offset", (columns,)
    yield "row_offset", (lines,)
    for name in DEVICE:
        yield name, (lines + 1, columns + 2, 2)


def _named(what: tuple[Any, ...]) -> str:
    readout, cell, rows, bias_rows, columns = what
    return f"{readout} {cell} {rows}+{bias_rows} x {columns}"
