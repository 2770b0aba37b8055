"""Trained networks of Larq, from the weights that Keras saved, folded to integers exactly.

Latent float weights are read as their signs, +1 at zero; batch normalisation and everything else
is folded as in :mod:`binohm.gen.importer.qonnx`, and the same is true and refused. Images are (H,
W, C), kernels (rows, columns, channels in, channels out), and a flatten takes (y, x, c).

References
----------
.. [1] L. Geiger and P. Team, "Larq: An open-source library for training binarized neural
   networks", Journal of Open Source Software 5 (2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError
from binohm.gen.importer.activations import Step, apply
from binohm.gen.importer.arithmetic import normalised
from binohm.gen.importer.chain import chain
from binohm.gen.importer.exact import Exact, Number
from binohm.gen.importer.geometry import automatic
from binohm.gen.importer.keras import Layer, read_layers
from binohm.gen.importer.layers import convolve, dense, max_pool
from binohm.gen.importer.signals import Pixels, Signal, Sums, Value, affine
from binohm.gen.network import Network

__all__ = ["import_larq"]

SIGN = Step(Fraction(-1), Fraction(1))
SIGNS = ("stesign", "approxsign", "swishsign")
NONE = ("", "noop", "linear")
ONE = Exact.full((), 1)


def import_larq(
    path: Path,
    *,
    description: Path | None = None,
    name: str | None = None,
    pixel_scale: Fraction = Fraction(1, 255),
    pixel_offset: Fraction = Fraction(0),
    shape: tuple[int, ...] | None = None,
    rounding: bool = False,
    remarks: list[str] | None = None,
) -> Network:
    """Read a trained network from weights of Keras.

    Parameters
    ----------
    path, description : Path
        See :func:`binohm.gen.importer.keras.read_layers`.
    name : str, optional
        Of the network; without it, the file's, in lower case.
    pixel_scale, pixel_offset : Fraction
        The model is given ``pixel * pixel_scale + pixel_offset``.
    shape : tuple of int, optional
        Shape of a stored image, where no input shape is described.
    rounding, remarks
        As in :func:`binohm.gen.importer.qonnx.import_model`.

    Raises
    ------
    ModelError
        In one line: the file, the layer where there is one, the reason and a cure.
    """
    layers, guess = read_layers(path, description)
    if remarks is not None and guess:
        remarks.append(guess)
    if not pixel_scale:
        _refuse(path, "the pixel scale is 0; give what the model receives for a pixel of 1")
    sizes = _input(path, layers, shape)
    stored = shape or (sizes[:2] if len(sizes) == 3 and sizes[2] == 1 else sizes)
    if prod(stored) != prod(sizes):
        _refuse(path, f"images of shape {stored} do not fit the input's {sizes}")
    element = np.arange(prod(sizes), dtype=np.intp).reshape(1, *sizes)
    x: Value = Signal(
        Pixels(prod(sizes), tuple(Fraction(p) for p in range(256))),
        element,
        Exact.full(element.shape, pixel_scale),
        Exact.full(element.shape, pixel_offset),
    )
    for layer in layers:
        try:
            x = _layer(layer, x)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise ModelError(
                f"{path}: layer {layer.name} ({layer.kind}): {_reason(error)}"
            ) from error
    assert isinstance(x, Signal)
    return chain(path, "what comes out", x, stored, name=name, rounding=rounding, remarks=remarks)


def _refuse(path: Path, why: str) -> NoReturn:
    raise ModelError(f"{path}: {why}")


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}; save the model again"
    return f"{error}; an option of it is damaged, describe the layer again"


def _input(path: Path, layers: Sequence[Layer], wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of the input without the batch; a missing third size is one channel."""
    found: Any = wanted
    for key in ("shape", "batch_shape", "batch_input_shape"):
        if layers and (given := layers[0].config.get(key)) is not None:
            found = given[1:] if key.startswith("batch") else given
    if found is None:
        _refuse(path, "the shape of its images is not stored; give it with --shape, as 28x28")
    sizes = tuple(found)
    if not all(isinstance(size, int) and size > 0 for size in sizes) or not 1 <= len(sizes) <= 3:
        _refuse(path, f"the shape of its images is {list(sizes)}; give it with --shape, as 28x28")
    return (*sizes, 1) if len(sizes) == 2 else sizes


def _layer(layer: Layer, x: Value) -> Value:
    if layer.kind not in RULES:
        raise ValueError(f"this class is not supported; those that are: {', '.join(sorted(RULES))}")
    assert isinstance(x, Signal)
    if layer.config.get("data_format", "channels_last") not in (None, "channels_last"):
        raise ValueError("its channels come first; train and save with data_format=channels_last")
    return RULES[layer.kind](layer, x)


def _quantised(value: Value, quantiser: Any) -> Value:
    """What a quantiser of Larq gives; only the sign, which is +1 at zero."""
    found = quantiser.get("class_name", "") if isinstance(quantiser, dict) else quantiser or ""
    plain = str(found).rsplit(">", 1)[-1].rsplit(".", 1)[-1].replace("_", "").lower()
    if plain in SIGNS:
        return apply(SIGN, value)
    if plain == "magnitudeawaresign" and isinstance(value, Exact):
        return affine(apply(SIGN, value), _magnitudes(value), Exact.full((), 0))
    if plain in NONE:
        return value
    raise ValueError(f"its quantiser {found!r} is not a sign; train with ste_sign")


def _magnitudes(weights: Exact) -> Exact:
    """Mean absolute value of the weights of each output, on the last axis."""
    array = np.asarray(weights.values)[weights.index]
    columns = array.reshape(-1, array.shape[-1]).T.tolist()
    means: list[Number] = [
        sum((abs(Fraction(value)) for value in column), Fraction(0)) / len(column)
        for column in columns
    ]
    return Exact(means, np.arange(len(means)))


def _weights(layer: Layer, axes: int) -> Exact:
    kernel = layer.arrays["kernel"]
    if kernel.ndim != axes:
        raise ValueError(
            f"its kernel has the shape {kernel.shape}; one of {axes} axes is needed, outputs last"
        )
    weights = _quantised(Exact.of(kernel.astype(np.float64)), layer.config.get("kernel_quantizer"))
    assert isinstance(weights, Exact)
    return weights


def _finished(layer: Layer, y: Signal) -> Value:
    """The bias, and the activation of the layer itself."""
    if (bias := layer.arrays.get("bias")) is not None:
        y = y.affine(ONE, Exact.of(bias.astype(np.float64)))
    return _activated(y, layer.config.get("activation"))


def _activated(y: Signal, name: Any) -> Value:
    if name == "softmax":
        if not isinstance(y.source, Sums) or prod(y.shape) != y.shape[-1]:
            raise ValueError("a softmax of something else than the scores; remove it")
        return replace(y, ranked=True)
    return _quantised(y, name)


def _pair(layer: Layer, option: str, default: Any = 1) -> tuple[int, int]:
    given = layer.config.get(option)
    found = default if given is None else given
    rows, columns = (found, found) if isinstance(found, int) else found
    if min(rows, columns) < 1:
        raise ValueError(f"its {option} is {found}; at least 1 is needed")
    return int(rows), int(columns)


def _padding(
    layer: Layer, sizes: Sequence[int], kernel: tuple[int, int], stride: tuple[int, int]
) -> list[int]:
    mode = str(layer.config.get("padding", "valid")).upper()
    return automatic("SAME_UPPER" if mode == "SAME" else mode, sizes, kernel, stride)


def _first(x: Signal) -> Signal:
    """Channels behind the batch; the image has four axes."""
    if len(x.shape) != 4:
        raise ValueError(
            f"its input has the shape {x.shape[1:]}; (rows, columns, channels) is needed"
        )
    return x.at(lambda index: np.moveaxis(index, -1, 1))


def _last(x: Signal) -> Signal:
    return x.at(lambda index: np.moveaxis(index, 1, -1))


def _conv(layer: Layer, x: Signal) -> Value:
    weights = _weights(layer, 4)
    kernel = (weights.shape[0], weights.shape[1])
    if _pair(layer, "kernel_size", kernel) != kernel:
        raise ValueError(
            f"its kernel_size is {layer.config['kernel_size']}, but its kernel has the shape "
            f"{weights.shape}, (rows, columns, channels in, channels out)"
        )
    if _pair(layer, "dilation_rate") != (1, 1) or layer.config.get("groups", 1) != 1:
        raise ValueError(
            "its windows have gaps, or its channels groups; use dilation_rate=1, groups=1"
        )
    y = _quantised(x, layer.config.get("input_quantizer"))
    assert isinstance(y, Signal)
    y, stride = _first(y), _pair(layer, "strides")
    pads = _padding(layer, y.shape[2:], kernel, stride)
    if any(pads) and layer.config.get("pad_values", 0):
        raise ValueError(
            f"it pads by {layer.config['pad_values']}, but the lines beyond the border are off; "
            "train with pad_values=0"
        )
    channels_first = weights.at(lambda index: index.transpose(3, 2, 0, 1))
    return _finished(layer, _last(convolve(layer.name, y, channels_first, stride, pads)))


def _dense(layer: Layer, x: Signal) -> Value:
    y = _quantised(x, layer.config.get("input_quantizer"))
    assert isinstance(y, Signal)
    return _finished(layer, dense(layer.name, y, _weights(layer, 2)))


def _norm(layer: Layer, x: Signal) -> Value:
    axis = layer.config.get("axis", -1)
    (axis,) = axis if isinstance(axis, (list, tuple)) else (axis,)
    if axis not in (-1, len(x.shape) - 1):
        raise ValueError(f"its axis is {axis}; the last is needed, that of the channels")
    parts = []
    for part, option, default in (
        ("gamma", "scale", 1), ("beta", "center", 0), ("moving_mean", None, 0),
        ("moving_variance", None, 1),
    ):  # fmt: skip
        needed = option is None or layer.config.get(option, part in layer.arrays)
        array: NDArray[Any] = layer.arrays[part] if needed else np.full(x.shape[-1], default)
        parts.append(Exact.of(array.astype(np.float64)))
    epsilon = Fraction(float(np.float32(layer.config.get("epsilon", 1e-3))))
    gamma, beta, mean, variance = parts
    y = normalised(x, gamma, beta, mean, variance, epsilon, len(x.shape) - 1)
    assert isinstance(y, Signal)
    return y


def _max_pool(layer: Layer, x: Signal) -> Value:
    kernel = _pair(layer, "pool_size", 2)
    stride = _pair(layer, "strides", kernel)
    y = _first(x)
    return _last(max_pool(y, kernel, stride, _padding(layer, y.shape[2:], kernel, stride)))


def _global_max_pool(layer: Layer, x: Signal) -> Value:
    y = _first(x)
    y = max_pool(y, (y.shape[2], y.shape[3]), (1, 1), [0] * 4)
    return y if layer.config.get("keepdims") else y.at(lambda index: index[:, :, 0, 0])


def _reshape(layer: Layer, x: Signal) -> Value:
    sizes = layer.config["target_shape"] if layer.kind == "Reshape" else [-1]
    return x.at(lambda index: index.reshape(1, *sizes))


def _rescaled(layer: Layer, x: Signal) -> Value:
    scale, offset = (
        Exact.of(np.asarray(layer.config.get(option, default), np.float64))
        for option, default in (("scale", 1), ("offset", 0))
    )
    return x.affine(scale, offset)


def _activation(layer: Layer, x: Signal) -> Value:
    return _activated(x, layer.config.get("activation", "softmax"))


RULES: dict[str, Callable[[Layer, Signal], Value]] = {
    "InputLayer": lambda _, x: x,
    "Dropout": lambda _, x: x,
    "Rescaling": _rescaled,
    "QuantConv2D": _conv,
    "Conv2D": _conv,
    "QuantDense": _dense,
    "Dense": _dense,
    "BatchNormalization": _norm,
    "MaxPooling2D": _max_pool,
    "GlobalMaxPooling2D": _global_max_pool,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Activation": _activation,
    "Softmax": _activation,
}
