"""Thresholds at the ends of what they are compared with."""

import numpy as np
import pytest

from binohm.gen.network import Dense
from binohm.gen.periphery import bias, thresholds

SIGNS = np.array([[1, -1, 1]], np.int8)


def layer(theta: int) -> Dense:
    """Three inputs, one output."""
    return Dense("h", SIGNS, np.array([[theta]]), np.array([[False]]))


@pytest.mark.parametrize(
    ("theta", "threshold"), [(-99, 0), (-3, 0), (-2, 1), (2, 3), (3, 3), (4, 4), (99, 4)]
)
def test_thresholds_out_of_reach_are_just_out_of_reach(theta: int, threshold: int) -> None:
    """Sums are 2u - 3, with u from 0 to 3: 0 is always reached, 4 never."""
    assert thresholds(layer(theta), "signs", "bipolar", (0, 3)).tolist() == [[threshold]]


@pytest.mark.parametrize(
    ("theta", "cells"), [(-99, 3), (-3, 3), (0, 0), (3, -3), (4, -4), (99, -4)]
)
def test_bias_cells_out_of_reach_are_just_out_of_reach(theta: int, cells: int) -> None:
    """The bit is s + b + 1/2 > 0: always where b is 3, never where b is -4."""
    assert bias(layer(theta), "bipolar").tolist() == [[cells]]
