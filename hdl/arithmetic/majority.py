"""The vote that joins the groups of a split layer, without a component of its own."""

from collections.abc import Iterable

from amaranth.hdl import Value

from binohm.hdl.arithmetic.popcount import popcount

__all__ = ["majority"]


def majority(bits: Value | Iterable[Value]) -> Value:
    """1 if at least half of ``bits`` are 1: a tie gives 1. A single bit is itself."""
    votes = list(bits)
    if len(votes) == 1:
        return votes[0]
    return popcount(votes) >= (len(votes) + 1) // 2
