"""Votes: layers in groups of inputs, each of which gives one bit of every output.

A layer over some of the elements before it is a part of one. The bits of several parts may be
added; where the sign of their sum is the majority, and a tie gives +1, they are one split layer.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from binohm.gen.importer.exact import Number, combine
from binohm.gen.importer.fold import reaches_zero, threshold
from binohm.gen.importer.signals import Bits, Signal, Sums, Votes

__all__ = ["add", "can_tie", "majority"]


def add(a: Signal, b: Signal) -> Signal:
    """Sum of the bits of parts of one layer."""
    ours, theirs = _parts(a), _parts(b)
    one, other = ours[0].sums, theirs[0].sums
    table, same = np.asarray(one.table), np.asarray(other.table)
    if one.feed is not other.feed or not np.array_equal(table, same):
        raise ValueError(
            "it adds bits of groups of different inputs; slice what one quantiser gives into the "
            "groups of a layer"
        )
    alike = one.outputs == other.outputs and one.geometry == other.geometry
    if not alike or not np.array_equal(a.element, b.element):
        raise ValueError(
            "it adds bits of different outputs or windows; give every group of a layer the same, "
            "in the same order"
        )
    if not (a.scale - b.scale).is_all(0):
        raise ValueError("its groups have votes of different scales; use one for all of them")
    return replace(a, source=Votes((*ours, *theirs)), offset=a.offset + b.offset)


def _parts(x: Signal) -> tuple[Bits, ...]:
    if isinstance(x.source, Votes):
        return x.source.parts
    if isinstance(x.source, Bits) and not x.source.sums.whole:
        return (_of_pooled_sums(x.source),)
    raise ValueError("two branches are added; residual connections are not supported")


def _of_pooled_sums(bits: Bits) -> Bits:
    """Pooled signs of one group as the signs of pooled sums.

    The largest of the signs is that of the largest sum or, where they fall, of the largest sum of
    turned weights: ``s < theta`` is ``-s >= 1 - theta``.
    """
    sums, geometry = bits.sums, bits.sums.geometry
    if geometry is None or geometry.pool is None or geometry.pool.of == "sums":
        return bits
    turned = bits.flip[0]
    sums = replace(
        sums.turned(turned), geometry=replace(geometry, pool=replace(geometry.pool, of="sums"))
    )
    return Bits(sums, np.where(turned, 1 - bits.theta, bits.theta), np.zeros_like(bits.flip))


def can_tie(value: Signal, votes: Votes) -> bool:
    """Whether an affine function of votes can be zero."""
    count = len(votes.parts)
    zeros = combine(
        lambda scale, offset: Fraction(reaches_zero(scale, offset, -count, count, 2)),
        value.scale,
        value.offset,
    )
    return not zeros.is_all(0)


def majority(value: Signal, votes: Votes, *, strict: bool) -> Signal:
    """Signs of an affine function of votes: those at least zero, above zero if ``strict``."""
    count = len(votes.parts)
    half = -(-count // 2)
    needed = combine(
        lambda scale, offset: Fraction(_needed(scale, offset, count, strict)),
        value.scale,
        value.offset,
    )
    for number in needed.used():
        if number != half:
            raise ValueError(
                f"{number} of {count} groups have to vote +1 for +1, where a majority, with a tie "
                f"for +1, takes {half}; put a BipolarQuant behind the sum of their bits"
            )
    parts = sorted(votes.parts, key=lambda part: part.sums.bounds)
    theta, flip = (np.concatenate([getattr(p, key) for p in parts]) for key in ("theta", "flip"))
    return Signal.plain(Bits(_joined([p.sums for p in parts]), theta, flip), value.element)


def _needed(scale: Number, offset: Number, count: int, strict: bool) -> int:
    """How many of the bits have to be +1 for a value of at least zero."""
    theta, falling = threshold(scale, offset, -count, count, strict=strict)
    if falling:
        raise ValueError("its votes have a negative scale; use a positive one")
    return -(-(theta + count) // 2)


def _joined(groups: Sequence[Sums]) -> Sums:
    """The layer whose groups these are, in their order."""
    first, edges = groups[0], [0]
    ends = [group.bounds for group in groups] + [(first.inputs, first.inputs)]
    for start, stop in ends:
        if start != edges[-1]:
            where = "two groups" if start < edges[-1] else "no group"
            raise ValueError(
                f"input {min(start, edges[-1])} of {first.inputs} is in {where} of the vote; each "
                "must be in one"
            )
        edges.append(stop)
    return replace(
        first,
        weights=np.concatenate([group.weights for group in groups], axis=1),
        bounds=tuple(edges[:-1]),
        low=np.sum([group.low for group in groups], axis=0),
        high=np.sum([group.high for group in groups], axis=0),
        step=min(group.step for group in groups),
    )
