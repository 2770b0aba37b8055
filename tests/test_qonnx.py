"""Import of networks in every accepted form: golden equals the qonnx executor, score by score."""

import os
import random
import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx_models import DOMAINS, Array, Model, execute, signs
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.general.quant import quant
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.cleanup import cleanup_model

from binohm.gen.errors import ModelError
from binohm.gen.importer.qonnx import import_model
from binohm.gen.network import Network
from binohm.sim.datasets import load
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


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(random.Random(request.node.name).getrandbits(32))


# ------------------------------------------------------------------- input


def quantised(bits: int, scale: float, shift: float = 0.0, zero: float = 0.0, **more: Any) -> Part:
    def part(model: Model, x: str, rng: np.random.Generator) -> str:
        return model.quant(model.node("Sub", x, shift), bits, scale, zero, **more)

    return part


def counted(rows: Sequence[float], **attributes: Any) -> Part:
    def part(model: Model, x: str, rng: np.random.Generator) -> str:
        return model.quantiser("MultiThreshold", x, np.array([rows]), out_dtype="", **attributes)

    return part


def shifted(model: Model, x: str, rng: np.random.Generator) -> str:
    """Every pixel has a mean of its own, which moves into the thresholds."""
    return model.node("Sub", x, rng.integers(0, 256, PIXELS))


def chained(model: Model, x: str, rng: np.random.Generator) -> str:
    x = model.node("Floor", model.node("Div", model.node("Add", x, 8.0), 16.0))
    return model.node("Clip", x, model.constant(1.0), model.constant(14.0))


def normalised(model: Model, x: str, rng: np.random.Generator) -> str:
    """Batch normalisation before the sign, by two roots that are irrational."""
    parameters = [np.full(PIXELS, value) for value in (-0.5, 0.25, 100.0, 3.0)]
    return model.bipolar(model.batch_norm(x, parameters))


def compared(model: Model, x: str, rng: np.random.Generator) -> str:
    x = model.node("Cast", model.node("Greater", x, 99.0), to=TensorProto.FLOAT)
    return model.node("Sub", model.node("Mul", x, 2.0), 1.0)


INPUTS: dict[str, tuple[Part, int, bool]] = {
    # name: what it does to 0..255, bit planes, whether it becomes -1/+1
    "none": (lambda m, x, _: x, 8, False),
    "2p-255": (lambda m, x, _: m.node("Sub", m.node("Mul", x, 2.0), 255.0), 8, False),
    "-3p": (lambda m, x, _: m.node("Mul", x, -3.0), 8, False),
    "100-p": (lambda m, x, _: m.node("Sub", 100.0, x), 8, False),
    "260+p": (lambda m, x, _: m.node("Add", x, 260.0), 8, False),
    "far from 0": (quantised(9, 1.0, -96.0, signed=0), 8, False),
    "own mean": (shifted, 8, False),
    "bipolar at 77": (lambda m, x, _: m.bipolar(m.node("Sub", x, 77.0), 0.5), 1, True),
    "normalised": (normalised, 1, True),
    "sign of half": (lambda m, x, _: m.node("Sign", m.node("Sub", x, 76.5)), 1, True),
    "sign with 0": (lambda m, x, _: m.node("Sign", m.node("Sub", x, 77.0)), 2, False),
    "greater": (compared, 1, True),
    "chain": (chained, 4, False),
    "relu": (lambda m, x, _: m.node("Relu", m.node("Sub", x, 240.0)), 4, False),
    "round": (lambda m, x, _: m.node("Round", m.node("Div", x, 32.0)), 4, False),
    "ceil": (lambda m, x, _: m.node("Ceil", m.node("Div", x, 64.0)), 3, False),
    "abs": (lambda m, x, _: m.node("Abs", m.node("Sub", x, 128.0)), 8, False),
    "cast": (
        lambda m, x, _: m.node(
            "Cast",
            m.node("Cast", m.node("Div", m.node("Sub", x, 128.0), 16.0), to=TensorProto.INT32),
            to=TensorProto.FLOAT,
        ),
        4,
        False,
    ),
    "1 bit signed": (quantised(1, 2.0, 77.0, signed=1), 1, True),
    "1 bit zero": (quantised(1, 2.0, 77.0, 3.0, signed=1), 1, True),
    "2 bit narrow": (quantised(2, 64.0, 128.0, signed=1, narrow=1), 2, False),
    "8 bit": (quantised(8, 1.0, signed=0), 8, False),
    "4 bit signed": (quantised(4, 16.0, 128.0, signed=1), 4, False),
    "4 bit narrow": (quantised(4, 16.0, 128.0, signed=1, narrow=1), 4, False),
    "4 bit unsigned narrow": (quantised(4, 16.0, signed=0, narrow=1), 4, False),
    "4 bit zero": (quantised(4, 16.0, 0.0, -8.0, signed=1), 4, False),
    "4 bit half zero": (quantised(4, 16.0, 0.0, -7.5, signed=1), 4, False),
    "twice": (
        lambda m, x, _: m.quant(m.quant(x, 6, 4.0, signed=0), 3, 32.0, signed=0),
        3,
        False,
    ),
    "1 threshold": (counted([77]), 1, True),
    "1 threshold bipolar": (counted([77], out_scale=2.0, out_bias=-1.0), 1, True),
    "3 thresholds": (counted([10, 100, 200], out_scale=0.5, out_bias=-1.0), 2, False),
}


@pytest.mark.parametrize("form", INPUTS)
def test_every_form_of_input(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Whole numbers reach the quantisers, so that float32 is exact, at ties too."""
    part, planes, bipolar = INPUTS[form]
    model = Model(SHAPE)
    x = part(model, model.flatten(), rng)
    path = model.save(tmp_path / "m.onnx", body(model, x, rng))
    network = agree(path, rng, pixel_scale=WHOLE, batch=True)
    assert (network.input.bits, network.input.bipolar) == (planes, bipolar)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "half_even"]),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1.0, 2.0, 16.0, 24.0, 32.0, 64.0]),
    st.integers(-260, 20),
    st.sampled_from([0.0, 1.0, -3.0, 0.5]),
)
def test_quantised_pixels_equal_those_of_the_qonnx_function(
    tmp_path: Path,
    mode: str,
    bits: int,
    signed: bool,
    narrow: bool,
    scale: float,
    shift: int,
    zero: float,
) -> None:
    """All 256 pixel values, in exact float64; the integers may count from another origin."""
    pixels = np.arange(256.0)
    theirs = quant(pixels + shift, scale, zero, np.float64(bits), signed, narrow, mode)
    rng = np.random.default_rng(0)
    model = Model((1, PIXELS))
    x = model.node("Add", "0", float(shift))
    x = model.quant(x, bits, scale, zero, signed=signed, narrow=narrow, rounding_mode=mode)
    path = model.save(tmp_path / "m.onnx", body(model, x, rng))
    if len(np.unique(theirs)) == 1:
        with pytest.raises(ModelError, match="all 256 pixel values give the same input"):
            import_model(path, pixel_scale=WHOLE)
        return
    ours = import_model(path, pixel_scale=WHOLE).input
    low, high = theirs.argmin(), theirs.argmax()
    unit = Fraction(theirs[high] - theirs[low]) / int(ours.table[high] - ours.table[low])
    assert [theirs[low] + unit * int(step) for step in ours.table - ours.table[low]] == list(theirs)
    levels = np.unique(theirs)
    assert ours.bipolar == (len(levels) == 2)
    assert 1 << ours.bits < 4 * (1 + (levels[-1] - levels[0]) / np.diff(levels).min())


def table(path: Path, **options: Any) -> list[int]:
    return import_model(path, **options).input.table.tolist()


def test_input_tables_hold_the_integers_of_the_quantiser(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)

    def of(part: Part, **options: Any) -> list[int]:
        model = Model(SHAPE)
        x = part(model, model.flatten(), rng)
        return table(model.save(tmp_path / "m.onnx", body(model, x, rng)), **options)

    pixels = np.arange(256)
    assert of(INPUTS["none"][0]) == pixels.tolist()
    # 2p/255 - 1 is an odd multiple of 1/255: 9 planes; from its smallest level it takes 8.
    assert of(lambda m, x, _: m.node("Sub", m.node("Mul", x, 2.0), 1.0)) == pixels.tolist()
    signed = np.clip(np.round((pixels - 128) / 16), -8, 7).astype(int).tolist()
    assert of(INPUTS["4 bit signed"][0], pixel_scale=WHOLE) == signed
    fifteen = of(quantised(4, 1 / 15, signed=0))
    assert fifteen == [round(15 * p / 255) for p in range(256)]
    halved = of(lambda m, x, _: m.bipolar(m.node("Sub", m.node("Mul", x, 2.0), 1.0)))
    assert halved == [-1] * 128 + [1] * 128


def test_integer_inputs_are_given_the_pixels(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model(SHAPE, kind=TensorProto.UINT8)
    x = model.node("Cast", model.flatten(), to=TensorProto.FLOAT)
    path = model.save(tmp_path / "m.onnx", body(model, x, rng))
    images = pictures(rng, SHAPE[2:])
    network = import_model(path)
    assert network.input.table.tolist() == list(range(256))
    assert forward(network, images).scores.tolist() == execute(path, images).tolist()


# ------------------------------------------------------------------- activations and what precedes


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


# ------------------------------------------------------------------- weights


def latent(weights: Array, rng: np.random.Generator) -> Array:
    """Latent weights with these signs; a zero is a +1."""
    values = weights * rng.uniform(0.01, 1.5, weights.shape).astype(np.float32)
    values[np.unravel_index(weights.argmax(), weights.shape)] = 0
    return values


def gemm(model: Model, x: str, w: Array, rng: np.random.Generator) -> str:
    bias = rng.integers(-20, 21, len(w))
    return model.node("Gemm", x, w, bias, transB=1, alpha=0.5, beta=-0.25)


def gemm_plain(model: Model, x: str, w: Array, rng: np.random.Generator) -> str:
    return model.node("Gemm", x, w.T)


def gemm_left(model: Model, x: str, w: Array, rng: np.random.Generator) -> str:
    """(W x)^T with the data as a column, transposed by attributes."""
    column = model.node("Transpose", x, perm=[1, 0])
    product = model.node("Gemm", w, column, rng.integers(-3, 4, (len(w), 1)))
    return model.node("Transpose", product)


def matmul_left(model: Model, x: str, w: Array, rng: np.random.Generator) -> str:
    product = model.node("MatMul", w, model.node("Transpose", x, perm=[1, 0]))
    return model.node("Transpose", product, perm=[1, 0])


def vector(model: Model, x: str, w: Array, rng: np.random.Generator) -> str:
    flat = model.node("Squeeze", x, model.constant([0], np.int64))
    product = model.node("MatMul", w, flat)
    return model.node("Unsqueeze", product, model.constant([0], np.int64))


def transposed(quantise: Callable[[Model, str], str]) -> Callable[..., str]:
    def weights(model: Model, x: str, w: Array, rng: np.random.Generator) -> str:
        stored = quantise(model, model.constant(latent(w, rng)))
        return model.node("MatMul", x, model.node("Transpose", stored, perm=[1, 0]))

    return weights


def chosen_weights(model: Model, w: str) -> str:
    positive = model.node("GreaterOrEqual", w, 0.0)
    return model.node("Where", positive, 1.0, -1.0)


def by_channel(model: Model, x: str, w: Array, rng: np.random.Generator) -> str:
    scale = rng.uniform(0.1, 2, (len(w), 1)).astype(np.float32)
    scale[2] = 0
    return model.node("MatMul", x, (w * scale).T)


def by_input(model: Model, x: str, w: Array, rng: np.random.Generator) -> str:
    """A scale for each input that the weights undo, one negative."""
    scale = 2.0 ** rng.integers(-3, 4, w.shape[1])
    scale[1] *= -1
    return model.node("MatMul", model.node("Mul", x, scale), (w / scale).T)


WEIGHTS: dict[str, Callable[..., str]] = {
    "plain": lambda m, x, w, rng: m.linear(x, w),
    "one scale": lambda m, x, w, rng: m.linear(x, 0.3 * w),
    "by channel": by_channel,
    "by input": by_input,
    "latent": transposed(lambda m, w: m.bipolar(w)),
    "latent scaled": transposed(lambda m, w: m.bipolar(w, 0.7)),
    "latent scaled by channel": transposed(
        lambda m, w: m.bipolar(w, np.linspace(0.2, 1, HIDDEN)[:, None])
    ),
    "quant": transposed(lambda m, w: m.quant(w, 1, 0.1, signed=1)),
    "where": transposed(chosen_weights),
    "leading axes": lambda m, x, w, rng: m.node("MatMul", x, w.T[None]),
    "gemm": gemm,
    "gemm plain": gemm_plain,
    "gemm left": gemm_left,
    "matmul left": matmul_left,
    "vector": vector,
}


@pytest.mark.parametrize("form", WEIGHTS)
def test_every_form_of_weights(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    weights = signs(rng, HIDDEN, PIXELS)
    model = Model(SHAPE)
    x = WEIGHTS[form](model, binary(model), weights, rng)
    x = model.bipolar(model.node("Sub", x, 0.0625))
    path = model.save(tmp_path / "m.onnx", ending(model, x, rng))
    network = agree(path, rng)
    kept = slice(3, None) if form == "by channel" else slice(None)
    assert np.array_equal(network.hidden[0].weights[kept], weights[kept])
    if form == "by channel":  # a scale of zero leaves 0 - 1/16, whatever the image is
        assert network.hidden[0].theta[0, 2] == PIXELS + 1


def test_latent_weights_in_signs_of_zero_follow_the_operator(tmp_path: Path) -> None:
    """``Sign`` of a zero weight is no weight; without zeros it is accepted."""
    rng = np.random.default_rng(0)
    model = Model(SHAPE)
    weights = signs(rng, HIDDEN, PIXELS)
    stored = model.node("Sign", (3 * weights).T)
    x = model.bipolar(model.node("MatMul", binary(model), stored))
    network = agree(model.save(tmp_path / "m.onnx", ending(model, x, rng)), rng)
    assert np.array_equal(network.hidden[0].weights, weights)


# ------------------------------------------------------------------- graphs


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


# ------------------------------------------------------------------- order of elements


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


# ------------------------------------------------------------------- scores


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


# ------------------------------------------------------------------- names, determinism


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


# ------------------------------------------------------------------- a network of the field


@pytest.fixture(scope="module")
def tfc() -> Path:
    folder = os.environ.get("BINOHM_DATA")
    path = Path(folder or "", "models", "TFC_1W1A.onnx")
    if not folder or not path.is_file():
        pytest.skip("TFC_1W1A.onnx is not in $BINOHM_DATA/models")
    return path


def test_tfc_gives_the_classes_of_the_qonnx_executor(tfc: Path) -> None:
    """All 10,000 test images of MNIST; 92.96 %, 32 of them with two best classes."""
    images, labels = load("mnist")
    remarks: list[str] = []
    network = import_model(tfc, remarks=remarks)
    assert remarks == ["scalar affine of the scores: dropped"]
    assert [layer.weights.shape for layer in network.layers] == [
        (64, 784),
        (64, 64),
        (64, 64),
        (10, 64),
    ]
    ours = forward(network, images)
    assert int((ours.predictions == labels).sum()) == 9296
    best = ours.scores == ours.scores.max(axis=1, keepdims=True)
    assert int((best.sum(axis=1) > 1).sum()) == 32

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cleanup_model(ModelWrapper(str(tfc)))
        model = model.transform(ChangeBatchSize(len(images))).transform(InferShapes())
        source, target = model.graph.input[0].name, model.graph.output[0].name
        floats = (images[:, None] / np.float32(255)).astype(np.float32)
        theirs = execute_onnx(model, {source: floats})[target]
    # One float for each integer score, in the same order: float32 breaks no tie and makes none.
    values, place = np.unique(ours.scores, return_inverse=True)
    floats, rank = np.unique(theirs, return_inverse=True)
    assert len(values) == len(floats) == 54
    assert np.array_equal(place, rank)
    assert np.array_equal(ours.predictions, theirs.argmax(axis=1))
