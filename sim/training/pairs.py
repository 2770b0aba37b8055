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
Cells = NDArray[np.intp]
ALL = slice(None)


class Pairs(Protocol):
    """Pairs of rows and columns, each with two branches that only potentiation pulses change."""

    def pulse(self, pulses: Counts16, first: int = 0) -> None:
        """Give pulses to rows from ``first``, of shape (rows of these, columns).

        To branch 1 where positive, else to branch 2, as many as they are large.
        """

    def positive(self, rows: slice = ALL) -> Bits:
        """Whether the sign read is +1."""

    def levels(self, cell: Cells | slice = ALL) -> Counts16:
        """What the converters say of both branches of cells, in row order: shape (cells, 2)."""

    def reach(self, level: int) -> tuple[Bits, Bits]:
        """Whether the branches read that level, at least 1, or more."""

    def reset(self, where: Bits) -> None:
        """Reset both branches."""

    def exchange(self) -> None:
        """From now on branch 1 is the one that was branch 2, in all pairs."""

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes, to be saved; the arrays may be views."""

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """What :meth:`state` gave."""


class IdealPairs:
    """Pairs whose branches count pulses up to ``most``, from none.

    Attributes
    ----------
    n1, n2 : int16 array, shape (rows, columns)
        Of the first and of the second device, which are branches 1 and 2 if not exchanged.
    exchanged : bool
    """

    def __init__(self, rows: int, columns: int, most: int) -> None:
        self.most = np.int16(most)
        self.n1 = np.zeros((rows, columns), np.int16)
        self.n2 = np.zeros((rows, columns), np.int16)
        self.exchanged = False

    @property
    def branches(self) -> tuple[Counts16, Counts16]:
        """Pulses of branch 1 and of branch 2."""
        return (self.n2, self.n1) if self.exchanged else (self.n1, self.n2)

    def pulse(self, pulses: Counts16, first: int = 0) -> None:
        rows = slice(first, first + len(pulses))
        up = np.maximum(pulses, 0)
        for n, given in zip(self.branches, (up, up - pulses), strict=True):
            given += n[rows]
            np.minimum(given, self.most, out=n[rows])

    def positive(self, rows: slice = ALL) -> Bits:
        return np.asarray((self.n1[rows] >= self.n2[rows]) != self.exchanged)

    def levels(self, cell: Cells | slice = ALL) -> Counts16:
        return np.stack([n.reshape(-1)[cell] for n in self.branches], axis=-1)

    def reach(self, level: int) -> tuple[Bits, Bits]:
        n1, n2 = self.branches
        return n1 >= level, n2 >= level

    def reset(self, where: Bits) -> None:
        self.n1[where] = 0
        self.n2[where] = 0

    def exchange(self) -> None:
        self.exchanged = not self.exchanged

    def state(self) -> dict[str, NDArray[Any]]:
        return {"n1": self.n1, "n2": self.n2, "exchanged": np.array(self.exchanged)}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.n1[:], self.n2[:] = state["n1"], state["n2"]
        self.exchanged = bool(state["exchanged"])


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
    deviation : int32 or int64 array, same shape
        pA, which pulses from cycle to cycle add up to; wide enough for any that the map allows.
    wear : uint32 array, same shape
        Pulses and resets of a life.
    exchanged : bool
        Whether the first device of a pair is its branch 2.
    """

    def __init__(self, map: PairMap, number: int) -> None:
        self.map = map
        self.most = len(map.response) - 1
        self.exchanged = False
        count = map.rows * map.columns * 2
        index = np.arange(count)
        whole = _wide_enough(map)
        self.n = np.zeros(count, np.int16)
        self.deviation = np.zeros(count, whole)
        self.wear = np.zeros(count, np.uint32)
        self._gain, self._base = map.gain.reshape(-1).astype(np.int32), map.base.reshape(-1)
        self._base = self._base.astype(whole)
        self._table = map.noise.astype(np.int32)
        self._noisy = bool(map.noise.any())
        self._offsets = bool(map.offset.any())
        self._rises = np.append(np.diff(map.response), 0)  # the last pulse changes nothing
        self._begun = {
            kind: _rounds(mixed(map.seed, number, kind), index) for kind in (PULSE, RESET)
        }
        self._currents = np.empty(count, whole)
        self._positive = np.empty(map.rows * map.columns, np.bool_)
        self._read_all()

    def pulse(self, pulses: Counts16, first: int = 0) -> None:
        flat = pulses.reshape(-1)
        cell = (flat != 0).nonzero()[0]
        given = flat[cell]
        size = np.abs(given)
        cell += first * self.map.columns
        device = cell * 2
        device += (given < 0) != self.exchanged
        n, deviation = self.n[device], self.deviation[device]
        wear = self.wear[device]
        if self._noisy:
            deviation += self._noise(self._begun[PULSE][device], n, wear, size)
        self.deviation[device] = deviation
        self.wear[device] = wear + size.astype(np.uint32)
        n = np.minimum(n + size, np.int16(self.most))
        self.n[device] = n
        self._read(device, n, deviation)
        self._compare(cell)

    def _noise(
        self, begun: NDArray[np.uint32], n: Counts16, wear: NDArray[np.uint32], size: Counts16
    ) -> NDArray[np.integer[Any]]:
        """What ``size`` pulses add to the deviations of devices."""
        found = np.zeros_like(self.deviation, shape=len(n))
        for count in range(int(size.max(initial=0))):
            more = (size > count).nonzero()[0]
            noise = self._table[_drawn(begun[more], wear[more] + np.uint32(count + 1))]
            rises = self._rises[np.minimum(n[more] + np.int16(count), np.int16(self.most))]
            found[more] += rises * noise >> 16
        return found

    def _read(self, device: Cells, n: Counts16, deviation: NDArray[np.integer[Any]]) -> None:
        """Currents of devices that changed."""
        gained = self._gain[device] * self.map.response[n] >> 16
        self._currents[device] = self._base[device] + gained + deviation

    def _compare(self, cell: Cells) -> None:
        """Signs of pairs that changed."""
        currents = self._currents.reshape(-1, 2)[cell]
        difference = currents[:, 0] - currents[:, 1]
        if self._offsets:
            difference = difference + self.map.offset[cell % self.map.columns]
        self._positive[cell] = difference >= 0

    def _read_all(self) -> None:
        self._read(np.arange(len(self.n)), self.n, self.deviation)
        self._compare(np.arange(len(self._positive)))

    @property
    def currents(self) -> NDArray[np.integer[Any]]:
        """Of both branches, pA, shape (rows, columns, 2)."""
        return self._currents.reshape(self.map.rows, self.map.columns, 2)

    def positive(self, rows: slice = ALL) -> Bits:
        positive = self._positive.reshape(self.map.rows, self.map.columns)[rows]
        return np.asarray(positive != self.exchanged)

    def levels(self, cell: Cells | slice = ALL) -> Counts16:
        currents = self._currents.reshape(-1, 2)[cell]
        found = np.searchsorted(self.map.ladder, currents, side="right").astype(np.int16)
        return found[:, ::-1] if self.exchanged else found

    def reach(self, level: int) -> tuple[Bits, Bits]:
        reached = self.currents >= int(self.map.ladder[level - 1])
        return reached[..., int(self.exchanged)], reached[..., int(not self.exchanged)]

    def reset(self, where: Bits) -> None:
        cell = where.reshape(-1).nonzero()[0]
        device = (cell[:, np.newaxis] * 2 + np.arange(2)).reshape(-1)
        wear = self.wear[device] + np.uint32(1)
        self.wear[device] = wear
        self.n[device] = 0
        noise = self.map.noise[_drawn(self._begun[RESET][device], wear)]
        deviation = noise * self.map.spread >> 16
        self.deviation[device] = deviation
        self._read(device, np.zeros(len(device), np.int16), deviation)
        self._compare(cell)

    def exchange(self) -> None:
        self.exchanged = not self.exchanged

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            "n": self.n,
            "deviation": self.deviation,
            "wear": self.wear,
            "exchanged": np.array(self.exchanged),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.n[:] = state["n"]
        self.deviation[:] = state["deviation"]
        self.wear[:] = state["wear"]
        self.exchanged = bool(state["exchanged"])
        self._read_all()


def _wide_enough(map: PairMap) -> type[np.signedinteger[Any]]:
    """Integers that hold every current of a map and every difference of two."""
    noise = int(np.abs(map.noise).max())
    largest = int(map.response[-1])
    most = int(map.base.max()) + (int(map.gain.max()) * largest >> 16)
    most += (largest + map.spread) * noise >> 16
    most += len(map.response)  # every pulse and every reset rounds down
    return np.int32 if 4 * most < 1 << 32 else np.int64


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
