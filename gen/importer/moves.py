"""Operators that move, repeat or make elements, and what all operators are called with.

They act on the indices of a value, so constants and signals are treated alike. Semantics are those
of ONNX from opset 7 on: what became an input later is looked for in both places.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from binohm.gen.importer.exact import Exact
from binohm.gen.importer.graph import ELEMENTS, Node
from binohm.gen.importer.signals import Signal, Value, concatenate

__all__ = ["MOVES", "Call", "Rule", "axis_of", "small"]


@dataclass(frozen=True)
class Call:
    """A node with the values of its inputs; ``read`` makes a value of a stored tensor.

    ``output`` is the position of the output that is asked for.
    """

    node: Node
    values: tuple[Value | None, ...]
    read: Callable[[Any], Exact]
    output: int = 0

    def value(self, position: int) -> Value:
        """An input that must be there."""
        if position >= len(self.values) or (value := self.values[position]) is None:
            raise ValueError(f"input {position} is missing; export the model again")
        return value

    def constant(self, position: int) -> Exact:
        """An input that must be there and constant."""
        value = self.value(position)
        if isinstance(value, Signal):
            raise ValueError(f"input {position} depends on the image where a constant is needed")
        return value

    def optional(self, position: int) -> Exact | None:
        """A constant input that may be left out."""
        left_out = position >= len(self.values) or self.values[position] is None
        return None if left_out else self.constant(position)

    def integers(self, position: int, name: str) -> list[int] | None:
        """Integers that older opsets store as an attribute and newer ones as an input."""
        if (given := self.optional(position)) is not None:
            return [int(k) for k in given.integers().ravel()]
        stored = self.node.get(name)
        return None if stored is None else [int(k) for k in np.atleast_1d(stored)]

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.node.get(name, default)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def real(self, name: str, default: float) -> Fraction:
        """A float attribute, which is stored as float32."""
        return Fraction(float(np.float32(self.node.get(name, default))))


Rule = Callable[[Call], Value]
"""The value of a node's output. Raises ValueError with a reason and a cure."""


def _same(call: Call) -> Value:
    return call.value(0)


def _dropout(call: Call) -> Value:
    training = call.optional(2)
    if training is not None and not training.is_all(0):
        raise ValueError("dropout in training mode; export the model in eval mode")
    return call.value(0)


def _transpose(call: Call) -> Value:
    axes = call.node.get("perm")
    return call.value(0).at(lambda index: np.transpose(index, axes))


def _reshape(call: Call) -> Value:
    x = call.value(0)
    sizes = call.integers(1, "shape")
    if sizes is None:
        raise ValueError("its shape is missing; export the model again")
    if not call.node.get("allowzero", 0):
        if any(size == 0 and k >= len(x.shape) for k, size in enumerate(sizes)):
            raise ValueError(f"the shape {sizes} copies an axis that shape {x.shape} has not")
        sizes = [x.shape[k] if size == 0 else size for k, size in enumerate(sizes)]
    try:
        return x.at(lambda index: index.reshape(sizes))
    except ValueError as error:
        raise ValueError(
            f"a tensor of shape {x.shape} cannot take the shape {sizes}; export the model with a "
            "batch of 1"
        ) from error


def _flatten(call: Call) -> Value:
    x = call.value(0)
    axis = axis_of(call.node.get("axis", 1), len(x.shape), end=True)
    return x.at(lambda index: index.reshape(prod(x.shape[:axis]), -1))


def _squeeze(call: Call) -> Value:
    axes = call.integers(1, "axes")
    where = None if axes is None else tuple(axes)
    return call.value(0).at(lambda index: np.squeeze(index, where))


def _unsqueeze(call: Call) -> Value:
    axes = call.integers(1, "axes")
    if axes is None:
        raise ValueError("its axes are missing; export the model again")
    return call.value(0).at(lambda index: np.expand_dims(index, tuple(axes)))


def _gather(call: Call) -> Value:
    x, picks = call.value(0), call.constant(1).integers()
    axis = axis_of(call.node.get("axis", 0), len(x.shape))
    return x.at(lambda index: np.take(index, picks, axis))


def _slice(call: Call) -> Value:
    x = call.value(0)
    starts, ends = call.integers(1, "starts"), call.integers(2, "ends")
    if starts is None or ends is None:
        raise ValueError("its starts or ends are missing; export the model again")
    axes = call.integers(3, "axes") or list(range(len(starts)))
    steps = call.integers(4, "steps") or [1] * len(starts)
    where = [slice(None)] * len(x.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = x.shape[axis_of(axis, len(x.shape))]
        # ONNX counts a negative end below -size as "before the first"; Python's slice agrees.
        where[axis] = slice(start, None if step < 0 and end < -size else end, step)
    return x.at(lambda index: index[tuple(where)])


def _split(call: Call) -> Value:
    x, sizes, parts = call.value(0), call.integers(1, "split"), len(call.node.outputs)
    axis = axis_of(call.node.get("axis", 0), len(x.shape))
    if sizes is None:  # of one size, the last smaller
        edges = [-(-x.shape[axis] // parts) * k for k in range(1, parts)]
    else:
        edges = np.cumsum(sizes)[:-1].tolist()
        if len(sizes) != parts or min(sizes) < 0 or sum(sizes) != x.shape[axis]:
            raise ValueError(
                f"parts of {sizes} for {parts} outputs of a tensor of shape {x.shape}; export the "
                "model again"
            )
    return x.at(lambda index: np.split(index, edges, axis)[call.output])


def _concat(call: Call) -> Value:
    values = [call.value(k) for k in range(len(call.values))]
    axis = axis_of(call.node.get("axis", 0), len(values[0].shape))
    return values[0] if len(values) == 1 else concatenate(values, axis)


def _expand(call: Call) -> Value:
    x = call.value(0)
    shape = np.broadcast_shapes(x.shape, tuple(int(n) for n in call.constant(1).integers()))
    small(shape)
    return x.at(lambda index: np.broadcast_to(index, shape))


def _shape(call: Call) -> Value:
    shape = call.value(0).shape[call.node.get("start", 0) : call.node.get("end")]
    return Exact.of(np.array(shape, np.int64))


def _size(call: Call) -> Value:
    return Exact.of(np.array(prod(call.value(0).shape), np.int64))


def _constant(call: Call) -> Value:
    node = call.node
    for name in ("value_float", "value_floats", "value_int", "value_ints"):
        if (stored := node.get(name)) is not None:
            return Exact.of(np.array(stored, np.float32 if "float" in name else np.int64))
    if (tensor := node.get("value")) is None:
        raise ValueError("a constant without a value, or of strings; export the model again")
    return call.read(tensor)


def _filled(call: Call) -> Value:
    shape = tuple(int(n) for n in call.constant(0).integers())
    small(shape)
    tensor = call.node.get("value")
    value = Exact.of(np.zeros(1, np.float32)) if tensor is None else call.read(tensor)
    return value.at(lambda index: np.broadcast_to(index.reshape(()), shape))


def small(shape: tuple[int, ...]) -> None:
    """Refuse a shape that no network has."""
    if min(shape, default=1) < 0 or prod(shape) > ELEMENTS:
        raise ValueError(f"a tensor of shape {shape}; the file is damaged")


def axis_of(axis: int, rank: int, *, end: bool = False) -> int:
    """An axis counted from the front; ``end`` admits the one behind the last."""
    if not -rank <= axis < rank + end:
        raise ValueError(f"axis {axis} of a tensor with {rank} axes; export the model again")
    return axis + rank if axis < 0 else axis


# fmt: off
MOVES: dict[str, Rule] = {
    "Identity": _same, "Dropout": _dropout,
    "Transpose": _transpose, "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze, "Gather": _gather, "Slice": _slice, "Split": _split, "Concat": _concat,
    "Expand": _expand, "Shape": _shape, "Size": _size,
    "Constant": _constant, "ConstantOfShape": _filled,
}
# fmt: on
