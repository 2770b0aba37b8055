"""What flows through a binary network, exactly: affine views of pixels, sums and bits.

A tensor that depends on the image is a :class:`Signal`: every element is
``scale * source[element] + offset``, where the source is the image (:class:`Pixels`), the integer
sums of a layer (:class:`Sums`) or their signs (:class:`Bits`). Reshapes and transposes move
``element`` about, affine operators change ``scale`` and ``offset``, a matrix product makes new sums
and a quantiser makes new bits. What fits none of these is not a binary network, and is refused.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.exact import Exact, Number, broadcast, combine, magnitude, sign
from binohm.gen.importer.fold import reaches_zero, threshold

__all__ = ["Bits", "Pixels", "Signal", "Step", "Sums", "Value"]
__all__ += ["affine", "apply", "concatenate", "dense", "sign_of"]


@dataclass(frozen=True, eq=False)
class Pixels:
    """The image. Element ``k`` is byte ``k`` of its C order.

    Parameters
    ----------
    count : int
        Pixels, with their colours.
    levels : tuple of 256 numbers
        What each byte stands for; 0 to 255 before any quantiser.
    """

    count: int
    levels: tuple[Number, ...]


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums ``weights @ x`` of -1/+1 weights, one an element.

    Parameters
    ----------
    label : str
        The node that makes them.
    weights : int8 array, shape (outputs, inputs)
    feed : Pixels or Bits
        Where ``x`` comes from.
    table : int64 array of 256, or None
        For pixels: the integer of each byte.
    low, high : int64 array, shape (outputs,)
        Smallest and largest sum.
    step : int
        Distance between sums that can occur: 2 if every ``x`` is -1 or +1, else 1.
    """

    label: str
    weights: NDArray[np.int8]
    feed: "Pixels | Bits"
    table: NDArray[np.int64] | None
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    step: int

    @property
    def count(self) -> int:
        """Sums."""
        return int(self.weights.shape[0])

    def rows(self, rows: NDArray[np.intp]) -> "Sums":
        """Some of the sums, in the given order."""
        return replace(self, weights=self.weights[rows], low=self.low[rows], high=self.high[rows])


@dataclass(frozen=True, eq=False)
class Bits:
    """Signs, -1 or +1, of affine functions of sums: ``(s >= theta) xor flip``."""

    sums: Sums
    theta: NDArray[np.int64]
    flip: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """Bits."""
        return self.sums.count


@dataclass(frozen=True, eq=False)
class Signal:
    """A tensor that depends on the image: ``scale * source[element] + offset``.

    Parameters
    ----------
    source : Pixels, Sums or Bits
    element : integer array of any shape
    scale, offset : Exact, of that shape
    clip : (low, high) or None
        Limits that a ``Clip`` put around sums; only a threshold between them may follow.
    ranked : bool
        Only the order of the classes is known any more, after a softmax or argmax.
    """

    source: Pixels | Sums | Bits
    element: NDArray[np.intp]
    scale: Exact
    offset: Exact
    clip: tuple[Number | None, Number | None] | None = None
    ranked: bool = False

    @classmethod
    def plain(cls, source: Pixels | Sums | Bits, element: NDArray[np.intp]) -> "Signal":
        """The elements as they are."""
        shape = element.shape
        return cls(source, element, Exact.full(shape, 1), Exact.full(shape, 0))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.element.shape

    def at(self, view: Callable[[NDArray[np.intp]], NDArray[np.intp]]) -> "Signal":
        """Move elements: ``view`` reshapes, transposes or picks from an index array."""
        element, scale, offset = view(self.element), self.scale.at(view), self.offset.at(view)
        return replace(self, element=element, scale=scale, offset=offset)

    def affine(self, scale: Exact, offset: Exact) -> "Signal":
        """``scale * self + offset``, broadcast."""
        if self.clip:
            raise ValueError("arithmetic after a clip of sums; only a sign may follow it")
        if self.ranked:
            raise ValueError("arithmetic after the classes were ranked; cut it off")
        shape = broadcast(self.shape, *(c.shape for c in (scale, offset) if c.shape))
        element = np.broadcast_to(self.element, shape)
        new = combine(lambda a, c: a * c, self.scale, scale)
        shift = combine(lambda b, a, c: b * a + c, self.offset, scale, offset)
        spread = [tensor.at(lambda index: np.broadcast_to(index, shape)) for tensor in (new, shift)]
        return replace(self, element=element, scale=spread[0], offset=spread[1])

    def unique(self) -> tuple[NDArray[np.intp], list[Number], list[Number]]:
        """The source elements in use, ascending, and the one scale and offset of each."""
        elements, first, where = np.unique(self.element, return_index=True, return_inverse=True)
        for tensor in (self.scale, self.offset):
            index = tensor.index.ravel()
            for position in np.flatnonzero(index[first][where.ravel()] != index):
                one = tensor.number(int(index[first[where.ravel()[position]]]))
                if one != tensor.number(int(index[position])):
                    raise ValueError("one sum is used with two scales; make it two neurons")
        scales, offsets = (
            [tensor.number(int(k)) for k in tensor.index.ravel()[first]]
            for tensor in (self.scale, self.offset)
        )
        return elements, scales, offsets


Value = Exact | Signal


def affine(value: Value, scale: Exact, offset: Exact) -> Value:
    """``scale * value + offset``."""
    if isinstance(value, Signal):
        return value.affine(scale, offset)
    return value * scale + offset


@dataclass(frozen=True)
class Step:
    """``high`` where the value is at least zero (above zero if ``strict``), else ``low``."""

    low: Fraction
    high: Fraction
    strict: bool = False

    def __call__(self, value: Number) -> Fraction:
        """Value of the step."""
        return self.high if sign(value) >= int(self.strict) else self.low


def apply(function: Callable[[Number], Number], value: Value) -> Value:
    """Apply a function element by element; to sums only a :class:`Step`."""
    if isinstance(value, Exact):
        if isinstance(function, Step) and isinstance(value.values, np.ndarray):
            above = value.values > 0 if function.strict else value.values >= 0
            return Exact([function.low, function.high], above.astype(np.intp)[value.index])
        return combine(function, value)
    if value.ranked:
        raise ValueError("a function after the classes were ranked; cut it off")
    if isinstance(value.source, Pixels):
        return _apply_to_pixels(function, value, value.source)
    if isinstance(value.source, Bits):
        low = combine(lambda a, b: function(b - a), value.scale, value.offset)
        high = combine(lambda a, b: function(b + a), value.scale, value.offset)
        scale = combine(lambda a, b: (b - a) / 2, low, high)
        offset = combine(lambda a, b: (b + a) / 2, low, high)
        return replace(value, scale=scale, offset=offset)
    if isinstance(function, Step):
        return _binarise(function, value, value.source)
    raise ValueError(
        "the sums of a layer may only be shifted, scaled and binarised; activations of more than "
        "1 bit are not supported: quantise them by BipolarQuant"
    )


def sign_of(value: Value) -> Value:
    """ONNX ``Sign``, where zero stays zero: refused if the sums of a layer can reach it."""
    if isinstance(value, Signal) and isinstance(value.source, Sums):
        sums = value.source
        if value.clip and any(limit is not None and not sign(limit) for limit in value.clip):
            raise ValueError("a clip at 0 before a Sign gives more than two values; remove it")
        ties = [
            element
            for element, scale, offset in zip(*value.unique(), strict=True)
            if reaches_zero(
                scale, offset, int(sums.low[element]), int(sums.high[element]), sums.step
            )
        ]
        if ties:
            raise ValueError(
                f"Sign(0) is 0, neither -1 nor +1, and {len(ties)} of {sums.count} outputs can "
                f"reach 0 (the first is {ties[0]}); use BipolarQuant, where 0 gives +1"
            )
        return apply(Step(Fraction(-1), Fraction(1)), value)
    return apply(lambda number: Fraction(sign(number)), value)


def _apply_to_pixels(function: Callable[[Number], Number], value: Signal, pixels: Pixels) -> Signal:
    pairs = combine(lambda a, b: Fraction(0), value.scale, value.offset)
    _, first = np.unique(pairs.index, return_index=True)
    tables = []
    for position in first:
        scale = value.scale.number(int(value.scale.index.flat[position]))
        offset = value.offset.number(int(value.offset.index.flat[position]))
        tables.append(tuple(function(scale * level + offset) for level in pixels.levels))
    if any(table != tables[0] for table in tables):
        raise ValueError(
            "the input is quantised differently for different pixels or colours; quantise all by "
            "one scale, and move the rest behind the first layer"
        )
    return Signal.plain(Pixels(pixels.count, tables[0]), value.element)


def _binarise(step: Step, value: Signal, sums: Sums) -> Signal:
    if value.clip:
        low, high = (None if limit is None else sign(limit) for limit in value.clip)
        if (low is not None and low >= int(step.strict)) or (
            high is not None and high < int(step.strict)
        ):
            raise ValueError("the clip before it leaves one sign only; remove the clip")
    rows, scales, offsets = value.unique()
    sums = sums.rows(rows)
    folded = [
        threshold(scale, offset, int(low), int(high), strict=step.strict)
        for scale, offset, low, high in zip(scales, offsets, sums.low, sums.high, strict=True)
    ]
    theta = np.array([theta for theta, _ in folded], np.int64)
    flip = np.array([flip for _, flip in folded], np.bool_)
    element = np.searchsorted(rows, value.element).astype(np.intp)
    half, middle = (step.high - step.low) / 2, (step.high + step.low) / 2
    shape = element.shape
    return Signal(
        Bits(sums, theta, flip), element, Exact.full(shape, half), Exact.full(shape, middle)
    )


def concatenate(values: list[Value], axis: int) -> Value:
    """Join tensors along an axis: all constant, or all of one source."""
    if all(isinstance(value, Exact) for value in values):
        return _join([value for value in values if isinstance(value, Exact)], axis)
    signals = [value for value in values if isinstance(value, Signal)]
    plain = not any(signal.clip or signal.ranked for signal in signals)
    if not plain or len(signals) < len(values) or len({id(s.source) for s in signals}) > 1:
        raise ValueError("branches of different origin are joined; a chain of layers is needed")
    element = np.concatenate([signal.element for signal in signals], axis)
    scale = _join([signal.scale for signal in signals], axis)
    return Signal(signals[0].source, element, scale, _join([s.offset for s in signals], axis))


def _join(tensors: list[Exact], axis: int) -> Exact:
    start, values, indices = 0, list[Number](), []
    for tensor in tensors:
        indices.append(tensor.index + start)
        values += [tensor.number(position) for position in range(len(tensor.values))]
        start += len(tensor.values)
    joined = np.concatenate(indices, axis)
    return Exact(values, joined, all(tensor.integer for tensor in tensors))


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
    table = None
    if isinstance(source, Pixels):
        table, unit, origin = _grid(source.levels)
        row = replace(
            row,
            scale=combine(lambda a: a * unit, row.scale),
            offset=combine(lambda a, b: a * origin + b, row.scale, row.offset),
        )
    if not np.array_equal(np.sort(row.element), np.arange(source.count)):
        used = len(np.unique(row.element))
        raise ValueError(
            f"it takes {used} of the {source.count} elements before it, some twice or not at all; "
            "a fully connected layer takes each once"
        )
    signs, alpha = _binary(weights, row.scale)
    signs = signs[:, np.argsort(row.element)]
    count = signs.shape[0]
    values = np.array([-1, 1]) if table is None else table
    ones = (signs > 0).sum(axis=1, dtype=np.int64)
    least, most = int(values.min()), int(values.max())
    low = ones * least - (signs.shape[1] - ones) * most
    high = ones * most - (signs.shape[1] - ones) * least
    step = 2 if np.isin(values, (-1, 1)).all() else 1
    sums = Sums(label, signs, source, table, low, high, step)
    shift = _product(row.offset, weights)
    shape = (*x.shape[:-1], count)
    spread = [
        Exact(list(numbers), np.broadcast_to(np.arange(count), shape)) for numbers in (alpha, shift)
    ]
    return Signal(sums, np.broadcast_to(np.arange(count), shape), spread[0], spread[1])


def _row(x: Signal) -> Signal:
    """The one vector of a signal whose leading axes only repeat it (a fixed batch)."""
    flat = x.at(lambda index: index.reshape(-1, x.shape[-1]))
    repeated = all(
        (index == index[0]).all() for index in (flat.element, flat.scale.index, flat.offset.index)
    )
    if not repeated:
        raise ValueError(
            f"its weights are applied to {flat.shape[0]} different vectors of one image; only "
            "fully connected layers are supported: flatten the image before it"
        )
    return flat.at(lambda index: index[0])


def _binary(weights: Exact, scale: Exact) -> tuple[NDArray[np.int8], list[Number]]:
    """Signs, shape (N, K), and magnitudes (N) of ``weights`` (K, N) times ``scale`` (K)."""
    common = scale.used()
    if len(common) > 1:
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
            "+1 times one scale are needed; quantise the weights by BipolarQuant"
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


def _grid(levels: tuple[Number, ...]) -> tuple[NDArray[np.int64], Fraction, Fraction]:
    """Integers, unit and origin of the input: ``level = unit * integer + origin``.

    Two levels become -1 and +1. More stay on zero where that costs no bit plane, else they
    count from the smallest.
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
    if distinct == 2:
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
