"""Convolutional networks as ONNX files for the tests of the importer."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from onnx_models import Array, Model, execute, signs
from qonnx_models import CLASSES, pictures, random_norm

from binohm.gen.importer.qonnx import import_model
from binohm.gen.network import Network
from binohm.sim.golden import forward

LAST = "qonnx.custom_op.channels_last"


def conv(
    model: Model,
    x: str,
    weights: Array | str,
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
    **more: object,
) -> str:
    """Append a ``Conv`` with weights of shape (O, C, KH, KW)."""
    if not isinstance(weights, str):
        more = {"kernel_shape": weights.shape[2:]} | more
    return model.node("Conv", x, weights, pads=list(pads), strides=list(strides), **more)


def max_pool(
    model: Model,
    x: str,
    kernel: Sequence[int] = (2, 2),
    strides: Sequence[int] = (2, 2),
    **more: object,
) -> str:
    """Append a ``MaxPool``."""
    return model.node("MaxPool", x, kernel_shape=list(kernel), strides=list(strides), **more)


def pixel_norm(rng: np.random.Generator, channels: int) -> list[Array]:
    """Gammas of all signs and zero, and means of the size of sums of pixels."""
    gamma, beta, mean, variance = random_norm(rng, max(3, channels))
    return [p[:channels] for p in (gamma, beta, mean * 128, variance)]


def norm(model: Model, x: str, rng: np.random.Generator, channels: int) -> str:
    """Append a ``BatchNormalization`` of :func:`pixel_norm`, exact in float32: ties are met."""
    return model.batch_norm(x, pixel_norm(rng, channels), epsilon=0.0)


def scores(model: Model, x: str, rng: np.random.Generator, elements: int) -> str:
    """Append a ``Flatten`` and the last layer."""
    return model.linear(model.flatten(x), signs(rng, CLASSES, elements))


def same(path: Path, rng: np.random.Generator, *, images: Any = None, **options: Any) -> Network:
    """Import, and compare every score with the executor's, who takes the channels first."""
    network = import_model(path, **options)
    shape = network.input.shape
    images = pictures(rng, shape) if images is None else images
    scale = options.get("pixel_scale", Fraction(1, 255))
    floats = (images * np.float64(scale.numerator) / scale.denominator).astype(np.float32)
    first = np.moveaxis(floats.reshape(-1, *shape[:2], *(shape[2:] or (1,))), -1, 1)
    scores = forward(network, images).scores
    assert scores.tolist() == execute(path, np.ascontiguousarray(first)).tolist()
    assert len(np.unique(scores, axis=0)) > 1, "the pictures are all alike to this network"
    return network


def cnv(
    rng: np.random.Generator,
    channels: Sequence[int] = (64, 64, 128, 128, 256, 256),
    hidden: Sequence[int] = (512, 512),
    image: Sequence[int] = (3, 32, 32),
    classes: int = 10,
) -> tuple[Model, str]:
    """A network of the shape of CNV [1]_ with random parameters, and its output.

    Convolutions of 3 x 3 without padding, pools of 2 x 2 behind the sign of the second and the
    fourth, fully connected layers, an 8-bit input. Weights are latent floats, quantised in the
    file.

    References
    ----------
    .. [1] Y. Umuroglu et al., "FINN: A framework for fast, scalable binarized neural network
       inference", FPGA 2017.
    """
    model = Model((1, *image))
    x = model.node("Sub", model.node("Mul", "0", 2.0), 1.0)
    x = model.quant(x, 8, 1 / 128, signed=1)
    before, rows, columns = image
    for position, width in enumerate(channels):
        latent = model.constant(rng.normal(size=(width, before, 3, 3)))
        x = conv(model, x, model.bipolar(latent), kernel_shape=[3, 3])
        x = model.bipolar(model.batch_norm(x, _statistics(rng, width, before * 9, not position)))
        before, rows, columns = width, rows - 2, columns - 2
        if position in (1, 3):
            x, rows, columns = max_pool(model, x), rows // 2, columns // 2
    x, before = model.flatten(x), before * rows * columns
    for width in hidden:
        x = model.node("MatMul", x, model.bipolar(model.constant(rng.normal(size=(before, width)))))
        x = model.bipolar(model.batch_norm(x, _statistics(rng, width, before, False)))
        before = width
    latent = model.constant(rng.normal(size=(before, classes)))
    return model, model.node("MatMul", x, model.bipolar(latent))


def _statistics(rng: np.random.Generator, width: int, inputs: int, pixels: bool) -> list[Array]:
    """Batch normalisation as if trained: means and variances of the size of the sums."""
    size = inputs**0.5 * (0.5 if pixels else 1)
    gamma = rng.choice([-1, 1], width, p=[0.3, 0.7]) * rng.uniform(0.5, 1.5, width)
    mean = rng.normal(size=width) * size
    return [gamma, rng.normal(size=width) / 4, mean, rng.uniform(0.5, 2, width) * size**2]
