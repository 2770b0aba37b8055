# amaranth: UnusedElaboratable=no
"""The trainer in Verilog is the golden model, after every batch."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from test_training_golden import RULES
from trainers import build, neuron

from binohm.sim.runner import run_bench
from binohm.sim.training.rule import Rule

PUBLIC = """`verilator_config
public_flat_rd -module "binohm_t_digital_pairs" -var "mem"
public_flat_rd -module "binohm_t_digital_transposed" -var "mem"
public_flat_rd -module "dut" -var "neurons"
"""


def train(
    place: Path, rule: Rule, steps: int, simulator: str, *, by_row: bool = False, seed: int = 5,
    slowest: int = 2,
) -> dict[str, Any]:  # fmt: skip
    """Compare ``steps`` batches; returns what golden counted, and cycles."""
    sources = build(place, rule, by_row=by_row)
    (place / "memories.vlt").write_text(PUBLIC, encoding="utf-8")
    facts = {
        "rule": asdict(rule), "steps": steps, "seed": seed, "by_row": by_row,
        "slowest": slowest, "neuron": neuron(rule),
    }  # fmt: skip
    run_bench(
        sources,
        top="dut",
        bench="binohm.sim.benches.trainer",
        build_dir=place / "build",
        simulator=simulator,
        public=[place / "memories.vlt"],
        variables={f"FACT_{key.upper()}": str(value) for key, value in facts.items()},
    )
    counts: dict[str, Any] = json.loads((place / "build" / "counts.json").read_text())
    return counts


FAST = ("two layers", "three layers")


@pytest.mark.parametrize("by_row", [False, True], ids=["parallel", "by_row"])
@pytest.mark.parametrize(
    "name",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in RULES],
)
def test_every_batch_equals_golden(tmp_path: Path, name: str, by_row: bool) -> None:
    counts = train(tmp_path, RULES[name], 10, "icarus", by_row=by_row)
    phases = counts["by_row" if by_row else "parallel"]
    # An activation takes a cycle to be accepted, and its response at least another.
    assert all(counts["cycles"][name] >= 2 * count for name, count in phases.items())
