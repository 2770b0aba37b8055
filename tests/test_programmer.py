# amaranth: UnusedElaboratable=no
"""``Programmer``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest

from binohm.hdl.arrays.programmer import Programmer

slow = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tiles", "lines", "columns"),
    [
        (3, 5, 8),
        pytest.param(1, 1, 1, marks=slow),
        pytest.param(2, 3, 3, marks=slow),
        pytest.param(1, 2, 65, marks=slow),
    ],
)
def test_matches_model(bench: Callable[..., None], tiles: int, lines: int, columns: int) -> None:
    facts = {"lines": lines, "columns": columns}
    bench(Programmer(tiles, **facts), "binohm.sim.benches.programmer", tiles=tiles, **facts)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"tiles": 0}, ValueError("tiles must be at least 1, not 0")),
        ({"lines": "3"}, TypeError("lines must be an int, not '3'")),
        ({"columns": True}, TypeError("columns must be an int, not True")),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Programmer(**{"tiles": 1, "lines": 1, "columns": 1, **wrong})
