"""Update arrays of 2T2R pairs: pulses, signs, levels and resets of a whole layer at once.

:class:`IdealPairs` holds the numbers of pulses alone. :class:`DevicePairs` follows every device of
a map, with the integers that the device view of the array computes too.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from binohm.sim.device.map import TABLE, mixed
from binohm.sim.device.pair import PULSE, RESET, PairMap

__all__ = ["DevicePairs", "IdealPairs", "Pairs"]

Bits = NDArray[np.bool_]
Counts16 = NDArray[np.int16]
Ints = NDArray[np.int64]
ALL = slice(None)


class Pairs(Protocol):
    """Pairs of rows and columns, each with two branches that only potentiation pulses change."""

    def pulse(self, pulses: Counts16, first: int = 0) -> None:
        """Give pulses to rows from ``first``, of shape (rows of these, columns).

        To branch 1 where positive, else to branch 2, as many as they are large.
        """

    def positive(self, rows: slice = ALL) -> Bits:
        """Whether the sign read is +1."""

    def levels(self) -> tuple[Counts16, Counts16]:
        """What the converters say of both branches."""

    def reset(self, where: Bits) -> None:
        """Reset both branches."""

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes, to be saved; the arrays may be views."""

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """What :meth:`state` gave."""


class IdealPairs:
    """Pairs whose branches count pulses up to ``most``, from none.

    Attributes
    ----------
    n1, n2 : int16 array, shape (rows, columns)
    """

    def __init__(self, rows: int, columns: int, most: int) -> None:
        self.most = np.int16(most)
        self.n1 = np.zeros((rows, columns), np.int16)
        self.n2 = np.zeros((rows, columns), np.int16)

    def pulse(self, pulses: Counts16, first: int = 0) -> None:
        rows = slice(first, first + len(pulses))
        up = np.maximum(pulses, 0)
        for n, given in ((self.n1[rows], up), (self.n2[rows], up - pulses)):
            given += n
            np.minimum(given, self.most, out=n)

    def positive(self, rows: slice = ALL) -> Bits:
        return self.n1[rows] >= self.n2[rows]

    def levels(self) -> tuple[Counts16, Counts16]:
        return self.n1, self.n2

    def reset(self, where: Bits) -> None:
        self.n1[where] = 0
        self.n2[where] = 0

    def state(self) -> dict[str, NDArray[Any]]:
        return {"n1": self.n1, "n2": self.n2}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.n1[:], self.n2[:] = state["n1"], state["n2"]


class DevicePairs:
    """Pairs of the devices of a map, all new.

    Parameters
    ----------
    map : PairMap
    number : int
        Of the layer, from 0: the identity of its array.

    Attributes
    ----------
    n : int16 array, shape (rows * columns * 2,)
        Pulses since the reset, in the order of the map.
    deviation : int64 array, same shape
        pA, which pulses from cycle to cycle add up to.
    wear : uint32 array, same shape
        Pulses and resets of a life.
    """

    def __init__(self, map: PairMap, number: int) -> None:
        self.map = map
        self.most = len(map.response) - 1
        count = map.rows * map.columns * 2
        index = np.arange(count)
        self.n = np.zeros(count, np.int16)
        self.deviation = np.zeros(count, np.int64)
        self.wear = np.zeros(count, np.uint32)
        self._gain, self._base = map.gain.reshape(-1), map.base.reshape(-1)
        self._noisy = bool(map.noise.any())
        self._rises = np.append(np.diff(map.response), 0)  # the last pulse changes nothing
        self._begun = {
            kind: _rounds(mixed(map.seed, number, kind), index) for kind in (PULSE, RESET)
        }
        self._currents = np.empty(count, np.int64)
        self._positive = np.empty(map.rows * map.columns, np.bool_)
        self._read(np.arange(map.rows * map.columns))

    def pulse(self, pulses: Counts16, first: int = 0) -> None:
        cell = pulses.reshape(-1).nonzero()[0]
        given = pulses.reshape(-1)[cell]
        size = np.abs(given)
        if self._noisy:  # those that get most come first, so that a round is a slice
            order = np.argsort(-size, kind="stable")
            cell, given, size = cell[order], given[order], size[order]
        cell += first * self.map.columns
        device = cell * 2 + (given < 0)
        if self._noisy:
            self._noise(device, size)
        self.wear[device] += size.astype(np.uint32)
        self.n[device] = np.minimum(self.n[device] + size, self.most)
        self._read(cell)

    def _noise(self, device: NDArray[np.intp], size: Counts16) -> None:
        """What ``size`` pulses add to the deviations; falling sizes."""
        n, wear = self.n[device], self.wear[device]
        deviation, begun = self.deviation[device], self._begun[PULSE][device]
        rounds = len(size) - np.cumsum(np.bincount(size))[:-1]  # devices with more than k pulses
        for count in rounds:
            part = slice(0, count)
            wear[part] += np.uint32(1)
            noise = self.map.noise[_drawn(begun[part], wear[part])]
            deviation[part] += self._rises[n[part]] * noise >> 16
            np.minimum(n[part] + np.int16(1), np.int16(self.most), out=n[part])
        self.deviation[device] = deviation

    def _read(self, cell: NDArray[np.intp]) -> None:
        """Currents and signs of pairs."""
        for device in (cell * 2, cell * 2 + 1):
            self._currents[device] = (
                self._base[device]
                + (self._gain[device] * self.map.response[self.n[device]] >> 16)
                + self.deviation[device]
            )
        difference = self._currents[cell * 2] - self._currents[cell * 2 + 1]
        self._positive[cell] = difference + self.map.offset[cell % self.map.columns] >= 0

    @property
    def currents(self) -> Ints:
        """Of both branches, pA, shape (rows, columns, 2)."""
        return self._currents.reshape(self.map.rows, self.map.columns, 2)

    def positive(self, rows: slice = ALL) -> Bits:
        return self._positive.reshape(self.map.rows, self.map.columns)[rows]

    def levels(self) -> tuple[Counts16, Counts16]:
        found = np.searchsorted(self.map.ladder, self.currents, side="right").astype(np.int16)
        return found[..., 0], found[..., 1]

    def reset(self, where: Bits) -> None:
        cell = where.reshape(-1).nonzero()[0]
        for device in (cell * 2, cell * 2 + 1):
            self.wear[device] += np.uint32(1)
            self.n[device] = 0
            noise = self.map.noise[_drawn(self._begun[RESET][device], self.wear[device])]
            self.deviation[device] = self.map.spread * noise >> 16
        self._read(cell)

    def state(self) -> dict[str, NDArray[Any]]:
        return {"n": self.n, "deviation": self.deviation, "wear": self.wear}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.n[:] = state["n"]
        self.deviation[:] = state["deviation"]
        self.wear[:] = state["wear"]
        self._read(np.arange(len(self._positive)))


def _drawn(begun: NDArray[np.uint32], wear: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Entry of the table of noise."""
    return _rounds(_rounds(begun, wear), 0) & np.uint32(TABLE - 1)


def _rounds(
    h: NDArray[np.uint32], value: int | NDArray[np.intp] | NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """One more value into :func:`~binohm.sim.device.map.mixed`."""
    h = h ^ np.asarray(value).astype(np.uint32)
    h *= np.uint32(0x9E3779B1)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    return h
