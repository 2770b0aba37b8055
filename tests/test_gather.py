# amaranth: UnusedElaboratable=no
"""``Gather``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest

from binohm.hdl.streams.gather import Gather


@pytest.mark.parametrize(
    ("outputs", "chunk", "count"),
    [
        (8, 3, True),
        pytest.param(1, 1, False, marks=pytest.mark.slow),
        pytest.param(65, 8, True, marks=pytest.mark.slow),
        pytest.param(65, 1, False, marks=pytest.mark.slow),
        pytest.param(3, 8, True, marks=pytest.mark.slow),
    ],
)
def test_matches_golden(bench: Callable[..., None], outputs: int, chunk: int, count: bool) -> None:
    gather = Gather(outputs, chunk=chunk, count=count)
    bench(gather, "binohm.sim.benches.gather", outputs=outputs, chunk=chunk, count=count)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"outputs": 0}, ValueError("outputs must be at least 1, not 0")),
        ({"chunk": "1"}, TypeError("chunk must be an int, not '1'")),
        ({"count": 1}, TypeError("count must be a bool, not 1")),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Gather(**{"outputs": 1, "chunk": 1, "count": False, **wrong})
