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

__all__ = ["fold", "write_qonnx"]

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
    """A graph built node by node; all its signs have the scale ``one``."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.constant("one", 1.0)

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        """An initialiser."""
        self.tensors.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def node(self, op: str, name: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node; its output has its name."""
        made = helper.make_node(op, inputs, [name], name, domain=domain, **attributes)
        self.nodes.append(made)
        return name

    def quantised(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """A node of QONNX."""
        return self.node(op, name, *inputs, domain=QONNX, **attributes)

    def signs(self, name: str, x: str) -> str:
        """-1 and, from 0 on, +1."""
        return self.quantised("BipolarQuant", name, x, "one")


def write_qonnx(trained: Trained, path: Path) -> None:
    """Write the network for other tools.

    The model takes ``pixel / 255`` of shape (1, pixels), or (1, C, H, W) where it convolves. Every
    group of a split layer has nodes of its own, from a slice of the inputs to bits; the sign of
    their sum is the majority.
    """
    recipe = trained.recipe
    graph = _Graph()
    x, image = _quantised_input(graph, recipe), recipe.image
    for index, (shape, layer) in enumerate(zip(recipe.layers, trained.layers, strict=True)):
        if image and not shape.image:  # the order of the weights, in which groups lie
            x = graph.node("Transpose", "channels_last", x, perm=[0, 2, 3, 1])
            x, image = graph.node("Flatten", "flat", x, axis=1), ()
        x = _layer(graph, recipe.label(index), shape, layer, x)
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


def _layer(graph: _Graph, name: str, shape: Shape, layer: TrainedLayer, x: str) -> str:
    """The bits of a layer, by a vote if it has several groups; the sums of the last."""
    split, bits = len(layer.bounds) > 2, []
    made = _convolution if shape.image else _product
    for group, part in enumerate(pairwise(layer.bounds)):
        label = f"{name}_group{group + 1}" if split else name
        y = made(graph, label, layer.weights, part, x)
        if layer.norm is None:
            return y
        if shape.pool:
            y = graph.node(
                "MaxPool", f"{label}_most", y, kernel_shape=[POOL] * 2, strides=[POOL] * 2
            )
        n = layer.norm
        pairs = {"gamma": n.gamma, "beta": n.beta, "mean": n.mean, "variance": n.variance}
        parameters = [graph.constant(f"{label}_{key}", v[group]) for key, v in pairs.items()]
        y = graph.node("BatchNormalization", f"{label}_norm", y, *parameters, epsilon=EPSILON)
        bits.append(graph.signs(f"{label}_bits", y))
    if split:
        return graph.signs(f"{name}_bits", graph.node("Sum", f"{name}_votes", *bits))
    return bits[0]


def _product(
    graph: _Graph, label: str, weights: NDArray[np.int8], part: tuple[int, int], x: str
) -> str:
    x = _slice(graph, label, part, weights.shape[1], x)
    constant = graph.constant(f"{label}_weights", weights[:, slice(*part)].T)
    return graph.node("MatMul", f"{label}_sums", x, graph.signs(f"{label}_binary", constant))


def _convolution(
    graph: _Graph, label: str, weights: NDArray[np.int8], part: tuple[int, int], x: str
) -> str:
    """Sums of a group, which may begin inside a kernel.

    Then it takes all channels that it has a weight of, and zeros stand for its neighbours' weights.
    """
    (start, stop), area = part, KERNEL**2
    first, last = start // area, -(-stop // area)
    around = start - area * first, area * last - stop
    kernels = np.pad(weights[:, start:stop], ((0, 0), around))
    kernels = kernels.reshape(len(weights), last - first, KERNEL, KERNEL)
    constant = graph.constant(f"{label}_weights", kernels)
    if not any(around):
        constant = graph.signs(f"{label}_binary", constant)
    x = _slice(graph, label, (first, last), weights.shape[1] // area, x)
    pads = [KERNEL // 2] * 4
    return graph.node("Conv", f"{label}_sums", x, constant, kernel_shape=[KERNEL] * 2, pads=pads)


def _slice(graph: _Graph, label: str, part: tuple[int, int], inputs: int, x: str) -> str:
    """Some of the features or channels."""
    if part == (0, inputs):
        return x
    given = {"start": part[0], "stop": part[1], "axis": 1}
    constants = [graph.constant(f"{label}_{key}", [k], np.int64) for key, k in given.items()]
    return graph.node("Slice", f"{label}_inputs", x, *constants)


def _quantised_input(graph: _Graph, recipe: Recipe) -> str:
    """The pixels as the first layer takes them."""
    bits = recipe.pixel_bits
    if bits == 8:
        return "pixels"
    if bits == 1:
        centred = graph.node("Sub", "centred", "pixels", graph.constant("half", 0.5))
        return graph.signs("levels", centred)
    parts = {"scale": 1 / ((1 << bits) - 1), "zero": 0.0, "width": float(bits)}
    constants = [graph.constant(f"pixel_{key}", value) for key, value in parts.items()]
    return graph.quantised(
        "Quant", "levels", "pixels", *constants, signed=0, narrow=0, rounding_mode="ROUND"
    )
