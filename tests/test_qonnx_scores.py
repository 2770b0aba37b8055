"""Scores, classes and names of imported networks: golden equals the qonnx executor."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx_models import Array, Model, execute, signs
from qonnx_models import CLASSES, PIXELS, SHAPE, WHOLE, Part, agree, binary, body, pictures

from binohm.gen.importer.qonnx import import_model
from binohm.gen.network import Network
from binohm.sim.golden import forward


def scored(
    tmp_path: Path,
    rng: np.random.Generator,
    tail: Part,
    opset: int = 13,
    kind: int = TensorProto.FLOAT,
) -> tuple[Network, Array, NDArray[np.int64], list[str]]:
    """A network with this tail, the executor's outputs, golden's scores and the remarks."""
    model = Model(SHAPE, opset=opset)
    x = tail(model, body(model, binary(model), rng), rng)
    path = model.save(tmp_path / "m.onnx", x, (1, None), kind)
    images = pictures(rng, SHAPE[2:], 60)
    remarks: list[str] = []
    network = import_model(path, remarks=remarks)
    inputs = (images / np.float32(255)).astype(np.float32)
    return network, execute(path, inputs, batch=True), forward(network, images).scores, remarks


def scalar(factor: float) -> Part:
    def tail(model: Model, x: str, rng: np.random.Generator) -> str:
        x = model.node("Div", model.node("Sub", x, 0.45), model.node("Pow", 318.2, 0.5))
        return model.node("Add", model.node("Mul", x, factor), -1.14)

    return tail


def per_class(model: Model, x: str, rng: np.random.Generator) -> str:
    norm = [rng.uniform(0.5, 2, CLASSES), rng.normal(size=CLASSES), rng.normal(size=CLASSES)]
    norm[0][1] *= -1
    return model.batch_norm(x, [*norm, rng.uniform(20, 90, CLASSES)])


TAILS: dict[str, tuple[Part, int, str]] = {
    "scalar": (scalar(0.73), 13, "scalar affine of the scores: dropped"),
    "negative": (scalar(-0.73), 13, "scalar affine of the scores: negates the scores"),
    "bias": (
        lambda m, x, rng: m.node("Add", x, rng.normal(size=CLASSES)),
        13,
        "affine of the scores: integers, proved to keep the order",
    ),
    "per class": (per_class, 13, "affine of the scores: integers, proved to keep the order"),
    "softmax": (lambda m, x, _: m.node("Softmax", x), 13, "scalar affine of the scores: dropped"),
    "softmax 9": (lambda m, x, _: m.node("Softmax", x), 9, "scalar affine of the scores: dropped"),
    "log softmax": (
        lambda m, x, _: m.node("LogSoftmax", scalar(0.5)(m, x, _), axis=1),
        13,
        "scalar affine of the scores: dropped",
    ),
}


@pytest.mark.parametrize("form", TAILS)
def test_every_form_of_scores(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Classes are ranked as the executor's floats are, where these can tell them apart."""
    tail, opset, remark = TAILS[form]
    network, theirs, ours, remarks = scored(tmp_path, rng, tail, opset)
    assert remarks == [remark]
    for i in range(CLASSES):
        for j in range(i):
            gap = theirs[:, i].astype(np.float64) - theirs[:, j]
            clear = np.abs(gap) > 1e-6
            assert (np.sign(gap) == np.sign(ours[:, i] - ours[:, j]))[clear].all()
            if remark.startswith("scalar"):
                assert not (ours[:, i] - ours[:, j])[~clear].any()
    assert network.scores.scale.max() < 1 << 20


ENDS: dict[str, Part] = {
    "argmax": lambda m, x, _: m.node("ArgMax", x, axis=1, keepdims=1),
    "softmax, argmax": lambda m, x, _: m.node("ArgMax", m.node("Softmax", x), axis=-1),
}


@pytest.mark.parametrize("form", ENDS)
def test_networks_may_end_in_the_class(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    _, theirs, ours, _ = scored(tmp_path, rng, ENDS[form], kind=TensorProto.INT64)
    assert theirs[:, 0].tolist() == ours.argmax(axis=1).tolist()


def test_networks_may_end_in_the_best_of_the_classes(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """``TopK`` as FINN adds it: its second output is the class."""
    model = Model(SHAPE)
    x = body(model, binary(model), rng)
    plain = import_model(model.save(tmp_path / "plain.onnx", x))
    k = model.constant([1], np.int64)
    model.nodes.append(helper.make_node("TopK", [x, k], ["values", "class"], axis=-1))
    network = import_model(model.save(tmp_path / "m.onnx", "class"))
    assert np.array_equal(network.scores.weights, plain.scores.weights)


def test_classes_may_be_picked(tmp_path: Path, rng: np.random.Generator) -> None:
    network, theirs, ours, _ = scored(
        tmp_path, rng, lambda m, x, _: m.node("Gather", x, m.constant([2, 0], np.int64), axis=1)
    )
    assert ours.tolist() == theirs.tolist() and network.scores.outputs == 2


def test_a_single_layer_of_pixels(tmp_path: Path, rng: np.random.Generator) -> None:
    """Multi-bit input straight into the scores, with a bias: offsets of 8-bit sums."""
    model = Model(SHAPE)
    x = model.linear(model.flatten(), signs(rng, CLASSES, PIXELS))
    x = model.node("Add", x, np.array([100, -7, 0, 31]))
    network = agree(model.save(tmp_path / "m.onnx", x), rng, pixel_scale=WHOLE)
    assert network.scores.offset.tolist() == [100, -7, 0, 31]


def test_rounding_is_asked_for_and_reported(tmp_path: Path, rng: np.random.Generator) -> None:
    """A hair between two classes at 2**27 needs more than 30 bits."""
    model = Model(SHAPE)
    x = model.node("Mul", body(model, binary(model), rng), np.array([1, 1, 3, 3]))
    x = model.node("Add", x, model.constant([0, 2**27, 2**27 + 1e-3, 0], np.float64))
    path = model.save(tmp_path / "m.onnx", x)
    remarks: list[str] = []
    network = import_model(path, rounding=True, remarks=remarks)
    (remark,) = remarks
    assert remark.startswith("affine of the scores: rounded, ")
    assert remark.endswith(" of 600 pairs of scores of two classes change order")
    assert network.scores.outputs == CLASSES


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("TFC_1W1A.onnx", "tfc_1w1a"),
        ("My Net-2.onnx", "my_net_2"),
        ("3bit.onnx", "network_3bit"),
        ("-.onnx", "network"),
    ],
)
def test_networks_are_named_after_files(
    file: str, name: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    model = Model(SHAPE)
    path = model.save(tmp_path / file, body(model, binary(model), rng))
    network = import_model(path)
    assert network.name == name
    assert [layer.name for layer in network.layers] == ["fc1", "fc2"]
    assert import_model(path, name="other").name == "other"
