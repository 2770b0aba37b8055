"""The 2T2R pairs of an update array: what potentiation pulses do to them, and their map.

A device starts at the high resistance and gains conductance with each pulse, ever less: after
``n`` of ``P`` pulses it conducts, at the read voltage,

    I = I_hrs + (I_lrs - I_hrs) * (1 - exp(-a n / P)) / (1 - exp(-a))

with the nonlinearity ``a``, from near-linear (0.01) to strongly nonlinear (10). Both branches
follow the same curve, so without mismatch the sign of the difference of the currents is that of
the difference of the pulses, whatever ``a``. The curve is a reconstruction: the paper (Zhou et al.,
IEDM 2018) says that its devices are strongly nonlinear and asymmetric, not how much.

Devices differ by a gain of the whole curve and by the current they start from; every pulse raises
a device a little more or less than it should; a reset does not always end at the same current.
``docs/learning.md`` has the integer arithmetic and the file.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from binohm.sim.device.draw import quantiles
from binohm.sim.device.map import TABLE
from binohm.sim.device.words import read_words, write_words

__all__ = ["PULSE", "RESET", "PairDevice", "PairMap", "draw_pairs"]

Ints = NDArray[np.int64]

MAGIC = 0x62696E6F68750001
PULSE, RESET = 4, 5
"""Kinds of random numbers, see :func:`binohm.sim.device.map.mixed`."""

HEADER = 8
PICO = 1e12
CURRENT_LIMIT = 1 << 31
GAIN_LIMIT = (1 << 20) - 1
UPDATE_TAG = 0x75706474
"""Tells the random numbers of an update array from those of other arrays."""

RANGES: dict[str, tuple[float, float, str]] = {
    "lrs_ohm": (1e3, 1e8, "ohm"),
    "hrs_ohm": (1e3, 1e9, "ohm"),
    "read_v": (0.01, 1.0, "V"),
    "nonlinearity": (0.01, 10.0, ""),
    "gain_sigma": (0.0, 1.0, ""),
    "start_sigma": (0.0, 2.0, ""),
    "cycle_sigma": (0.0, 2.0, ""),
    "reset_sigma": (0.0, 2.0, ""),
    "offset_a": (0.0, 1e-5, "A"),
}
"""Lowest and highest value of every parameter of :class:`PairDevice`, and its unit."""


@dataclass(frozen=True)
class PairDevice:
    """Analog devices of a pair and their comparator, in SI units.

    Resistances and voltage are those of :class:`~binohm.sim.device.physics.Device` (NeuroSim V1.4,
    a fallback). For the spreads below no figure was found that tells them apart: the defaults are
    assumptions, meant to be varied.

    Parameters
    ----------
    lrs_ohm, hrs_ohm : float
        Of a device with all its pulses, and of one without.
    read_v : float
        Across a device in a read.
    nonlinearity : float
        ``a`` of the curve. 0.01 bends it by 0.1 % of the range, 5 gives half of it to the first
        seventh of the pulses.
    gain_sigma : float
        Spread of the gain of a device, of its natural logarithm.
    start_sigma : float
        Spread of the current without pulses, of its natural logarithm; 0.45 in the public script
        that :mod:`~binohm.sim.device.physics` names.
    cycle_sigma : float
        Standard deviation of what one pulse adds, over what it should add.
    reset_sigma : float
        Standard deviation of the current after a reset, over the nominal one; needs ``cycle_sigma``
        above 0, since both share a table.
    offset_a : float
        Standard deviation of the offsets of the comparators.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or ``hrs_ohm`` not above ``lrs_ohm``.
    """

    lrs_ohm: float = 100e3
    hrs_ohm: float = 1.7e6
    read_v: float = 0.55
    nonlinearity: float = 4.0
    gain_sigma: float = 0.05
    start_sigma: float = 0.45
    cycle_sigma: float = 0.2
    reset_sigma: float = 0.1
    offset_a: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            low, high, unit = RANGES[item.name]
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{item.name} must be a number, not {value!r}")
            if not low <= value <= high:
                raise ValueError(
                    f"{item.name} = {value:g}: must be {f'{low:g} to {high:g} {unit}'.rstrip()}"
                )
        if self.hrs_ohm <= self.lrs_ohm:
            raise ValueError(
                f"hrs_ohm = {self.hrs_ohm:g}: must be above lrs_ohm = {self.lrs_ohm:g}"
            )
        if self.reset_sigma and not self.cycle_sigma:
            raise ValueError(f"reset_sigma = {self.reset_sigma:g}: needs cycle_sigma above 0")

    @classmethod
    def matched(cls, nonlinearity: float = 4.0) -> "PairDevice":
        """Devices that are all alike and do always the same."""
        return cls(
            nonlinearity=nonlinearity,
            gain_sigma=0.0,
            start_sigma=0.0,
            cycle_sigma=0.0,
            reset_sigma=0.0,
        )

    def response(self, pulses: int) -> Ints:
        """Current gained by 0 to ``pulses`` pulses, pA; rises strictly.

        Raises
        ------
        ValueError
            If a pulse would add less than 1 pA.
        """
        span = self.read_v / self.lrs_ohm - self.read_v / self.hrs_ohm
        n = np.arange(pulses + 1) / pulses
        share = np.expm1(-self.nonlinearity * n) / math.expm1(-self.nonlinearity)
        response = np.rint(share * span * PICO).astype(np.int64)
        if (np.diff(response) < 1).any():
            raise ValueError(
                f"nonlinearity = {self.nonlinearity:g} with {pulses} pulses: the last ones add "
                "less than 1 pA; take fewer pulses or less nonlinearity"
            )
        return response


@dataclass(frozen=True, eq=False)
class PairMap:
    """The integers of an update array.

    Parameters
    ----------
    rows, columns, seed : int
    spread : int
        Of a reset, pA.
    noise : int64 array, shape (4096,)
        What a pulse adds too much, over what it should add, Q16.
    response : int64 array, shape (P + 1,)
        Current gained by pulses, pA; from 0, rises strictly.
    ladder : int64 array, shape (P,)
        Reference levels of the converter, pA.
    offset : int64 array, shape (columns,)
        Of the comparators, pA.
    base, gain : int64 array, shape (rows, columns, 2)
        Current without pulses, pA; factor of the response, Q16.

    Raises
    ------
    ValueError
        If a shape or a value is out of range.
    """

    rows: int
    columns: int
    seed: int
    spread: int
    noise: Ints
    response: Ints
    ladder: Ints
    offset: Ints
    base: Ints
    gain: Ints

    def __post_init__(self) -> None:
        devices = (self.rows, self.columns, 2)
        pulses = len(self.response) - 1
        shapes = {"noise": (TABLE,), "response": (pulses + 1,), "ladder": (pulses,),
                  "offset": (self.columns,), "base": devices, "gain": devices}  # fmt: skip
        limits = {"rows": (1, 0xFFFF), "columns": (1, 0xFFFF), "seed": (0, (1 << 32) - 1),
                  "spread": (0, CURRENT_LIMIT), "noise": (-(1 << 20), 1 << 20),
                  "response": (0, CURRENT_LIMIT), "ladder": (0, CURRENT_LIMIT),
                  "offset": (-CURRENT_LIMIT, CURRENT_LIMIT), "base": (0, CURRENT_LIMIT - 1),
                  "gain": (0, GAIN_LIMIT)}  # fmt: skip
        if not 4 <= pulses <= 4096:
            raise ValueError(f"pulses = {pulses}: must be 4 to 4096")
        for name, (low, high) in limits.items():
            values = np.asarray(getattr(self, name))
            if values.shape != shapes.get(name, ()) or values.dtype != np.int64:
                raise ValueError(
                    f"{name} must be int64 of shape {shapes.get(name, ())}, not {values.dtype} of "
                    f"shape {values.shape}"
                )
            wrong = values[(values < low) | (values > high)]
            if wrong.size:
                raise ValueError(f"{name} = {wrong[0]}: must be {low} to {high}")
        if self.response[0] or (np.diff(self.response) < 1).any():
            raise ValueError("response must begin with 0 and rise strictly")
        if (np.diff(self.ladder) < 0).any():
            raise ValueError("ladder must not fall")

    def text(self) -> str:
        """The map as a file."""
        shape = self.rows | self.columns << 16 | (len(self.response) - 1) << 32
        head = np.array([MAGIC, shape, self.seed, self.spread] + [0] * (HEADER - 4), np.uint64)
        devices = self.base | self.gain << 32
        parts = (self.noise, self.response, self.ladder, self.offset, devices.ravel())
        return write_words(np.concatenate([head, *(part.astype(np.uint64) for part in parts)]))

    @classmethod
    def from_text(cls, text: str, name: str) -> "PairMap":
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

    @classmethod
    def _from_words(cls, words: NDArray[np.uint64]) -> "PairMap":
        if len(words) < HEADER or int(words[0]) != MAGIC:
            raise ValueError("not a map of an update array of this version; make it again")
        shape, seed, spread = (int(word) for word in words[1:4])
        rows, columns, pulses = shape & 0xFFFF, shape >> 16 & 0xFFFF, shape >> 32
        sizes = [TABLE, pulses + 1, pulses, columns, rows * columns * 2]
        if len(words) != HEADER + sum(sizes):
            raise ValueError(
                f"{len(words)} words instead of {HEADER + sum(sizes)} for {rows} rows, {columns} "
                f"columns and {pulses} pulses"
            )
        parts = np.split(words[HEADER:].astype(np.int64), np.cumsum(sizes[:-1]))
        noise, response, ladder, offset, devices = parts
        devices = devices.reshape(rows, columns, 2)
        base, gain = devices & 0xFFFFFFFF, devices >> 32
        return cls(
            rows, columns, seed, spread, noise, response, ladder, offset, base, gain
        )  # fmt: skip


def draw_pairs(
    device: PairDevice, rows: int, columns: int, pulses: int, seed: int, number: int
) -> PairMap:
    """Draw the map of the update array of layer ``number``, from 0.

    It depends on these alone; all random numbers are drawn whatever the parameters, so another
    sigma stretches the same spread.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """
    if not 0 <= seed < 1 << 32:
        raise ValueError(f"seed = {seed}: must be 0 to {(1 << 32) - 1}")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([UPDATE_TAG, seed, number])))
    shape = (rows, columns, 2)
    gain, start = rng.standard_normal(shape), rng.standard_normal(shape)
    offset = rng.standard_normal(columns)
    response = device.response(pulses)
    low = device.read_v / device.hrs_ohm * PICO
    base = np.rint(low * np.exp(device.start_sigma * start))
    spread = low * device.reset_sigma / device.cycle_sigma if device.cycle_sigma else 0.0
    return PairMap(
        rows,
        columns,
        seed,
        round(spread),
        np.rint(quantiles() * device.cycle_sigma * 65536).astype(np.int64),
        response,
        round(low) + (response[:-1] + response[1:] + 1) // 2,
        np.rint(offset * device.offset_a * PICO).astype(np.int64),
        np.clip(base, 0, CURRENT_LIMIT - 1).astype(np.int64),
        np.clip(np.rint(65536 * np.exp(device.gain_sigma * gain)), 0, GAIN_LIMIT).astype(np.int64),
    )
