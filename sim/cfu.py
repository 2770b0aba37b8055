"""What the instructions of the function unit do, said in arithmetic of -1, 0 and +1.

See docs/soc.md. Nothing here is shared with the hardware or its generator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.sim.kernel_cells import Cells, ExactCells

__all__ = ["ADD", "DOT", "GET", "ROW", "SET", "SIGN", "SUM", "WINDOW", "Sizes", "Unit"]

Bits = NDArray[np.bool_]

DOT, ROW, SIGN, SUM, ADD, SET, GET, WINDOW = range(8)
CHANNEL, WINDOW_AT, SHIFT, ROWS, COLUMNS, SLOT, KERNEL, PROGRAM, CLEAR = range(9)
STATUS, HITS, MISSES, PULSES, FAILED, SHAPE, SIZE = range(7)

WORD = 32


@dataclass(frozen=True)
class Sizes:
    """Of a unit, as in docs/soc.md."""

    slots: int
    rows: int
    columns: int
    positions: int
    windows: int
    complement: bool
    accumulator_bits: int

    @property
    def codes(self) -> int:
        """Numbers that name a kernel."""
        return self.slots * (2 if self.complement else 1)

    @property
    def number_bits(self) -> int:
        """Bits of a number: there is a number for every code, for a miss and for none."""
        bits = 1
        while 1 << bits < self.codes + 2:
            bits += 1
        return bits

    @property
    def none(self) -> int:
        """The number that asks for nothing."""
        return (1 << self.number_bits) - 1

    @property
    def numbers(self) -> int:
        """Numbers in a word."""
        return WORD // self.number_bits

    @property
    def kernel_fields(self) -> int:
        """Fields of a kernel in full."""
        return -(-self.width // self.number_bits)

    @property
    def width(self) -> int:
        """Bits of a kernel."""
        return self.rows * self.columns

    def number(self, slot: int, *, invert: bool = False) -> int:
        """The number of a kernel."""
        return 2 * slot + invert if self.complement else slot


class Unit:
    """A unit between two instructions, all earlier ones being done.

    Parameters
    ----------
    sizes : Sizes

    cells : Cells, optional
        Of the macro; exact ones, all as made, if not given.

    Attributes
    ----------
    patches : bool array, shape (windows, rows, columns + positions - 1)
    """

    def __init__(self, sizes: Sizes, cells: Cells | None = None) -> None:
        self.sizes = sizes
        self.cells = cells or ExactCells(sizes.slots, sizes.width)
        self.patches = np.zeros(
            (sizes.windows, sizes.rows, sizes.columns + sizes.positions - 1), np.bool_
        )
        self.reset()

    def reset(self) -> None:
        """Cells and patches outlive a reset, nothing else does."""
        self.cells.reset()
        sizes = self.sizes
        self.sums = [0] * sizes.positions
        self.channel = self.window = self.row = 0
        self.spelt: list[int] | None = None  # fields of a kernel in full, so far
        self.shift = sizes.columns - 1
        self.rows_present = np.ones(sizes.rows, np.bool_)
        self.columns_present = np.ones(self.patches.shape[2], np.bool_)
        self.slot = self.part = 0
        self.staged: dict[int, int] = {}
        self.refused = self.unverified = False
        self.hits = self.misses = self.pulses = self.failed = 0

    def windows(self, channel: int, position: int) -> NDArray[np.int64]:
        """What a kernel is compared with: -1, +1, or 0 outside the image."""
        part = np.s_[position : position + self.sizes.columns]
        pixels = np.where(self.patches[channel][:, part], 1, -1)
        return pixels * self.rows_present[:, None] * self.columns_present[part]

    def execute(self, function_id: int, a: int, b: int) -> int:
        """Do a command; the answer. ``a`` and ``b`` are unsigned 32 bits."""
        actions = (
            self._dot, self._write_row, self._sign, self._sum,
            self._add, self._set, self._get, self._look,
        )  # fmt: skip
        answer = actions[function_id](a, b) if function_id < len(actions) else None
        if answer is None:
            self.refused = True
            return 0
        return answer & (1 << WORD) - 1

    def _dot(self, word: int, _: int) -> int:
        for _ in range(self.sizes.numbers):
            word, number = divmod(word, 1 << self.sizes.number_bits)
            self._field(number)
        return 0

    def _field(self, number: int) -> None:
        sizes = self.sizes
        inside = self.channel < sizes.windows
        if self.spelt is not None:
            self.spelt.append(number)
            if len(self.spelt) < sizes.kernel_fields:
                return
            kernel = sum(part << sizes.number_bits * k for k, part in enumerate(self.spelt))
            self.spelt = None
            if inside:
                self._multiply(lambda: np.where(_unpacked(kernel, sizes.width), 1, -1))
        elif number != sizes.none:
            self.refused |= not inside
            self.hits += inside and number < sizes.codes
            self.misses += inside and number >= sizes.codes
            if number == sizes.codes:
                self.spelt = []
                return
            if inside and number < sizes.codes:
                slot, invert = divmod(number, 2) if sizes.complement else (number, 0)
                self._multiply(lambda: self.cells.read(slot) * (-1 if invert else 1))
        self.channel += inside

    def _multiply(self, kernel: Callable[[], NDArray[np.int64]]) -> None:
        """With the windows of the channel; a kernel is read for each of them."""
        for position in range(self.sizes.positions):
            inputs = self.windows(self.channel, position).ravel()
            self._put(position, int((kernel() * inputs).sum()))

    def _put(self, position: int, value: int) -> None:
        half = 1 << self.sizes.accumulator_bits - 1
        self.sums[position] = (self.sums[position] + value + half) % (2 * half) - half

    def _restart(self) -> None:
        self.sums = [0] * self.sizes.positions
        self.channel = 0
        self.spelt = None

    def _write_row(self, word: int, _: int) -> int | None:
        if self.window == self.sizes.windows:
            return None
        first = self.shift - (self.sizes.columns - 1)
        pixels = [
            bool(word >> pixel & 1) if 0 <= pixel < WORD else False
            for pixel in range(first, first + self.patches.shape[2])
        ]
        self.patches[self.window, self.row] = pixels
        self.row += 1
        if self.row == self.sizes.rows:
            self.row, self.window = 0, self.window + 1
        return 0

    def _sign(self, theta: int, flip: int) -> int:
        bits = [(total >= _signed(theta)) != bool(flip & 1) for total in self.sums]
        self._restart()
        return _packed(bits)

    def _sum(self, position: int, clear: int) -> int | None:
        if position >= self.sizes.positions:
            return None
        total = self.sums[position]
        if clear & 1:
            self._restart()
        return total

    def _add(self, value: int, position: int) -> int | None:
        if position >= self.sizes.positions:
            return None
        self._put(position, _signed(value))
        return 0

    def _look(self, channel: int, where: int) -> int | None:
        part, position = divmod(where, 256)
        sizes = self.sizes
        parts = -(-sizes.width // WORD)
        if channel >= sizes.windows or position >= sizes.positions or part >= parts:
            return None
        window = self.patches[channel][:, position : position + sizes.columns]
        return _packed(window.ravel()) >> part * WORD

    def _set(self, value: int, register: int) -> int | None:
        sizes = self.sizes
        limits = {
            CHANNEL: sizes.windows,
            WINDOW_AT: sizes.windows,
            SHIFT: WORD + sizes.columns - 1,
            SLOT: sizes.slots,
            PROGRAM: 256,
        }
        if register > CLEAR or value >= limits.get(register, 1 << WORD):
            return None
        if register == CHANNEL:
            self._restart()
            self.channel = value
        elif register == WINDOW_AT:
            self.window, self.row = value, 0
        elif register == SHIFT:
            self.shift = value
        elif register == ROWS:
            self.rows_present = _unpacked(value, len(self.rows_present))
        elif register == COLUMNS:
            self.columns_present = _unpacked(value, len(self.columns_present))
        elif register == SLOT:
            self.slot, self.part = value, 0
        elif register == KERNEL:
            self.staged[self.part] = value
            self.part = (self.part + 1) % -(-sizes.width // WORD)
        elif register == PROGRAM:
            self._program(value)
        else:
            self.refused = self.unverified = False
            self.hits = self.misses = self.pulses = 0
        return 0

    def _program(self, limit: int) -> None:
        kernel = sum(word << WORD * part for part, word in self.staged.items())
        bits = _unpacked(kernel, self.sizes.width)
        pulses, self.failed = self.cells.program(self.slot, bits, limit)
        self.pulses += pulses
        self.unverified |= self.failed > 0

    def _get(self, _: int, register: int) -> int | None:
        sizes = self.sizes
        if register > SIZE:
            return None
        return (
            self.refused + 2 * self.unverified,
            self.hits,
            self.misses,
            self.pulses,
            self.failed,
            sizes.rows + (sizes.columns << 8) + (sizes.positions << 16) + (sizes.numbers << 24),
            sizes.slots + (sizes.windows << 16),
        )[register]


def _signed(word: int) -> int:
    return word - (1 << WORD) if word >> WORD - 1 else word


def _packed(bits: Any) -> int:
    return sum(int(bit) << k for k, bit in enumerate(bits))


def _unpacked(word: int, count: int) -> Bits:
    return np.array([word >> k & 1 for k in range(count)], np.bool_)
