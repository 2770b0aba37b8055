"""The layers of a binary network: matrix products, convolutions and pools of signals.

A layer makes new sums (:class:`binohm.gen.importer.signals.Sums`) from pixels or bits. Its weights
must be -1 and +1 times one scale for each output, in exact arithmetic; what its inputs are scaled
and shifted by becomes a scale and an offset of each output.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.exact import Exact, Number, Surd, combine, is_zero, magnitude, sign
from binohm.gen.importer.geometry import Geometry, both_sides, pooled
from binohm.gen.importer.signals import Bits, Pixels, Signal, Sums
from binohm.gen.network import Pool

__all__ = ["convolve", "dense", "max_pool"]

ZERO = Exact.full((), 0)


def dense(label: str, x: Signal, weights: Exact) -> Signal:
    """``x @ weights`` of a signal of shape (..., K) and constants of shape (K, N).

    With ``x = a * source + b`` the effective weights ``weights * a`` must be ``+-alpha``, with one
    ``alpha`` for each output; ``b`` becomes an offset of each output.
    """
    source = x.source
    if x.clip or x.ranked or isinstance(source, Sums):
        raise ValueError("its input is not quantised; put a BipolarQuant before it")
    if len(weights.shape) != 2 or not x.shape or x.shape[-1] != weights.shape[0]:
        raise ValueError(
            f"an input of shape {x.shape} does not fit weights of shape {weights.shape}; export "
            "the model again"
        )
    row = _row(x)
    if not np.array_equal(np.sort(row.element), np.arange(source.count)):
        used = len(np.unique(row.element))
        raise ValueError(
            f"it takes {used} of the {source.count} elements before it, some twice or not at all; "
            "a fully connected layer takes each once"
        )
    order = np.argsort(row.element)
    row, weights = row.at(lambda index: index[order]), weights.at(lambda index: index[order])
    sums, alpha, shift = _sums(label, source, row.scale, row.offset, weights)
    index = np.broadcast_to(np.arange(sums.count), (*x.shape[:-1], sums.count))
    return Signal(sums, index, Exact(alpha, index), Exact(shift, index))


def convolve(
    label: str, x: Signal, weights: Exact, stride: tuple[int, int], pads: Sequence[int]
) -> Signal:
    """Convolution of a signal of shape (N, C, H, W) with constants of shape (O, C, KH, KW).

    ``pads`` are (top, left, bottom, right). An element beyond the border is 0: what is added to
    ``x`` must not shift it. Zeros put around ``x`` before are taken for pads.
    """
    source = x.source
    if x.clip or x.ranked or isinstance(source, Sums):
        raise ValueError("its input is not quantised; put a BipolarQuant before it")
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
    geometry = Geometry((rows, columns, channels), kernel, stride, padding)
    lanes = _lanes(plane, source.count // (rows * columns))
    if not np.array_equal(np.sort(lanes), np.arange(source.count // (rows * columns))):
        raise ValueError(
            f"it takes {len(np.unique(lanes))} of the {source.count // (rows * columns)} channels "
            "before it, some twice or not at all; a convolution takes each once"
        )
    if geometry.whole and kernel == (1, 1):  # a fully connected layer written as a convolution
        matrix = weights.at(lambda index: index.reshape(outputs, channels).T)
        y = dense(label, plane.at(np.ravel), matrix)
        return y.at(lambda index: np.broadcast_to(index[:, None, None], (batch, outputs, 1, 1)))
    order = np.argsort(lanes)
    taps = kernel[0] * kernel[1]
    matrix = weights.at(lambda index: index[:, order].reshape(outputs, -1).T)
    scale, offset = (
        _of_channels(tensor).at(lambda index: np.repeat(index[order], taps))
        for tensor in (plane.scale, plane.offset)
    )
    sums, alpha, shift = _sums(label, source, scale, offset, matrix, geometry)
    return _spread(sums, np.arange(outputs), batch, alpha, shift)


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
        flip[turned] ^= True
        made = Bits(replace(sums, geometry=geometry), source.theta, flip)
    else:  # the largest of -s is that of the sums of turned weights
        weights, low, high = sums.weights.copy(), sums.low.copy(), sums.high.copy()
        weights[turned] *= -1
        low[turned], high[turned] = -sums.high[turned], -sums.low[turned]
        made = replace(sums, weights=weights, low=low, high=high, geometry=geometry)
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


def _sums(
    label: str,
    source: Pixels | Bits,
    scale: Exact,
    offset: Exact,
    weights: Exact,
    geometry: Geometry | None = None,
) -> tuple[Sums, list[Number], list[Number]]:
    """Sums of ``scale * source + offset``, each of shape (K), times weights (K, N).

    Returns them as integers, with the scale and the offset of each output.
    """
    padded = geometry is not None and any(geometry.padding)
    table = None
    if isinstance(source, Pixels):
        table, unit, origin = _grid(source.levels, _zero(scale, offset) if padded else None)
        # First the offset: it needs the scale of the pixels.
        offset = combine(lambda a, b: a * origin + b, scale, offset)
        scale = combine(lambda a: a * unit, scale)
    if padded and not offset.is_all(0):
        raise ValueError(
            "it pads by 0, but its input is shifted: 0 is neither -1 nor +1 there; quantise it to "
            "-1 and +1 (BipolarQuant) or do not pad"
        )
    signs, alpha = _binary(weights, scale)
    values = np.array([-1, 1]) if table is None else table
    bipolar = bool(np.isin(values, (-1, 1)).all())
    ones = (signs > 0).sum(axis=1, dtype=np.int64)
    rest = signs.shape[1] - ones
    least, most = int(values.min()), int(values.max())
    if padded:
        least, most = min(least, 0), max(most, 0)
    low, high = ones * least - rest * most, ones * most - rest * least
    step = 2 if bipolar and (geometry is None or geometry.parity) else 1
    sums = Sums(label, signs, source, table, low, high, step, geometry)
    return sums, alpha, _product(offset, weights)


def _zero(scale: Exact, offset: Exact) -> Fraction:
    """The level that is zero in the tensor, the same for all its elements."""
    if any(is_zero(number) for number in scale.used()):
        raise ValueError("its input is scaled by 0; train or export the model again")
    found = (ZERO - offset) / scale
    level = found.used()[0]
    if isinstance(level, Surd) or any(other != level for other in found.used()):
        raise ValueError(
            "it pads by 0, which is a different pixel value for different colours; shift all "
            "colours alike, or do not pad"
        )
    return level


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


def _binary(weights: Exact, scale: Exact) -> tuple[NDArray[np.int8], list[Number]]:
    """Signs, shape (N, K), and magnitudes (N) of ``weights`` (K, N) times ``scale`` (K)."""
    common = scale.used()
    cure = "quantise the weights by BipolarQuant"
    if len(common) > 1:
        cure = f"its inputs are scaled by {len(common)} different numbers, use one for all"
        weights = weights * scale.at(lambda index: index[:, None])
        common = [Fraction(1)]
    sizes, of, positive = _magnitudes(weights.values)
    size_of = of[weights.index]
    bad = np.flatnonzero((size_of != size_of[0]).any(axis=0))
    if bad.size:
        found = sorted(float(sizes[k]) for k in np.unique(size_of[:, bad[0]]))
        text = ", ".join(f"{size:.6g}" for size in found[:3]) + (", ..." if found[3:] else "")
        raise ValueError(
            f"its weights are not binary: output {bad[0]} has the magnitudes {text}, where -1 and "
            f"+1 times one scale are needed; {cure}"
        )
    positive = positive if sign(common[0]) >= 0 else ~positive
    signs = np.where(positive[weights.index.T], 1, -1).astype(np.int8)
    return signs, [sizes[k] * magnitude(common[0]) for k in size_of[0]]


def _magnitudes(
    values: NDArray[Any] | list[Number],
) -> tuple[list[Number], NDArray[np.intp], NDArray[np.bool_]]:
    """The different magnitudes, which of them each value has, and whether it is positive."""
    if isinstance(values, np.ndarray):
        array, of = np.unique(np.abs(values), return_inverse=True)
        return [Fraction(size.item()) for size in array], of, values >= 0
    sizes: list[Number] = []
    places: list[int] = []
    known: dict[Fraction, int] = {}
    for size in map(magnitude, values):
        if isinstance(size, Fraction):
            place = known.setdefault(size, len(sizes))
        else:
            place = next((k for k, other in enumerate(sizes) if other == size), len(sizes))
        if place == len(sizes):
            sizes.append(size)
        places.append(place)
    positive = np.array([sign(value) >= 0 for value in values], np.bool_)
    return sizes, np.array(places, np.intp), positive


def _product(offsets: Exact, weights: Exact) -> list[Number]:
    """``offsets @ weights``, exactly."""
    if offsets.is_all(0):
        return [Fraction(0)] * weights.shape[1]
    terms = weights * offsets.at(lambda index: index[:, None])
    numbers = [terms.number(position) for position in range(len(terms.values))]
    totals: list[Number] = []
    for column in terms.index.T:
        total: Number = Fraction(0)
        for place, times in zip(*np.unique(column, return_counts=True), strict=True):
            total = total + numbers[place] * int(times)
        totals.append(total)
    return totals


def _grid(
    levels: tuple[Number, ...], zero: Fraction | None = None
) -> tuple[NDArray[np.int64], Fraction, Fraction]:
    """Integers, unit and origin of the input: ``level = unit * integer + origin``.

    Two levels become -1 and +1. More stay on zero where that costs no bit plane, else they
    count from the smallest. With ``zero`` this level is the integer 0, whatever it costs.
    """
    exact = [level for level in levels if isinstance(level, Fraction)]
    if len(exact) < len(levels):
        raise ValueError("its input levels are irrational; quantise the input")
    low, high = min(exact), max(exact)
    if low == high:
        raise ValueError(
            f"all 256 pixel values give the same input {float(low):.6g}; check the pixel scale"
        )
    distinct = len(set(exact))
    if zero is not None:
        unit, origin = reduce(_common, (level - zero for level in exact)), zero
    elif distinct == 2:
        unit, origin = (high - low) / 2, (high + low) / 2
    else:
        unit, origin = reduce(_common, (level - low for level in exact)), low
        if (low / unit).denominator == 1:
            first, last = int(low / unit), int(high / unit)
            bits = last.bit_length()
            if first < 0:
                bits = max((-first - 1).bit_length(), bits) + 1
            if bits <= (last - first).bit_length():
                origin = Fraction(0)
    table = [(level - origin) / unit for level in exact]
    if max(abs(value) for value in table) > (1 << 15) - 1:
        raise ValueError(
            f"its {distinct} input levels need more than 16 bits; quantise the input evenly"
        )
    return np.array([int(value) for value in table], np.int64), unit, origin


def _common(a: Fraction, b: Fraction) -> Fraction:
    """Greatest common divisor of two rationals."""
    return Fraction(
        gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator
    )
