"""Trained layers as a network of integers, and as a QONNX file.

Both say the same: :func:`fold` gives what `binohm import` reads from the file that
:func:`write_qonnx` writes. Thresholds are folded in exact arithmetic from the float32 parameters.
"""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from binohm.gen.errors import ConfigError
from binohm.gen.importer.exact import square_root
from binohm.gen.importer.fold import threshold
from binohm.gen.network import Conv, Dense, Input, Network, Pool, Scores
from binohm.gen.training.recipe import (
    EPSILON,
    KERNEL,
    POOL,
    Norm,
    Recipe,
    Shape,
    Trained,
    TrainedLayer,
)

__all__ = ["check_qonnx", "fold", "write_qonnx"]

OPSET = 13
IR_VERSION = 8
QONNX = "qonnx.custom_op.general"


def fold(trained: Trained, name: str, shape: tuple[int, ...]) -> Network:
    """The network of integers.

    Parameters
    ----------
    trained : Trained
    name : str
    shape : tuple of int
        Of a stored image.
    """
    recipe = trained.recipe
    table = _table(recipe)
    source = Input(shape, table, recipe.pixel_bits == 1)
    unit = Fraction(1) if source.bipolar else Fraction(1, (1 << recipe.pixel_bits) - 1)
    layers: list[Dense | Scores] = []
    for index, (like, layer) in enumerate(zip(recipe.layers, trained.layers, strict=True)):
        label = recipe.label(index)
        if layer.norm is None:
            layers.append(Scores(label, layer.weights))
            continue
        values = table if index == 0 else np.array([-1, 1])
        theta, flip = _thresholds(layer, layer.norm, unit if index == 0 else Fraction(1), values)
        layers.append(_hidden(label, like, layer, theta, flip))
    return Network(name, source, tuple(layers))


def _hidden(
    name: str,
    shape: Shape,
    layer: TrainedLayer,
    theta: NDArray[np.int64],
    flip: NDArray[np.bool_],
) -> Dense:
    if not shape.image:
        return Dense(name, layer.weights, theta, flip, layer.bounds)
    rows, columns, channels = shape.image
    return Conv(
        name, layer.weights, theta, flip, layer.bounds,
        image=(rows, columns, channels),
        kernel=(KERNEL, KERNEL),
        padding=(KERNEL // 2, KERNEL // 2),
        pool=Pool((POOL, POOL), (POOL, POOL), "sums") if shape.pool else None,
    )  # fmt: skip


def _table(recipe: Recipe) -> NDArray[np.int64]:
    """Integer of each pixel byte."""
    pixels = np.arange(256, dtype=np.int64)
    top = (1 << recipe.pixel_bits) - 1
    steps: NDArray[np.int64] = (2 * pixels * top + 255) // 510  # rounded; there is no tie
    return 2 * steps - 1 if recipe.pixel_bits == 1 else steps


def _thresholds(
    layer: TrainedLayer, norm: Norm, unit: Fraction, values: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Theta and flip of every (group, output) whose inputs are ``unit`` times integers."""
    least, most = int(values.min()), int(values.max())
    theta = np.empty(norm.mean.shape, np.int64)
    flip = np.empty(norm.mean.shape, np.bool_)
    epsilon = Fraction(float(np.float32(EPSILON)))
    for group, (start, stop) in enumerate(pairwise(layer.bounds)):
        ones = (layer.weights[:, start:stop] > 0).sum(axis=1).tolist()
        for output in range(len(layer.weights)):
            at = group, output
            gamma, beta, mean, variance = (
                Fraction(float(part[at]))
                for part in (norm.gamma, norm.beta, norm.mean, norm.variance)
            )
            scale = gamma / square_root(variance + epsilon)
            up, down = ones[output], stop - start - ones[output]
            theta[at], flip[at] = threshold(
                scale * unit,
                beta - mean * scale,
                up * least - down * most,
                up * most - down * least,
            )
    return theta, flip


class _Graph:
    """A graph built node by node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def constant(self, name: str, values: Any) -> str:
        """An initialiser of float32."""
        self.tensors.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(self, op: str, name: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node; its output has its name."""
        made = helper.make_node(op, inputs, [name], name, domain=domain, **attributes)
        self.nodes.append(made)
        return name

    def quantised(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """A node of QONNX."""
        return self.node(op, name, *inputs, domain=QONNX, **attributes)


def check_qonnx(recipe: Recipe) -> None:
    """Raise ConfigError if layers are split: `binohm import` reads no votes."""
    if any(len(layer.bounds) > 2 for layer in recipe.layers):
        raise ConfigError(
            f"split = {recipe.split}: a split network cannot be written as QONNX; write an .npz"
        )


def write_qonnx(trained: Trained, path: Path) -> None:
    """Write the network for other tools.

    The model takes ``pixel / 255`` of shape (1, pixels), or (1, C, H, W) where it convolves.
    """
    recipe = trained.recipe
    check_qonnx(recipe)
    graph = _Graph()
    one = graph.constant("one", 1.0)
    x, image = _quantised_input(graph, recipe, one), recipe.image
    for index, (shape, layer) in enumerate(zip(recipe.layers, trained.layers, strict=True)):
        name, weights = recipe.label(index), layer.weights
        if shape.image:
            x = _convolution(graph, name, weights, shape, x, one)
            image = shape.result
        else:
            if image:
                x = graph.node("Flatten", "flat", x, axis=1)
                weights = weights.reshape(-1, *image).transpose(0, 3, 1, 2).reshape(weights.shape)
                image = ()
            constant = graph.constant(f"{name}_weights", weights.T)
            constant = graph.quantised("BipolarQuant", f"{name}_binary", constant, one)
            x = graph.node("MatMul", f"{name}_sums", x, constant)
        if layer.norm is not None:
            n = layer.norm
            pairs = {"gamma": n.gamma, "beta": n.beta, "mean": n.mean, "variance": n.variance}
            parameters = [graph.constant(f"{name}_{key}", v[0]) for key, v in pairs.items()]
            x = graph.node("BatchNormalization", f"{name}_norm", x, *parameters, epsilon=EPSILON)
            x = graph.quantised("BipolarQuant", f"{name}_bits", x, one)
    rows = recipe.image[2:] + recipe.image[:2] if recipe.image else recipe.sizes[:1]
    ends = [
        helper.make_tensor_value_info(label, TensorProto.FLOAT, [1, *sizes])
        for label, sizes in (("pixels", rows), (x, recipe.sizes[-1:]))
    ]
    made = helper.make_graph(graph.nodes, path.stem, ends[:1], ends[1:], graph.tensors)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(QONNX, 1)]
    model = helper.make_model(
        made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="binohm"
    )
    path.write_bytes(model.SerializeToString(deterministic=True))


def _convolution(
    graph: _Graph, name: str, weights: NDArray[np.int8], shape: Shape, x: str, one: str
) -> str:
    kernels = weights.reshape(len(weights), -1, KERNEL, KERNEL)
    constant = graph.constant(f"{name}_weights", kernels)
    constant = graph.quantised("BipolarQuant", f"{name}_binary", constant, one)
    pads = [KERNEL // 2] * 4
    x = graph.node("Conv", f"{name}_sums", x, constant, kernel_shape=[KERNEL] * 2, pads=pads)
    if shape.pool:
        x = graph.node("MaxPool", f"{name}_most", x, kernel_shape=[POOL] * 2, strides=[POOL] * 2)
    return x


def _quantised_input(graph: _Graph, recipe: Recipe, one: str) -> str:
    """The pixels as the first layer takes them."""
    bits = recipe.pixel_bits
    if bits == 8:
        return "pixels"
    if bits == 1:
        centred = graph.node("Sub", "centred", "pixels", graph.constant("half", 0.5))
        return graph.quantised("BipolarQuant", "levels", centred, one)
    parts = {"scale": 1 / ((1 << bits) - 1), "zero": 0.0, "width": float(bits)}
    constants = [graph.constant(f"pixel_{key}", value) for key, value in parts.items()]
    return graph.quantised(
        "Quant", "levels", "pixels", *constants, signed=0, narrow=0, rounding_mode="ROUND"
    )
