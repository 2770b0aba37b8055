# amaranth: UnusedElaboratable=no
"""``Merge``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest

from binohm.hdl.streams.merge import Merge


@pytest.mark.parametrize(
    ("bits", "branches", "items"),
    [
        (8, 3, 7),
        pytest.param(3, 3, 9, marks=pytest.mark.slow),
        pytest.param(1, 1, 5, marks=pytest.mark.slow),
        pytest.param(3, 8, 3, marks=pytest.mark.slow),
        pytest.param(65, 65, 65, marks=pytest.mark.slow),
    ],
)
def test_matches_golden(bench: Callable[..., None], bits: int, branches: int, items: int) -> None:
    component = Merge(bits, branches=branches, items=items)
    bench(component, "binohm.sim.benches.merge", branches=branches, items=items)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"branches": 0}, ValueError("branches must be at least 1, not 0")),
        ({"items": "1"}, TypeError("items must be an int, not '1'")),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Merge(1, **{"branches": 1, "items": 1, **wrong})
