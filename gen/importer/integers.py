"""Sums of integers from exact inputs and weights: what makes a layer binary.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from fractions import Fraction
from functools import reduce
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.exact import Exact, Number, Surd, combine, is_zero, magnitude, sign
from binohm.gen.importer.geometry import Geometry
from binohm.gen.importer.signals import Bits, Pixels, Sums

__all__ = ["integer_sums"]

ZERO = Exact.full((), 0)


def integer_sums(
    label: str,
    source: Pixels | Bits,
    scale: Exact,
    offset: Exact,
    weights: Exact,
    start: int,
    geometry: Geometry | None = None,
) -> tuple[Sums, list[Number], list[Number]]:
    """Sums of ``scale * source + offset``, each of shape (K), times weights (K, N).

    Those are the inputs of the layer from ``start`` on. Returns the sums as integers, with the
    scale and the offset of each output.
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
    bounds = start, start + signs.shape[1]
    step = 2 if bipolar and (geometry is None or geometry.parity(*bounds)) else 1
    sums = Sums(label, signs, bounds, source, table, low, high, step, geometry)
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
