"""Energies: prices by hand, sums, the baseline with converters, and how they are shown."""

import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_images, random_network

from binohm.gen.__main__ import main
from binohm.gen.config import Config
from binohm.gen.mapping import map_network
from binohm.gen.reporting.energy import NOTE, PARTS, UNPRICED, baseline, costs, figures, prices
from binohm.gen.reporting.technology import load
from binohm.sim.events import EVENTS, count, measure

TECHNOLOGY = load(None)
NETWORK = random_network(np.random.default_rng(3), (11, 13, 9, 5), "step", 3)
IMAGES = random_images(np.random.default_rng(4), NETWORK, 6)


def counted(config: Config) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Events of a build and of its baseline."""
    plan = map_network(NETWORK, config)
    activity = measure(NETWORK, plan, IMAGES)
    whole, converted = baseline(NETWORK, plan)
    return (
        [asdict(layer) for layer in count(NETWORK, plan, activity)],
        [asdict(layer) for layer in count(whole, converted, activity)],
    )


def test_every_event_is_in_one_part_or_costs_nothing() -> None:
    priced = [event for events in PARTS.values() for event in events]
    assert sorted([*priced, *UNPRICED]) == sorted(EVENTS)
    assert set(prices(TECHNOLOGY, "2t2r", 8)) == set(priced)


def test_prices_by_hand() -> None:
    price = prices(TECHNOLOGY, "complementary", 8)
    assert price["lrs"] == pytest.approx(0.55**2 / 1e5 * 10e-9 * 1e15)  # 30.25 fJ
    assert price["hrs"] == pytest.approx(price["lrs"] / 17)
    assert price["bias_lrs"] == pytest.approx(price["lrs"] / 4)  # half the voltage
    assert prices(TECHNOLOGY, "2t2r", 0)["bias_hrs"] == price["hrs"]
    assert price["gates"] == pytest.approx(0.154 * 1.21)
    assert price["bitline_devices"] == pytest.approx(0.032 * 0.3025)
    for bits, femtojoules in ((8, 78.11), (9, 92.17), (10, 107.31)):
        assert prices(TECHNOLOGY, "1t1r", bits)["conversions"] == pytest.approx(
            femtojoules, abs=0.005
        )
    assert price["set_pulses"] == price["reset_pulses"] == pytest.approx(4000)  # 4 pJ
    assert price["verifies"] == pytest.approx(30.25 + 1.7)


def test_costs_are_events_times_prices() -> None:
    layer = {"cell": "1t1r", "adc_bits": 8, "counts": dict.fromkeys(EVENTS, 0)}
    assert set(costs(layer, TECHNOLOGY).values()) == {0}
    layer["counts"] |= {"lrs": 2, "conversions": 3, "stream_toggles": 5, "set_pulses": 1}
    found = costs(layer, TECHNOLOGY)
    assert found.pop("cells") == pytest.approx(60.5)
    assert found.pop("sensing") == pytest.approx(3 * 78.1137)
    assert found.pop("streams") == pytest.approx(36)
    assert found.pop("writes") == pytest.approx(4000)
    assert set(found.values()) == {0}


@pytest.mark.parametrize(("rows", "bits"), [(128, 8), (256, 9), (512, 10)])
def test_the_baseline_resolves_every_sum(rows: int, bits: int) -> None:
    config = Config.model_validate({
        "array": {"rows": rows, "columns": 4, "bias_rows": 40},
        "layers": {"out": {"readout": "pcsa", "rows": rows, "columns": 16, "cell": "2t2r"}},
    })
    network, plan = baseline(NETWORK, map_network(NETWORK, config))
    assert {layer.array.readout for layer in plan.layers} == {"adc"}
    assert {layer.array.adc_bits for layer in plan.layers} == {bits}
    assert [layer.groups for layer in plan.layers] == [1, 1, 1]
    assert [layer.array.columns for layer in plan.layers] == [4, 4, 16]
    assert plan.layers[2].array.cell == "2t2r"
    for mine, other in zip(network.layers, NETWORK.layers, strict=True):
        assert (mine.weights == other.weights).all()


def test_figures_add_up() -> None:
    config = Config.model_validate({"array": {"rows": 128, "columns": 8, "bias_rows": 40}})
    build, converters = counted(config)
    found = figures(build, converters, 6, TECHNOLOGY, {"latency": 40, "interval": None})
    assert found["time_ns"] == {"latency": 400.0}
    assert found["note"] == NOTE
    for name, layers in (("build", build), ("baseline", converters)):
        design = found[name]
        assert design["total_pj"] == pytest.approx(sum(design["parts_pj"].values()))
        assert design["total_pj"] == pytest.approx(
            sum(layer["total_pj"] for layer in design["layers"])
        )
        whole = sum(sum(costs(layer, TECHNOLOGY).values()) for layer in layers)
        assert design["total_pj"] == pytest.approx(whole / 6 / 1000)
        assert design["events"]["transfers"] == 4
    # Two split layers of 3 groups: 2 * 3 and 2 * 3 arrays of 8 columns with sense amplifiers.
    assert (found["build"]["sense_amplifiers"], found["build"]["converters"]) == (96, 8)
    assert (found["baseline"]["sense_amplifiers"], found["baseline"]["converters"]) == (0, 40)
    assert found["build"]["events"]["conversions"] == 8
    assert found["baseline"]["events"]["conversions"] == 40
    assert found["baseline"]["adc_bits"] == [8]
    sensing = [(96 * 1.7 + 8 * 78.1137) / 1000, 40 * 78.1137 / 1000]
    assert found["build"]["parts_pj"]["sensing"] == pytest.approx(sensing[0])
    assert found["ratio"]["sensing"] == pytest.approx(sensing[1] / sensing[0])
    assert found["ratio"]["total"] == pytest.approx(
        found["baseline"]["total_pj"] / found["build"]["total_pj"]
    )


def test_energy_scales_with_the_technology(tmp_path: Path) -> None:
    """Twice the voltage is four times the energy of what conducts, and no other."""
    file = tmp_path / "t.toml"
    file.write_text("[cells]\nread_v = 1.1\n")
    build, converters = counted(Config())
    one = figures(build, converters, 6, TECHNOLOGY, {})["build"]["parts_pj"]
    four = figures(build, converters, 6, load(file), {})["build"]["parts_pj"]
    assert four["cells"] == pytest.approx(4 * one["cells"])
    assert one["lines"] < four["lines"] < 4 * one["lines"]
    rest = set(PARTS) - {"cells", "lines"}
    assert {name: four[name] for name in rest} == {name: one[name] for name in rest}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("energy") / "digits"
    assert main(["build", "digits", "-o", str(directory)]) == 0
    return directory


@pytest.mark.slow
def test_run_prints_energy(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", str(built), "--data", "digits", "--images", "40", "--engine", "golden"]
    assert main(run) == 0
    assert "Energy" not in capsys.readouterr().out
    assert main([*run, "--energy"]) == 0
    out = capsys.readouterr().out
    assert "Energy of an image, pJ" in out and "converters of 8 bits" in out
    assert "Readout of columns" in out and "By layer" in out
    assert re.search(r"^Readout: converters take 1\.\d+ times the energy\.$", out, re.MULTILINE)
    assert "Time of an image at 10 ns a cycle: latency 570 ns, interval 80 ns." in out
    assert out.rstrip().endswith(NOTE)


def test_a_technology_is_taken(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.toml"
    assert main(["init", "--technology", "-o", str(file)]) == 0
    assert load(file) == TECHNOLOGY
    file.write_text("[clock]\nperiod_ns = 2\n")
    capsys.readouterr()
    run = ["run", str(built), "--data", "digits", "--images", "40", "--engine", "golden", "--json"]
    assert main([*run, "--technology", str(file)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["energy"]["time_ns"] == {"latency": 114, "interval": 16}
    assert printed["energy"]["activity"] == "of 40 images"
    assert json.loads((built / "sim" / "run.json").read_text()) == printed
    assert main(["report", str(built)]) == 0
    assert "Energy of an image, pJ" in capsys.readouterr().out
    page = (built / "report.html").read_text()
    assert "Energy of an image" in page and "measured TOPS/W" in page


def test_energy_needs_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "digits", "--data", "digits", "--energy"]) == 2
    said = capsys.readouterr()
    assert said.err == (
        "binohm: error: digits has no arrays to spend energy; make them with `binohm build`\n"
    )
    assert said.out == ""


@pytest.mark.slow
def test_the_example_of_the_page(tmp_path: Path) -> None:
    """The commands of docs/energy.md print what it shows."""
    text = (Path(__file__).parent.parent / "docs" / "energy.md").read_text(encoding="utf-8")
    commands, shown = re.findall(r"^```(?:sh|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e"], input=commands, cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    printed = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    assert printed[-len(shown.splitlines()) :] == shown.splitlines()


def test_the_benchmark_measures_every_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network of its own: each figure has a value for each mapping and a unit."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "bench"))
    bench = importlib.import_module("energy")
    network = random_network(np.random.default_rng(3), (11, 13, 9, 5))
    monkeypatch.setattr(bench, "tfc", lambda: network)
    monkeypatch.setattr(bench, "load_data", lambda _: (IMAGES, np.zeros(6, np.int64)))
    found = bench.measure()
    assert found.pop("energy_images") == (6, "1")
    names = [*bench.MAPPINGS, *(f"split, {side} rows" for side in bench.SIDES)]
    assert all(list(values) == names and unit for values, unit in found.values())
    # 11, 13 and 9 inputs fit 128 rows: nothing is split, and adc is its own baseline.
    assert found["energy_ratio_total"][0]["adc, 128 rows"] == 1
    assert found["energy_strobes"][0]["sa, 784 rows"] == 128
    assert found["energy_conversions_converters"][0]["sa, 784 rows"] == 192
