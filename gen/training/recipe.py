"""What is trained, and what comes out of it: data without PyTorch."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ConfigError

__all__ = ["EPSILON", "Norm", "Recipe", "Trained", "TrainedLayer"]

EPSILON = 1e-5
"""Of batch normalisation, beside the variance; a float32 wherever it is used."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """A fully connected network and how it is trained.

    The result depends on these, on the images, and (floats being rounded) on the version of
    PyTorch, the processor and its threads; on nothing else.

    Parameters
    ----------
    sizes : tuple of int
        Elements between layers, first and last included.
    pixel_bits : int
        1 to 8. Of a pixel ``p``, ``round(p * (2^bits - 1) / 255)`` is used; 1 gives -1 and +1, so
        that the first layer is read like all others, once an image; more are read bit by bit.
    split : int
        Hidden layers behind the first have groups of at most so many inputs, each with its own
        batch normalisation, whose bits are joined by a majority (a tie gives +1); 0 splits none.
    error_rate : float
        Chance of each weight to be flipped, drawn anew for each batch of images.
    epochs, batch, seed : int
    rate : float
        Adam's, falling to 0 by a cosine.
    """

    sizes: tuple[int, ...]
    pixel_bits: int = 8
    split: int = 0
    error_rate: float = 0.0
    epochs: int = 30
    batch: int = 200
    rate: float = 0.005
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "pixel_bits": (1, 8),
            "split": (0, 1 << 16),
            "error_rate": (0.0, 0.5),
            "epochs": (1, 10_000),
            "batch": (2, 10_000),
            "seed": (0, (1 << 32) - 1),
        }
        for key, (low, high) in limits.items():
            if not low <= (value := getattr(self, key)) <= high:
                raise ConfigError(f"{key} = {value}: must be {low} to {high}")
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ConfigError(f"sizes = {self.sizes}: must be at least two, none of them 0")

    @classmethod
    def mnist_mlp(cls, width: float, layers: int, **more: float) -> "Recipe":
        """784 pixels, ``layers`` hidden layers of 2048 times ``width``, 10 classes."""
        if not 0 < width <= 8:
            raise ConfigError(f"width = {width}: must be above 0 and at most 8")
        if not 1 <= layers <= 16:
            raise ConfigError(f"layers = {layers}: must be 1 to 16")
        hidden = max(1, round(2048 * width))
        return cls((784, *[hidden] * layers, 10), **more)  # type: ignore[arg-type]

    def bounds(self, layer: int) -> tuple[int, ...]:
        """Where the groups of a layer begin and end: sizes as equal as they can be."""
        inputs = self.sizes[layer]
        inner = 0 < layer < len(self.sizes) - 2
        groups = -(-inputs // self.split) if inner and self.split else 1
        return tuple(inputs * group // groups for group in range(groups + 1))

    def digest(self, *arrays: NDArray[np.generic]) -> str:
        """Fingerprint of the recipe and of what it is used on."""
        known = sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for array in arrays:
            known.update(np.ascontiguousarray(array).tobytes())
        return known.hexdigest()[:16]


@dataclass(frozen=True)
class Norm:
    """Batch normalisation of every (group, output), as trained; all of shape (groups, outputs)."""

    gamma: Floats
    beta: Floats
    mean: Floats
    variance: Floats


@dataclass(frozen=True)
class TrainedLayer:
    """Weights of -1 and +1, shape (outputs, inputs), and what stands behind the sums.

    The last layer has no ``norm``: its sums are the scores.
    """

    weights: NDArray[np.int8]
    bounds: tuple[int, ...]
    norm: Norm | None

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise(self.bounds))
        assert rising and self.bounds[-1] == self.weights.shape[1]


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Parameters
    ----------
    recipe : Recipe
    layers : tuple of TrainedLayer
    epoch : int
        The one chosen, from 1: the first with the best accuracy on the images held out.
    validation : float
        Its accuracy there.
    history : tuple of (loss, accuracy on the images held out)
        One for each epoch.
    """

    recipe: Recipe
    layers: tuple[TrainedLayer, ...]
    epoch: int
    validation: float
    history: tuple[tuple[float, float], ...]
