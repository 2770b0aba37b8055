# amaranth: UnusedElaboratable=no
"""``Bdpe``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest

from binohm.hdl.arithmetic.bdpe import Bdpe


@pytest.mark.parametrize(
    ("width", "planes", "reads_per_output"),
    [
        (3, (1, 2, -4), 3),
        (65, (1,), 1),
        pytest.param(1, (1,), 65, marks=pytest.mark.slow),
        pytest.param(8, (1, 2, 4, 8), 1, marks=pytest.mark.slow),
        pytest.param(8, (-1,), 1, marks=pytest.mark.slow),
        pytest.param(3, (-1,), 8, marks=pytest.mark.slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None], width: int, planes: tuple[int, ...], reads_per_output: int
) -> None:
    engine = Bdpe(width, planes=planes, reads_per_output=reads_per_output)
    what = {"width": width, "planes": planes, "reads_per_output": reads_per_output}
    bench(engine, "binohm.sim.benches.bdpe", **what)


def test_sum_range_holds_every_sum() -> None:
    engine = Bdpe(3, planes=(1, 2, -4), reads_per_output=3)
    assert engine.sum_range == (-36, 27)
    assert engine.o.payload.shape().width == 7


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"width": 0}, ValueError("width must be at least 1, not 0")),
        ({"reads_per_output": 2.5}, TypeError("reads_per_output must be an int, not 2.5")),
        ({"planes": [1]}, TypeError("planes must be a tuple of ints, not [1]")),
        (
            {"planes": (1, 3)},
            ValueError(
                "planes must be 1, 2, 4 and so on, of which the last may be negative, not (1, 3)"
            ),
        ),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Bdpe(**{"width": 1, "planes": (1,), "reads_per_output": 1, **wrong})
