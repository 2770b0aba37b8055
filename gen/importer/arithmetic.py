"""Arithmetic operators on exact values, the layers, and the end of a network.

Semantics are those of ONNX in exact arithmetic: nothing is rounded to float32 on the way, and
casts between float types do nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import prod

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.activations import Step, apply, sign_of
from binohm.gen.importer.exact import (
    Exact,
    Number,
    Surd,
    ceil,
    combine,
    floor,
    is_zero,
    magnitude,
    round_half_even,
    sign,
    square_root,
)
from binohm.gen.importer.graph import FLOATS, INTEGERS
from binohm.gen.importer.layers import dense
from binohm.gen.importer.moves import Call, Rule, axis_of
from binohm.gen.importer.signals import Signal, Sums, Value, affine
from binohm.gen.importer.votes import add

__all__ = ["ARITHMETIC", "normalised"]

ONE, ZERO = Exact.full((), 1), Exact.full((), 0)
MINUS = Exact.full((), -1)


def _add(call: Call) -> Value:
    return _sum(call.value(0), call.value(1))


def _total(call: Call) -> Value:
    return reduce(_sum, map(call.value, range(len(call.values))))


def _mean(call: Call) -> Value:
    return affine(_total(call), Exact.full((), Fraction(1, len(call.values))), ZERO)


def _subtract(call: Call) -> Value:
    b = call.value(1)
    if isinstance(b, Signal):
        return _sum(call.value(0), b.affine(MINUS, ZERO))
    a = call.value(0)
    return a - b if isinstance(a, Exact) else a.affine(ONE, ZERO - b)


def _sum(a: Value, b: Value) -> Value:
    if isinstance(a, Exact) and isinstance(b, Exact):
        return a + b
    if isinstance(a, Signal) and isinstance(b, Signal):
        return add(a, b)
    signal, constant = (a, b) if isinstance(a, Signal) else (b, a)
    assert isinstance(signal, Signal) and isinstance(constant, Exact)
    return signal.affine(ONE, constant)


def _multiply(call: Call) -> Value:
    a, b = call.value(0), call.value(1)
    if isinstance(a, Exact) and isinstance(b, Exact):
        return a * b
    if isinstance(a, Signal) and isinstance(b, Signal):
        raise ValueError("two branches are multiplied; attention and gates are not supported")
    signal, constant = (a, b) if isinstance(a, Signal) else (b, a)
    assert isinstance(signal, Signal) and isinstance(constant, Exact)
    return signal.affine(constant, ZERO)


def _divide(call: Call) -> Value:
    a, b = call.value(0), call.constant(1)
    return a / b if isinstance(a, Exact) else a.affine(ONE / b, ZERO)


def _negate(call: Call) -> Value:
    return affine(call.value(0), MINUS, ZERO)


def _reciprocal(call: Call) -> Value:
    return ONE / call.constant(0)


def _absolute(call: Call) -> Value:
    return apply(magnitude, call.value(0))


def _root(call: Call) -> Value:
    return combine(square_root, call.constant(0))


def _power(call: Call) -> Value:
    return combine(_raised, call.constant(0), call.constant(1))


def _raised(base: Number, exponent: Number) -> Number:
    double = exponent * 2
    if isinstance(double, Surd) or double.denominator != 1 or abs(double) > 64:
        raise ValueError(
            f"the exponent {exponent} is not a small multiple of 1/2; fold it before the export"
        )
    root = square_root(base) if double.numerator % 2 else Fraction(1)
    result: Number = root
    for _ in range(abs(double.numerator) // 2):
        result = result * base
    if double >= 0:
        return result
    if is_zero(result):
        raise ValueError("division by zero; train or export the model again")
    return 1 / result


def _clip(call: Call) -> Value:
    limits: list[Number | None] = []
    for position, name in ((1, "min"), (2, "max")):
        given = call.optional(position)
        stored = call.node.get(name)
        number = given.scalar() if given is not None else None
        limits.append(Fraction(stored) if number is None and stored is not None else number)
    return _limited(call.value(0), limits[0], limits[1])


def _relu(call: Call) -> Value:
    return _limited(call.value(0), Fraction(0), None)


def _limited(value: Value, low: Number | None, high: Number | None) -> Value:
    if isinstance(value, Signal) and isinstance(value.source, Sums):
        if value.clip or value.ranked:
            raise ValueError("a second clip of the same sums; merge the two")
        return replace(value, clip=(low, high))

    def limit(number: Number) -> Number:
        number = number if low is None else max(low, number)
        return number if high is None else min(high, number)

    return apply(limit, value)


def _round(rule: Callable[[Number], int]) -> Rule:
    return lambda call: apply(lambda number: Fraction(rule(number)), call.value(0))


def _sign(call: Call) -> Value:
    return sign_of(call.value(0))


def _compare(strict: bool, swap: bool) -> Rule:
    """``a >= b`` or, strict, ``a > b``; with swap the sides change."""

    def rule(call: Call) -> Value:
        a, b = call.value(int(swap)), call.value(int(not swap))
        minus = b.affine(MINUS, ZERO) if isinstance(b, Signal) else ZERO - b
        return apply(Step(Fraction(0), Fraction(1), strict), _sum(a, minus))

    return rule


def _not(call: Call) -> Value:
    return affine(call.value(0), MINUS, ONE)


def _where(call: Call) -> Value:
    no = call.constant(2)
    return affine(call.value(0), call.constant(1) - no, no)


def _normalise(call: Call) -> Value:
    if call.node.get("training_mode", 0):
        raise ValueError("batch normalisation in training mode; export the model in eval mode")
    x = call.value(0)
    gamma, beta, mean, variance = (call.constant(k) for k in (1, 2, 3, 4))
    return normalised(x, gamma, beta, mean, variance, call.real("epsilon", 1e-5), 1)


def normalised(
    x: Value,
    gamma: Exact,
    beta: Exact,
    mean: Exact,
    variance: Exact,
    epsilon: Fraction,
    axis: int,
) -> Value:
    """Batch normalisation with one number of each kind for each channel, which are on ``axis``."""
    size = x.shape[axis : axis + 1]
    if len(x.shape) < 2 or any(p.shape != size for p in (gamma, beta, mean, variance)):
        raise ValueError(
            f"parameters of shapes {gamma.shape}, {beta.shape}, {mean.shape}, {variance.shape} "
            f"for an input of shape {x.shape}; one number for each channel is needed"
        )
    if any(sign(v + epsilon) <= 0 for v in variance.used()):
        raise ValueError("a variance plus epsilon is not positive; train the model again")
    scale = combine(lambda g, v: g / square_root(v + epsilon), gamma, variance)
    offset = combine(lambda b, m, s: b - m * s, beta, mean, scale)
    shape = (-1, *[1] * (len(x.shape) - axis - 1))
    scale, offset = (tensor.at(lambda index: index.reshape(shape)) for tensor in (scale, offset))
    return affine(x, scale, offset)


def _matmul(call: Call) -> Value:
    return _product(call.node.label, call.value(0), call.value(1))


def _product(label: str, a: Value, b: Value) -> Value:
    if isinstance(a, Signal) and isinstance(b, Signal):
        raise ValueError("two branches are multiplied; attention is not supported")
    if isinstance(a, Exact) and isinstance(b, Exact):
        raise ValueError("a product of constants; fold it before the export")
    if isinstance(a, Exact) and isinstance(b, Signal):  # (W x)^T = x^T W^T
        column = len(b.shape) == 1
        x = b if column else b.at(_swapped)
        y = dense(label, x, _matrix(a).at(_swapped))
        return y if column else y.at(_swapped)
    assert isinstance(a, Signal) and isinstance(b, Exact)
    return dense(label, a, _matrix(b))


def _matrix(weights: Exact) -> Exact:
    """Weights without leading axes of size 1."""
    shape = weights.shape
    if len(shape) < 2 or prod(shape[:-2]) != 1:
        raise ValueError(f"weights of shape {shape}; a matrix (inputs, outputs) is needed")
    return weights.at(lambda index: index.reshape(shape[-2:]))


def _swapped(index: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.swapaxes(index, -1, -2)


def _gemm(call: Call) -> Value:
    a, b = call.value(0), call.value(1)
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ValueError(f"operands of shapes {a.shape} and {b.shape}; matrices are needed")
    a = a.at(_swapped) if call.node.get("transA", 0) else a
    b = b.at(_swapped) if call.node.get("transB", 0) else b
    alpha = Exact.full((), call.real("alpha", 1.0))
    beta = Exact.full((), call.real("beta", 1.0))
    bias = call.optional(2)
    product = _product(call.node.label, a, b)
    return affine(product, alpha, ZERO if bias is None else bias * beta)


def _cast(call: Call) -> Value:
    x, kind = call.value(0), call.node.get("to")
    if kind in FLOATS:
        return replace(x, integer=False) if isinstance(x, Exact) else x
    if kind not in INTEGERS:
        raise ValueError(f"a cast to type {kind}; cast to a float type")
    whole = apply(lambda number: Fraction(_truncated(number)), x)
    return replace(whole, integer=True) if isinstance(whole, Exact) else whole


def _truncated(number: Number) -> int:
    return floor(number) if sign(number) >= 0 else -floor(-number)


def _softmax(call: Call) -> Value:
    x = call.value(0)
    if not isinstance(x, Signal) or not isinstance(x.source, Sums):
        raise ValueError("a softmax of something else than the scores; remove it")
    default = -1 if call.node.opset >= 13 else 1
    axis = axis_of(call.node.get("axis", default), len(x.shape))
    if prod(x.shape[axis:]) != max(x.shape[axis:]):
        raise ValueError(f"a softmax over axis {axis} of shape {x.shape}; use the class axis")
    return replace(x, ranked=True)


def _argmax(call: Call) -> Value:
    if call.node.get("select_last_index", 0):
        raise ValueError("argmax gives the last of equal classes; use select_last_index=0")
    return _ranked(call.value(0), call.node.get("axis", 0))


def _top(call: Call) -> Value:
    if not call.constant(1).is_all(1) or not call.node.get("largest", 1):
        raise ValueError("not the best class alone; use k=1 and largest=1, or end at the scores")
    return _ranked(call.value(0), call.node.get("axis", -1))


def _ranked(x: Value, axis: int) -> Signal:
    if not isinstance(x, Signal) or not isinstance(x.source, Sums):
        raise ValueError("an argmax of something else than the scores; remove it")
    if prod(x.shape[axis_of(axis, len(x.shape)) + 1 :]) != 1:
        raise ValueError(f"an argmax over axis {axis} of shape {x.shape}; use the class axis")
    return replace(x, ranked=True)


# fmt: off
ARITHMETIC: dict[str, Rule] = {
    "Add": _add, "Sum": _total, "Mean": _mean, "Sub": _subtract, "Mul": _multiply,
    "Div": _divide, "Neg": _negate, "Reciprocal": _reciprocal, "Abs": _absolute, "Sqrt": _root,
    "Pow": _power, "Clip": _clip, "Relu": _relu, "Floor": _round(floor), "Ceil": _round(ceil),
    "Round": _round(round_half_even), "Sign": _sign,
    "GreaterOrEqual": _compare(False, False), "Greater": _compare(True, False),
    "LessOrEqual": _compare(False, True), "Less": _compare(True, True),
    "Not": _not, "Where": _where, "Cast": _cast,
    "BatchNormalization": _normalise, "MatMul": _matmul, "Gemm": _gemm,
    "Softmax": _softmax, "LogSoftmax": _softmax, "ArgMax": _argmax, "TopK": _top,
}
# fmt: on
