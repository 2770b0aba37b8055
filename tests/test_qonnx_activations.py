"""Activations and what precedes them, in every accepted form: golden equals the qonnx executor."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx_models import Model, execute, signs
from qonnx_models import HIDDEN, PIXELS, Part, binary, ending, pictures, random_norm

from binohm.gen.importer.qonnx import import_model
from binohm.sim.golden import forward


def unfused(variant: str) -> Part:
    def part(model: Model, x: str, rng: np.random.Generator) -> str:
        gamma, beta, mean, variance = random_norm(rng)
        moved = model.node("Sub", x, mean)
        if variant == "div":
            moved = model.node("Div", moved, model.node("Sqrt", model.node("Add", variance, 0.0)))
        elif variant == "power":
            moved = model.node("Div", moved, model.node("Pow", variance, 0.5))
        elif variant == "reciprocal":
            moved = model.node("Mul", moved, model.node("Reciprocal", model.node("Sqrt", variance)))
        elif variant == "square":
            root = model.node("Sqrt", variance)
            moved = model.node("Div", moved, model.node("Mul", root, root))
            moved = model.node("Mul", moved, model.node("Pow", 1.5, 2.0))
        elif variant == "negative power":
            moved = model.node("Mul", moved, model.node("Pow", variance, -0.5))
        else:  # a Keras epsilon: the root of 2.25, and half a unit behind it
            root = model.node("Sqrt", np.full(HIDDEN, 2.25))
            moved = model.node("Div", moved, model.node("Add", root, 0.5))
        return model.bipolar(model.node("Add", model.node("Mul", gamma, moved), beta))

    return part


def turned(model: Model, x: str, rng: np.random.Generator) -> str:
    x = model.node("Sub", rng.integers(-5, 6, HIDDEN), model.node("Neg", model.node("Neg", x)))
    return model.bipolar(model.node("Mul", -0.25, x))


def with_cast(op: str) -> Part:
    def part(model: Model, x: str, rng: np.random.Generator) -> str:
        sides = (rng.integers(-5, 6, HIDDEN), x) if rng.integers(2) else (x, 1.0)
        x = model.node("Cast", model.node(op, *sides), to=TensorProto.FLOAT)
        return model.node("Sub", model.node("Mul", x, 2.0), 1.0)

    return part


def chosen(model: Model, x: str, rng: np.random.Generator) -> str:
    below = model.node("Not", model.node("GreaterOrEqual", x, rng.integers(-5, 6, HIDDEN)))
    return model.node("Where", below, -1.0, 1.0)


def thresholds(*more: Any, **attributes: Any) -> Part:
    def part(model: Model, x: str, rng: np.random.Generator) -> str:
        rows = rng.integers(-5, 6, (HIDDEN, 1))
        return model.quantiser("MultiThreshold", x, rows, out_dtype="BIPOLAR", **attributes)

    return part


def clipped(model: Model, x: str, rng: np.random.Generator) -> str:
    x = model.batch_norm(x, random_norm(rng))
    return model.bipolar(model.node("Clip", x, model.constant(-1.0), model.constant(1.0)))


ACTIVATIONS: dict[str, Part] = {
    "scaled": lambda m, x, _: m.bipolar(x, 0.5),
    "fused": lambda m, x, rng: m.bipolar(m.batch_norm(x, random_norm(rng))),
    "div": unfused("div"),
    "power": unfused("power"),
    "reciprocal": unfused("reciprocal"),
    "negative power": unfused("negative power"),
    "square": unfused("square"),
    "keras": unfused("keras"),
    "turned": turned,
    "1 bit signed": lambda m, x, _: m.quant(x, 1, 0.25, signed=1),
    "1 bit round": lambda m, x, _: m.quant(x, 1, 2.0, signed=0),
    "1 bit zero": lambda m, x, _: m.quant(x, 1, 2.0, 1.0, signed=0, rounding_mode="HALF_UP"),
    "1 bit floor": lambda m, x, _: m.quant(x, 1, 4.0, signed=0, rounding_mode="FLOOR"),
    "1 bit ceil": lambda m, x, _: m.quant(x, 1, 4.0, signed=0, rounding_mode="CEIL"),
    "threshold": thresholds(out_scale=2.0, out_bias=-1.0),
    "threshold 0/1": thresholds(),
    "threshold falling": thresholds(out_scale=-2.0, out_bias=1.0, data_layout="NC"),
    "sign": lambda m, x, _: m.node("Sign", m.node("Add", x, 1.0)),
    "sign clipped": lambda m, x, _: m.node(
        "Sign", m.node("Clip", m.node("Add", x, 0.5), m.constant(-1.0), m.constant(1.0))
    ),
    "clip": clipped,
    "greater": with_cast("Greater"),
    "greater or equal": with_cast("GreaterOrEqual"),
    "less": with_cast("Less"),
    "less or equal": with_cast("LessOrEqual"),
    "where": chosen,
    "twice": lambda m, x, _: m.bipolar(m.bipolar(m.node("Sub", x, 1.0), 0.5), 2.0),
    "relu of bits": lambda m, x, _: m.node("Relu", m.bipolar(x)),
    "bits of 2 levels": lambda m, x, _: m.quant(m.bipolar(x), 2, 0.5, signed=1),
}


@pytest.mark.parametrize(
    ("form", "fan_in"),
    [
        (form, fan_in)
        for form in ACTIVATIONS
        for fan_in in (PIXELS, PIXELS - 1)
        if (form, fan_in) != ("sign", PIXELS - 1)  # it reaches zero, and is refused
    ],
)
def test_every_form_of_activation(
    form: str, fan_in: int, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Behind even and odd fan-in: zero is reached with the first, and +1 there."""
    model = Model((1, fan_in), opset=13)
    x = model.linear(binary(model), signs(rng, HIDDEN, fan_in))
    x = ACTIVATIONS[form](model, x, rng)
    path = model.save(tmp_path / "m.onnx", ending(model, x, rng))
    # The executor's scores count what the bits stand for; ours are compared as classes there.
    network = import_model(path, rounding=False)
    images = pictures(rng, (fan_in,), 25)
    inputs = (images / np.float32(255)).astype(np.float32)
    theirs, ours = execute(path, inputs, batch=True), forward(network, images)
    assert ours.predictions.tolist() == theirs.argmax(axis=1).tolist()
    ranks = [np.unique(row, return_inverse=True)[1].tolist() for row in theirs]
    assert [np.unique(row, return_inverse=True)[1].tolist() for row in ours.scores] == ranks
    hidden = ours.hidden[0]
    assert 0.1 < (hidden > 0).mean() < 0.9


GRID = st.integers(-(9 << 12), 9 << 12).map(lambda k: k / (1 << 12))
"""Float64 is exact at ties on this grid, and far from zero elsewhere."""

GAMMA = st.one_of(st.sampled_from([0.0, 1.0, -1.0]), GRID)
WHOLE_OR_NOT = st.one_of(st.integers(-9, 9).map(float), GRID)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(GAMMA, st.one_of(st.just(0.0), WHOLE_OR_NOT), WHOLE_OR_NOT, st.integers(0, 90)),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 40),
    st.sampled_from([1e-5, 1e-3, 0.25, 1.0]),
    st.integers(0, 2**32 - 1),
)
@example([(1.0, 0.0, 3.0, 1), (-1.0, 0.0, 2.0, 1), (0.0, 0.0, 0.0, 1)], 7, 1e-5, 0)
def test_random_normalisations_give_the_bits_of_a_float64_reference(
    tmp_path: Path,
    parameters: list[tuple[float, float, float, int]],
    fan_in: int,
    epsilon: float,
    seed: int,
) -> None:
    """Through a file, over every sum that can occur, exact zeros included."""
    rng = np.random.default_rng(seed)
    norm = np.array(parameters, np.float32).T
    norm[3] /= 8
    weights = signs(rng, norm.shape[1], fan_in)
    model = Model((1, fan_in))
    x = model.linear(binary(model), weights)
    x = model.bipolar(model.batch_norm(x, list(norm), epsilon=epsilon))
    path = model.save(tmp_path / "m.onnx", ending(model, x, rng, norm.shape[1]))
    (layer,) = import_model(path).hidden
    assert np.array_equal(layer.weights, weights)
    gamma, beta, mean, variance = norm.astype(np.float64)[:, :, None]
    sums = np.arange(-fan_in, fan_in + 1, 2)
    root = np.sqrt(variance + np.float64(np.float32(epsilon)))
    reference = gamma * (sums - mean) / root + beta >= 0
    assert np.array_equal((sums >= layer.theta.T) != layer.flip.T, reference)
    assert ((-fan_in <= layer.theta) & (layer.theta <= fan_in + 1)).all()
