"""Operators on images: convolutions, pools, explicit padding, and their channels-last forms.

Semantics are those of ONNX; the operators of ``qonnx.custom_op.channels_last`` are the same with
the channels on the last axis, of a convolution's weights too.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from binohm.gen.importer.arithmetic import ARITHMETIC
from binohm.gen.importer.exact import Exact
from binohm.gen.importer.geometry import automatic
from binohm.gen.importer.layers import convolve, max_pool
from binohm.gen.importer.moves import Call, Rule, axis_of, small
from binohm.gen.importer.signals import Signal, Sums, Value, Votes

__all__ = ["CHANNELS_LAST", "MAPS", "QUANTISED_MAPS"]


def _pair(numbers: Sequence[int] | None, what: str) -> tuple[int, int]:
    """Numbers of rows and of columns, at least 1; 1 without any."""
    found = (1, 1) if numbers is None else tuple(numbers)
    if len(found) != 2 or min(found) < 1:
        raise ValueError(
            f"its {what} is {list(found)}; two numbers of at least 1 are needed, for rows and "
            "columns"
        )
    return found[0], found[1]


def _pads(
    call: Call, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]
) -> list[int]:
    mode = call.text("auto_pad", "NOTSET")
    if mode != "NOTSET":
        return automatic(mode, sizes, kernel, stride)
    pads = [int(pad) for pad in call.node.get("pads") or [0, 0, 0, 0]]
    if len(pads) != 4:
        raise ValueError(f"its pads are {pads}; four numbers are needed, for images")
    return pads


def _dilated(call: Call, kernel: tuple[int, int]) -> None:
    dilations = _pair(call.node.get("dilations"), "dilations")
    if any(gap > 1 and width > 1 for gap, width in zip(dilations, kernel, strict=True)):
        raise ValueError(
            f"its dilations are {list(dilations)}; only windows without gaps are supported: use "
            "dilations of 1"
        )


def _image(call: Call) -> Signal:
    x = call.value(0)
    if not isinstance(x, Signal):
        raise ValueError("its input does not depend on the image; fold it before the export")
    if len(x.shape) != 4:
        raise ValueError(
            f"its input has the shape {x.shape}; only images of shape (N, C, H, W) are supported"
        )
    return x


def _conv(call: Call) -> Value:
    x, weights = _image(call), call.constant(1)
    group = call.node.get("group", 1)
    if group != 1:
        raise ValueError(
            f"its channels are in {group} groups (a depthwise or grouped convolution); only "
            "group=1 is supported: train full convolutions"
        )
    if len(weights.shape) != 4:
        raise ValueError(f"weights of shape {weights.shape}; (O, C, KH, KW) is needed")
    kernel = _pair(weights.shape[2:], "kernel_shape")
    given = call.node.get("kernel_shape")
    if given is not None and tuple(given) != kernel:
        raise ValueError(
            f"its kernel_shape is {list(given)}, but its weights have the shape {weights.shape}; "
            "export the model again"
        )
    _dilated(call, kernel)
    stride = _pair(call.node.get("strides"), "strides")
    y = convolve(call.node.label, x, weights, stride, _pads(call, x.shape[2:], kernel, stride))
    bias = call.optional(2)
    if bias is None:
        return y
    if bias.shape != y.shape[1:2]:
        raise ValueError(f"a bias of shape {bias.shape} for {y.shape[1]} channels; export it again")
    return y.affine(Exact.full((), 1), bias.at(lambda index: index[:, None, None]))


def _max_pool(call: Call) -> Value:
    x = _image(call)
    kernel = _pair(call.node.get("kernel_shape") or [], "kernel_shape")
    stride = _pair(call.node.get("strides"), "strides")
    _dilated(call, kernel)
    pads = _pads(call, x.shape[2:], kernel, stride)
    return max_pool(x, kernel, stride, pads, ceil=bool(call.node.get("ceil_mode", 0)))


def _global_max_pool(call: Call) -> Value:
    x = _image(call)
    return max_pool(x, (x.shape[2], x.shape[3]), (1, 1), [0] * 4)


def _average(call: Call) -> Value:
    """An average of one element is that element; no other is exact in one bit."""
    x = _image(call)
    every = "Global" in call.node.op
    kernel = x.shape[2:] if every else tuple(call.node.get("kernel_shape") or ())
    stride = tuple(call.node.get("strides") or (1, 1))
    if prod(kernel) == 1 and stride == (1, 1) and not any(call.node.get("pads") or ()):
        return x
    raise ValueError(
        f"an average of {' x '.join(map(str, kernel))} elements is no -1 or +1; use MaxPool, or a "
        "convolution with a stride"
    )


def _pad(call: Call) -> Value:
    """Padding elements are constants: zero times any element, plus the value."""
    x, pads = call.value(0), call.integers(1, "pads")
    if pads is None:
        pads = call.integers(1, "paddings")
    if pads is None:
        raise ValueError("its pads are missing; export the model again")
    axes = [axis_of(k, len(x.shape)) for k in call.integers(3, "axes") or range(len(x.shape))]
    if len(pads) != 2 * len(axes):
        raise ValueError(f"its pads are {pads}, for {len(axes)} axes; export the model again")
    widths = [(0, 0)] * len(x.shape)
    for position, axis in enumerate(axes):
        widths[axis] = (pads[position], pads[position + len(axes)])
    if not any(map(any, widths)):
        return x
    if call.text("mode", "constant") != "constant" or min(pads) < 0:
        raise ValueError("only a constant around the image is supported; use mode='constant'")
    if not isinstance(x, Signal):
        raise ValueError("a padded constant; fold it before the export")
    small(tuple(size + sum(width) for size, width in zip(x.shape, widths, strict=True)))
    if isinstance(x.source, (Sums, Votes)):
        raise ValueError("it pads sums, before their quantiser; pad behind the quantiser, by 0")
    stored = call.optional(2)
    filled = Exact.full((), 0) if stored is None else stored
    if stored is None and (number := call.node.get("value")) is not None:
        filled = Exact.of(np.array(number, np.float32))
    element, inside = np.pad(x.element, widths), np.pad(np.ones(x.shape, np.intp), widths)
    scale, offset = (
        tensor.at(lambda index: np.pad(index, widths, mode="edge"))
        for tensor in (x.scale, x.offset)
    )
    keep = Exact.of(inside)
    value = Exact([filled.scalar()], np.zeros((), np.intp)) * Exact.of(1 - inside)
    return replace(x, element=element, scale=scale * keep, offset=offset * keep + value)


def _last(op: str, rule: Rule) -> Rule:
    """An operator whose channels are on the last axis."""

    def front(value: Value | None) -> Value | None:
        return None if value is None else value.at(lambda index: np.moveaxis(index, -1, 1))

    def channels_last(call: Call) -> Value:
        values = list(call.values)
        for position in range(min(len(values), 1 + (op == "Conv"))):
            if (value := values[position]) is None or len(value.shape) < 2:
                raise ValueError(f"input {position} has no channels; export the model again")
            values[position] = front(value)
        y = rule(replace(call, values=tuple(values)))
        return y.at(lambda index: np.moveaxis(index, 1, -1))

    return channels_last


MAPS: dict[str, Rule] = {
    "Conv": _conv,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _global_max_pool,
    "AveragePool": _average,
    "GlobalAveragePool": _average,
    "Pad": _pad,
}

QUANTISED_MAPS: dict[str, Rule] = {"MaxPoolNHWC": _last("MaxPool", _max_pool)}
"""Of the general QONNX domains."""

CHANNELS_LAST: dict[str, Rule] = {
    op: _last(op, (MAPS | ARITHMETIC)[op]) for op in ("Conv", "MaxPool", "BatchNormalization")
}
