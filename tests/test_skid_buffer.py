# amaranth: UnusedElaboratable=no
"""``SkidBuffer``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest
from amaranth.hdl import Shape, ShapeLike, unsigned

from binohm.hdl.streams.skid_buffer import SkidBuffer


@pytest.mark.parametrize(
    "shape",
    [
        range(-3, 5),
        pytest.param(unsigned(1), marks=pytest.mark.slow),
        pytest.param(unsigned(8), marks=pytest.mark.slow),
        pytest.param(unsigned(65), marks=pytest.mark.slow),
    ],
)
def test_matches_golden(bench: Callable[..., None], shape: ShapeLike) -> None:
    bench(SkidBuffer(shape), "binohm.sim.benches.skid_buffer")


def test_parameters_are_kept() -> None:
    assert SkidBuffer(Shape(4, signed=True)).shape == Shape(4, signed=True)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("x", TypeError("shape must be a shape, not 'x'")),
        (0, ValueError("shape must have at least one bit, not 0")),
    ],
)
def test_parameters_are_checked(wrong: object, error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        SkidBuffer(wrong)
