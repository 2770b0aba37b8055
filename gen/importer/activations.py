"""Functions of signals, element by element: what quantisers are made of.

A function makes other levels of pixels and of bits. Of sums and of votes only a step makes bits.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from binohm.gen.importer.exact import Exact, Number, combine, is_zero, sign
from binohm.gen.importer.fold import reaches_zero, threshold
from binohm.gen.importer.signals import Bits, Pixels, Signal, Sums, Value, Votes
from binohm.gen.importer.votes import can_tie, majority

__all__ = ["Step", "apply", "sign_of"]


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
    """Apply a function element by element; to sums and votes only a :class:`Step`."""
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
        if isinstance(value.source, Votes):
            bits = majority(value, value.source, strict=function.strict)
        else:
            bits = _binarise(value, value.source, strict=function.strict)
        half, middle = (function.high - function.low) / 2, (function.high + function.low) / 2
        return bits.affine(Exact.full((), half), Exact.full((), middle))
    if isinstance(value.source, Votes):
        raise ValueError(
            "votes may only be shifted, scaled and binarised; put a BipolarQuant behind their sum"
        )
    raise ValueError(
        "the sums of a layer may only be shifted, scaled and binarised; activations of more than "
        "1 bit are not supported: quantise them by BipolarQuant"
    )


def sign_of(value: Value) -> Value:
    """ONNX ``Sign``, where zero stays zero: refused if sums of a layer or votes can reach it."""
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
    if isinstance(value, Signal) and isinstance(value.source, Votes):
        if can_tie(value, value.source):
            raise ValueError(
                "Sign(0) is 0, neither -1 nor +1, and as many groups can vote +1 as -1; use "
                "BipolarQuant, where 0 gives +1"
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


def _binarise(value: Signal, sums: Sums, *, strict: bool) -> Signal:
    if value.clip:
        low, high = (None if limit is None else sign(limit) for limit in value.clip)
        if (low is not None and low >= int(strict)) or (high is not None and high < int(strict)):
            raise ValueError("the clip before it leaves one sign only; remove the clip")
    rows, scales, offsets = value.unique()
    place, lane = np.divmod(value.element, sums.outputs)
    element = (place * len(rows) + np.searchsorted(rows, lane)).astype(np.intp)
    sums = sums.rows(rows)
    folded = [
        threshold(scale, offset, int(low), int(high), strict=strict)
        for scale, offset, low, high in zip(scales, offsets, sums.low, sums.high, strict=True)
    ]
    theta = np.array([[theta for theta, _ in folded]], np.int64)
    flip = np.array([[flip for _, flip in folded]], np.bool_)
    return Signal.plain(Bits(sums, theta, flip), element)
