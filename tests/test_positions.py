# amaranth: UnusedElaboratable=no
"""``Positions``, from its constructor to its Verilog."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from framed import with_tables
from plans import plan_of

from binohm.gen.macros.macro_views import render_table
from binohm.hdl.host.positions import Positions

slow = pytest.mark.slow
TABLE = [(37 * pixel) % 11 - 5 for pixel in range(256)]
"""Values of -5 to 5, 4 bits."""


class Tabled(wiring.Component):
    """``Positions`` with the tables behind its ports."""

    def __init__(self, inner: Positions) -> None:
        self.inner = inner
        super().__init__({"i": inner.signature.members["i"], "o": inner.signature.members["o"]})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = self.inner
        wiring.connect(m, wiring.flipped(self.i), self.inner.i)
        wiring.connect(m, self.inner.o, wiring.flipped(self.o))
        with_tables(m, self.inner, self.inner.channels)
        return m


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "positions", "input_bytes", "bits", "form"),
    [
        (3, 5, 8, 8, "identity"),
        (3, 4, 2, 4, "table"),
        pytest.param(1, 9, 1, 3, "saturate", marks=slow),
        pytest.param(1, 1, 8, 1, "step", marks=slow),
        pytest.param(8, 1, 3, 1, "step", marks=slow),
        pytest.param(1, 65, 8, 8, "identity", marks=slow),
        pytest.param(65, 2, 8, 5, "saturate", marks=slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None], tmp_path: Path, channels: int, positions: int, input_bytes: int,
    bits: int, form: str,
) -> None:  # fmt: skip
    facts: dict[str, Any] = {"positions": positions, "input_bytes": input_bytes, "bits": bits}
    facts |= {"form": form, "threshold": 100 if form == "step" else 0, "inverted": form == "step"}
    dut: Any = Positions(channels, **facts)
    sources, more = [], {}
    if form == "table":
        dut, more = Tabled(dut), {"table": TABLE}
        sources = [tmp_path / "table.v"]
        sources[0].write_text(render_table(plan_of("t", [])), encoding="utf-8")
        (tmp_path / "build").mkdir()
        words = "".join(f"{value & 15:x}\n" for value in TABLE)
        (tmp_path / "build" / "table.hex").write_text(words, encoding="utf-8")
    told = {key: repr(value) for key, value in {"channels": channels, **facts, **more}.items()}
    bench(dut, "binohm.sim.benches.positions", sources=tuple(sources), **told)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"channels": 0}, ValueError("channels must be at least 1, not 0")),
        ({"positions": 0}, ValueError("positions must be at least 1, not 0")),
        ({"input_bytes": None}, TypeError("input_bytes must be an int, not None")),
        ({"bits": 9}, ValueError("bits must be 1 to 8 for form saturate, not 9")),
        ({"inverted": 0}, TypeError("inverted must be a bool, not 0")),
    ],
)
def test_parameters_are_checked(changes: dict[str, Any], error: Exception) -> None:
    good = {"channels": 3, "positions": 4, "input_bytes": 2, "bits": 4, "form": "saturate"}
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Positions(**good | changes)
