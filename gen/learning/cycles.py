"""How many clock cycles a trainer takes, before any simulator runs.

The passes depend on shapes alone, and what a row of pairs takes on how often it is touched. Arrays
answer as their digital views do, all columns at once: a read or a write of signs two cycles after
the request, a command to pairs one cycle after it. ``tests/test_trainer.py`` holds the trainer to
these numbers.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

__all__ = ["PAIRS", "SIGNS", "passes", "rows"]

SIGNS = 4
"""Cycles of one read of signs, with the one that prepares it, or of a write."""

PAIRS = 2
"""Cycles of one command to a row of pairs."""


def passes(
    sizes: Sequence[int], *, pixel_bits: int, error_bits: int, by_row: bool
) -> dict[str, int]:
    """Cycles of an image, ``forward`` and ``backward``, and of ``calibration``, once a batch.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden layers, classes.
    pixel_bits, error_bits : int
    by_row : bool
        Whether signs are read from the pairs, row by row.
    """
    forward, backward = 0, len(sizes) - 1
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        up = pixel_bits if number == 0 else 1
        down = 2 * (error_bits - 1)
        forward += outputs + 2 + (PAIRS * inputs if by_row else SIGNS * up + 1)
        if number:
            backward += inputs + 1 + (PAIRS * inputs if by_row else SIGNS * down + 1)
    calibration = 0 if by_row else (SIGNS + 2) * (len(sizes) - 2)
    return {"forward": forward, "backward": backward, "calibration": calibration}


def rows(
    sizes: Sequence[int], steps: Mapping[str, int], *, batches: int, batch: int, pulsed: int,
    touched: int,
) -> dict[str, int]:  # fmt: skip
    """Cycles of the phases in which weights change, in all of some batches.

    Parameters
    ----------
    steps : mapping of str to int
        Activations of ``update``, ``readout`` and ``copy``.
    batches, batch : int
        Batches, and images of each.
    pulsed, touched : int
        Rows that got a pulse; rows that were read afterwards: 0 without copies.
    """
    still = sum(outputs + inputs * (1 + batch + outputs + 2) for inputs, outputs in pairwise(sizes))
    return {
        "update": batches * still + PAIRS * steps["update"] + pulsed,
        "readout": PAIRS * steps["readout"],
        "copy": SIGNS * steps["copy"] + (2 * touched - steps["copy"]),
    }
