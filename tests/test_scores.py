# amaranth: UnusedElaboratable=no
"""``Scores``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest

from binohm.hdl.arithmetic.scores import Scores, scores_layout

GOOD = {
    "classes": 1,
    "chunk": 1,
    "sum_range": (0, 1),
    "driven_range": None,
    "scale_bits": 1,
    "offset_bits": 1,
}
WIDE = {"sum_range": (0, 65535), "scale_bits": 20, "offset_bits": 32}


@pytest.mark.parametrize(
    "what",
    [
        {"classes": 8, "chunk": 3, "sum_range": (0, 7), "scale_bits": 2, "offset_bits": 3},
        {"classes": 3, "sum_range": (0, 3), "driven_range": (-4, 4), "scale_bits": 3},
        pytest.param(GOOD, marks=pytest.mark.slow),
        pytest.param({"classes": 3, "chunk": 8, **WIDE}, marks=pytest.mark.slow),
        pytest.param(
            {"classes": 65, "chunk": 8, "scale_bits": 4, "offset_bits": 2, "sum_range": (-9, 9)},
            marks=pytest.mark.slow,
        ),
        pytest.param({"classes": 33, "chunk": 33, "driven_range": (0, 2)}, marks=pytest.mark.slow),
    ],
)
def test_matches_golden(bench: Callable[..., None], what: dict[str, object]) -> None:
    what = GOOD | what
    bench(Scores(**what), "binohm.sim.benches.scores", **what)


def test_layout_is_the_class_below_the_scores() -> None:
    layout = scores_layout(10)
    assert layout.size == 4 + 10 * 32
    assert (layout["best"].offset, layout["scores"].offset) == (0, 4)


def test_parameters_are_kept() -> None:
    scores = Scores(**GOOD)
    assert {name: getattr(scores, name) for name in GOOD} == GOOD


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"classes": 0}, ValueError("classes must be at least 1, not 0")),
        ({"chunk": "1"}, TypeError("chunk must be an int, not '1'")),
        ({"scale_bits": 0}, ValueError("scale_bits must be at least 1, not 0")),
        ({"offset_bits": None}, TypeError("offset_bits must be an int, not None")),
        (
            {"sum_range": (2, 1)},
            ValueError("sum_range must be (low, high) with low < high, not (2, 1)"),
        ),
        ({"driven_range": 1}, TypeError("driven_range must be (low, high), two ints, not 1")),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Scores(**{**GOOD, **wrong})
