"""The baseline of one device a weight: its conductance is the weight, moved both ways.

A set pulse moves a device up the curve of :class:`~binohm.sim.device.pair.PairDevice`, a reset
pulse down the same curve mirrored, so the two steps differ at every conductance but the middle;
the sign is that of the current above the middle of the range. In floats: this is not built.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.sim.device.pair import PairDevice
from binohm.sim.training.pairs import ALL, Bits, Cells, Counts16

__all__ = ["SingleDevices"]

NOTHING_TO_REFRESH = "one device has no pair to refresh: refresh_bits must be -1"


class SingleDevices:
    """Takes the place of an update array.

    Parameters
    ----------
    device : PairDevice
        Its nonlinearity, and its spreads of gain and of cycles.
    rows, columns, pulses, seed, number : int
        As of :func:`~binohm.sim.device.pair.draw_pairs`.
    """

    def __init__(
        self, device: PairDevice, rows: int, columns: int, pulses: int, seed: int, number: int
    ) -> None:
        self._rng = np.random.default_rng([seed, number])
        self._cycle = device.cycle_sigma
        self._gain = np.exp(device.gain_sigma * self._rng.standard_normal((rows, columns)))
        self._rate = device.nonlinearity / pulses
        self._top = -np.expm1(-device.nonlinearity)
        self.g = np.full((rows, columns), 0.5)

    def pulse(self, pulses: Counts16, first: int = 0) -> None:
        rows = slice(first, first + len(pulses))
        cell = (pulses != 0).nonzero()
        given, g = pulses[cell], self.g[rows][cell]
        # Along its curve a device is x pulses from its start: g top = 1 - exp(-rate x).
        moved = np.abs(given) * self._gain[rows][cell]
        noise = self._rng.standard_normal(len(given)) * np.sqrt(moved)
        decay = np.exp(-self._rate * np.maximum(moved + self._cycle * noise, 0))
        way = np.where(given > 0, g, 1 - g)  # a reset pulse is a set pulse in the mirror
        way = np.clip((1 - (1 - way * self._top) * decay) / self._top, 0, 1)
        self.g[rows][cell] = np.where(given > 0, way, 1 - way)

    def positive(self, rows: slice = ALL) -> Bits:
        return np.asarray(self.g[rows] >= 0.5)

    def levels(self, cell: Cells | slice = ALL) -> Counts16:
        raise NotImplementedError(NOTHING_TO_REFRESH)

    def reach(self, level: int) -> tuple[Bits, Bits]:
        raise NotImplementedError(NOTHING_TO_REFRESH)

    def reset(self, where: Bits) -> None:
        self.g[where] = 0.5

    def exchange(self) -> None:
        raise NotImplementedError(NOTHING_TO_REFRESH)

    def state(self) -> dict[str, NDArray[Any]]:
        words = self._rng.bit_generator.state["state"]
        parts = [words[key] >> shift & (2**64 - 1) for key in ("state", "inc") for shift in (0, 64)]
        return {"g": self.g, "random": np.array(parts, np.uint64)}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.g[:] = state["g"]
        low, high, low_inc, high_inc = (int(word) for word in state["random"])
        whole = dict(self._rng.bit_generator.state)
        whole["state"] = {"state": low | high << 64, "inc": low_inc | high_inc << 64}
        self._rng.bit_generator.state = whole
