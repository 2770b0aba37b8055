"""From what comes out of a model to the chain of its layers, as a network."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError
from binohm.gen.importer.exact import Number
from binohm.gen.importer.fold import Ranking
from binohm.gen.importer.signals import Bits, Signal, Sums
from binohm.gen.network import Conv, Dense, Input, Network, Scores

__all__ = ["chain", "identifier"]


def identifier(text: str) -> str:
    """A network's name from a file's: lower case, what is no letter or digit an underscore."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return plain if plain and not plain[0].isdigit() else f"network_{plain}".rstrip("_")


def chain(
    path: Path,
    output: str,
    result: Signal,
    stored: tuple[int, ...],
    *,
    name: str | None = None,
    rounding: bool = False,
    remarks: list[str] | None = None,
) -> Network:
    """The network whose scores are ``result``, for images of shape ``stored``.

    ``output`` names the result in messages, which begin with the path. The rest is that of
    :func:`binohm.gen.importer.qonnx.import_model`.
    """
    sums, scale, offset, remark = _scores(path, output, result, rounding)
    if remarks is not None:
        remarks.append(remark)
    hidden = list(_hidden(sums))[::-1]
    table = (hidden[0].sums if hidden else sums).table
    assert table is not None  # the first layer's sums are over pixels
    names = _names([bits.sums for bits in hidden] + [sums])
    layers = [_layer(name, bits) for name, bits in zip(names, hidden, strict=False)]
    source = Input(stored, table, bool(np.isin(table, (-1, 1)).all()))
    last = Scores(names[-1], sums.weights, scale, offset)
    try:
        return Network(name or identifier(path.stem), source, (*layers, last))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _refuse(path: Path, why: str) -> NoReturn:
    raise ModelError(f"{path}: {why}")


def _scores(
    path: Path, output: str, result: Signal, rounding: bool
) -> tuple[Sums, NDArray[np.int64], NDArray[np.int64], str]:
    """The last layer: its sums, and the integers that rank the classes."""
    sums = result.source
    if not isinstance(sums, Sums) or result.clip:
        _refuse(
            path,
            f"{output} is not the scores of a layer; end the network before its last quantiser or "
            "clip",
        )
    if not sums.whole:
        _refuse(path, f"{output} is a part of a layer: {sums.taken}")
    sums = _flat(path, output, sums)
    rows, scales, offsets = _classes(path, output, result)
    sums = sums.rows(rows)
    apart = None
    if sums.step == 2:
        weights = sums.weights.astype(np.int64)
        apart = (weights.shape[1] - weights @ weights.T) // 2
    low, high = sums.low.tolist(), sums.high.tolist()
    try:
        return sums, *Ranking(scales, offsets, low, high, sums.step, apart).integers(
            rounding=rounding
        )
    except ValueError as error:
        raise ModelError(f"{path}: {output}: {error}") from error


def _flat(path: Path, output: str, sums: Sums) -> Sums:
    """Sums of a convolution whose one window is the image, as those of a fully connected layer."""
    geometry = sums.geometry
    if geometry is None:
        return sums
    if not geometry.whole:
        rows, columns = geometry.size
        _refuse(
            path,
            f"{output} is a convolution with {rows} x {columns} results for each class; end the "
            "network in a fully connected layer, or a convolution over the whole image",
        )
    rows, columns, channels = geometry.image
    weights = sums.weights.reshape(-1, channels, rows, columns).transpose(0, 2, 3, 1)
    return replace(sums, weights=weights.reshape(sums.outputs, -1), geometry=None)


def _classes(
    path: Path, output: str, result: Signal
) -> tuple[NDArray[np.intp], list[Number], list[Number]]:
    """Sum, scale and offset of every class, of the first of equal images of a batch."""
    shape = result.shape
    while len(shape) > 2 and shape[-1] == 1:  # a map of one pixel
        shape = shape[:-1]
    width = shape[-1] if shape else 1
    flat = result.at(lambda index: index.reshape(-1, width))
    tensors = (flat.element, flat.scale.index, flat.offset.index)
    if any((index != index[0]).any() for index in tensors):
        _refuse(
            path,
            f"{output} has the shape {result.shape}; one score for each class is needed, along "
            "the last axis",
        )
    first = flat.at(lambda index: index[0])
    return first.element, first.scale.numbers(), first.offset.numbers()


def _hidden(sums: Sums) -> Iterator[Bits]:
    """The hidden layers before some sums, the last first."""
    while isinstance(sums.feed, Bits):
        yield sums.feed
        sums = sums.feed.sums


def _names(layers: list[Sums]) -> list[str]:
    """``conv1``, ``conv2``, ... and ``fc1``, ``fc2``, ..., each in their order."""
    names, counts = [], {"conv": 0, "fc": 0}
    for sums in layers:
        kind = "conv" if sums.geometry else "fc"
        counts[kind] += 1
        names.append(f"{kind}{counts[kind]}")
    return names


def _layer(name: str, bits: Bits) -> Dense:
    common = name, bits.sums.weights, bits.theta, bits.flip, bits.sums.bounds
    geometry = bits.sums.geometry
    if geometry is None:
        return Dense(*common)
    return Conv(
        *common, image=geometry.image, kernel=geometry.kernel,
        stride=geometry.stride, padding=geometry.padding, pool=geometry.pool,
    )  # fmt: skip
