"""``Window``, from its constructor to its Verilog."""

from collections.abc import Callable
from typing import Any

import pytest

from binohm.hdl.layers.window import Window

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("depth", "image", "kernel", "stride", "padding"),
    [
        (3, (5, 4), (3, 3), (1, 1), (1, 1)),
        (8, (6, 7), (3, 2), (2, 3), (0, 0)),
        (1, (1, 1), (3, 3), (1, 1), (1, 1)),
        pytest.param(65, (3, 3), (1, 1), (1, 1), (0, 0), marks=slow),
        pytest.param(1, (8, 1), (5, 1), (1, 1), (2, 0), marks=slow),
        pytest.param(2, (1, 8), (1, 3), (1, 2), (0, 1), marks=slow),
        pytest.param(3, (2, 2), (5, 5), (1, 1), (2, 2), marks=slow),
        pytest.param(8, (3, 8), (3, 3), (2, 2), (1, 1), marks=slow),
        pytest.param(1, (9, 8), (4, 4), (3, 1), (1, 1), marks=slow),
        pytest.param(2, (6, 2), (3, 2), (1, 1), (1, 0), marks=slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None], depth: int, image: Any, kernel: Any, stride: Any, padding: Any
) -> None:
    facts = {"image": image, "kernel": kernel, "stride": stride, "padding": padding}
    bench(Window(depth, **facts), "binohm.sim.benches.window", depth=depth, **facts)
