"""The cells of a unit's macro: exact ones, and devices of a map as its device view reads them."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from binohm.gen.plan import Array
from binohm.sim.device.draw import draw_tile
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.physics import Device
from binohm.sim.device.program import program_row
from binohm.sim.device.read import Reader
from binohm.sim.device.state import State

__all__ = ["READS", "Cells", "DeviceCells", "ExactCells", "draw_map", "spread"]

Bits = NDArray[np.bool_]
Signs = NDArray[np.int64]

READS = (1 << 32) - 1
"""Reads of an image of the map: all that a program makes are one image."""


class Cells(Protocol):
    """What programming and reading a slot does."""

    def reset(self) -> None:
        """Of the unit: cells outlive it, but the numbers of the reads restart."""

    def read(self, slot: int) -> Signs:
        """What a comparison takes the kernel for: -1 or +1, shape (width,)."""

    def program(self, slot: int, kernel: Bits, limit: int) -> tuple[int, int]:
        """Write a slot, or with limit 0 verify it; pulses given, devices that do not verify."""


class ExactCells:
    """Cells of the digital view: a pulse is enough, and a read is what was written.

    Parameters
    ----------
    slots, width : int
    """

    def __init__(self, slots: int, width: int) -> None:
        self._low = np.zeros((slots, width, 2), np.bool_)

    def reset(self) -> None:
        """See :class:`Cells`."""

    def read(self, slot: int) -> Signs:
        """+1 where device a alone has low resistance."""
        low = self._low[slot]
        return np.where(low[:, 0] & ~low[:, 1], 1, -1)

    def program(self, slot: int, kernel: Bits, limit: int) -> tuple[int, int]:
        """See :class:`Cells`."""
        wrong = self._low[slot] != np.stack([kernel, ~kernel], -1)
        if not limit:
            return 0, int(wrong.sum())
        self._low[slot] ^= wrong
        return int(wrong.sum()), 0


class DeviceCells:
    """Devices of a map, bit for bit those of the device view.

    Parameters
    ----------
    map : DeviceMap
    kernels : sequence of int, optional
        What the slots hold from the start, bit k being element k, the others -1. Without it the
        devices are as made.
    """

    def __init__(self, map: DeviceMap, kernels: Sequence[int] | None = None) -> None:
        self._array = _array(map.rows, map.columns)
        weights = None
        if kernels is not None:
            weights = np.full((map.rows, map.columns), -1)
            for slot, kernel in enumerate(kernels):
                weights[slot] = [1 if kernel >> k & 1 else -1 for k in range(map.columns)]
        self._state = State(map, 0, weights)
        self._reader = Reader(self._array, self._state)
        self._columns = np.ones((1, map.columns), np.bool_)
        self._reads = 0

    def reset(self) -> None:
        """See :class:`Cells`: noise depends on these numbers."""
        self._reads = 0

    def read(self, slot: int) -> Signs:
        """See :class:`Cells`; every call is a read."""
        row = np.array([slot])
        one = self._reader.compare(row, self._columns, self._columns, 0, self._reads)
        self._reads += 1
        return np.where(one[0], 1, -1)

    def program(self, slot: int, kernel: Bits, limit: int) -> tuple[int, int]:
        """See :class:`Cells`."""
        before = self._state.wear.sum()
        failed = program_row(self._state, slot, np.where(kernel, 1, -1), limit)
        self._reader = Reader(self._array, self._state)
        return int(self._state.wear.sum() - before), int(failed.sum())

    def kernels(self) -> Signs:
        """Every slot as it is read where there is no noise, shape (slots, width)."""
        rows = np.arange(self._array.rows)
        columns = self._columns.repeat(len(rows), 0)
        return np.where(self._reader.compare(rows, columns, columns, 0, 0), 1, -1)


def draw_map(device: Device, slots: int, width: int, seed: int) -> DeviceMap:
    """The map of a unit's macro."""
    return draw_tile(device, _array(slots, width), READS, seed, 0)


def spread(window: float, sigma_over_mu: float, **others: Any) -> Device:
    """Devices with a resistance window and a spread of both states, and nothing else amiss.

    Parameters
    ----------
    window : float
        HRS over LRS, such as 1.09 or 50 (docs/soc.md).
    sigma_over_mu : float
        Standard deviation of a resistance over its mean; the law is log-normal.
    **others
        Parameters of :class:`~binohm.sim.device.physics.Device`.
    """
    sigma = math.sqrt(math.log(1 + sigma_over_mu**2))
    given: dict[str, Any] = {
        "hrs_ohm": Device.lrs_ohm * window,
        "lrs_sigma_d2d": sigma,
        "hrs_sigma_d2d": sigma,
        "threshold_sigma_v": 0.0,
        "line_ohm": 0.0,
        **others,
    }
    return Device(**given)


def _array(slots: int, width: int) -> Array:
    return Array("pcsa", "2t2r", slots, width, 0, 0, width, 1, 1, 1)
