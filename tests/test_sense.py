# amaranth: UnusedElaboratable=no
"""``SenseColumns``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest
from walked import Walked

from binohm.gen.verilog import to_verilog
from binohm.hdl.arithmetic.sense import SenseColumns


@pytest.mark.parametrize(
    ("chunk", "steps", "groups"),
    [
        (3, 3, 2),
        pytest.param(1, 1, 1, marks=pytest.mark.slow),
        pytest.param(8, 8, 3, marks=pytest.mark.slow),
        pytest.param(1, 65, 1, marks=pytest.mark.slow),
        pytest.param(65, 1, 4, marks=pytest.mark.slow),
    ],
)
def test_matches_golden(bench: Callable[..., None], chunk: int, steps: int, groups: int) -> None:
    sense = Walked(SenseColumns(chunk, steps=steps, groups=groups), groups)
    bench(sense, "binohm.sim.benches.sense", chunk=chunk, steps=steps, groups=groups)


def test_verilog_does_not_grow_with_the_steps() -> None:
    few, many = (
        to_verilog({"dut": SenseColumns(1, steps=steps, groups=64)})["dut"] for steps in (4, 64)
    )
    assert many.count("\n") == few.count("\n")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"chunk": 0}, ValueError("chunk must be at least 1, not 0")),
        ({"steps": "3"}, TypeError("steps must be an int, not '3'")),
        ({"groups": True}, TypeError("groups must be an int, not True")),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        SenseColumns(**{"chunk": 1, "steps": 1, "groups": 1, **wrong})
