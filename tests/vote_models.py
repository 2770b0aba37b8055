"""Layers in groups of inputs, for the tests of the importer."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from conv_models import conv
from onnx_models import Model, signs
from qonnx_models import HIDDEN, random_norm

Quantise = Callable[[Model, str], str]


def part(model: Model, x: str, start: int, stop: int, step: int = 1) -> str:
    """Append a ``Slice`` of features or channels."""
    numbers = (model.constant([k], np.int64) for k in (start, stop, 1, step))
    return model.node("Slice", x, *numbers)


def group(model: Model, x: str, inputs: int, rng: np.random.Generator) -> str:
    """Append normalised sums of one group."""
    return model.batch_norm(model.linear(x, signs(rng, HIDDEN, inputs)), random_norm(rng))


def ballots(
    model: Model,
    x: str,
    rng: np.random.Generator,
    bounds: Sequence[int],
    quantise: Quantise = Model.bipolar,
) -> list[str]:
    """Append the groups of a fully connected layer: the bits of each."""
    return [
        quantise(model, group(model, part(model, x, a, b), b - a, rng)) for a, b in pairwise(bounds)
    ]


def windows(
    model: Model,
    x: str,
    rng: np.random.Generator,
    bounds: Sequence[int],
    pads: Sequence[int] = (1, 1, 1, 1),
) -> list[str]:
    """Append the groups of a convolution of 3 x 3, which may begin inside a kernel: their sums."""
    sums = []
    for start, stop in pairwise(bounds):
        first, last = start // 9, -(-stop // 9)
        weights = signs(rng, HIDDEN, (last - first) * 9)
        weights[:, : start - 9 * first] = 0
        weights[:, stop - 9 * first :] = 0
        kernels = weights.reshape(HIDDEN, -1, 3, 3)
        sums.append(conv(model, part(model, x, first, last), kernels, pads))
    return sums
