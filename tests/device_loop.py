"""Reads of an array of devices, one current at a time in Python integers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.plan import Array
from binohm.sim.device.map import DeviceMap

__all__ = ["Loop", "hashed", "random_map"]

MASK = 0xFFFFFFFF


def hashed(seed: int, *values: int) -> int:
    """32 bits that depend on all arguments."""
    h = seed
    for value in values:
        h ^= value & MASK
        h = h * 0x9E3779B1 & MASK
        h ^= h >> 15
        h = h * 0x85EBCA6B & MASK
        h ^= h >> 13
    return h


class Loop:
    """An array loaded with weights (lines, columns), as tile number ``tile``."""

    def __init__(self, array: Array, map: DeviceMap, tile: int, weights: NDArray[np.int8]) -> None:
        self.array, self.map, self.tile = array, map, tile
        self.weights = weights
        self._known: dict[tuple[int, int, int, int], int] = {}

    def low(self, line: int, column: int, k: int) -> bool:
        if column >= self.array.columns:
            return column == self.array.columns
        if line == self.array.lines:
            return False
        stuck = int(self.map.stuck[line, column, k])
        if stuck:
            return stuck == 1
        if k and self.array.cell == "1t1r" and line < self.array.rows:
            return False
        return bool(self.weights[line, column] == (-1 if k else 1))

    def current(self, line: int, column: int, k: int, writes: int = 1) -> int:
        key = (line, column, k, writes)
        if key not in self._known:
            self._known[key] = self._current(*key)
        return self._known[key]

    def _current(self, line: int, column: int, k: int, writes: int) -> int:
        device = (line * (self.array.columns + 2) + column) * 2 + k
        h = hashed(self.map.seed, self.tile, 2, device, writes, 0)
        low = self.low(line, column, k)
        table = self.map.lrs_table if low else self.map.hrs_table
        own = self.map.r_lrs if low else self.map.r_hrs
        ohm = max(1, int(own[line, column, k]) * int(table[h & 4095]) >> 16)
        return self.map.read_pa_ohm // (ohm + int(self.map.series[line, column, k]))

    def noise(self, kind: int, image: int, read: int, line: int, driven: int) -> int:
        h = hashed(self.map.seed, self.tile, kind, image, read, line)
        normal = int(self.map.normals[h & 4095]) + int(self.map.normals[h >> 12 & 4095])
        return normal * int(self.map.noise_scale[driven]) >> 16

    def read(
        self, x_p: Sequence[Any], x_n: Sequence[Any], image: int, read: int, code: int = 0
    ) -> list[int]:
        """``sa``, ``adc``."""
        array, unit = self.array, self.map.unit
        low, high = array.columns, array.columns + 1
        answers = []
        for c in range(array.columns):
            total = driven = 0
            for line in range(array.lines):
                x = int(x_p[line]) - int(x_n[line])
                driven += x != 0
                a, b = (self.current(line, c, k) for k in (0, 1))
                k = 0 if x > 0 else 1
                ref_low, ref_high = self.current(line, low, k), self.current(line, high, k)
                if x == 0:
                    continue
                if line >= array.rows:
                    total += x * (a - b)
                elif array.cell == "2t2r":
                    total += a - b
                    if array.readout == "adc":
                        total += self.current(line, low, 0) - self.current(line, high, 0)
                elif array.readout == "adc":
                    total += 2 * ((a, b)[k] - ref_high)
                else:
                    total += 2 * (a, b)[k] - ref_low - ref_high
            error = 2 * (int(self.map.column_offset[c]) + self.noise(1, image, read, c, driven))
            if array.readout == "sa":
                answers.append(int(2 * (total + code * unit) + unit + error > 0))
            else:
                count = (total + unit + error) // (2 * unit)
                answers.append(min(max(count, 0), (1 << array.adc_bits) - 1))
        return answers

    def compare(
        self, row: int, col_x: Sequence[Any], col_en: Sequence[Any], image: int, read: int
    ) -> list[int]:
        """``pcsa``."""
        answers = []
        for c in range(self.array.columns):
            if self.array.cell == "1t1r":
                total = 2 * self.current(row, c, 0)
                total -= self.current(row, self.array.columns, 0)
                total -= self.current(row, self.array.columns + 1, 0)
            else:
                total = self.current(row, c, 0) - self.current(row, c, 1)
            total += int(self.map.column_offset[c]) + self.noise(1, image, read, c, 1)
            answers.append(int((total > 0) == bool(col_x[c]) and bool(col_en[c])))
        return answers

    def transposed(self, columns: Sequence[Any], count: int) -> list[int]:
        """``adc`` with ``1t1r`` cells."""
        unit = self.map.unit
        answers = []
        on = [c for c in range(self.array.columns) if columns[c]]
        for row in range(self.array.rows):
            total = sum(self.current(row, c, 0) - self.current(self.array.lines, c, 0) for c in on)
            error = int(self.map.row_offset[row]) + self.noise(3, count, 0, row, len(on))
            answer = (2 * total + unit + 2 * error) // (2 * unit)
            answers.append(min(max(answer, 0), (1 << self.array.adc_bits) - 1))
        return answers


def random_map(rng: np.random.Generator, array: Array, reads: int = 3) -> DeviceMap:
    """A map whose every number is random, and whose reads are now and then wrong."""
    shape = (array.lines + 1, array.columns + 2, 2)
    low, unit = 5_000_000, 4_700_000
    stuck = rng.choice(3, shape, p=(0.9, 0.05, 0.05))
    stuck[-1] = stuck[:, -2:] = 0

    def numbers(low: int, high: int, *shape: int) -> NDArray[np.int64]:
        return rng.integers(low, high, shape, np.int64)

    return DeviceMap(
        readout=array.readout,
        cell=array.cell,
        rows=array.rows,
        bias_rows=array.bias_rows,
        columns=array.columns,
        reads_per_image=reads,
        seed=int(rng.integers(1 << 32)),
        read_pa_ohm=550_000_000_000,
        unit=unit,
        verify_set=low // 2,
        verify_reset=low // 3,
        normals=numbers(-200_000, 200_000, 4096),
        lrs_table=numbers(40_000, 90_000, 4096),
        hrs_table=numbers(30_000, 110_000, 4096),
        noise_scale=numbers(0, unit // 2, max(array.lines, array.columns) + 1),
        column_offset=numbers(-unit // 2, unit // 2, array.columns),
        row_offset=numbers(-unit // 2, unit // 2, array.lines),
        r_lrs=numbers(60_000, 180_000, *shape),
        r_hrs=numbers(300_000, 4_000_000, *shape),
        series=numbers(0, 30_000, *shape),
        pulses_set=numbers(1, 5, *shape),
        pulses_reset=numbers(1, 5, *shape),
        stuck=stuck,
        endurance=numbers(3, 40, *shape),
    )
