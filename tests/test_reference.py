"""Thresholds in reference codes: whole networks equal golden, on both simulators."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_network
from small_build import flip_bit, small_build

from binohm.gen.network import Network
from binohm.sim.check import check
from binohm.sim.directory import open_build

OWN = {"threshold": "reference", "reference_per_column": True}
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "two lines": (1, {"cell": "complementary", "columns": 5, "columns_per_cycle": 2}),
    "one line": (1, {"cell": "1t1r", "columns": 8, "columns_per_cycle": 8, "rows": 40}),
    "pairs, all columns": (1, {"cell": "2t2r", "columns": 3, "columns_per_cycle": 1}),
    "votes": (3, {"cell": "complementary", "columns": 13, "columns_per_cycle": 5}),
}


def beyond_reach(network: Network) -> Network:
    """Some thresholds that no sum reaches, from either side."""
    first, *others = network.layers
    theta = first.theta.copy()
    theta[:, 0], theta[:, 1] = 1 << 29, -(1 << 29)
    return replace(network, layers=(replace(first, theta=theta), *others))


@pytest.mark.parametrize(
    "case",
    ["two lines", *(pytest.param(case, marks=pytest.mark.slow) for case in [*CASES][1:])],
)
def test_codes_of_each_column_equal_golden(tmp_path: Path, case: str, simulator: str) -> None:
    groups, array = CASES[case]
    rng = np.random.default_rng(len(case))
    network = beyond_reach(random_network(rng, (23, 13, 9, 5), "step", groups))
    config = {"array": {"rows": 32, **array, **OWN}, "layers": {"out": {"readout": "pcsa"}}}
    plan = small_build(tmp_path / "build", network, config)
    assert [layer.array.ref_codes for layer in plan.layers] == [array["columns"]] * 2 + [0]
    assert [layer.array.lines for layer in plan.layers[:2]] == [array.get("rows", 32)] * 2
    result = check(tmp_path / "build", images=40, simulator=simulator)
    assert result.ok, result.divergences


@pytest.mark.slow
def test_one_code_for_all_columns_equals_golden(tmp_path: Path, simulator: str) -> None:
    network = random_network(np.random.default_rng(4), (23, 13, 9, 5), "step", 3)
    first, second, last = network.layers
    first = replace(first, theta=np.repeat(np.array([[2], [-1], [0]]), 13, axis=1))
    second = replace(second, theta=np.repeat(second.theta[:, :1], 9, axis=1))
    network = replace(network, layers=(first, second, last))
    config = {"array": {"rows": 32, "columns": 5, "threshold": "reference", "reference_bits": 5}}
    plan = small_build(tmp_path / "build", network, config)
    assert [layer.array.ref_codes for layer in plan.layers] == [1, 1, 0]
    codes = (tmp_path / "build" / "mem").glob("*_reference.hex")
    assert {path.read_text() for path in codes if path.name < "fc1"} == {"1e\n", "01\n", "00\n"}
    result = check(tmp_path / "build", images=40, simulator=simulator)
    assert result.ok, result.divergences


@pytest.mark.slow
def test_the_layer_gives_the_codes_of_its_images(tmp_path: Path) -> None:
    """Each tile has its own: what is wrong in one shows at its outputs, behind golden's back."""
    network = random_network(np.random.default_rng(4), (23, 13, 9, 5), "step")
    build = tmp_path / "build"
    small_build(build, network, {"array": {"rows": 32, "columns": 5, **OWN}})
    bits = open_build(build).plan.layers[0].array.ref_bits
    flip_bit(build / "mem" / "fc0_t2_reference.hex", 0, 2 * bits - 1)  # column 1: another sign
    result = check(build, images=8, simulator="icarus", image_check=False)
    assert [str(found).split(":")[0] for found in result.divergences] == ["fc0 output 11"]
