# amaranth: UnusedElaboratable=no
"""``RowDrive``, from its constructor to its Verilog."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from clocked import Clocked

from binohm.hdl.arrays.row_drive import RowDrive

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("inputs", "planes", "bipolar", "sum_range", "masked"),
    [
        (8, 3, False, (-4, 52), False),
        (3, 1, True, None, False),
        (8, 1, True, (0, 8), True),
        pytest.param(65, 1, True, None, True, marks=slow),
        pytest.param(1, 1, False, (0, 1), False, marks=slow),
        pytest.param(1, 8, False, None, False, marks=slow),
        pytest.param(65, 1, True, (0, 65), False, marks=slow),
        pytest.param(65, 5, False, (0, 31 * 65), False, marks=slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None],
    inputs: int,
    planes: int,
    bipolar: bool,
    sum_range: tuple[int, int] | None,
    masked: bool,
) -> None:
    facts = {"planes": planes, "bipolar": bipolar, "sum_range": sum_range, "masked": masked}
    drive = RowDrive(inputs, **facts)
    stateless = planes == 1 and sum_range is None
    dut = Clocked(drive) if stateless else drive
    bench(dut, "binohm.sim.benches.row_drive", inputs=inputs, **facts)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"inputs": "8"}, TypeError("inputs must be an int, not '8'")),
        ({"inputs": 0}, ValueError("inputs must be at least 1, not 0")),
        ({"planes": 0}, ValueError("planes must be at least 1, not 0")),
        ({"planes": 2}, ValueError("planes must be 1 if bipolar, not 2")),
        ({"bipolar": False, "masked": True}, ValueError("masked must be False unless bipolar")),
        ({"bipolar": 1}, TypeError("bipolar must be a bool, not 1")),
        (
            {"sum_range": (3, 3)},
            ValueError("sum_range must be (low, high) with low < high, not (3, 3)"),
        ),
    ],
)
def test_parameters_are_checked(changes: dict[str, Any], error: Exception) -> None:
    good = {"inputs": 8, "planes": 1, "bipolar": True, "sum_range": None}
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        RowDrive(**good | changes)
