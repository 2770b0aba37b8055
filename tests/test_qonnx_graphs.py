"""Graphs in every accepted form, and the order of elements: golden equals the qonnx executor."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import DOMAINS, Model, execute, signs
from qonnx_models import (
    CLASSES,
    HIDDEN,
    PIXELS,
    SHAPE,
    WHOLE,
    agree,
    binary,
    body,
    ending,
    pictures,
)

from binohm.gen.importer.qonnx import import_model
from binohm.sim.golden import forward


def dynamic_flatten(model: Model) -> str:
    """What PyTorch exports for ``x.view(x.size(0), -1)`` in opset 9."""
    size = model.node("Gather", model.node("Shape", "0"), model.constant(0, np.int64), axis=0)
    rows = model.node("Unsqueeze", size, axes=[0])
    return model.node(
        "Reshape", "0", model.node("Concat", rows, model.constant([-1], np.int64), axis=0)
    )


def sized_flatten(model: Model) -> str:
    """Sizes by Size, Slice, integer Div, Mul, Cast and Expand."""
    axes = [model.constant([k], np.int64) for k in (0, 1)]
    rows = model.node("Slice", model.node("Shape", "0"), *axes, axes[0])
    whole = model.node("Unsqueeze", model.node("Size", "0"), axes[0])
    doubled = model.node("Mul", whole, model.constant([2], np.int64))
    columns = model.node("Div", model.node("Div", doubled, model.constant([2], np.int64)), rows)
    columns = model.node("Cast", columns, to=TensorProto.INT64)
    shape = model.node("Concat", model.node("Expand", rows, axes[1]), columns, axis=0)
    return model.node("Reshape", "0", shape)


def squeezed(model: Model) -> str:
    """Axes as attributes, as before opset 13."""
    x = model.node("Unsqueeze", model.node("Squeeze", "0", axes=[0, 1]), axes=[0])
    return model.node("Reshape", x, model.constant([0, -1], np.int64))


def squeezed_new(model: Model) -> str:
    x = model.node("Squeeze", "0", model.constant([0, 1], np.int64))
    x = model.node("Unsqueeze", x, model.constant([-3], np.int64))
    return model.node("Flatten", model.node("Squeeze", x), axis=0)


def filled(model: Model) -> str:
    """A shape by ConstantOfShape."""
    minus = helper.make_tensor("m", TensorProto.INT64, [1], [-1])
    tail = model.node("ConstantOfShape", model.constant([1], np.int64), value=minus)
    return model.node(
        "Reshape", "0", model.node("Concat", model.constant([1], np.int64), tail, axis=0)
    )


FLATTENS: dict[str, tuple[Callable[[Model], str], int]] = {
    "dynamic": (dynamic_flatten, 9),
    "sized": (sized_flatten, 13),
    "flatten": (lambda m: m.flatten(), 13),
    "negative axis": (lambda m: m.node("Flatten", "0", axis=-3), 13),
    "squeeze": (squeezed, 9),
    "squeeze 13": (squeezed_new, 13),
    "filled": (filled, 13),
}


@pytest.mark.parametrize("form", FLATTENS)
def test_every_form_of_flatten(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    flatten, opset = FLATTENS[form]
    model = Model(SHAPE, opset=opset)
    x = model.bipolar(model.node("Sub", flatten(model), 0.5))
    agree(model.save(tmp_path / "m.onnx", body(model, x, rng)), rng)


@pytest.mark.parametrize("constants", ["initializer", "input", "node"])
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_and_place_of_constants(
    constants: str, domain: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    model = Model(SHAPE, opset=9, constants=constants, domain=domain)
    x = model.quant(model.bipolar(model.node("Sub", dynamic_flatten(model), 0.5)), 1, signed=1)
    x = model.quantiser("MultiThreshold", x, [[0.0]], out_scale=2.0, out_bias=-1.0, out_dtype="")
    agree(model.save(tmp_path / "m.onnx", body(model, x, rng)), rng)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", ""])
def test_thresholds_lie_along_the_channels_of_their_layout(
    layout: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Equal rows for pixels; bits that lie along either axis have rows of their own."""
    rows = 6 if layout == "NHWC" else 1
    model = Model(SHAPE)
    x = model.quantiser(
        "MultiThreshold", "0", [[20.0, 90.0]] * rows, data_layout=layout, out_dtype=""
    )
    x = model.linear(model.flatten(x), signs(rng, 12, PIXELS))
    shape, count = ([1, 3, 2, 2], 3) if layout != "NHWC" else ([1, 2, 2, 3], 3)
    x = model.node("Reshape", x, model.constant(shape, np.int64))
    steps = rng.integers(-8, 9, (count, 1))
    x = model.quantiser("MultiThreshold", x, steps, data_layout=layout, out_dtype="BINARY")
    path = model.save(tmp_path / "m.onnx", ending(model, model.flatten(x), rng, 12))
    network = import_model(path, pixel_scale=WHOLE)
    theta = network.hidden[0].theta.reshape(shape[1:])
    along = theta if layout != "NHWC" else theta.transpose(2, 0, 1)
    assert along.reshape(3, -1).tolist() == [[step] * 4 for step in steps[:, 0].tolist()]
    images = pictures(rng, SHAPE[2:])
    theirs = execute(path, images.astype(np.float32))
    assert forward(network, images).predictions.tolist() == theirs.argmax(axis=1).tolist()


def test_operators_that_do_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model(SHAPE)
    x = model.node("Dropout", model.node("Identity", binary(model)))
    off = model.constant(False, np.bool_)
    x = model.node("Dropout", x, model.constant(0.5), off)
    x = model.node("Cast", x, to=TensorProto.DOUBLE)
    x = model.node("Cast", x, to=TensorProto.FLOAT)
    agree(model.save(tmp_path / "m.onnx", body(model, x, rng)), rng)


def test_constants_may_be_attributes(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model(SHAPE)
    x = model.node("Reshape", "0", model.node("Constant", value_ints=[1, -1]))
    x = model.node("Sub", x, model.node("Constant", value_float=0.5))
    x = model.node("Mul", x, model.node("Constant", value_floats=[0.25]))
    x = model.node("Unsqueeze", x, model.node("Constant", value_ints=[0]))
    x = model.node("Gather", x, model.node("Constant", value_int=0), axis=0)
    agree(model.save(tmp_path / "m.onnx", body(model, model.bipolar(x), rng)), rng)


def test_nodes_in_any_order_and_dead_ends(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model(SHAPE)
    output = body(model, binary(model), rng)
    proto = model.proto(output)
    path = tmp_path / "sorted.onnx"
    onnx.save(proto, path)
    expected = agree(path, rng)
    nodes = list(proto.graph.node)
    random.Random(1).shuffle(nodes)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    proto.graph.node.append(helper.make_node("NonMaxSuppression", [output], ["dead"]))
    onnx.save(proto, tmp_path / "sorted.onnx")
    network = import_model(tmp_path / "sorted.onnx")
    network.save(tmp_path / "a.npz")
    expected.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_functions_are_inlined(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model((1, PIXELS))
    plain = model.save(tmp_path / "m.onnx", body(model, binary(model), rng))
    expected = import_model(plain)
    proto = onnx.load(plain)
    opsets = [helper.make_opsetid("", 13)]
    twice = [helper.make_node("Add", ["a", "a"], ["b"])]
    proto.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], twice, opsets))
    proto.opset_import.append(helper.make_opsetid("own", 1))
    (weights,) = (k for k, node in enumerate(proto.graph.node) if node.op_type == "Mul")
    own = helper.make_node("Twice", [proto.graph.node[weights].input[1]], ["doubled"], domain="own")
    proto.graph.node[weights].input[1] = "doubled"
    proto.graph.node.insert(weights, own)
    onnx.save(proto, plain)
    network = import_model(plain)  # 4x - 1: the step lies at pixel 64
    assert network.input.table.tolist() == [-1] * 64 + [1] * 192
    assert np.array_equal(network.layers[0].weights, expected.layers[0].weights)


def test_parameters_of_other_types_and_in_other_files(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Doubles, halves and a file of external data."""
    model = Model(SHAPE)
    x = model.node("Cast", binary(model), to=TensorProto.DOUBLE)
    x = model.node("MatMul", x, model.constant(signs(rng, PIXELS, HIDDEN), np.float64))
    x = model.node("Add", x, model.constant(rng.integers(-5, 6, HIDDEN) / 3, np.float64))
    x = model.node("Cast", x, to=TensorProto.FLOAT16)
    x = model.node("Add", x, model.constant(0.25, np.float16))
    x = model.node("Cast", x, to=TensorProto.FLOAT)
    proto = model.proto(ending(model, model.bipolar(x), rng))
    path = tmp_path / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size > 100
    agree(path, rng)


def flattened(model: Model, axes: Sequence[int] | None = None) -> str:
    x = "0" if axes is None else model.node("Transpose", "0", perm=list(axes))
    return model.bipolar(model.node("Sub", model.flatten(x), 0.5))


@pytest.mark.parametrize(
    ("shape", "stored", "perm"),
    [
        ((1, 3, 4, 5), (4, 5, 3), None),
        ((1, 3, 4, 5), (4, 5, 3), (0, 2, 3, 1)),
        ((1, 3, 4, 5), (4, 5, 3), (0, 3, 1, 2)),
        ((1, 4, 5, 3), (4, 5, 3), None),
        ((1, 4, 5, 3), (4, 5, 3), (0, 3, 1, 2)),
        ((1, 4, 5, 1), (4, 5), None),
        ((1, 1, 4, 5), (4, 5), (0, 1, 3, 2)),
        ((1, 2, 4, 5), (4, 5, 2), None),
        ((1, 4, 5), (4, 5), None),
        (("N", 4, 5), (4, 5), None),
        ((1, 20), (20,), None),
        (("N", 20), (20,), None),
        ((None, 3, 4, 5), (4, 5, 3), None),
    ],
)
def test_pixels_are_in_the_order_of_the_stored_image(
    shape: tuple[int, ...],
    stored: tuple[int, ...],
    perm: tuple[int, ...] | None,
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    model = Model(shape)
    count = int(np.prod(stored))
    path = model.save(
        tmp_path / "m.onnx", body(model, flattened(model, perm), rng, count), ("N", None)
    )
    images = pictures(rng, stored)
    planar = len(stored) == 3 and shape[1] == stored[2]
    inputs = images.transpose(0, 3, 1, 2) if planar else images
    network = agree(path, rng, images=images, inputs=inputs.astype(np.float32) / 255)
    assert network.input.shape == stored


def test_images_without_a_batch(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model((20,))
    x = model.bipolar(model.node("Sub", "0", 0.5))
    path = model.save(tmp_path / "m.onnx", body_of_vectors(model, x, rng), (CLASSES,))
    assert agree(path, rng).input.shape == (20,)
    model = Model((3, 4, 5))
    x = model.node("Reshape", "0", model.constant([1, -1], np.int64))
    x = model.bipolar(model.node("Sub", x, 0.5))
    path = model.save(tmp_path / "m.onnx", body(model, x, rng, 60))
    images = pictures(rng, (4, 5, 3))
    inputs = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    assert agree(path, rng, images=images, inputs=inputs).input.shape == (4, 5, 3)


def body_of_vectors(model: Model, x: str, rng: np.random.Generator) -> str:
    x = model.bipolar(model.node("Sub", model.linear(x, signs(rng, HIDDEN, 20)), 1.0))
    return ending(model, x, rng)


def test_a_fixed_batch_repeats_one_image(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model((7, 1, 5, 6))
    path = model.save(tmp_path / "m.onnx", body(model, binary(model), rng), (7, CLASSES))
    network = import_model(path)
    images = pictures(rng, (5, 6), 7)
    inputs = (images / np.float32(255)).astype(np.float32)
    theirs = execute(path, inputs[None]).reshape(7, CLASSES)
    assert forward(network, images).scores.tolist() == theirs.tolist()


def test_flat_models_may_belong_to_images(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model((1, PIXELS))
    path = model.save(tmp_path / "m.onnx", body(model, binary(model), rng))
    assert agree(path, rng, shape=(5, 6)).input.shape == (5, 6)
    assert agree(path, rng, shape=(2, 5, 3)).input.shape == (2, 5, 3)


def test_elements_may_be_picked_and_joined(tmp_path: Path, rng: np.random.Generator) -> None:
    """Halves swapped, one of them reversed: a permutation of the pixels and of the bits."""
    model = Model((1, PIXELS))

    def whole(values: Sequence[int]) -> str:
        return model.constant(values, np.int64)

    x = binary(model)
    first = model.node("Slice", x, whole([0]), whole([15]), whole([1]))
    last = model.node("Slice", x, whole([-1]), whole([14]), whole([-1]), whole([-1]))
    x = model.node("Concat", last, first, axis=-1)
    x = model.linear(x, signs(rng, HIDDEN, PIXELS))
    x = model.bipolar(model.node("Sub", x, rng.integers(-4, 5, HIDDEN)))
    x = model.node("Gather", x, whole([8, 2, 3, 5, 0, 1, 4, 7, 6]), axis=1)
    x = model.node("Slice", x, whole([8]), whole([-10]), whole([1]), whole([-1]))
    agree(model.save(tmp_path / "m.onnx", ending(model, x, rng)), rng)
