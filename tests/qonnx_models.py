"""Parts of networks for the tests of the importer, and the comparison with the qonnx executor."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx_models import Array, Model, execute, signs

from binohm.gen.importer.qonnx import import_model
from binohm.gen.network import Network
from binohm.sim.golden import forward

PIXELS, HIDDEN, CLASSES = 30, 9, 4
SHAPE = (1, 1, 5, 6)
WHOLE = Fraction(1)

Part = Callable[[Model, str, np.random.Generator], str]


def pictures(rng: np.random.Generator, shape: Sequence[int], count: int = 10) -> NDArray[np.uint8]:
    """Each of a few pixel values, of which many are ties of some quantiser below."""
    images = np.empty((count, *shape), np.uint8)
    for image in images:
        palette = [0, 255, *rng.integers(0, 32, 3) * 8, *rng.integers(0, 256, 3)]
        image[:] = rng.choice(palette, shape)
    return images


def agree(
    path: Path,
    rng: np.random.Generator,
    *,
    images: Any = None,
    inputs: Any = None,
    batch: bool = False,
    **options: Any,
) -> Network:
    """Import, and compare every score with the executor's."""
    network = import_model(path, **options)
    if images is None:
        images = pictures(rng, network.input.shape)
    if inputs is None:
        scale = options.get("pixel_scale", Fraction(1, 255))
        inputs = (images * np.float64(scale.numerator) / scale.denominator).astype(np.float32)
    scores = forward(network, images).scores
    assert scores.tolist() == execute(path, inputs, batch=batch).tolist()
    assert len(np.unique(scores, axis=0)) > 2, "the pictures are all alike to this network"
    return network


def random_norm(rng: np.random.Generator, count: int = HIDDEN) -> list[Array]:
    """Gamma of all signs and zero, beta, mean and variance of few digits."""
    gamma = rng.integers(-8, 9, count) / 4
    gamma[:3] = 0.75, -1.25, 0
    return [gamma, rng.integers(-8, 9, count) / 8, rng.integers(-6, 7, count), np.full(count, 4.0)]


def ending(model: Model, x: str, rng: np.random.Generator, inputs: int = HIDDEN) -> str:
    """The last layer: its integer scores are the output."""
    return model.linear(x, signs(rng, CLASSES, inputs))


def body(model: Model, x: str, rng: np.random.Generator, inputs: int = PIXELS) -> str:
    """A hidden layer and the last one."""
    x = model.linear(x, signs(rng, HIDDEN, inputs))
    return ending(model, model.bipolar(model.batch_norm(x, random_norm(rng))), rng)


def binary(model: Model, x: str = "0") -> str:
    """Flatten, 2x - 1 and a sign: -1 below pixel 128."""
    x = model.flatten(x)
    return model.bipolar(model.node("Sub", model.node("Mul", x, 2.0), 1.0))
