"""Thresholds and scores as integers, with proof.

A layer's integer sum ``s`` meets an affine function with exact coefficients (see
:mod:`binohm.gen.importer.exact`). Behind a sign it folds to a threshold; behind the last layer the
classes must be ranked as by ``scale[c] * s[c] + offset[c]``, for which small integers are searched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.exact import Number, Surd, ceil, floor, is_zero, magnitude, scaled, sign
from binohm.gen.layers import LIMIT

__all__ = ["Ranking", "reaches_zero", "threshold"]

Ints = NDArray[np.int64]

HALF = Fraction(1, 2)

ITEMS = 1 << 19
"""Most scores of all classes together that a proof sorts; some seconds."""

LAST = 32
"""How many of the largest integers are tried against the sums that occur together."""

FLIPS = 10_000
"""More pairs that change order are counted without asking which occur together."""


def threshold(
    scale: Number, offset: Number, low: int, high: int, *, strict: bool = False
) -> tuple[int, bool]:
    """Theta and flip with ``(scale * s + offset >= 0) == ((s >= theta) != flip)``.

    ``strict`` means above zero. Holds for every integer ``s``, except that theta is clamped to
    ``low`` (always) and ``high + 1`` (never) for the sums ``low`` to ``high`` that can occur. A
    scale of zero gives a constant without flip.
    """
    if is_zero(scale):
        return (low if sign(offset) >= int(strict) else high + 1), False
    falling = sign(scale) < 0
    root = -offset / scale
    theta = floor(root) + 1 if strict != falling else ceil(root)
    return min(max(theta, low), high + 1), falling


def reaches_zero(scale: Number, offset: Number, low: int, high: int, step: int) -> bool:
    """Whether ``scale * s + offset`` is zero for an ``s`` of low, low + step, ..., high."""
    if is_zero(scale):
        return is_zero(offset)
    root = -offset / scale
    if isinstance(root, Surd) or root.denominator != 1:
        return False
    return low <= root <= high and (int(root) - low) % step == 0


@dataclass(frozen=True)
class Ranking:
    """The classes' scores ``scale[c] * s[c] + offset[c]``, to be ranked: lowest class of the best.

    Parameters
    ----------
    scale, offset : sequence of Number
    low, high : sequence of int
        Smallest and largest sum of each class.
    step : int
        Distance of the sums that can occur.
    apart : int64 array, shape (classes, classes), optional
        For inputs of -1 and +1: how many weights differ between two classes, which limits the
        pairs of sums that can occur together.
    """

    scale: Sequence[Number]
    offset: Sequence[Number]
    low: Sequence[int]
    high: Sequence[int]
    step: int
    apart: Ints | None = None

    def integers(self, *, rounding: bool = False) -> tuple[Ints, Ints, str]:
        """Integers ``a`` and ``b`` so that ``a * s + b`` ranks as the scores do, and a remark.

        The smallest that can be proved for any sums, each class for itself between its ``low`` and
        ``high``: ties stay ties. Failing that, large ones that can be proved for every two sums
        that occur together. With ``rounding``, if there are none, the ones that change the order of
        the fewest pairs of scores, and the remark says how many.

        Raises
        ------
        ValueError
            If no integers below 2**30 can be proved, or the scores do not depend on the sums.
        """
        if all(is_zero(scale) for scale in self.scale):
            raise ValueError("the scores do not depend on the image: their scales are all zero")
        shared = all(scale == self.scale[0] for scale in self.scale)
        if shared and all(offset == self.offset[0] for offset in self.offset):
            direction = sign(self.scale[0])
            remark = "dropped" if direction > 0 else "negates the scores"
            return self._full(direction), self._full(0), f"scalar affine of the scores: {remark}"
        proof = _Shared(self) if shared else _Sorted(self)
        tried = []
        for a, b in self._candidates():
            if proof.complete and proof.holds(a, b):
                return a, b, "affine of the scores: integers, proved to keep the order"
            tried.append((a, b))
        if not tried:
            raise ValueError("the offsets of the scores are more than 2**30 times their scales")
        best = None
        for a, b in reversed(tried[-LAST:]):
            flips = proof.flips(a, b)
            if not flips and proof.complete:
                return a, b, "affine of the scores: integers, proved to keep the order"
            if best is None or flips < best[0]:
                best = flips, a, b
        if best is None or not rounding:
            raise ValueError(
                "no integers below 2**30 are proved to rank the scores of the classes as their "
                "scales and offsets do; use one scale for all classes, or allow rounding"
            )
        flips, a, b = best
        sample = "" if proof.complete else " (a sample of them)"
        remark = f"{flips} of {proof.pairs} pairs of scores of two classes{sample} change order"
        return a, b, f"affine of the scores: rounded, {remark}"

    def _full(self, value: int) -> Ints:
        return np.full(len(self.scale), value, np.int64)

    def _candidates(self) -> Iterator[tuple[Ints, Ints]]:
        """Integers for growing multiples of the smallest scale, while they stay below the limit.

        The multiple that makes every coefficient an integer, if there is one, is among them.
        """
        unit = min(magnitude(scale) for scale in self.scale if not is_zero(scale))
        scale = [value / unit for value in self.scale]
        offset = [value / unit for value in self.offset]
        reach = np.maximum(-np.array(self.low), self.high).tolist()
        whole = 0
        if all(isinstance(value, Fraction) for value in scale + offset):
            whole = lcm(*(v.denominator for v in scale + offset if isinstance(v, Fraction)))
        factor, last = 1, 0
        while True:
            if last < whole < factor:
                factor = whole
            a = [floor(factor * value + HALF) for value in scale]
            b = [floor(factor * value + HALF) for value in offset]
            if max(abs(x) * y + abs(z) for x, y, z in zip(a, reach, b, strict=True)) >= LIMIT:
                return
            yield np.array(a, np.int64), np.array(b, np.int64)
            factor, last = factor + max(1, factor // 16), factor


class _Shared:
    """Classes of one scale: what counts is the difference of two sums.

    Class ``i`` beats a later class ``j`` if ``(s[i] - s[j]) / step`` is at least the difference of
    their offsets, measured in steps and rounded up; so two sets of offsets rank alike if these
    whole numbers are the same for all pairs.
    """

    complete = True

    def __init__(self, ranking: Ranking) -> None:
        self.step = ranking.step
        self.falling = sign(ranking.scale[0]) < 0
        size = magnitude(ranking.scale[0]) * self.step
        steps = [offset / size for offset in ranking.offset]
        self.low, self.high = np.array(ranking.low), np.array(ranking.high)
        if self.falling:
            self.low, self.high = -self.high, -self.low
        whole = [floor(value) for value in steps]
        parts = [value - start for value, start in zip(steps, whole, strict=True)]
        order = sorted(range(len(parts)), key=parts.__getitem__)
        rank = np.zeros(len(parts), np.int64)
        for before, after in pairwise(order):
            rank[after] = rank[before] + (parts[after] != parts[before])
        self.wins = self._wins(np.array([min(max(w, -LIMIT), LIMIT) for w in whole]), rank)
        counts = (self.high - self.low) // self.step + 1
        self.pairs = int(counts.sum() ** 2 - (counts**2).sum()) // 2

    def _wins(self, whole: Ints, part: Ints) -> Ints:
        """Smallest difference at which ``i`` beats ``j``, in steps; only ``i < j`` counts."""
        least = whole[None, :] - whole[:, None] + (part[None, :] > part[:, None])
        first = (self.low[:, None] - self.high[None, :]) // self.step
        last = (self.high[:, None] - self.low[None, :]) // self.step
        return np.triu(np.clip(least, first, last + 1), 1)

    def _integer(self, a: Ints, b: Ints) -> Ints:
        whole, part = np.divmod(b, abs(int(a[0])) * self.step)
        return self._wins(whole, part)

    def holds(self, a: Ints, b: Ints) -> bool:
        """Whether all sums are ranked alike."""
        return bool((self._integer(a, b) == self.wins).all())

    def flips(self, a: Ints, b: Ints) -> int:
        """Pairs of scores of two classes whose order differs."""
        found, total = self._integer(a, b), 0
        for i, j in zip(*np.nonzero(found != self.wins), strict=True):
            first, last = sorted((int(found[i, j]), int(self.wins[i, j])))
            shift = np.arange(first, last) * self.step
            top = np.minimum(self.high[i], self.high[j] + shift)
            bottom = np.maximum(self.low[i], self.low[j] + shift)
            total += int(((top - bottom) // self.step + 1).sum())
        return total


class _Sorted:
    """Classes of different scales: every score of every class, in one exact order.

    Along it the integer scores must not fall, and must rise (or the class must, at a tie) between
    scores of two classes; then every two scores of two classes are ranked alike.
    """

    def __init__(self, ranking: Ranking) -> None:
        counts = [
            1 if is_zero(scale) else (high - low) // ranking.step + 1
            for scale, low, high in zip(ranking.scale, ranking.low, ranking.high, strict=True)
        ]
        stride = -(-sum(counts) // ITEMS)
        self.complete = stride == 1
        sums = [
            low + ranking.step * np.arange(0, count, stride)
            for low, count in zip(ranking.low, counts, strict=True)
        ]
        cls = np.repeat(np.arange(len(sums)), [len(part) for part in sums])
        order = _order(ranking, cls, np.concatenate(sums))
        self.cls, self.sums = cls[order], np.concatenate(sums)[order]
        self.apart, self.inputs = ranking.apart, max(ranking.high)
        sizes = np.bincount(cls)
        self.pairs = int(sizes.sum() ** 2 - (sizes**2).sum()) // 2

    def holds(self, a: Ints, b: Ints) -> bool:
        """Whether all sums are ranked alike."""
        rise = np.diff(a[self.cls] * self.sums + b[self.cls])
        lower = np.diff(self.cls)
        return bool(((rise > 0) | (rise == 0) & (lower <= 0)).all())

    def flips(self, a: Ints, b: Ints) -> int:
        """Pairs of scores of two classes whose order differs, of those that occur together."""
        score = a[self.cls] * self.sums + b[self.cls]
        place = np.empty(len(score), np.int64)
        place[np.lexsort((np.arange(len(score)), -self.cls, score))] = np.arange(len(score))
        count = _inversions(place)
        if self.apart is None or not 0 < count <= FLIPS:
            return count
        late = np.flatnonzero(place < np.maximum.accumulate(place))
        return sum(self._together(np.flatnonzero(place[:k] > place[k]), k) for k in late.tolist())

    def _together(self, some: Ints, one: int) -> int:
        """How many of some scores can occur together with one."""
        assert self.apart is not None
        apart = self.apart[self.cls[some], self.cls[one]]
        alike = self.inputs - apart
        # What the inputs add to both sums, and to the one but not the other.
        common = (self.sums[some] + self.sums[one]) // 2
        other = (self.sums[some] - self.sums[one]) // 2
        fits = (np.abs(common) <= alike) & ((common - alike) % 2 == 0)
        return int((fits & (np.abs(other) <= apart)).sum())


def _inversions(order: Ints) -> int:
    """Pairs of a permutation that stand in descending order: a merge sort that counts."""
    size, width, total = len(order), 1, 0
    while width < size:
        block, half = np.divmod(np.arange(size) // width, 2)
        keys = block * size + order
        left, right = keys[half == 0], keys[half == 1]
        ends = np.searchsorted(left, (block[half == 1] + 1) * size)
        total += int((ends - np.searchsorted(left, right)).sum())
        order = np.sort(keys) % size
        width *= 2
    return total


def _order(ranking: Ranking, cls: Ints, sums: Ints) -> Ints:
    """Ascending order of ``scale * s + offset``, the lower class last among equals."""
    bits = 128
    while True:
        scale, offset = ([scaled(v, bits) for v in vs] for vs in (ranking.scale, ranking.offset))
        value = [scale[c][0] * s + offset[c][0] for c, s in zip(cls, sums.tolist(), strict=True)]
        reach = max(abs(s) for s in sums.tolist())
        error = 2 * (reach * max(e for _, e in scale) + max(e for _, e in offset))
        order = sorted(range(len(value)), key=value.__getitem__)
        group = np.zeros(len(value), np.int64)
        for before, after in pairwise(order):
            rises = value[after] - value[before] >= error
            if not rises:
                exact = [
                    ranking.scale[cls[k]] * int(sums[k]) + ranking.offset[cls[k]]
                    for k in (before, after)
                ]
                if exact[0] != exact[1]:
                    break
            group[after] = group[before] + rises
        else:
            return np.lexsort((-cls, group)).astype(np.int64)
        bits *= 2
