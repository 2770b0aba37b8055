"""The layers of a binary network: matrix products, convolutions and pools of signals.

A layer makes new sums (:class:`binohm.gen.importer.signals.Sums`) from pixels or bits. Its weights
must be -1 and +1 times one scale for each output, in exact arithmetic; what its inputs are scaled
and shifted by becomes a scale and an offset of each output. It may be a part of a layer, over some
of the elements before it: those that follow one another, without the first and last of weights 0.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.exact import Exact, Number, is_zero, magnitude, sign
from binohm.gen.importer.geometry import Geometry, both_sides, pooled
from binohm.gen.importer.integers import integer_sums
from binohm.gen.importer.signals import Bits, Pixels, Signal, Sums, Votes
from binohm.gen.network import Pool

__all__ = ["convolve", "dense", "max_pool"]


def dense(label: str, x: Signal, weights: Exact) -> Signal:
    """``x @ weights`` of a signal of shape (..., K) and constants of shape (K, N).

    With ``x = a * source + b`` the effective weights ``weights * a`` must be ``+-alpha``, with one
    ``alpha`` for each output; ``b`` becomes an offset of each output.
    """
    source = _quantised(x)
    if len(weights.shape) != 2 or not x.shape or x.shape[-1] != weights.shape[0]:
        raise ValueError(
            f"an input of shape {x.shape} does not fit weights of shape {weights.shape}; export "
            "the model again"
        )
    row = _row(x)
    order = np.argsort(row.element)
    order = order[_filled(weights.at(lambda index: index[order]))]
    row, weights = row.at(lambda index: index[order]), weights.at(lambda index: index[order])
    start = int(row.element[0])
    if not np.array_equal(row.element, np.arange(start, start + len(order))):
        used = len(np.unique(row.element))
        raise ValueError(
            f"it takes {used} of the {source.count} elements before it, some twice or not at all; "
            "a fully connected layer takes each once, or in a group those that follow each other"
        )
    sums, alpha, shift = integer_sums(label, source, row.scale, row.offset, weights, start)
    index = np.broadcast_to(np.arange(sums.count), (*x.shape[:-1], sums.count))
    return Signal(sums, index, Exact(alpha, index), Exact(shift, index))


def convolve(
    label: str, x: Signal, weights: Exact, stride: tuple[int, int], pads: Sequence[int]
) -> Signal:
    """Convolution of a signal of shape (N, C, H, W) with constants of shape (O, C, KH, KW).

    ``pads`` are (top, left, bottom, right). An element beyond the border is 0: what is added to
    ``x`` must not shift it. Zeros put around ``x`` before are taken for pads.
    """
    source = _quantised(x)
    if len(weights.shape) != 4 or len(x.shape) != 4:
        raise ValueError(
            f"an input of shape {x.shape} and weights of shape {weights.shape}; only "
            "two-dimensional convolutions are supported"
        )
    outputs, channels, *window = weights.shape
    if channels != x.shape[1]:
        raise ValueError(
            f"an input of shape {x.shape} does not fit weights of shape {weights.shape}; export "
            "the model again, with group=1"
        )
    batch, plane = x.shape[0], _first(x)
    plane, around = _bare(plane)
    rows, columns = plane.shape[1:]
    kernel = window[0], window[1]
    every = [a + b for a, b in zip(pads, around, strict=True)]
    padding = both_sides(every, (rows, columns), kernel, stride)
    before = source.count // (rows * columns)
    geometry = Geometry((rows, columns, before), kernel, stride, padding)
    lanes = _lanes(plane, before)
    order = np.argsort(lanes)
    start = int(lanes[order[0]])
    if not np.array_equal(lanes[order], np.arange(start, start + channels)):
        raise ValueError(
            f"it takes {len(np.unique(lanes))} of the {before} channels before it, some twice or "
            "not at all; a convolution takes each once, or in a group those that follow each other"
        )
    if geometry.whole and kernel == (1, 1):  # a fully connected layer written as a convolution
        matrix = weights.at(lambda index: index.reshape(outputs, channels).T)
        y = dense(label, plane.at(np.ravel), matrix)
        return y.at(lambda index: np.broadcast_to(index[:, None, None], (batch, outputs, 1, 1)))
    taps = kernel[0] * kernel[1]
    matrix = weights.at(lambda index: index[:, order].reshape(outputs, -1).T)
    some = _filled(matrix)
    matrix = matrix.at(lambda index: index[some])
    scale, offset = (
        _of_channels(tensor).at(lambda index: np.repeat(index[order], taps)[some])
        for tensor in (plane.scale, plane.offset)
    )
    sums, alpha, shift = integer_sums(
        label, source, scale, offset, matrix, start * taps + some.start, geometry
    )
    return _spread(sums, np.arange(outputs), batch, alpha, shift)


def _quantised(x: Signal) -> Pixels | Bits:
    """What a layer may take: pixels, or all bits of the layer before it."""
    source = x.source
    if x.clip or x.ranked or isinstance(source, (Sums, Votes)):
        raise ValueError("its input is not quantised; put a BipolarQuant before it")
    if isinstance(source, Bits) and not source.sums.whole:
        raise ValueError(f"its input is a part of a layer: {source.sums.taken}")
    return source


def _filled(weights: Exact) -> slice:
    """The rows of weights (K, N) without the first and last that hold only zeros."""
    values = weights.values
    empty = values == 0 if isinstance(values, np.ndarray) else np.array([*map(is_zero, values)])
    filled = np.flatnonzero(~empty[weights.index].all(axis=1))
    first, last = filled[[0, -1]].tolist() if filled.size else (0, len(weights.index) - 1)
    return slice(first, last + 1)


def max_pool(
    x: Signal,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pads: Sequence[int],
    *,
    ceil: bool = False,
) -> Signal:
    """Largest element of every window of a signal of shape (N, C, H, W)."""
    source = x.source
    if kernel == stride == (1, 1) and not any(pads):
        return x
    if x.ranked:
        raise ValueError("a pool after the classes were ranked; cut it off")
    if isinstance(source, Pixels):
        raise ValueError(
            "a maximum of pixels, which are more than 1 bit; pool behind the first convolution"
        )
    if isinstance(source, Votes):
        raise ValueError(
            "a pool of votes, which are more than 1 bit; pool before them, or behind the sign of "
            "their sum"
        )
    sums = source if isinstance(source, Sums) else source.sums
    if len(x.shape) != 4 or sums.geometry is None:
        raise ValueError(
            f"its input, of shape {x.shape}, is not the result of a convolution; remove the pool"
        )
    if sums.geometry.pool:
        raise ValueError("a second pool of one convolution; use one pool of a larger kernel")
    plane = _first(x)
    if plane.shape[1:] != sums.geometry.size:
        raise ValueError(
            f"its input of shape {x.shape} is a part of the result of a convolution, "
            f"{sums.geometry.size}; pool all of it"
        )
    pooled(plane.shape[1:], kernel, stride, pads, ceil=ceil)
    lanes = _lanes(plane, sums.outputs)
    scales, offsets = (
        [tensor.number(int(k)) for k in tensor.index]
        for tensor in map(_of_channels, (plane.scale, plane.offset))
    )
    turned = _turned(lanes, scales)
    pool = Pool(kernel, stride, "signs" if isinstance(source, Bits) else "sums")
    geometry = replace(sums.geometry, pool=pool)
    made: Sums | Bits
    if isinstance(source, Bits):  # the largest of -b is that of the turned bits
        flip = source.flip.copy()
        if turned.size and not len(flip) % 2:
            raise ValueError(
                f"a pool of the negative of a vote of {len(flip)} groups, whose tie is not turned; "
                "pool before the scale"
            )
        flip[:, turned] ^= True
        made = Bits(replace(sums, geometry=geometry), source.theta, flip)
    else:  # the largest of -s is that of the sums of turned weights
        made = replace(sums.turned(turned), geometry=geometry)
    signal = _spread(made, lanes, x.shape[0], [magnitude(scale) for scale in scales], offsets)
    return replace(signal, clip=x.clip)


def _turned(lanes: NDArray[np.intp], scales: list[Number]) -> NDArray[np.intp]:
    """The lanes with a negative scale."""
    found: dict[int, set[int]] = {}
    for lane, scale in zip(lanes.tolist(), scales, strict=True):
        found.setdefault(lane, set()).add(sign(scale))
    if any({-1, 1} <= signs for signs in found.values()):
        raise ValueError("one channel is pooled with scales of both signs; make it two")
    return np.array([lane for lane, signs in found.items() if -1 in signs], np.intp)


def _spread(
    source: Sums | Bits,
    lanes: NDArray[np.intp],
    batch: int,
    scale: list[Number],
    offset: list[Number],
) -> Signal:
    """Some outputs of a convolution at every place, as a signal of shape (N, C, H, W)."""
    sums = source if isinstance(source, Sums) else source.sums
    assert sums.geometry is not None
    rows, columns = sums.geometry.size
    shape = (batch, len(lanes), rows, columns)
    places = np.arange(rows * columns).reshape(rows, columns) * sums.outputs
    channel = np.broadcast_to(np.arange(len(lanes))[:, None, None], shape)
    element = np.broadcast_to(lanes[:, None, None] + places, shape)
    return Signal(source, element, Exact(scale, channel), Exact(offset, channel))


def _first(x: Signal) -> Signal:
    """The one image of a signal whose first axis only repeats it (a fixed batch)."""
    tensors = (x.element, x.scale.index, x.offset.index)
    if any((index != index[:1]).any() for index in tensors):
        raise ValueError(
            f"an input of shape {x.shape}, whose first axis is not the batch; export the model "
            "with images of shape (N, C, H, W)"
        )
    return x.at(lambda index: index[0])


def _bare(plane: Signal) -> tuple[Signal, list[int]]:
    """A signal (C, H, W) without the zeros around it, and how many there were on each side."""
    empty = _which(is_zero, plane.scale)
    if not empty.any() or empty.all():
        return plane, [0, 0, 0, 0]
    pads = []
    for axis in (1, 2):
        filled = np.flatnonzero(~empty.all(axis=(0, 3 - axis)))
        pads.append((int(filled[0]), empty.shape[axis] - 1 - int(filled[-1])))
    inner = tuple(
        slice(before, size - behind)
        for (before, behind), size in zip(pads, empty.shape[1:], strict=True)
    )
    border = np.ones(empty.shape[1:], np.bool_)
    border[inner] = False
    if not _which(is_zero, plane.offset)[:, border].all():
        raise ValueError(
            "its input is padded by a value that is not 0, but the lines beyond the border are "
            "off; pad by 0 behind the quantiser, or do not pad"
        )
    (top, bottom), (left, right) = pads
    bare = plane.at(lambda index: index[:, inner[0], inner[1]])
    return bare, [top, left, bottom, right]


def _which(test: Any, tensor: Exact) -> NDArray[np.bool_]:
    """Where a test of numbers holds."""
    tensor = tensor.compact()
    values = [test(tensor.number(position)) for position in range(len(tensor.values))]
    return np.array(values, np.bool_)[tensor.index]


def _lanes(plane: Signal, channels: int) -> NDArray[np.intp]:
    """The channel of the source that each channel of a signal (C, H, W) is."""
    rows, columns = plane.shape[1:]
    lanes = plane.element[:, 0, 0]
    places = np.arange(rows * columns).reshape(rows, columns) * channels
    fits = channels * rows * columns == plane.source.count and lanes.max() < channels
    if not fits or (plane.element != lanes[:, None, None] + places).any():
        raise ValueError(
            f"its input of {plane.shape[0]} channels, {rows} rows and {columns} columns is not in "
            "the order of what comes before it, rows, columns and then channels; do not crop or "
            "transpose images, and give images of several colours as (N, C, H, W) or (N, H, W, C)"
        )
    return lanes


def _of_channels(tensor: Exact) -> Exact:
    """The one number of each channel of a tensor (C, H, W), shape (C,)."""
    index = tensor.index.reshape(tensor.shape[0], -1)
    pairs = np.stack([np.broadcast_to(index[:, :1], index.shape), index]).reshape(2, -1)
    for one, other in np.unique(pairs[:, pairs[0] != pairs[1]], axis=1).T.tolist():
        if tensor.number(one) != tensor.number(other):
            raise ValueError(
                "its input is scaled or shifted differently from place to place; use one scale "
                "and one shift for each channel"
            )
    return tensor.at(lambda _: index[:, 0])


def _row(x: Signal) -> Signal:
    """The one vector of a signal whose leading axes only repeat it (a fixed batch)."""
    flat = x.at(lambda index: index.reshape(-1, x.shape[-1]))
    repeated = all(
        (index == index[0]).all() for index in (flat.element, flat.scale.index, flat.offset.index)
    )
    if not repeated:
        raise ValueError(
            f"its weights are applied to {flat.shape[0]} different vectors of one image; flatten "
            "the image before it, or use a convolution of kernel 1"
        )
    return flat.at(lambda index: index[0])
