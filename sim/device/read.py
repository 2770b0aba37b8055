"""What reads of one array return: bit for bit what its device view returns, for many at once.

With ``U`` the map's unit, ``I`` currents, ``d`` the driven lines and ``>>`` rounding down::

    noise = ((normals[h & 4095] + normals[h >> 12 & 4095]) * noise_scale[d]) >> 16

where ``h`` is :func:`binohm.sim.device.map.mixed` of image, read and column, so that it does not
depend on the order of anything. Sums ``T`` and ``A`` over the driven lines, in pA:

- ``2t2r``: ``T`` adds ``Ia - Ib``, and ``A`` also ``low_a - high_a`` of the line's reference cells;
- ``1t1r``: ``T`` adds ``2 * Ia - low_a - high_a``, and ``A`` adds ``2 * (Ia - high_a)``;
- ``complementary``: the same, with device a of a line driven +1 and device b of one driven -1;
- bias rows: ``T`` adds ``Ia - Ib`` if driven +1 and subtracts it if driven -1;
- a reference code: ``T`` adds ``code * U``.

``sa`` gives ``2 * T + U + 2 * (offset + noise) > 0``. ``adc`` gives ``(A + U + 2 * (offset +
noise)) div (2 * U)`` within 0 and ``2**adc_bits - 1``. ``pcsa`` decides the sign of one cell, with
``T`` as above (``Ia - Ib`` for both cells with two devices) and ``d = 1``, and compares it with the
input. A transposed read drives columns with the read voltage and converts the currents of the
rows, less those of the reference line.

Products of 0 or 1 with currents are added up in float64, where they are exact below 2**53.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.plan import Array
from binohm.sim.device.map import NOISE, TABLE, TRANSPOSED, mixed
from binohm.sim.device.state import State

__all__ = ["Reader"]

Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]
Floats = NDArray[np.float64]
Numbers = int | NDArray[np.integer[Any]]

CELLS_AT_ONCE = 1024
"""Cells of which the noise is worked out at once: memory stays small."""


class Reader:
    """Reads of an array in the state in which it is now: later pulses do not change it.

    Parameters
    ----------
    array : Array
    state : State

    Raises
    ------
    ValueError
        If the map is of another array, or its currents too large to be added exactly.
    """

    def __init__(self, array: Array, state: State) -> None:
        self.array = array
        self.map = state.map
        self.tile = state.tile
        self.map.require(array, self.map.reads_per_image)
        currents = state.currents
        self._cells = currents[:-1, :-2]
        self._low, self._high = currents[:-1, -2:-1], currents[:-1, -1:]
        self._reference = currents[-1, :-2, 0]
        largest = 2 * int(currents.max()) * max(array.lines, array.columns)
        if 2 * largest >= 1 << 53:
            raise ValueError(
                f"the largest current is {currents.max()} pA: too large to add up "
                f"{max(array.lines, array.columns)} of them exactly"
            )
        if array.readout == "pcsa":
            self._margins = self._sign_currents() + self.map.column_offset
        else:
            self._plus, self._minus = (_floats(part) for part in self._weights())

    def read(
        self,
        x_p: NDArray[Any],
        x_n: NDArray[Any],
        images: Numbers,
        reads: Numbers,
        ref_code: Numbers = 0,
    ) -> Ints:
        """Read all columns at once; ``sa`` and ``adc``.

        Parameters
        ----------
        x_p, x_n : array of 0 and 1, shape (N, lines)
            Lines driven with +1 and with -1. Rows of cells on one line are never driven with -1.
        images, reads : int array, shape (N,)
            Numbers of image and read, for the noise.
        ref_code : int array, shape (columns,) or (N, columns), optional

        Returns
        -------
        int64 array, shape (N, columns)
            Bits or counts.
        """
        self._need("sa", "adc")
        positive, negative = self._lines(x_p), self._lines(x_n)
        if (positive & negative).any():
            raise ValueError("a line is driven with both +1 and -1")
        if self.array.cell != "complementary" and negative[:, : self.array.rows].any():
            raise ValueError(f"rows of {self.array.cell} cells cannot be driven with -1")
        sums = _floats(positive) @ self._plus
        if negative.any():
            sums += _floats(negative) @ self._minus
        driven = (positive | negative).sum(axis=1)
        noise = self._noise(NOISE, images, reads, driven, self.array.columns)
        error = 2 * (self.map.column_offset + noise)
        total = sums.astype(np.int64)
        if self.array.readout == "adc":
            return self._convert(total, error)
        total += self.map.unit * np.asarray(ref_code, np.int64)
        return (2 * total + self.map.unit + error > 0).astype(np.int64)

    def compare(
        self,
        row: NDArray[np.integer[Any]],
        col_x: NDArray[Any],
        col_en: NDArray[Any],
        images: Numbers,
        reads: Numbers,
    ) -> Bits:
        """Compare a row with the inputs of the columns; ``pcsa``.

        Parameters
        ----------
        row : int array, shape (N,)
        col_x, col_en : array of 0 and 1, shape (N, columns)
        images, reads : int array, shape (N,)

        Returns
        -------
        bool array, shape (N, columns)
            Whether an enabled column matches.
        """
        self._need("pcsa")
        noise = self._noise(NOISE, images, reads, np.ones(len(row), np.int64), self.array.columns)
        positive = self._margins[row] + noise > 0
        return np.asarray((positive == self._columns(col_x)) & self._columns(col_en))

    def matches(
        self,
        rows: NDArray[np.integer[Any]],
        reads: NDArray[np.integer[Any]],
        inputs: NDArray[Any],
        images: NDArray[np.integer[Any]],
    ) -> Ints:
        """Count the matches of many rows with many inputs; ``pcsa``.

        The sums of what :meth:`compare` returns, in less time: noise is worked out only for the
        cells that it can turn over.

        Parameters
        ----------
        rows : int array, shape (R,)
        reads : int array, shape (R,) or (N, R)
            Number of the read that each row takes part in.
        inputs : array of -1, 0 and +1, shape (N, columns)
            0 where a column is not enabled.
        images : int array, shape (N,)

        Returns
        -------
        int64 array, shape (N, R)
        """
        self._need("pcsa")
        margins = self._margins[rows]
        worst = 2 * int(np.abs(self.map.normals).max()) * int(self.map.noise_scale[1]) >> 16
        weights = np.where(np.abs(margins) <= worst + 1, 0, np.where(margins > 0, 1, -1))
        driven = _floats(inputs)
        certain = driven @ _floats(weights.T) + np.abs(driven) @ _floats(np.abs(weights.T))
        counts = certain.astype(np.int64) // 2
        cells = np.argwhere(weights == 0)
        for start in range(0, len(cells), CELLS_AT_ONCE):
            r, c = cells[start : start + CELLS_AT_ONCE].T
            noise = self._random(NOISE, _upright(images), reads[..., r], c, self.map.noise_scale[1])
            sign = np.where(margins[r, c] + noise > 0, 1, -1)
            np.add.at(counts.T, r, (inputs[:, c] == sign).T)
        return counts

    def transposed(self, columns: NDArray[Any], counts: Numbers) -> Ints:
        """Read all rows at once; ``adc`` with ``1t1r`` cells.

        Parameters
        ----------
        columns : array of 0 and 1, shape (N, columns)
            Which are on.
        counts : int array, shape (N,)
            Transposed reads before this one, for the noise.

        Returns
        -------
        int64 array, shape (N, rows)
        """
        self._need("adc")
        if self.array.cell != "1t1r":
            raise ValueError(f"{self.array.cell} cells have no transposed read")
        on = self._columns(columns)
        worth = self._cells[..., 0] - self._reference
        sums = (2 * (_floats(on) @ _floats(worth.T))).astype(np.int64)
        noise = self._noise(TRANSPOSED, counts, 0, on.sum(axis=1), self.array.lines)
        return self._convert(sums, 2 * (self.map.row_offset + noise))

    def _weights(self) -> tuple[Ints, Ints]:
        """What a line driven with +1 and with -1 adds to the sum of each column."""
        rows, converts = self.array.rows, self.array.readout == "adc"
        pairs = self._cells[..., 0] - self._cells[..., 1]
        plus, minus = pairs.copy(), -pairs
        if self.array.cell == "2t2r":
            if converts:
                plus += (self._low - self._high)[..., 0]
            return plus, minus
        reference = 2 * self._high if converts else self._low + self._high
        single = 2 * self._cells - reference
        plus[:rows], minus[:rows] = single[:rows, :, 0], single[:rows, :, 1]
        return plus, minus

    def _sign_currents(self) -> Ints:
        """``pcsa``: whose sign is that of a cell."""
        if self.array.cell == "1t1r":
            return np.asarray((2 * self._cells - self._low - self._high)[..., 0])
        return np.asarray(self._cells[..., 0] - self._cells[..., 1])

    def _convert(self, sums: Ints, error: Ints) -> Ints:
        """Counts of converters."""
        unit = self.map.unit
        counts = (sums + unit + error) // (2 * unit)
        return np.asarray(np.clip(counts, 0, (1 << self.array.adc_bits) - 1))

    def _noise(self, kind: int, images: Numbers, reads: Numbers, driven: Ints, lines: int) -> Ints:
        """Noise of every read and line, shape (N, lines)."""
        scale = self.map.noise_scale[driven][:, None]
        if not scale.any():
            return np.zeros((len(driven), 1), np.int64)
        return self._random(kind, _upright(images), _upright(reads), np.arange(lines), scale)

    def _random(
        self, kind: int, images: Numbers, reads: Numbers, lines: Numbers, scale: Ints
    ) -> Ints:
        """Normal random numbers of standard deviation ``scale``; all are broadcast."""
        h = mixed(self.map.seed, self.tile, kind, images, reads, lines)
        low, high = h & np.uint32(TABLE - 1), h >> np.uint32(12) & np.uint32(TABLE - 1)
        return np.asarray((self.map.normals[low] + self.map.normals[high]) * scale >> 16)

    def _need(self, *readouts: str) -> None:
        if self.array.readout not in readouts:
            raise ValueError(f"the readout is {self.array.readout}, not {' or '.join(readouts)}")

    def _lines(self, x: NDArray[Any]) -> Bits:
        return _bits(x, self.array.lines)

    def _columns(self, x: NDArray[Any]) -> Bits:
        return _bits(x, self.array.columns)


def _bits(x: NDArray[Any], width: int) -> Bits:
    if x.ndim != 2 or x.shape[1] != width:
        raise ValueError(f"drive must have shape (N, {width}), not {x.shape}")
    return x.astype(np.bool_)


def _floats(x: NDArray[Any]) -> Floats:
    return x.astype(np.float64)


def _upright(numbers: Numbers) -> NDArray[Any]:
    return np.atleast_1d(np.asarray(numbers))[:, None]
