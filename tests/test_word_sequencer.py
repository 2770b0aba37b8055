# amaranth: UnusedElaboratable=no
"""``WordSequencer``, from its constructor to its Verilog."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from clocked import Clocked

from binohm.hdl.arrays.word_sequencer import WordSequencer

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("inputs", "planes", "columns", "slices_per_read", "steps", "bipolar", "sum_range", "masked"),
    [
        (13, 2, 4, 2, 3, False, (0, 39), False),
        (8, 1, 3, 1, 3, True, None, False),
        (13, 1, 4, 2, 2, True, (0, 13), True),
        pytest.param(1, 1, 1, 1, 1, True, None, False, marks=slow),
        pytest.param(3, 3, 8, 1, 1, False, (-12, 9), False, marks=slow),
        pytest.param(8, 1, 8, 1, 65, True, (0, 8), False, marks=slow),
        pytest.param(65, 1, 8, 3, 2, False, (0, 65), False, marks=slow),
        pytest.param(65, 8, 65, 1, 3, False, (0, 255 * 65), False, marks=slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None],
    inputs: int,
    planes: int,
    columns: int,
    slices_per_read: int,
    steps: int,
    bipolar: bool,
    sum_range: tuple[int, int] | None,
    masked: bool,
) -> None:
    facts = {
        "planes": planes,
        "columns": columns,
        "slices_per_read": slices_per_read,
        "steps": steps,
        "bipolar": bipolar,
        "sum_range": sum_range,
        "masked": masked,
    }
    sequencer = WordSequencer(inputs, **facts)
    stateless = inputs == steps == 1 and sum_range is None
    dut = Clocked(sequencer) if stateless else sequencer
    # Not `columns`: the variable COLUMNS belongs to the terminal.
    facts["array_columns"] = facts.pop("columns")
    bench(dut, "binohm.sim.benches.word_sequencer", inputs=inputs, **facts)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"inputs": "8"}, TypeError("inputs must be an int, not '8'")),
        ({"inputs": 0}, ValueError("inputs must be at least 1, not 0")),
        ({"planes": 0}, ValueError("planes must be at least 1, not 0")),
        ({"columns": 0}, ValueError("columns must be at least 1, not 0")),
        ({"slices_per_read": 0}, ValueError("slices_per_read must be at least 1, not 0")),
        ({"steps": 0}, ValueError("steps must be at least 1, not 0")),
        ({"planes": 2}, ValueError("planes must be 1 if bipolar, not 2")),
        ({"bipolar": False, "masked": True}, ValueError("masked must be False unless bipolar")),
        ({"bipolar": None}, TypeError("bipolar must be a bool, not None")),
        (
            {"sum_range": (3, 3)},
            ValueError("sum_range must be (low, high) with low < high, not (3, 3)"),
        ),
    ],
)
def test_parameters_are_checked(changes: dict[str, Any], error: Exception) -> None:
    good = {
        "inputs": 8,
        "planes": 1,
        "columns": 4,
        "slices_per_read": 1,
        "steps": 2,
        "bipolar": True,
        "sum_range": None,
    }
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        WordSequencer(**good | changes)
