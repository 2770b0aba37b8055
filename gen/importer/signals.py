"""What flows through a binary network, exactly: affine views of pixels, sums and bits.

A tensor that depends on the image is a :class:`Signal`: every element is
``scale * source[element] + offset``, where the source is the image (:class:`Pixels`), the integer
sums of a layer (:class:`Sums`), their signs (:class:`Bits`) or sums of the signs of several groups
of inputs (:class:`Votes`). Reshapes and transposes move ``element`` about, affine operators change
``scale`` and ``offset``, a matrix product or convolution makes new sums
(:mod:`binohm.gen.importer.layers`), a quantiser makes new bits
(:mod:`binohm.gen.importer.activations`) and an addition makes votes
(:mod:`binohm.gen.importer.votes`). What fits none of these is not a binary network, and is refused.
A constant among them, such as padding, is an element with a scale of zero.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.exact import Exact, Number, broadcast, combine
from binohm.gen.importer.geometry import Geometry

__all__ = ["Bits", "Pixels", "Signal", "Source", "Sums", "Value", "Votes", "affine", "concatenate"]


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
    bounds : tuple of int
        Where the groups of a split layer begin and end in ``x``, rising. A layer that is not split
        has one group; so has a part of a layer, whose weights see no more of ``x`` than this.
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
    bounds: tuple[int, ...]
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

    @property
    def inputs(self) -> int:
        """Elements of ``x``."""
        return self.geometry.inputs if self.geometry else self.feed.count

    @property
    def whole(self) -> bool:
        """Whether the weights take all of ``x``."""
        return (self.bounds[0], self.bounds[-1]) == (0, self.inputs)

    @property
    def taken(self) -> str:
        """What a part of a layer is used wrongly for: for messages."""
        start, stop = self.bounds
        return (
            f"{self.label} takes the inputs {start} to {stop - 1} of {self.inputs}; take all, or "
            "join groups that do by a vote, a BipolarQuant of the sum of their bits"
        )

    def rows(self, rows: NDArray[np.intp]) -> "Sums":
        """Some of the outputs, in the given order."""
        return replace(self, weights=self.weights[rows], low=self.low[rows], high=self.high[rows])

    def turned(self, rows: NDArray[Any]) -> "Sums":
        """The same sums, but some of the outputs negated."""
        weights, low, high = self.weights.copy(), self.low.copy(), self.high.copy()
        weights[rows] *= -1
        low[rows], high[rows] = -self.high[rows], -self.low[rows]
        return replace(self, weights=weights, low=low, high=high)


@dataclass(frozen=True, eq=False)
class Bits:
    """Signs, -1 or +1, of affine functions of sums: ``(s >= theta) xor flip``.

    Theta and flip have a row for each group of the sums. Where there are several, each group
    compares its own sum, and the majority is the sign: a tie gives +1.
    """

    sums: Sums
    theta: NDArray[np.int64]
    flip: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """Bits."""
        return self.sums.count


@dataclass(frozen=True, eq=False)
class Votes:
    """Sums of the bits that parts of a layer give for the same outputs, in the same order."""

    parts: tuple[Bits, ...]

    @property
    def count(self) -> int:
        """Sums."""
        return self.parts[0].count


Source = Pixels | Sums | Bits | Votes


@dataclass(frozen=True, eq=False)
class Signal:
    """A tensor that depends on the image: ``scale * source[element] + offset``.

    Parameters
    ----------
    source : Pixels, Sums, Bits or Votes
    element : integer array of any shape
    scale, offset : Exact, of that shape
    clip : (low, high) or None
        Limits that a ``Clip`` put around sums; only a threshold between them may follow.
    ranked : bool
        Only the order of the classes is known any more, after a softmax or argmax.
    """

    source: Source
    element: NDArray[np.intp]
    scale: Exact
    offset: Exact
    clip: tuple[Number | None, Number | None] | None = None
    ranked: bool = False

    @classmethod
    def plain(cls, source: Source, element: NDArray[np.intp]) -> "Signal":
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
