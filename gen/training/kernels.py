"""What stands behind the sums of a layer, each in one pass through memory; compiled by numba.

PyTorch passes a dozen times over all sums of a split layer, and memory is what that waits for. Here
rows are images or the pixels of images, columns are the outputs of a group. All arrays are
contiguous float32, but for corners, and for sums that come in 16 bits. What is added up is added up
in blocks of rows, whose ``limits`` are those of :func:`blocks`, so that little is lost to rounding.
Each runs on the thread that calls it, beside others: numba's own threads wait for each other on
processors that are busy with something else, 25 times as long as the work takes (measured beside a
training).

What is normalised is ``(sum - mean) * scale + beta``, with the scale gamma over the root of the
variance.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "Sums",
    "blocks",
    "corners",
    "moments",
    "most",
    "slopes",
    "spread",
    "spread_corners",
    "vote",
]

Floats = NDArray[np.float32]
Sums = NDArray[np.float32] | NDArray[np.int16]

BLOCKS = 16
"""Blocks of rows."""

_compiled: Any = njit(fastmath={"contract"}, cache=True, error_model="numpy", nogil=True)


def blocks(rows: int) -> NDArray[np.int64]:
    """Where each block of rows begins and ends."""
    return np.arange(BLOCKS + 1) * rows // BLOCKS


@_compiled
def corners(sums: Floats, largest: Floats, corner: NDArray[np.uint8]) -> None:
    """The largest of each 2 x 2 sums, and which of them it is: the first, row by row.

    ``sums`` has the shape (rows, 2, columns, 2, outputs), the others (rows, columns, outputs).
    """
    rows, columns, outputs = largest.shape
    for row in range(rows):
        for column in range(columns):
            for k in range(outputs):
                a, b = sums[row, 0, column, 0, k], sums[row, 0, column, 1, k]
                c, d = sums[row, 1, column, 0, k], sums[row, 1, column, 1, k]
                upper, lower = max(a, b), max(c, d)
                largest[row, column, k] = max(upper, lower)
                above = 0 if a == upper else 1
                below = 2 if c == lower else 3
                corner[row, column, k] = above if upper >= lower else below


@_compiled
def moments(
    sums: Sums, center: Floats, limits: NDArray[np.int64], first: Floats, second: Floats
) -> None:
    """Of each block: the sums' differences to the center, and the squares of these."""
    for block in range(len(first)):
        first[block] = 0
        second[block] = 0
        for row in range(limits[block], limits[block + 1]):
            for k in range(sums.shape[1]):
                apart = sums[row, k] - center[k]
                first[block, k] += apart
                second[block, k] += apart * apart


@_compiled
def vote(
    sums: Sums, mean: Floats, scale: Floats, beta: Floats, limits: NDArray[np.int64], to: Floats
) -> None:
    """Add +1 to where a normalised sum is at least 0, else -1."""
    one = np.float32(1)
    for block in range(len(limits) - 1):
        for row in range(limits[block], limits[block + 1]):
            for k in range(sums.shape[1]):
                normal = (sums[row, k] - mean[k]) * scale[k] + beta[k]
                to[row, k] += one if normal >= 0 else -one


@_compiled
def most(votes: Floats) -> None:
    """Replace each sum of votes by +1 where it is at least 0, else by -1."""
    one = np.float32(1)
    for row in range(len(votes)):
        for k in range(votes.shape[1]):
            votes[row, k] = one if votes[row, k] >= 0 else -one


@_compiled
def slopes(
    sums: Sums,
    gradient: Floats,
    mean: Floats,
    scale: Floats,
    beta: Floats,
    limits: NDArray[np.int64],
    plain: Floats,
    weighted: Floats,
) -> None:
    """Of each block: gradients where the normalised lies within -1 and +1, and these times sums.

    Sums less their mean. Over all blocks, the first is the gradient of beta.
    """
    zero = np.float32(0)
    for block in range(len(plain)):
        plain[block] = 0
        weighted[block] = 0
        for row in range(limits[block], limits[block + 1]):
            for k in range(sums.shape[1]):
                apart = sums[row, k] - mean[k]
                passed = gradient[row, k] if abs(apart * scale[k] + beta[k]) < 1 else zero
                plain[block, k] += passed
                weighted[block, k] += passed * apart


@_compiled
def spread(
    sums: Sums,
    gradient: Floats,
    mean: Floats,
    scale: Floats,
    beta: Floats,
    slope: Floats,
    level: Floats,
    to: Floats,
) -> None:
    """Gradients of the sums; slope and level are the batch's share, through mean and variance."""
    zero = np.float32(0)
    for row in range(len(sums)):
        for k in range(sums.shape[1]):
            apart = sums[row, k] - mean[k]
            passed = gradient[row, k] if abs(apart * scale[k] + beta[k]) < 1 else zero
            to[row, k] = scale[k] * passed - slope[k] * apart - level[k]


@_compiled
def spread_corners(
    largest: Floats,
    corner: NDArray[np.uint8],
    gradient: Floats,
    mean: Floats,
    scale: Floats,
    beta: Floats,
    slope: Floats,
    level: Floats,
    to: Floats,
) -> None:
    """:func:`spread`, to the corner that was the largest; 0 to the other three."""
    zero = np.float32(0)
    rows, columns, outputs = largest.shape
    value = np.empty(outputs, np.float32)
    for row in range(rows):
        for column in range(columns):
            for k in range(outputs):
                apart = largest[row, column, k] - mean[k]
                inside = abs(apart * scale[k] + beta[k]) < 1
                passed = gradient[row, column, k] if inside else zero
                value[k] = scale[k] * passed - slope[k] * apart - level[k]
            for at in range(4):  # each a loop of few arrays, which the compiler makes vectors of
                for k in range(outputs):
                    here = corner[row, column, k] == at
                    to[row, at // 2, column, at % 2, k] = value[k] if here else zero
