"""``Pool``, from its constructor to its Verilog."""

from collections.abc import Callable
from typing import Any

import pytest

from binohm.hdl.arithmetic.pool import Pool

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("channels", "image", "kernel", "stride"),
    [
        (3, (4, 6), (2, 2), (2, 2)),
        (8, (5, 5), (3, 3), (2, 2)),
        pytest.param(1, (3, 4), (2, 1), (1, 2), marks=slow),
        pytest.param(65, (2, 2), (2, 2), (2, 2), marks=slow),
        pytest.param(8, (7, 5), (2, 2), (2, 2), marks=slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None], channels: int, image: Any, kernel: Any, stride: Any
) -> None:
    facts = {"image": image, "kernel": kernel, "stride": stride}
    bench(Pool(channels, **facts), "binohm.sim.benches.pool", channels=channels, **facts)
