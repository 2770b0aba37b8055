"""What an FPGA will take, before synthesis."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from random_networks import random_network

from binohm.gen import config
from binohm.gen.cli.actions import embedded
from binohm.gen.cycles import predict
from binohm.gen.fpga.estimate import FAMILIES, counts, estimate
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.gen.reporting.report import report_data

WORDS = ["array.readout=pcsa", "array.engines=1", "layers.fc1.columns=64", "host.input_bytes=1",
         "host.output_bytes=1"]  # fmt: skip


def planned(network: Network, settings: list[str]) -> Plan:
    return map_network(network, config.load(None, settings))


def test_digits_by_hand() -> None:
    network = embedded("digits")
    found = counts(network, planned(network, WORDS))
    assert found is not None
    # 64 pixels of 5 bits, unsigned, in planes one after another: 7 bits a count. Then words of 128,
    # 8 bits a count; a result of 11 words. The affine of 10 words is in LUTs: 11 bits of it.
    assert found["lut"]["gated"] == 64 * 7
    assert found["lut"]["words"] == 2 * 128 * 8
    assert found["lut"]["chosen"] == 5 * 64
    assert found["lut"]["shifted"] == 7 * 5
    assert found["lut"]["results"] == 32 * 11
    # Of the columns of 10 words, 1024 kinds, alike ones once.
    assert found["lut"]["stored"] == 1024 * (1 - (1023 / 1024) ** 11)
    ice40, ecp5 = (16, 256), (36, 512)
    assert (FAMILIES["ice40"], FAMILIES["ecp5"]) == (ice40, ecp5)
    taken = estimate(network, planned(network, WORDS))
    assert taken is not None
    assert taken["bram"]["ice40"] == 4 + 8 + 8 + 1 + 1  # as placed; the affine has 10 words
    assert taken["bram"]["ecp5"] == 2 + 4 + 4 + 1 + 1


def test_what_is_constant_takes_nothing() -> None:
    pixel = np.arange(256, dtype=np.int64)
    # Of a staircase that ends at 16, the four lower bits change among the first sixteen pixels.
    assert looked_up("unsigned") == 8 * 4
    assert looked_up("step", table=np.where(pixel >= 128, 3, -1)) == 0
    assert looked_up("step", table=np.where(pixel >= 120, 3, -1)) == 8 * 1


def looked_up(form: str, table: np.ndarray | None = None) -> float:
    """Of eight pixels a beat."""
    network = random_network(np.random.default_rng(1), (32, 16, 4), form)
    if table is not None:
        network = replace(network, input=replace(network.input, table=table, bipolar=False))
    found = counts(network, planned(network, ["array.readout=pcsa"]))
    assert found is not None
    return found["lut"]["looked_up"]


def test_bias_cells_that_are_never_on_are_not_counted() -> None:
    network = random_network(np.random.default_rng(1), (32, 16, 4))
    theta = network.layers[0].theta
    assert theta.min() < 0 < theta.max()
    plan = planned(network, ["array.columns_per_cycle=1", "array.rows=32", "array.columns=16"])
    assert [layer.array.readout for layer in plan.layers] == ["sa", "adc"]
    found = counts(network, plan)
    assert found is not None
    assert found["lut"]["sensed"] == 32 + theta.max() - theta.min() + 32
    assert found["lut"]["converted"] == 16


def test_reports_hold_the_estimate() -> None:
    network = embedded("digits")
    plan = planned(network, WORDS)
    facts = report_data(network, plan, predict(network, plan), config={})
    assert facts["fpga"] == estimate(network, plan)
    assert set(facts["fpga"]) == {"lut", "ff", "bram"}
    assert set(facts["fpga"]["bram"]) == set(FAMILIES)
    assert isinstance(facts["fpga"]["lut"], int) and isinstance(facts["fpga"]["ff"], int)


@pytest.mark.parametrize("readout", ["pcsa", "adc", "auto"])
def test_more_takes_more(readout: str) -> None:
    rng = np.random.default_rng(1)
    taken = []
    for sizes in ((32, 16, 4), (64, 16, 4), (64, 48, 4), (64, 48, 5), (64, 48, 40, 5)):
        network = random_network(rng, sizes, affine=False)
        settings = [f"array.readout={readout}", "array.rows=64", "array.columns=64"]
        more = "engines" if readout == "pcsa" else "columns_per_cycle"
        taken.append(estimate(network, planned(network, [*settings, f"array.{more}=1"])))
    for less, more in pairwise(taken):
        assert less is not None and more is not None
        assert more["ff"] > less["ff"] and more["lut"] >= less["lut"]


def test_what_is_not_estimated() -> None:
    network = random_network(np.random.default_rng(1), (32, 16, 4))
    assert estimate(network, planned(network, ["host.programming=true"])) is None


def test_the_fit_finds_what_made_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "bench"))
    import fpga

    rng = np.random.default_rng(2)
    table = rng.integers(1, 100, (12, 4)).astype(float)
    truth = np.array([3.0, 0.5, 2.0, 0.0])
    found = fpga.least(table / (table @ truth)[:, None])
    assert found == pytest.approx(truth, abs=1e-9)
    worse = fpga.least(table / (table @ np.array([3.0, 0.5, 2.0, -0.1]))[:, None])
    assert min(worse) >= 0
