"""Update arrays of 2T2R pairs: pulses, signs, levels and resets of a whole layer at once.

:class:`IdealPairs` holds the numbers of pulses alone. :class:`DevicePairs` follows every device of
a map, with the integers that the device view of the array computes too.
"""

from typing import Protocol

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

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that changes, to be saved; the arrays may be views."""

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
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

    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"n1": self.n1, "n2": self.n2}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
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
        self._rises = np.diff(map.response)
        self._begun = {
            kind: _rounds(mixed(map.seed, number, kind), index) for kind in (PULSE, RESET)
        }
        self._currents = np.empty(count, np.int64)
        self._read(np.ones(count, np.bool_).nonzero()[0])

    def pulse(self, pulses: Counts16, first: int = 0) -> None:
        cell = pulses.reshape(-1).nonzero()[0]
        given = pulses.reshape(-1)[cell]
        device = (first * self.map.columns + cell) * 2 + (given < 0)
        left = np.abs(given).astype(np.int64)
        if not self._noisy:
            self.wear[device] += left.astype(np.uint32)
            self.n[device] = np.minimum(self.n[device] + left, self.most)
            self._read(device)
            return
        going, left = device, left.copy()
        while len(going):
            self._once(going)
            left -= 1
            stay = left > 0
            going, left = going[stay], left[stay]
        self._read(device)

    def _once(self, device: NDArray[np.intp]) -> None:
        """One pulse to each of these devices, all different."""
        self.wear[device] += np.uint32(1)
        n = self.n[device]
        rising = n < self.most
        device, n = device[rising], n[rising]
        noise = self.map.noise[self._hash(PULSE, device)]
        self.deviation[device] += self._rises[n] * noise >> 16
        self.n[device] = n + 1

    def _hash(self, kind: int, device: NDArray[np.intp]) -> NDArray[np.uint32]:
        h = _rounds(_rounds(self._begun[kind][device], self.wear[device]), 0)
        return h & np.uint32(TABLE - 1)

    def _read(self, device: NDArray[np.intp]) -> None:
        self._currents[device] = (
            self._base[device]
            + (self._gain[device] * self.map.response[self.n[device]] >> 16)
            + self.deviation[device]
        )

    @property
    def currents(self) -> Ints:
        """Of both branches, pA, shape (rows, columns, 2)."""
        return self._currents.reshape(self.map.rows, self.map.columns, 2)

    def positive(self, rows: slice = ALL) -> Bits:
        i = self.currents[rows]
        return i[..., 0] - i[..., 1] + self.map.offset >= 0

    def levels(self) -> tuple[Counts16, Counts16]:
        found = np.searchsorted(self.map.ladder, self.currents, side="right").astype(np.int16)
        return found[..., 0], found[..., 1]

    def reset(self, where: Bits) -> None:
        cell = where.reshape(-1).nonzero()[0]
        device = np.concatenate([cell * 2, cell * 2 + 1])
        self.wear[device] += np.uint32(1)
        self.n[device] = 0
        noise = self.map.noise[self._hash(RESET, device)]
        self.deviation[device] = self.map.spread * noise >> 16
        self._read(device)

    def state(self) -> dict[str, NDArray[np.generic]]:
        return {"n": self.n, "deviation": self.deviation, "wear": self.wear}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        self.n[:] = state["n"]
        self.deviation[:] = state["deviation"]
        self.wear[:] = state["wear"]
        self._read(np.arange(len(self.n)))


def _rounds(
    h: NDArray[np.uint32], value: int | NDArray[np.intp] | NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """One more value into :func:`~binohm.sim.device.map.mixed`."""
    h = (h ^ np.asarray(value).astype(np.uint32)) * np.uint32(0x9E3779B1)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x85EBCA6B)
    return h ^ (h >> np.uint32(13))
