"""What flows through a binary network, exactly: affine views of pixels, sums and bits.

A tensor that depends on the image is a :class:`Signal`: every element is
``scale * source[element] + offset``, where the source is the image (:class:`Pixels`), the integer
sums of a layer (:class:`Sums`) or their signs (:class:`Bits`). Reshapes and transposes move
``element`` about, affine operators change ``scale`` and ``offset``, a matrix product or convolution
makes new sums (:mod:`binohm.gen.importer.layers`) and a quantiser makes new bits. What fits none of
these is not a binary network, and is refused. A constant among them, such as padding, is an element
with a scale of zero.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.exact import Exact, Number, broadcast, combine, is_zero, sign
from binohm.gen.importer.fold import reaches_zero, threshold
from binohm.gen.importer.geometry import Geometry

__all__ = ["Bits", "Pixels", "Signal", "Step", "Sums", "Value"]
__all__ += ["affine", "apply", "concatenate", "sign_of"]


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

    With a geometry ``x`` is every window of an image in turn, a vector in the order (channel, row,
    column), and element ``(y * columns + x) * outputs + o`` is the sum of output ``o`` there.

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
    geometry : Geometry, optional
    """

    label: str
    weights: NDArray[np.int8]
    feed: "Pixels | Bits"
    table: NDArray[np.int64] | None
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    step: int
    geometry: Geometry | None = None

    @property
    def outputs(self) -> int:
        """Sums of one window; all if it is no convolution."""
        return int(self.weights.shape[0])

    @property
    def count(self) -> int:
        """Sums."""
        return self.outputs * (prod(self.geometry.size) if self.geometry else 1)

    def rows(self, rows: NDArray[np.intp]) -> "Sums":
        """Some of the outputs, in the given order."""
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
        """The outputs in use of some sums, ascending, and the one scale and offset of each."""
        assert isinstance(self.source, Sums)
        lane = self.element % self.source.outputs
        lanes, first, where = np.unique(lane, return_index=True, return_inverse=True)
        for tensor in (self.scale, self.offset):
            index = tensor.index.ravel()
            pairs = np.stack([index[first[where.ravel()]], index])
            for one, other in np.unique(pairs[:, pairs[0] != pairs[1]], axis=1).T.tolist():
                if tensor.number(one) != tensor.number(other):
                    raise ValueError(
                        "the sums of one channel have different scales or offsets; use one for "
                        "each channel"
                        if self.source.geometry
                        else "one sum is used with two scales; make it two neurons"
                    )
        scales, offsets = (
            [tensor.number(int(k)) for k in tensor.index.ravel()[first]]
            for tensor in (self.scale, self.offset)
        )
        return lanes, scales, offsets


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
                f"Sign(0) is 0, neither -1 nor +1, and {len(ties)} of {sums.outputs} outputs can "
                f"reach 0 (the first is {ties[0]}); use BipolarQuant, where 0 gives +1"
            )
        return apply(Step(Fraction(-1), Fraction(1)), value)
    return apply(lambda number: Fraction(sign(number)), value)


def _apply_to_pixels(function: Callable[[Number], Number], value: Signal, pixels: Pixels) -> Signal:
    pairs = combine(lambda a, b: Fraction(0), value.scale, value.offset)
    _, first = np.unique(pairs.index, return_index=True)
    tables = []
    constant = False
    for position in first:
        scale = value.scale.number(int(value.scale.index.flat[position]))
        offset = value.offset.number(int(value.offset.index.flat[position]))
        if is_zero(scale) and len(first) > 1:
            constant = True
        else:
            tables.append(tuple(function(scale * level + offset) for level in pixels.levels))
    if not tables or any(table != tables[0] for table in tables):
        raise ValueError(
            "the input is quantised differently for different pixels or colours; quantise all by "
            "one scale, and move the rest behind the first layer"
        )
    made = Signal.plain(Pixels(pixels.count, tables[0]), value.element)
    if not constant:
        return made
    keep = combine(lambda a: Fraction(int(not is_zero(a))), value.scale)
    shift = combine(
        lambda a, b: function(b) if is_zero(a) else Fraction(0), value.scale, value.offset
    )
    return replace(made, scale=keep, offset=shift)


def _binarise(step: Step, value: Signal, sums: Sums) -> Signal:
    if value.clip:
        low, high = (None if limit is None else sign(limit) for limit in value.clip)
        if (low is not None and low >= int(step.strict)) or (
            high is not None and high < int(step.strict)
        ):
            raise ValueError("the clip before it leaves one sign only; remove the clip")
    rows, scales, offsets = value.unique()
    place, lane = np.divmod(value.element, sums.outputs)
    element = (place * len(rows) + np.searchsorted(rows, lane)).astype(np.intp)
    sums = sums.rows(rows)
    folded = [
        threshold(scale, offset, int(low), int(high), strict=step.strict)
        for scale, offset, low, high in zip(scales, offsets, sums.low, sums.high, strict=True)
    ]
    theta = np.array([theta for theta, _ in folded], np.int64)
    flip = np.array([flip for _, flip in folded], np.bool_)
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
