"""Weights in every accepted form: golden equals the qonnx executor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx_models import Array, Model, signs
from qonnx_models import HIDDEN, PIXELS, SHAPE, agree, binary, ending


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
