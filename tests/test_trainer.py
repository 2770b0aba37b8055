# amaranth: UnusedElaboratable=no
"""The trainer in Verilog is the golden model, after every batch."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_training_golden import RULES

from binohm.gen.errors import DataError, OutputError
from binohm.gen.learning import cycles as predicted
from binohm.gen.learning.trainer import map_names, write_trainer
from binohm.sim.datasets import load
from binohm.sim.device.pair import PairDevice, draw_pairs
from binohm.sim.training.beside import Batches, compare
from binohm.sim.training.rule import LayerRule, Rule

Levels = NDArray[np.uint8]


def train(
    place: Path, rule: Rule, steps: int, simulator: str, *, by_row: bool = False, seed: int = 5,
    slowest: int = 2, images: tuple[Levels, Levels] | None = None,
    device: PairDevice | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Compare ``steps`` batches, random or of ``images``; what golden counted, and cycles."""
    rng = np.random.default_rng(seed)
    shape = (steps, rule.batch)
    if images is None:
        levels = rng.integers(0, 1 << rule.pixel_bits, (*shape, rule.sizes[0]), np.uint8)
        labels = rng.integers(0, rule.sizes[-1], shape)
    else:
        chosen = rng.integers(0, len(images[0]), shape)
        levels, labels = images[0][chosen], images[1][chosen]
    slower = np.minimum(np.arange(1, steps + 1) * 3 // (steps + 1), slowest)
    maps = {
        name: draw_pairs(device, rows, columns, rule.pulses, 3, number).text()
        for number, (name, (rows, columns)) in enumerate(
            zip(map_names(asdict(rule)), rule.shapes, strict=True)
        )
        if device
    }
    write_trainer(place / "trainer", asdict(rule), seed, by_row=by_row, maps=maps)
    batches = Batches(levels, labels, slower)
    return compare(place / "trainer", batches, place / "sim", simulator=simulator)


CASES = {
    **RULES,
    "four layers": Rule(
        (6, 4, 3, 5, 2), (LayerRule(4, 1, 0), LayerRule(4, 1, 0), LayerRule(4, 1, 0), LayerRule(3)),
        batch_bits=1, pulses=8, start_bits=2, most=3, margin=12, full=4, gain=1, refresh_bits=2,
        offset_shift=2,
    ),
}  # fmt: skip
"""The last: hidden layers smaller than their neighbours, offsets at both limits, and rows that are
refreshed but not pulsed."""

FAST = ("two layers-parallel", "four layers-parallel", "four layers-by_row")


@pytest.mark.parametrize(
    ("name", "by_row"),
    [
        pytest.param(
            name, mode == "by_row", id=(case := f"{name}-{mode}"),
            marks=[] if case in FAST else [pytest.mark.slow],
        )
        for name in CASES
        for mode in ("parallel", "by_row")
    ],
)  # fmt: skip
def test_every_batch_equals_golden(tmp_path: Path, name: str, by_row: bool) -> None:
    counts = train(tmp_path, CASES[name], 10, "icarus", by_row=by_row)
    check_cycles(CASES[name], counts, by_row=by_row)


def check_cycles(rule: Rule, counts: dict[str, Any], *, by_row: bool) -> None:
    """All cycles are those predicted; of a refresh, but one for each row that had one."""
    cycles, steps = counts["cycles"], counts["by_row" if by_row else "parallel"]
    image = predicted.passes(
        rule.sizes, pixel_bits=rule.pixel_bits, error_bits=rule.error_bits, by_row=by_row
    )
    once = image["forward"] * rule.batch + image["calibration"]
    expected = {"forward": counts["batches"] * once}
    expected["backward"] = counts["batches"] * rule.batch * image["backward"]
    expected |= predicted.rows(
        rule.sizes, steps, batches=counts["batches"], batch=rule.batch, pulsed=counts["rows"],
        touched=steps["readout"] // 2,
    )  # fmt: skip
    assert {name: cycles[name] for name in expected} == expected
    assert 0 <= cycles["refresh"] - predicted.PAIRS * steps["refresh"] <= steps["refresh"]


WILD = PairDevice(nonlinearity=3, gain_sigma=0.2, cycle_sigma=0.4, reset_sigma=0.3, offset_a=1e-6)
"""Pairs that often read another sign than that of their pulses."""


@pytest.mark.slow
def test_pairs_of_devices_equal_golden(tmp_path: Path) -> None:
    """Nonlinear pulses, mismatch, noise and offsets, in the device view of the pairs."""
    train(tmp_path, RULES["two layers"], 20, "icarus", device=WILD)


DIGITS = Rule(
    (64, 32, 10), (LayerRule(4, 4, 2), LayerRule(5)), batch_bits=3, pulses=16, start_bits=3,
    margin=64, full=16, gain=2, refresh_bits=2, exchange_bits=2, mean_shift=8,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parallel", "by_row", "device"])
def test_digits_are_learned_as_by_golden(tmp_path: Path, kind: str) -> None:
    """Images in which all that can happen to a pair does; bench/learning.py has 200 batches."""
    x, y = load("digits")
    levels = np.minimum(x.reshape(len(x), -1), 15).astype(np.uint8) >> 2
    images = (levels, y.astype(np.uint8))
    counts = train(
        tmp_path, DIGITS, 40, "verilator", by_row=kind == "by_row", images=images,
        device=WILD if kind == "device" else None,
    )  # fmt: skip
    check_cycles(DIGITS, counts, by_row=kind == "by_row")
    happened = ("pulses_1", "pulses_2", "saturations", "refreshes", "refresh_pulses")
    assert min(counts[name] for name in (*happened, "sign_changes", "copies")) > 100


@pytest.mark.slow
def test_a_trainer_replaces_a_trainer_only(tmp_path: Path) -> None:
    rule = asdict(RULES["two layers"])
    write_trainer(tmp_path / "t", rule, 1)
    before = {path: path.read_bytes() for path in (tmp_path / "t").rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="exists; replace it with --force or choose another"):
        write_trainer(tmp_path / "t", rule, 1)
    write_trainer(tmp_path / "t", rule, 1, force=True)
    assert {path: path.read_bytes() for path in before} == before
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_batches_of_another_size(tmp_path: Path) -> None:
    rule = RULES["two layers"]
    write_trainer(tmp_path / "t", asdict(rule), 1)
    levels = np.zeros((1, 3 * rule.batch, rule.sizes[0]), np.uint8)
    batches = Batches(levels, np.zeros((1, 3 * rule.batch), int), np.zeros(1, int))
    with pytest.raises(DataError, match="images and inputs, but the trainer takes"):
        compare(tmp_path / "t", batches, tmp_path / "sim", simulator="icarus")
    assert not (tmp_path / "sim").exists()
