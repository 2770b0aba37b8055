"""Lanes: equal fields side by side in one word, of which one is changed at a time."""

from amaranth.hdl import Const, Value

__all__ = ["with_lane"]


def with_lane(word: Value, lane: Value, value: Value) -> Value:
    """``word`` with ``value`` in field ``lane``, whose width is that of ``value``.

    A shifted mask for all fields: a comparison for each of them is ten times the Verilog.
    """
    width = len(value)
    mask = (Const((1 << width) - 1, width) << (lane * width))[: len(word)]
    mask |= Const(0, len(word))
    return (word & ~mask) | (value.as_unsigned().replicate(len(word) // width) & mask)
