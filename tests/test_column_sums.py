# amaranth: UnusedElaboratable=no
"""``ColumnSums``, from its constructor to its Verilog."""

import re
from collections.abc import Callable

import pytest
from walked import Walked

from binohm.gen.verilog import to_verilog
from binohm.hdl.arithmetic.column_sums import ColumnSums


@pytest.mark.parametrize(
    ("chunk", "steps", "tiles_per_group", "bits", "planes"),
    [
        (3, 3, (2, 1), 3, (1, 2, -4)),
        (1, 1, (1,), 1, (1,)),
        pytest.param(8, 3, (1,), 8, (1, 2, 4, 8, 16), marks=pytest.mark.slow),
        pytest.param(1, 65, (3,), 2, (1, -2), marks=pytest.mark.slow),
        pytest.param(65, 1, (1, 3), 1, (-1,), marks=pytest.mark.slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None],
    chunk: int,
    steps: int,
    tiles_per_group: tuple[int, ...],
    bits: int,
    planes: tuple[int, ...],
) -> None:
    what = {
        "chunk": chunk,
        "steps": steps,
        "tiles_per_group": tiles_per_group,
        "bits": bits,
        "planes": planes,
    }
    bench(
        Walked(ColumnSums(**what), sum(tiles_per_group)), "binohm.sim.benches.column_sums", **what
    )


def test_sum_range_holds_every_sum() -> None:
    sums = ColumnSums(1, steps=1, tiles_per_group=(2, 1), bits=3, planes=(1, 2, -4))
    assert sums.sum_range == (-4 * 14, 3 * 14)
    assert sums.o.payload.shape().elem_shape.width == 7


def test_verilog_of_a_wide_vector_is_small() -> None:
    sums = ColumnSums(1, steps=64, tiles_per_group=(8,), bits=8, planes=(1,))
    assert to_verilog({"dut": sums})["dut"].count("\n") < 100


GOOD = {"chunk": 1, "steps": 1, "tiles_per_group": (1,), "bits": 1, "planes": (1,)}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"chunk": 0}, ValueError("chunk must be at least 1, not 0")),
        ({"steps": None}, TypeError("steps must be an int, not None")),
        ({"tiles_per_group": 1}, TypeError("tiles_per_group must be a tuple of ints, not 1")),
        ({"tiles_per_group": ()}, TypeError("tiles_per_group must be a tuple of ints, not ()")),
        (
            {"tiles_per_group": (1, 0)},
            ValueError("an element of tiles_per_group must be at least 1, not 0"),
        ),
        ({"bits": 0}, ValueError("bits must be at least 1, not 0")),
        ({"planes": 1}, TypeError("planes must be a tuple of ints, not 1")),
        *(
            (
                {"planes": planes},
                ValueError(
                    "planes must be 1, 2, 4 and so on, of which the last may be negative, "
                    f"not {planes}"
                ),
            )
            for planes in [(), (2,), (-1, 2), (1, 2, 3)]
        ),
    ],
)
def test_parameters_are_checked(wrong: dict[str, object], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        ColumnSums(**{**GOOD, **wrong})
