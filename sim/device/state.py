"""What pulses do: the state of the devices of one array, in integers.

A resistance is the device's own times a multiplier that is drawn anew with every write, so the
current of a device is known from the map and the number of its writes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.sim.device.map import RESISTANCE, TABLE, DeviceMap, mixed

__all__ = ["RESET", "SET", "VERIFY_RESET", "VERIFY_SET", "State"]

Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]

SET, RESET, VERIFY_SET, VERIFY_RESET = 2, 3, 4, 5
"""Commands of the array."""


class State:
    """The devices of tile number ``tile``, loaded with weights or new.

    Parameters
    ----------
    map : DeviceMap
    tile : int
        The socket's ``ID``.
    weights : int array, shape (lines, columns), optional
        -1 or +1 in rows, -1, 0 or +1 in bias rows: as if every device had been written once, with
        stuck devices where they are. Without it, all devices are in the high state, never written.

    Attributes
    ----------
    low : bool array, shape (lines + 1, columns + 2, 2)
        Whether a device is in the low-resistance state.
    writes, wear, progress : int64 array, same shape
        Writes; pulses received; pulses so far of a change of state.
    stuck : bool array, same shape
    currents : int64 array, same shape
        What every device conducts in a read, pA.
    """

    def __init__(
        self, map: DeviceMap, tile: int, weights: NDArray[np.integer[Any]] | None = None
    ) -> None:
        self.map = map
        self.tile = tile
        shape = map.r_lrs.shape
        self.low = np.zeros(shape, np.bool_)
        self.writes = np.full(shape, weights is not None, np.int64)
        if weights is not None:
            self._load(weights)
        self.stuck = map.stuck > 0
        self.low[self.stuck] = map.stuck[self.stuck] == 1
        self.low[:, -2] = True
        self.low[:, -1] = self.low[-1, :-2] = False
        self.writes[:, -2:] = self.writes[-1] = 1
        self.wear = np.zeros(shape, np.int64)
        self.progress = np.zeros(shape, np.int64)
        self.currents = np.zeros(shape, np.int64)
        self._update(0, map.lines)

    def _load(self, weights: NDArray[np.integer[Any]]) -> None:
        map = self.map
        if weights.shape != (map.lines, map.columns):
            raise ValueError(
                f"weights must have shape {(map.lines, map.columns)}, not {weights.shape}"
            )
        if not (np.isin(weights, (-1, 0, 1)).all() and weights[: map.rows].all()):
            raise ValueError("weights must be -1 or +1, in bias rows also 0")
        self.low[:-1, :-2, 0] = weights > 0
        self.low[:-1, :-2, 1] = weights < 0
        if map.cell == "1t1r":
            self.low[: map.rows, :, 1] = False

    def pulse(self, command: int, row: int, col_x: Bits, col_en: Bits) -> None:
        """Give one pulse to a device in each enabled column of a line.

        Parameters
        ----------
        command : int
            ``SET`` or ``RESET``.
        row : int
            0 to lines - 1.
        col_x, col_en : bool array, shape (columns,)
            Device a where ``col_x``, else b; only where ``col_en``.
        """
        self._check(command, (SET, RESET), row, col_x, col_en)
        target = command == SET
        needed = self.map.pulses_set if target else self.map.pulses_reset
        part = (row, slice(self.map.columns))
        low, wear, stuck = self.low[part], self.wear[part], self.stuck[part]  # views
        progress, writes = self.progress[part], self.writes[part]
        chosen = self._chosen(row, col_x) & col_en[:, None]
        wear += chosen
        stuck |= chosen & (wear > self.map.endurance[part])
        alive = chosen & ~stuck
        moving = alive & (low != target)
        progress += moving
        flips = moving & (progress >= needed[part])
        written = flips | (alive & ~moving)
        low ^= flips
        progress[written] = 0
        writes += written
        self._update(row, row)

    def verify(self, command: int, row: int, col_x: Bits, col_en: Bits) -> Bits:
        """Whether the devices chosen as by :meth:`pulse` have reached the level of a state.

        Parameters
        ----------
        command : int
            ``VERIFY_SET`` or ``VERIFY_RESET``.
        row, col_x, col_en
            As for :meth:`pulse`.

        Returns
        -------
        bool array, shape (columns,)
            False where not enabled; true where there is no device b.
        """
        self._check(command, (VERIFY_SET, VERIFY_RESET), row, col_x, col_en)
        current = self.currents[row, : self.map.columns]
        if command == VERIFY_SET:
            fails = current < self.map.verify_set
        else:
            fails = current > self.map.verify_reset
        failed: Bits = np.any(self._chosen(row, col_x) & fails, axis=1)
        return np.asarray(col_en & ~failed)

    def _check(
        self, command: int, known: tuple[int, ...], row: int, col_x: Bits, col_en: Bits
    ) -> None:
        if command not in known:
            raise ValueError(f"command must be one of {known}, not {command}")
        if not 0 <= row < self.map.lines:
            raise ValueError(f"row = {row}: must be 0 to {self.map.lines - 1}")
        for bits in (col_x, col_en):
            if bits.shape != (self.map.columns,) or bits.dtype != np.bool_:
                raise ValueError(
                    f"columns must be bool of shape {(self.map.columns,)}, not {bits.dtype} of "
                    f"shape {bits.shape}"
                )

    def _chosen(self, row: int, col_x: Bits) -> Bits:
        """The devices that ``col_x`` names, shape (columns, 2)."""
        there = self.map.cell != "1t1r" or row >= self.map.rows
        return np.stack([col_x, ~col_x & there], axis=1)

    def _update(self, first: int, last: int) -> None:
        """Work out the currents of lines ``first`` to ``last`` again."""
        map = self.map
        lines, (_, *cells) = slice(first, last + 1), map.r_lrs.shape
        index = np.arange(first * np.prod(cells), (last + 1) * np.prod(cells)).reshape(-1, *cells)
        h = mixed(map.seed, self.tile, RESISTANCE, index, self.writes[lines], 0)
        h &= np.uint32(TABLE - 1)
        ohm = np.where(
            self.low[lines],
            map.r_lrs[lines] * map.lrs_table[h] >> 16,
            map.r_hrs[lines] * map.hrs_table[h] >> 16,
        )
        self.currents[lines] = map.read_pa_ohm // (np.maximum(ohm, 1) + map.series[lines])
