"""The payload between layers, bit by bit."""

import re

import pytest

from binohm.hdl.streams.activations import activations_layout


def test_planes_lie_side_by_side_below_the_sum() -> None:
    layout = activations_layout(3, 2, (-6, 3))
    assert (layout["bits"].offset, layout["bits"].width) == (0, 6)
    assert (layout["sum"].offset, layout["sum"].width) == (6, 4)
    assert layout["sum"].shape.signed
    assert layout.size == 10


def test_the_sum_is_only_there_where_it_is_wanted() -> None:
    assert [name for name, _ in activations_layout(65)] == ["bits"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0,), ValueError("inputs must be at least 1, not 0")),
        ((1, "2"), TypeError("planes must be an int, not '2'")),
        ((1, 1, (3, 3)), ValueError("sum_range must be (low, high) with low < high, not (3, 3)")),
    ],
)
def test_parameters_are_checked(arguments: tuple[object, ...], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        activations_layout(*arguments)
