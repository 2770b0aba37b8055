# amaranth: UnusedElaboratable=no
"""``PixelInput``, from its constructor to its Verilog."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from framed import FrameStream
from plans import plan_of

from binohm.gen.macros.macro_views import render_table
from binohm.hdl.host.pixel_input import PixelInput

TABLE = [(37 * pixel) % 11 - 5 for pixel in range(256)]
"""Values of -5 to 5, 4 bits."""


def case(
    elements: int,
    input_bytes: int,
    bits: int,
    form: str,
    *,
    threshold: int = 0,
    inverted: bool = False,
    sum_range: tuple[int, int] | None = None,
    slow: bool = False,
) -> Any:
    facts = {
        "elements": elements,
        "input_bytes": input_bytes,
        "bits": bits,
        "form": form,
        "threshold": threshold,
        "inverted": inverted,
        "sum_range": sum_range,
    }
    name = "-".join(str(value) for value in facts.values())
    return pytest.param(facts, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(
    "facts",
    [
        case(10, 4, 4, "table", sum_range=(-50, 50)),
        case(8, 8, 1, "step", threshold=100),
        case(65, 8, 8, "identity", sum_range=(0, 65 * 255), slow=True),
        case(1, 1, 3, "saturate", sum_range=(0, 7), slow=True),
        case(1, 8, 1, "step", threshold=255, inverted=True, sum_range=(0, 1), slow=True),
        case(65, 3, 1, "step", threshold=1, slow=True),
        case(3, 1, 5, "saturate", slow=True),
        case(8, 3, 8, "saturate", sum_range=(0, 8 * 255), slow=True),
        case(65, 16, 4, "table", slow=True),
    ],
)
def test_matches_golden(
    bench: Callable[..., None], tmp_path: Path, facts: dict[str, object]
) -> None:
    sources = []
    if facts["form"] == "table":
        sources = [tmp_path / "table.v"]
        sources[0].write_text(render_table(plan_of("t", [])), encoding="utf-8")
        (tmp_path / "build").mkdir()
        words = "".join(f"{value & 15:x}\n" for value in TABLE)
        (tmp_path / "build" / "table.hex").write_text(words, encoding="utf-8")
        facts = {**facts, "table": TABLE}
    parameters = {key: value for key, value in facts.items() if key != "table"}
    bench(
        FrameStream(PixelInput(**parameters)),
        "binohm.sim.benches.pixel_input",
        sources=tuple(sources),
        **{key: repr(value) for key, value in facts.items()},
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"elements": 0}, ValueError("elements must be at least 1, not 0")),
        ({"input_bytes": 1.0}, TypeError("input_bytes must be an int, not 1.0")),
        ({"bits": 0}, ValueError("bits must be at least 1, not 0")),
        ({"bits": 9}, ValueError("bits must be 1 to 8 for form saturate, not 9")),
        (
            {"form": "identity"},
            ValueError("bits must be 8 to 8 for form identity, not 4"),
        ),
        ({"form": "step"}, ValueError("bits must be 1 to 1 for form step, not 4")),
        (
            {"form": "square"},
            ValueError("form must be one of identity, saturate, step, table, not 'square'"),
        ),
        (
            {"form": "step", "bits": 1, "threshold": 257},
            ValueError("threshold must be 0 to 256, not 257"),
        ),
        ({"threshold": -1}, ValueError("threshold must be at least 0, not -1")),
        ({"inverted": 0}, TypeError("inverted must be a bool, not 0")),
        (
            {"sum_range": (3, 3)},
            ValueError("sum_range must be (low, high) with low < high, not (3, 3)"),
        ),
    ],
)
def test_parameters_are_checked(changes: dict[str, Any], error: Exception) -> None:
    good = {"elements": 8, "input_bytes": 2, "bits": 4, "form": "saturate"}
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        PixelInput(**good | changes)
