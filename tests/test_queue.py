# amaranth: UnusedElaboratable=no
"""``Queue``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest
from amaranth.hdl import Shape, ShapeLike, unsigned

from binohm.hdl.streams.queue import Queue


@pytest.mark.fast_on_verilator
@pytest.mark.parametrize(
    ("shape", "depth"),
    [
        (range(-3, 5), 3),
        pytest.param(unsigned(1), 1, marks=pytest.mark.slow),
        pytest.param(unsigned(65), 8, marks=pytest.mark.slow),
        pytest.param(unsigned(8), 65, marks=pytest.mark.slow),
    ],
)
def test_matches_golden(bench: Callable[..., None], shape: ShapeLike, depth: int) -> None:
    bench(Queue(shape, depth=depth), "binohm.sim.benches.queue", depth=depth)


def test_parameters_are_kept() -> None:
    queue = Queue(Shape(4, signed=True), depth=2)
    assert (queue.shape, queue.depth) == (Shape(4, signed=True), 2)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"shape": "x"}, TypeError("shape must be a shape, not 'x'")),
        ({"shape": 0}, ValueError("shape must have at least one bit, not 0")),
        ({"depth": 1.0}, TypeError("depth must be an int, not 1.0")),
        ({"depth": 0}, ValueError("depth must be at least 1, not 0")),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Queue(**{"shape": 8, "depth": 2, **wrong})
