"""Which binary kernels a network uses, how often, and which of them the unit stores.

A kernel is the weights of one input channel of one output of a convolution, as a number: element
(row, column) is bit ``row * columns + column``, and +1 is 1. Only convolutions that read -1 and +1
count: the others are no work for the unit.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ConfigError, ModelError
from binohm.gen.network import Conv, Ints, Network

__all__ = ["TAPS", "Store", "binary_convs", "histogram", "kernels_of", "pick"]

TAPS = 16
"""Most elements of a kernel here; the unit itself takes more."""

SLOTS = 1024
"""Most slots of a unit."""


@dataclass(frozen=True)
class Store:
    """The kernels in the slots of a unit.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of a kernel.
    slots : int
        1 to 1024.
    kernels : tuple of int
        At most ``slots``, in the order of their slots, none twice.
    complement : bool
        Whether a slot serves the complement of its kernel, too; then none is another's complement.
    """

    shape: tuple[int, int]
    slots: int
    kernels: tuple[int, ...]
    complement: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= SLOTS:
            raise ConfigError(f"slots = {self.slots}: must be 1 to {SLOTS}")
        if not 1 <= self.taps <= TAPS:
            raise ConfigError(
                f"a kernel of {self.shape[0]} x {self.shape[1]}: must have at most {TAPS} elements"
            )
        if len(self.kernels) > self.slots:
            raise ConfigError(f"{len(self.kernels)} kernels: must be at most slots, {self.slots}")
        if len(self._numbers) != len(self.kernels) << self.complement:
            raise ConfigError("kernels of a store must differ")
        if self.kernels and not 0 <= min(self.kernels) <= max(self.kernels) < 1 << self.taps:
            raise ConfigError(f"kernels must be 0 to {(1 << self.taps) - 1}")

    @property
    def taps(self) -> int:
        """Elements of a kernel."""
        return self.shape[0] * self.shape[1]

    @property
    def _numbers(self) -> dict[int, int]:
        if not self.complement:
            return {kernel: slot for slot, kernel in enumerate(self.kernels)}
        whole = (1 << self.taps) - 1
        plain = {kernel: 2 * slot for slot, kernel in enumerate(self.kernels)}
        return plain | {whole - kernel: 2 * slot + 1 for slot, kernel in enumerate(self.kernels)}

    @property
    def codes(self) -> int:
        """Kernel numbers that name a kernel."""
        return self.slots << self.complement

    @property
    def number_bits(self) -> int:
        """Bits of a kernel number; all ones is none, the others from ``codes`` on are misses."""
        return (self.codes + 1).bit_length()

    @property
    def a_word(self) -> int:
        """Kernel numbers in a word of 32 bits."""
        return 32 // self.number_bits

    @property
    def held(self) -> Ints:
        """Kernels by their number, complements included; shape (numbers,)."""
        plain = np.array(self.kernels, np.int64)
        if not self.complement:
            return plain
        return np.stack([plain, (1 << self.taps) - 1 - plain], axis=1).ravel()

    def find(self, kernels: NDArray[np.integer]) -> Ints:
        """Numbers of kernels, any shape; -1 for one that is not there."""
        table = np.full(1 << self.taps, -1, np.int64)
        for kernel, number in self._numbers.items():
            table[kernel] = number
        found: Ints = table[kernels]
        return found


def binary_convs(network: Network) -> tuple[Conv, ...]:
    """The convolutions that read -1 and +1."""
    convs = [layer for layer in network.hidden if isinstance(layer, Conv)]
    first = network.layers[0]
    return tuple(layer for layer in convs if layer is not first or network.input.bipolar)


def kernels_of(layer: Conv) -> Ints:
    """Kernels of a layer, shape (outputs, channels)."""
    taps = layer.kernel[0] * layer.kernel[1]
    bits = (layer.weights > 0).reshape(layer.outputs, layer.image[2], taps)
    return np.asarray(bits @ (1 << np.arange(taps, dtype=np.int64)), np.int64)


def histogram(layers: Iterable[Conv], shape: tuple[int, int]) -> dict[int, int]:
    """How often each kernel of this shape is used, the most used first, then the lowest."""
    counts: Counter[int] = Counter()
    for layer in layers:
        if layer.kernel == shape:
            counts.update(kernels_of(layer).ravel().tolist())
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def pick(
    network: Network, slots: int, *, shape: tuple[int, int] = (3, 3), complement: bool = True
) -> Store:
    """The kernels that a network uses most, over all its binary convolutions.

    With ``complement`` a kernel and its complement count as one, and the lower is stored.

    Raises
    ------
    ModelError
        If the network has no kernels of this shape.
    ConfigError
        If the numbers are out of range.
    """
    store = Store(shape, slots, (), complement)
    counts = histogram(binary_convs(network), shape)
    if not counts:
        raise ModelError(
            f"network {network.name} has no binary convolution of {shape[0]} x {shape[1]}; "
            "take one that has, or other rows and columns"
        )
    together: Counter[int] = Counter()
    for kernel, count in counts.items():
        other = (1 << store.taps) - 1 - kernel
        together[min(kernel, other) if complement else kernel] += count
    ranked = sorted(together, key=lambda kernel: (-together[kernel], kernel))
    return Store(shape, slots, tuple(ranked[:slots]), complement)
