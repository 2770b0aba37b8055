# amaranth: UnusedElaboratable=no
"""``PlaneSums``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest

from binohm.hdl.arithmetic.plane_sums import PlaneSums


@pytest.mark.parametrize(
    ("lanes", "planes", "count_range"),
    [
        (3, (1, 2, 4, -8), (0, 5)),
        pytest.param(1, (1,), (0, 1), marks=pytest.mark.slow),
        pytest.param(1, (-1,), (0, 3), marks=pytest.mark.slow),
        pytest.param(8, (1, 2, 4, 8, 16, 32, 64, 128), (0, 65), marks=pytest.mark.slow),
        pytest.param(65, (1, -2), (0, 8), marks=pytest.mark.slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None], lanes: int, planes: tuple[int, ...], count_range: tuple[int, int]
) -> None:
    component = PlaneSums(lanes, planes=planes, count_range=count_range)
    facts = {"lanes": lanes, "planes": planes, "count_range": count_range}
    bench(component, "binohm.sim.benches.plane_sums", **facts)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"lanes": 0}, ValueError("lanes must be at least 1, not 0")),
        ({"planes": [1]}, TypeError("planes must be a tuple of ints, not [1]")),
        (
            {"count_range": (1, 1)},
            ValueError("count_range must be (low, high) with low < high, not (1, 1)"),
        ),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        PlaneSums(**{"lanes": 1, "planes": (1,), "count_range": (0, 1), **wrong})
