# amaranth: UnusedElaboratable=no
"""``FrameMemory``, from its constructor to its Verilog."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from framed import FrameStream

from binohm.hdl.host.frame_memory import FrameMemory

slow = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("elements", "input_bytes"),
    [
        (10, 4),
        (8, 8),
        pytest.param(65, 8, marks=slow),
        pytest.param(1, 1, marks=slow),
        pytest.param(1, 8, marks=slow),
        pytest.param(3, 1, marks=slow),
        pytest.param(65, 16, marks=slow),
    ],
)
def test_matches_golden(bench: Callable[..., None], elements: int, input_bytes: int) -> None:
    memory = FrameMemory(elements, input_bytes=input_bytes)
    bench(
        FrameStream(memory), "binohm.sim.benches.frame_memory", elements=elements,
        input_bytes=input_bytes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"elements": 0}, ValueError("elements must be at least 1, not 0")),
        ({"input_bytes": 1.0}, TypeError("input_bytes must be an int, not 1.0")),
    ],
)
def test_parameters_are_checked(changes: dict[str, Any], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        FrameMemory(**{"elements": 8, "input_bytes": 2} | changes)
