"""What is fixed before a network learns on the arrays, the random words, and what is counted.

``docs/learning.md`` states the rule and means the same by every name.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRACTION", "Counts", "LayerRule", "Rule", "Steps", "Xorshift", "rsh"]

Ints = NDArray[np.int64]

FRACTION = 12
"""Fraction bits of the running mean of the sums and of the learned offset."""

SHIFT_BITS = 16
"""Bits of the random words that are kept: no rate is slower than 2^-16."""

BLOCK = 1 << 16
"""Words that are made at once."""

RANGES = {
    "pixel_bits": (1, 8),
    "batch_bits": (0, 8),
    "pulses": (4, 4096),
    "start_bits": (0, 11),
    "most": (1, 4096),
    "error_bits": (2, 8),
    "margin": (1, 65535),
    "error_shift": (0, 15),
    "mean_shift": (0, 15),
    "offset_shift": (0, 15),
    "refresh_bits": (-1, 15),
    "exchange_bits": (-1, 15),
    "full": (1, 4096),
    "gain": (1, 4096),
}
"""Lowest and highest value of the numbers of :class:`Rule`."""


def rsh(x: Ints, n: int) -> Ints:
    """Shift right with rounding, halves up; ``n`` 0 changes nothing."""
    return x if n == 0 else (x + (1 << (n - 1))) >> n


@dataclass(frozen=True)
class LayerRule:
    """Shifts of one layer, each 0 to 15.

    Parameters
    ----------
    k : int
        Rate: a weight moves by ``G / 2^k`` pulses at first.
    win : int
        Errors pass where ``|u| <= 2^win``; hidden layers.
    esh : int
        Shift of the error that comes from the layer above; hidden layers.
    """

    k: int
    win: int = 0
    esh: int = 0

    def __post_init__(self) -> None:
        for name in ("k", "win", "esh"):
            if not 0 <= (value := getattr(self, name)) <= 15:
                raise ValueError(f"{name} = {value}: must be 0 to 15")


@dataclass(frozen=True)
class Rule:
    """Everything that is fixed before training.

    Parameters
    ----------
    sizes : tuple of int
        Inputs, hidden layers, classes.
    layers : tuple of LayerRule
        One for each layer of weights.
    pixel_bits : int
        Of an input, unsigned.
    batch_bits : int
        A batch has ``2^batch_bits`` images.
    pulses : int
        Most that a branch takes.
    start_bits : int
        First weights are ``-2^start_bits`` to ``2^start_bits - 1`` pulses.
    most : int
        Most pulses of a weight in one batch.
    error_bits : int
    margin, error_shift : int
        Of the hinge at the output.
    mean_shift, offset_shift : int
        Rates of the running mean and of the learned offset.
    refresh_bits : int
        A refresh every ``2^refresh_bits`` batches; -1: never.
    full, gain : int
        A pair is refreshed where one branch has ``full`` pulses and the other ``gain``.
    exchange_bits : int
        Every ``2^exchange_bits`` batches, or twice as many for each halving of the rate, every pair
        is refreshed, and its branches exchange their roles; -1: never. Not below ``refresh_bits``.
    copy_all : bool
        Copy all signs of a row that was pulsed, not only those that changed.

    Raises
    ------
    ValueError
        If a number is outside its range.
    """

    sizes: tuple[int, ...]
    layers: tuple[LayerRule, ...]
    pixel_bits: int = 2
    batch_bits: int = 8
    pulses: int = 64
    start_bits: int = 4
    most: int = 7
    error_bits: int = 6
    margin: int = 128
    error_shift: int = 2
    mean_shift: int = 3
    offset_shift: int = 7
    refresh_bits: int = 2
    full: int = 16
    gain: int = 8
    exchange_bits: int = -1
    copy_all: bool = False

    def __post_init__(self) -> None:
        if len(self.sizes) < 2 or min(self.sizes) < 1 or self.sizes[-1] < 2:
            raise ValueError(f"sizes = {self.sizes}: must be two or more, and two classes")
        if len(self.layers) != len(self.sizes) - 1:
            raise ValueError(
                f"{len(self.sizes)} sizes need {len(self.sizes) - 1} layers of shifts, "
                f"not {len(self.layers)}"
            )
        for name, (low, high) in RANGES.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"{name} = {value}: must be {low} to {high}")
        for name, value in (
            ("most", self.most),
            ("full", self.full),
            ("gain", self.gain),
            ("2^start_bits", 1 << self.start_bits),
        ):
            if value > self.pulses:
                raise ValueError(f"{name} = {value}: must be at most pulses = {self.pulses}")
        if self.exchange_bits >= 0 and not 0 <= self.refresh_bits <= self.exchange_bits:
            raise ValueError(
                f"exchange_bits = {self.exchange_bits}: an exchange is a refresh too, so "
                f"refresh_bits must be 0 to {self.exchange_bits}, not {self.refresh_bits}"
            )

    @property
    def batch(self) -> int:
        """Images of a batch."""
        return 1 << self.batch_bits

    @property
    def error_limit(self) -> int:
        """Largest error."""
        return (1 << (self.error_bits - 1)) - 1

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of the arrays of each layer."""
        return tuple(pairwise(self.sizes))

    @property
    def cells(self) -> int:
        """Weights."""
        return sum(rows * columns for rows, columns in self.shapes)

    def shift(self, layer: int, slower: int) -> int:
        """Shift of ``G``, with the two bits by which errors of hidden layers are finer."""
        if not 0 <= slower <= 15:
            raise ValueError(f"slower = {slower}: must be 0 to 15")
        shift = self.layers[layer].k + slower + (2 if layer < len(self.layers) - 1 else 0)
        if shift > SHIFT_BITS:
            raise ValueError(
                f"layer {layer + 1}: its rate 2^-{shift} is below 2^-{SHIFT_BITS}; "
                f"take a smaller k or slower"
            )
        return shift


@dataclass
class Steps:
    """Array activations of each phase."""

    init: int = 0
    forward: int = 0
    backward: int = 0
    update: int = 0
    refresh: int = 0
    readout: int = 0
    copy: int = 0

    @property
    def total(self) -> int:
        """Of all phases but the first, which is done once."""
        reads = self.forward + self.backward + self.readout
        return reads + self.update + self.refresh + self.copy


@dataclass
class Counts:
    """What happened since the start, over all layers; see ``docs/learning.md``."""

    batches: int = 0
    parallel: Steps = field(default_factory=Steps)
    by_row: Steps = field(default_factory=Steps)
    pulses_1: int = 0
    pulses_2: int = 0
    clipped: int = 0
    rows: int = 0
    saturations: int = 0
    refreshes: int = 0
    refresh_pulses: int = 0
    sign_changes: int = 0
    copies: int = 0


class Xorshift:
    """xorshift32 (Marsaglia 2003; 13, 17, 5): a step for each word, of which 24 bits are used.

    The step is linear over GF(2), so words are made by doubling: those known so far, sent as
    far ahead as they are many.

    Parameters
    ----------
    seed : int
        1 to 2^32 - 1; with ``state`` of another, it continues that one.
    """

    _ahead: ClassVar[list[NDArray[np.uint32]]] = []
    """Item ``k`` takes ``2^k`` steps: for each byte of a state, what it becomes, (4, 256)."""

    def __init__(self, seed: int) -> None:
        if not 0 < seed < 1 << 32:
            raise ValueError(f"seed = {seed}: must be 1 to {(1 << 32) - 1}")
        self._state, self._used = seed, 0
        self._made = np.empty(0, np.uint32)

    def words(self, count: int) -> Ints:
        """The next ``count`` words, 0 to 2^24 - 1."""
        if self._used + count > len(self._made):
            self._made = self._following(self.state, max(count, BLOCK))
            self._used = 0
        states = self._made[self._used : self._used + count]
        self._used += count
        return (states >> np.uint32(8)).astype(np.int64)

    @property
    def state(self) -> int:
        """After the last word that was given."""
        return int(self._made[self._used - 1]) if self._used else self._state

    def _following(self, state: int, count: int) -> NDArray[np.uint32]:
        """The ``count`` states behind ``state``."""
        self._state = state
        states = np.empty(count, np.uint32)
        states[:1] = self._step(np.array([state], np.uint32))
        have = 1
        while have < count:
            more = min(have, count - have)
            states[have : have + more] = self._jump(have.bit_length() - 1, states[:more])
            have += more
        return states

    @staticmethod
    def _step(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
        x = x ^ (x << np.uint32(13))
        x ^= x >> np.uint32(17)
        x ^= x << np.uint32(5)
        return x

    @classmethod
    def _jump(cls, power: int, x: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """``x`` after ``2^power`` steps."""
        while len(cls._ahead) <= power:
            byte = np.arange(256, dtype=np.uint32)
            table = np.stack([byte << np.uint32(8 * k) for k in range(4)])
            if cls._ahead:
                table = cls._through(cls._ahead[-1], cls._through(cls._ahead[-1], table))
            else:
                table = cls._step(table)
            cls._ahead.append(table)
        return cls._through(cls._ahead[power], x)

    @staticmethod
    def _through(table: NDArray[np.uint32], x: NDArray[np.uint32]) -> NDArray[np.uint32]:
        found: NDArray[np.uint32] = table[0][x & np.uint32(255)]
        for k in (1, 2, 3):
            found = found ^ table[k][x >> np.uint32(8 * k) & np.uint32(255)]
        return found
