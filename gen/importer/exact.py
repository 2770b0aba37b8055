"""Exact real numbers and constant tensors of them: what the importer folds with.

A parameter of a model file is a float, hence a rational. Batch normalisation divides by a square
root, so that the numbers met are ``c1 * sqrt(r1) + c2 * sqrt(r2) + ...`` with rational ``c`` and
integers ``r``: :class:`Surd`. Square roots of integers of different square classes (no product of
two is a square) are linearly independent over the rationals [1]_, so such a sum is zero only if
every coefficient is, and its sign is found by computing with enough digits. Nothing is rounded.

References
----------
.. [1] A. S. Besicovitch, "On the linear independence of fractional powers of integers", Journal
   of the London Mathematical Society 15 (1940).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Exact",
    "Number",
    "Surd",
    "broadcast",
    "ceil",
    "combine",
    "floor",
    "is_zero",
    "magnitude",
]
__all__ += ["round_half_even", "scaled", "sign", "square_root"]


@total_ordering
class Surd:
    """An irrational sum of rational multiples of square roots.

    Made by :func:`square_root` and arithmetic, which give a ``Fraction`` where the value is
    rational. Division works by sums of at most two roots.
    """

    __slots__ = ("terms",)
    __hash__ = None  # type: ignore[assignment]  # equal sums may have different terms: 2*r2, r8

    def __init__(self, terms: dict[int, Fraction]) -> None:
        self.terms = terms

    def __add__(self, other: "Surd | Fraction | int") -> "Number":
        if (terms := _terms(other)) is None:
            return NotImplemented
        return _sum([*self.terms.items(), *terms.items()])

    __radd__ = __add__

    def __neg__(self) -> "Surd":
        return Surd({radicand: -factor for radicand, factor in self.terms.items()})

    def __sub__(self, other: "Surd | Fraction | int") -> "Number":
        if (terms := _terms(other)) is None:
            return NotImplemented
        return _sum([*self.terms.items(), *((r, -c) for r, c in terms.items())])

    def __rsub__(self, other: "Surd | Fraction | int") -> "Number":
        return -self + other

    def __mul__(self, other: "Surd | Fraction | int") -> "Number":
        if (terms := _terms(other)) is None:
            return NotImplemented
        return _sum((ra * rb, ca * cb) for ra, ca in self.terms.items() for rb, cb in terms.items())

    __rmul__ = __mul__

    def __truediv__(self, other: "Surd | Fraction | int") -> "Number":
        if _terms(other) is None:
            return NotImplemented
        return self * (other._reciprocal() if isinstance(other, Surd) else 1 / Fraction(other))

    def __rtruediv__(self, other: "Surd | Fraction | int") -> "Number":
        return self._reciprocal() * other

    def __eq__(self, other: object) -> bool:
        terms = _terms(other)
        return terms is not None and is_zero(self - _sum(terms.items()))

    def __lt__(self, other: "Surd | Fraction | int") -> bool:
        if _terms(other) is None:
            return NotImplemented
        return sign(self - other) < 0

    def __float__(self) -> float:
        return float(Fraction(scaled(self, 64)[0], 1 << 64))

    def __repr__(self) -> str:
        return f"{float(self):.9g}"

    def _reciprocal(self) -> "Number":
        match list(self.terms.items()):
            case [(radicand, factor)]:
                return _sum([(radicand, 1 / (factor * radicand))])
            case [(ra, ca), (rb, cb)]:
                norm = ca * ca * ra - cb * cb * rb
                return _sum([(ra, ca / norm), (rb, -cb / norm)])
        raise ValueError(
            "cannot divide by a sum of three or more square roots; fold it before the export"
        )


Number = Fraction | Surd


def _terms(value: object) -> dict[int, Fraction] | None:
    if isinstance(value, Surd):
        return value.terms
    if isinstance(value, (int, Fraction)):
        return {1: Fraction(value)} if value else {}
    return None


def _sum(terms: Iterable[tuple[int, Fraction]]) -> Number:
    """Merge the terms whose radicands are of one square class."""
    merged: dict[int, Fraction] = {}
    for radicand, factor in terms:
        twos = ((radicand & -radicand).bit_length() - 1) // 2
        radicand, factor = radicand >> 2 * twos, factor * (1 << twos)
        for known in merged:
            root = math.isqrt(radicand * known)
            if root * root == radicand * known:
                merged[known] += factor * Fraction(root, known)
                break
        else:
            root = math.isqrt(radicand)
            if root * root == radicand:
                radicand, factor = 1, factor * root
            merged[radicand] = factor
    merged = {radicand: factor for radicand, factor in merged.items() if factor}
    if not merged:
        return Fraction(0)
    return merged[1] if merged.keys() == {1} else Surd(merged)


def square_root(value: Number) -> Number:
    """Square root of a rational.

    Raises
    ------
    ValueError
        If the value is negative or not rational.
    """
    if isinstance(value, Surd) or value < 0:
        raise ValueError(
            f"the square root of {float(value):.6g} is not that of a positive rational; "
            "fold it before the export"
        )
    if not value:
        return Fraction(0)
    return _sum([(value.numerator * value.denominator, Fraction(1, value.denominator))])


def is_zero(value: Number) -> bool:
    """Whether the value is exactly zero."""
    return not isinstance(value, Surd) and not value


def scaled(value: Number, bits: int) -> tuple[int, int]:
    """An integer and a bound: ``abs(value * 2**bits - integer) < bound``."""
    if not isinstance(value, Surd):
        return math.floor(value * (1 << bits)), 1
    total = 0
    for radicand, factor in value.terms.items():
        square = factor * factor * radicand * (1 << 2 * bits)
        root = math.isqrt(square.numerator // square.denominator)
        total += root if factor > 0 else -root
    return total, len(value.terms)


def sign(value: Number) -> int:
    """-1, 0 or 1."""
    if not isinstance(value, Surd):
        return (value > 0) - (value < 0)
    bits = 64
    while True:
        total, bound = scaled(value, bits)
        if abs(total) >= bound:
            return 1 if total > 0 else -1
        bits *= 2


def magnitude(value: Number) -> Number:
    """Absolute value."""
    return -value if sign(value) < 0 else value


def floor(value: Number) -> int:
    """Largest integer that is not above the value."""
    if not isinstance(value, Surd):
        return math.floor(value)
    bits = 64
    while True:
        total, bound = scaled(value, bits)
        if (total - bound) >> bits == (total + bound) >> bits:
            return (total - bound) >> bits
        bits *= 2


def ceil(value: Number) -> int:
    """Smallest integer that is not below the value."""
    return -floor(-value)


def round_half_even(value: Number) -> int:
    """Nearest integer, the even one of two."""
    return floor(value + Fraction(1, 2)) if isinstance(value, Surd) else round(value)


@dataclass(frozen=True)
class Exact:
    """A constant tensor of exact numbers.

    Parameters
    ----------
    values : array or list
        The numbers that occur, once or more: a NumPy array of finite floats or integers as read
        from a file, or a list of :data:`Number`.
    index : integer array of any shape
        Element ``k`` is ``values[index[k]]``. Arithmetic costs one operation for each combination
        of values that occurs, so that millions of two-valued weights cost no more than two.
    integer : bool
        The tensor has an integer type: division truncates.
    """

    values: NDArray[Any] | list[Number]
    index: NDArray[np.intp]
    integer: bool = False

    @classmethod
    def of(cls, array: NDArray[Any]) -> "Exact":
        """The tensor of a NumPy array of any numeric type."""
        integer = array.dtype.kind in "iub"
        if array.dtype.kind == "b":
            array = array.astype(np.int64)
        elif not integer:
            array = array.astype(np.float64)
        index = np.arange(array.size, dtype=np.intp).reshape(array.shape)
        return cls(array.reshape(-1), index, integer)

    @classmethod
    def full(cls, shape: tuple[int, ...], value: Number | int) -> "Exact":
        """A tensor of one value."""
        return cls([Fraction(value) if isinstance(value, int) else value], np.zeros(shape, np.intp))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.index.shape

    def number(self, position: int) -> Number:
        """One of :attr:`values`."""
        value = self.values[position]
        return value if isinstance(value, (Fraction, Surd)) else Fraction(value.item())

    def numbers(self) -> list[Number]:
        """All elements in C order."""
        values = [self.number(position) for position in range(len(self.values))]
        return [values[position] for position in self.index.ravel()]

    def used(self) -> list[Number]:
        """The values that occur in the tensor."""
        compact = self.compact()
        return [compact.number(position) for position in np.unique(compact.index)]

    def compact(self) -> "Exact":
        """The same tensor, with equal values of a file stored once."""
        if not isinstance(self.values, np.ndarray):
            return self
        values, index = np.unique(self.values, return_inverse=True)
        return Exact(values, index[self.index], self.integer)

    def scalar(self) -> Number:
        """The value of a tensor of one element."""
        if self.index.size != 1:
            raise ValueError(f"a tensor of shape {self.shape}, where one number for all is needed")
        return self.number(int(self.index.item()))

    def integers(self) -> NDArray[np.int64]:
        """The tensor as int64, if it holds only integers."""
        numbers = self.numbers()
        if not all(isinstance(n, Fraction) and n.denominator == 1 for n in numbers):
            raise ValueError("fractions, where whole numbers are needed; export the model again")
        flat = [n.numerator for n in numbers if isinstance(n, Fraction)]
        return np.array(flat, np.int64).reshape(self.shape)

    def is_all(self, value: int) -> bool:
        """Whether all elements are equal to ``value``."""
        return all(is_zero(number - value) for number in self.used())

    def at(self, view: Callable[[NDArray[np.intp]], NDArray[np.intp]]) -> "Exact":
        """Move elements: ``view`` reshapes, transposes or picks from the index array."""
        return Exact(self.values, view(self.index), self.integer)

    def __add__(self, other: "Exact") -> "Exact":
        return combine(lambda a, b: a + b, self, other)

    def __sub__(self, other: "Exact") -> "Exact":
        return combine(lambda a, b: a - b, self, other)

    def __mul__(self, other: "Exact") -> "Exact":
        return combine(lambda a, b: a * b, self, other)

    def __truediv__(self, other: "Exact") -> "Exact":
        if any(is_zero(number) for number in other.used()):
            raise ValueError("division by zero; train or export the model again")
        if self.integer and other.integer:
            return combine(lambda a, b: Fraction(math.trunc(a / b)), self, other)
        return combine(lambda a, b: a / b, self, other)


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Common shape of operands, as in NumPy."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        text = " and ".join(map(str, shapes))
        raise ValueError(
            f"tensors of shapes {text} do not fit together; export the model again"
        ) from error


def combine(function: Callable[..., Number], *tensors: Exact) -> Exact:
    """Apply a function of numbers to broadcast tensors, once for each combination of values."""
    shape = broadcast(*(tensor.shape for tensor in tensors))
    tensors = tuple(tensor.compact() for tensor in tensors)
    index = np.zeros(shape, np.intp)
    picks: list[NDArray[np.intp]] = []
    for tensor in tensors:
        keys, index = _distinct(index * len(tensor.values) + tensor.index)
        before, here = np.divmod(keys, len(tensor.values))
        picks = [pick[before] for pick in picks] + [here]
    values = [
        function(*(tensor.number(int(p)) for tensor, p in zip(tensors, row, strict=True)))
        for row in zip(*picks, strict=True)
    ]
    return Exact(values, index, all(tensor.integer for tensor in tensors))


def _distinct(keys: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The different keys, ascending, and where each key stands among them."""
    bound = int(keys.max(initial=0)) + 1
    if bound > keys.size:
        distinct, places = np.unique(keys, return_inverse=True)
        return distinct, places.reshape(keys.shape)
    present = np.zeros(bound, np.bool_)  # no sort: weights are millions of keys, mostly two
    present[keys] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[keys]
