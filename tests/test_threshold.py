# amaranth: UnusedElaboratable=no
"""``Threshold``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest

from binohm.hdl.arithmetic.threshold import Threshold

GOOD = {
    "lanes": 1,
    "groups": 1,
    "steps": 1,
    "sum_range": (0, 1),
    "theta_bits": 1,
    "driven_range": None,
}


@pytest.mark.fast_on_verilator
@pytest.mark.parametrize(
    "what",
    [
        {"lanes": 3, "groups": 3, "steps": 3, "sum_range": (0, 7), "theta_bits": 4},
        {"sum_range": (-5, 9), "theta_bits": 6, "driven_range": (-3, 9)},
        pytest.param(
            {"lanes": 8, "groups": 2, "steps": 8, "sum_range": (-8, 7), "theta_bits": 4},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"steps": 65, "sum_range": (0, 200), "theta_bits": 10, "driven_range": (0, 200)},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"lanes": 65, "sum_range": (0, 3), "theta_bits": 2, "driven_range": (-1, 2)},
            marks=pytest.mark.slow,
        ),
        pytest.param(GOOD, marks=pytest.mark.slow),
    ],
)
def test_matches_golden(bench: Callable[..., None], what: dict[str, object]) -> None:
    what = GOOD | what
    bench(Threshold(**what), "binohm.sim.benches.threshold", **what)


def test_parameters_are_kept() -> None:
    threshold = Threshold(**GOOD)
    assert {name: getattr(threshold, name) for name in GOOD} == GOOD


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"lanes": 0}, ValueError("lanes must be at least 1, not 0")),
        ({"groups": "1"}, TypeError("groups must be an int, not '1'")),
        ({"steps": -1}, ValueError("steps must be at least 1, not -1")),
        ({"theta_bits": 0}, ValueError("theta_bits must be at least 1, not 0")),
        ({"sum_range": 7}, TypeError("sum_range must be (low, high), two ints, not 7")),
        (
            {"sum_range": (1, 1)},
            ValueError("sum_range must be (low, high) with low < high, not (1, 1)"),
        ),
        (
            {"driven_range": (0, 1.0)},
            TypeError("driven_range must be (low, high), two ints, not (0, 1.0)"),
        ),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Threshold(**{**GOOD, **wrong})
