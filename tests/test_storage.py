"""Words in macros of single cells: bit for bit, to the cycle, and programmed through registers."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_network
from small_build import small_build

from binohm.gen.config import Config
from binohm.gen.cycles import predict
from binohm.gen.errors import ConfigError, OutputError
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim.check import check
from binohm.sim.directory import open_build
from binohm.sim.runner import run_bench

CELLS: dict[str, Any] = {"rows": 3, "columns": 4, "read_cycles": 5, "write_cycles": 7}
WORDS: dict[str, Any] = {
    "array": {"readout": "pcsa", "cell": "1t1r", "rows": 8, "columns": 6},
    "goal": {"interval": 40},
}


def network() -> Network:
    return random_network(np.random.default_rng(2), (11, 7, 3), "step", 1)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_equals_golden_and_takes_the_predicted_cycles(
    tmp_path: Path, cached: bool, simulator: str
) -> None:
    """Uncached as the storage's cycles say; cached, once all is there, as the digital view."""
    out, config = tmp_path / "build", {**WORDS, "storage": {**CELLS, "cached": cached}}
    plan = small_build(out, network(), config)
    assert Plan.from_json((out / "plan.json").read_text()) == plan
    there = predict(network(), plan.on_storage, images=6)
    cycles = () if cached else there.results
    result = check(out, images=6, simulator=simulator, view="storage", cycles=cycles)
    assert result.ok, result.divergences
    digital = predict(network(), plan, images=6)
    if cached:
        assert result.interval == digital.interval
    assert there.interval > 4 * 5 * digital.interval / 2


@pytest.mark.slow
def test_programmed_through_the_registers(tmp_path: Path, simulator: str) -> None:
    out = tmp_path / "build"
    config = {**WORDS, "storage": {**CELLS, "cached": True}, "host": {"programming": True}}
    plan = small_build(out, network(), config)
    run_bench(
        [out / name for name in (out / "storage.f").read_text().split()],
        top=plan.top,
        bench="binohm.sim.benches.storage",
        build_dir=out,
        simulator=simulator,
        plusargs=["+binohm_blank"],
    )


def test_a_macro_takes_the_cycles_of_its_datasheet(tmp_path: Path, simulator: str) -> None:
    """200 for a write and 44 for a read, so 1024 x 44 = 45,056 for all of 32 x 32 cells."""
    text = (Path(__file__).parent.parent / "gen" / "macros" / "storage.v").read_text()
    source = tmp_path / "cells.v"
    source.write_text(text[text.index("module binohm_storage_cells") :])
    run_bench(
        [source],
        top="binohm_storage_cells",
        bench="binohm.sim.benches.storage",
        build_dir=tmp_path / "build",
        simulator=simulator,
        variables={"CELLS": "1"},
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"layers": {"fc0": {"readout": "adc"}}},
            (
                "storage: layer fc0 has readout adc, and cells read one at a time only give words: "
                'set layers.fc0.readout to "pcsa"'
            ),
        ),
        (
            {"storage": {"mode_read": 3}},
            "storage.mode_read = 3: must differ from storage.mode_write",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    config = Config.model_validate({**WORDS, "storage": CELLS, **changes})
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        map_network(network(), config)


def test_a_build_without_storage_says_so(tmp_path: Path) -> None:
    small_build(tmp_path / "build", network(), WORDS)
    message = f"{tmp_path / 'build'} has no storage view; build it with a section [storage]"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        open_build(tmp_path / "build", "storage")
