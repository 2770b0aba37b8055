"""The function unit, from its configuration to its Verilog behind both buses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from binohm.gen.cfu.config import unit_config
from binohm.gen.cfu.unit import write_unit
from binohm.gen.macros import macro_views
from binohm.sim.runner import run_bench

slow = pytest.mark.slow

SMALL = {"slots": 3, "rows": 3, "columns": 3, "positions": 4, "windows": 30}
SIZES: dict[str, dict[str, Any]] = {
    "small": SMALL,
    "one": {"slots": 1, "rows": 1, "columns": 1, "positions": 1, "windows": 1, "complement": False,
            "accumulator_bits": 8},
    "wide": {"slots": 8, "rows": 5, "columns": 13, "positions": 2, "windows": 17,
             "complement": False},
    "words": {"slots": 8, "rows": 1, "columns": 32, "positions": 1, "windows": 24,
              "accumulator_bits": 32},
    "many": {"slots": 65, "rows": 3, "columns": 3, "positions": 8, "windows": 20,
             "accumulator_bits": 9},
}  # fmt: skip

Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path, simulator: str) -> Run:
    """Generate a unit and run its bench: ``run(sizes, port="pcpi", jitter=True)``."""

    def go(sizes: dict[str, Any], *, port: str = "cfu", jitter: bool = False, seed: int = 1) -> None:
        config = unit_config({"name": "t", **sizes})
        write_unit(tmp_path / "unit", config)
        if jitter:
            view = macro_views.render_written(config, jitter=True)
            (tmp_path / "unit" / "macros" / "digital.v").write_text(view)
        files = (tmp_path / "unit" / "digital.f").read_text().split()
        facts = config.model_dump(exclude={"name"})
        run_bench(
            [tmp_path / "unit" / file for file in files],
            top=f"binohm_t_{port}",
            bench="binohm.sim.benches.cfu",
            build_dir=tmp_path / "build",
            simulator=simulator,
            seed=seed,
            variables={"FACT_PORT": repr(port), "FACT_SIZES": str(facts), "FACT_JITTER": str(jitter)},
        )

    return go


@pytest.mark.parametrize(
    "sizes", ["small", *(pytest.param(name, marks=slow) for name in SIZES if name != "small")]
)
def test_matches_model_on_the_cfu_bus(run: Run, sizes: str) -> None:
    run(SIZES[sizes])


def test_matches_model_on_pcpi(run: Run) -> None:
    run(SMALL, port="pcpi")
