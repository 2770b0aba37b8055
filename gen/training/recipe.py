"""What is trained, and what comes out of it: data without PyTorch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from binohm.gen import split
from binohm.gen.errors import ConfigError

__all__ = ["EPSILON", "KERNEL", "POOL", "Norm", "Recipe", "Shape", "Trained", "TrainedLayer"]

EPSILON = 1e-5
"""Of batch normalisation, beside the variance; a float32 wherever it is used."""

KERNEL = 3
"""Rows and columns of a convolution; zeros around the image keep its size."""

POOL = 2
"""Rows and columns of a pool, and its stride."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """What a layer of a recipe looks like.

    Parameters
    ----------
    inputs, outputs : int
        Of a convolution: elements of a window, channels.
    bounds : tuple of int
        Where the groups begin and end.
    image : tuple of int
        Of a convolution: rows, columns and channels of what comes in.
    pool : bool
        The largest of 2 x 2 sums is taken, in each group, before it is normalised.
    """

    inputs: int
    outputs: int
    bounds: tuple[int, ...]
    image: tuple[int, ...] = ()
    pool: bool = False

    @property
    def result(self) -> tuple[int, ...]:
        """Rows, columns and channels of what comes out of a convolution."""
        rows, columns = (side // POOL if self.pool else side for side in self.image[:2])
        return rows, columns, self.outputs


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    The result depends on these, on the images, and (floats being rounded) on the version of
    PyTorch, the processor and its threads; on nothing else.

    Parameters
    ----------
    sizes : tuple of int
        Elements between the fully connected layers, first and last included.
    image : tuple of int
        Rows, columns and channels, where convolutions come first.
    convs : tuple of (channels, whether a pool of 2 x 2 follows)
        Convolutions of 3 x 3, with zeros around the image.
    pixel_bits : int
        1 to 8. Of a pixel ``p``, ``round(p * (2^bits - 1) / 255)`` is used; 1 gives -1 and +1, so
        that the first layer is read like all others, once an image; more are read bit by bit.
    split : int
        Layers between the first and the last have groups of at most so many inputs, as
        :func:`binohm.gen.split.bounds` makes them, each with its own batch normalisation, whose
        bits are joined by a majority (a tie gives +1); 0 splits none.
    error_rate : float
        Chance of each weight to be flipped, drawn anew for each batch of images.
    shift : int
        0 to 16. In training, each image is moved by up to so many pixels in each direction.
    mirror : bool
        In training, half of the images are mirrored.
    epochs, batch, seed : int
    rate : float
        Adam's, falling to 0 by a cosine.
    """

    sizes: tuple[int, ...]
    image: tuple[int, ...] = ()
    convs: tuple[tuple[int, bool], ...] = ()
    pixel_bits: int = 8
    split: int = 0
    error_rate: float = 0.0
    shift: int = 0
    mirror: bool = False
    epochs: int = 30
    batch: int = 200
    rate: float = 0.005
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "pixel_bits": (1, 8),
            "split": (0, 1 << 16),
            "error_rate": (0.0, 0.5),
            "shift": (0, 16),
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
        if not 1 <= layers <= 16:
            raise ConfigError(f"layers = {layers}: must be 1 to 16")
        return cls((784, *_scaled(width, *[2048] * layers), 10), **more)  # type: ignore[arg-type]

    @classmethod
    def mnist_cnn(cls, width: float, **more: float) -> "Recipe":
        """Convolutions to 32, 32, 64 and 64 channels, layers of 512 and 10; times ``width``."""
        return cls._cnn((28, 28, 1), _scaled(width, 32, 32, 64, 64), _scaled(width, 512), more)

    @classmethod
    def cifar10_vgg(cls, width: float, **more: float) -> "Recipe":
        """Convolutions to 128, 128, 256, 256, 512 and 512 channels, layers of 1024, 1024 and 10.

        All times ``width``, except the last.
        """
        channels = _scaled(width, 128, 128, 256, 256, 512, 512)
        more = {"shift": 4, "mirror": True, "batch": 128, **more}
        return cls._cnn((32, 32, 3), channels, _scaled(width, 1024, 1024), more)

    @classmethod
    def _cnn(
        cls,
        image: tuple[int, int, int],
        channels: tuple[int, ...],
        hidden: tuple[int, ...],
        more: Mapping[str, float],
    ) -> "Recipe":
        """A pool behind every second convolution."""
        rows, columns = (side // POOL ** (len(channels) // 2) for side in image[:2])
        convs = tuple((c, k % 2 == 1) for k, c in enumerate(channels))
        sizes = rows * columns * channels[-1], *hidden, 10
        return cls(sizes, image, convs, **more)  # type: ignore[arg-type]

    @property
    def layers(self) -> tuple[Shape, ...]:
        """All of them, in their order."""
        made: list[Shape] = []
        image, last = self.image, len(self.convs) + len(self.sizes) - 2
        for channels, pool in self.convs:
            inputs = image[2] * KERNEL**2
            made.append(Shape(inputs, channels, self._bounds(inputs, len(made)), image, pool))
            image = made[-1].result
        for inputs, outputs in pairwise(self.sizes):
            edges = (0, inputs) if len(made) == last else self._bounds(inputs, len(made))
            made.append(Shape(inputs, outputs, edges))
        return tuple(made)

    def label(self, layer: int) -> str:
        """Name of a layer: ``conv1`` and so on, then ``fc1`` and so on."""
        dense = layer - len(self.convs)
        return f"conv{layer + 1}" if dense < 0 else f"fc{dense + 1}"

    def _bounds(self, inputs: int, layer: int) -> tuple[int, ...]:
        """Groups of a layer that is not the last."""
        return split.bounds(inputs, self.split) if layer and self.split else (0, inputs)

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
    history : tuple of (loss, accuracy in training, accuracy on the images held out)
        One for each epoch. In training: of each batch as it was learned from.
    """

    recipe: Recipe
    layers: tuple[TrainedLayer, ...]
    epoch: int
    validation: float
    history: tuple[tuple[float, float, float], ...]


def _scaled(width: float, *sizes: int) -> tuple[int, ...]:
    if not 0 < width <= 8:
        raise ConfigError(f"width = {width}: must be above 0 and at most 8")
    return tuple(max(1, round(size * width)) for size in sizes)
