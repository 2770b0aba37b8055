"""`binohm explore`: what it says of a design is what the other commands say of it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from binohm.gen.cli import actions, exploring
from binohm.gen.cli.exploring import Looks
from binohm.gen.exploration.store import Store
from binohm.gen.exploration.sweep import load as load_sweep
from binohm.gen.network import Network
from binohm.gen.reporting.technology import load as load_costs
from binohm.gen.split import split

Said = tuple[int, str, str]
Binohm = Callable[..., Said]

DEVICES = """
[device]
seed = 5
lrs_sigma_d2d = 0.5

[array]
bias_rows = 96

[[grid]]
array.rows = [64, 128]
"""
READOUTS = '[[grid]]\narray.rows = [64, 128]\nlayers.fc2.readout = ["sa", "adc"]\n'
IMAGES = 60


@pytest.fixture
def explored(binohm: Binohm, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Explore the digits network in this process, one design after the other."""

    def run(text: str, *more: object, models: tuple[object, ...] = ("digits",)) -> dict[str, Any]:
        config = tmp_path / "sweep.toml"
        config.write_text(text, encoding="utf-8")
        status, out, err = binohm(
            "explore", *models, "-c", config, "-o", tmp_path / "out", "--workers", 1, "--json",
            *more,
        )  # fmt: skip
        assert status == 0, err
        return dict(json.loads(out))

    return run


DATA = ("--data", "digits", "--images", IMAGES)


def test_figures_are_those_of_build_and_run(
    explored: Callable[..., dict[str, Any]], binohm: Binohm, tmp_path: Path
) -> None:
    for row in explored(DEVICES, *DATA)["designs"]:
        build = tmp_path / f"build{row['array.rows']}"
        config = tmp_path / "one.toml"
        config.write_text(DEVICES.partition("[[grid]]")[0], encoding="utf-8")
        setting = f"array.rows={row['array.rows']}"
        facts = json.loads(
            binohm("build", "digits", "-c", config, "--set", setting, "-o", build, "--json")[1]
        )
        run = ("run", build, *DATA, "--engine", "device", "--energy", "--json")
        ran = json.loads(binohm(*run)[1])
        energy = ran["energy"]
        assert row == {
            "model": "digits",
            "array.rows": row["array.rows"],
            "arrays": facts["totals"]["macros"],
            "cells": facts["totals"]["cells"],
            "utilisation": facts["totals"]["utilisation"],
            "amplifiers": energy["build"]["sense_amplifiers"],
            "converters": energy["build"]["converters"],
            "latency": facts["cycles"]["latency"],
            "interval": facts["cycles"]["interval"],
            "lut": facts["fpga"]["lut"],
            "ff": facts["fpga"]["ff"],
            "energy_pj": round(energy["build"]["total_pj"], 3),
            "readout_pj": round(energy["build"]["parts_pj"]["sensing"], 3),
            "energy_converters_pj": round(energy["baseline"]["total_pj"], 3),
            "readout_converters_pj": round(energy["baseline"]["parts_pj"]["sensing"], 3),
            "accuracy": ran["accuracy"],
            "front": row["front"],
        }
        assert 0.5 < row["accuracy"] < 0.95


def test_each_chip_is_drawn_with_a_seed_of_its_own(
    explored: Callable[..., dict[str, Any]],
) -> None:
    def seeds(*numbers: int) -> list[dict[str, Any]]:
        return explored(DEVICES.replace("array.rows", "device.seed").replace("[64, 128]", str(
            [*numbers])), *DATA)["designs"]  # fmt: skip

    each = [row["accuracy"] for row in seeds(5, 6, 7)]
    assert len(set(each)) > 1
    (mean,) = explored(f"draws = 3\n{DEVICES}".replace("[64, 128]", "[128]"), *DATA)["designs"]
    assert mean["accuracy"] == fmean(each)
    assert mean["accuracy_min"] == min(each)


def test_a_lossy_converter_loses(explored: Callable[..., dict[str, Any]]) -> None:
    text = '[array]\nreadout = "adc"\nlossy = true\n[[grid]]\narray.adc_bits = [5, 8]\n'
    few, all_ = explored(text, *DATA)["designs"]
    assert few["accuracy"] < 0.5 < 0.9 < all_["accuracy"]
    assert few["readout_pj"] < all_["readout_pj"]


def test_a_split_is_that_of_the_library(
    explored: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.npz"
    network = split(actions.embedded("digits"), 32)
    network.save(cut)
    here = explored("[[grid]]\nsplit = [0, 32]\n", *DATA)["designs"]
    there = explored("[[grid]]\nsplit = 0\n", *DATA, models=(cut,))["designs"]
    assert {**here[1], "model": "", "split": 0, "front": 0} == {
        **there[0], "model": "", "split": 0, "front": 0,
    }  # fmt: skip
    assert here[0]["cells"] < here[1]["cells"]


def test_without_data_there_is_neither_accuracy_nor_energy(
    explored: Callable[..., dict[str, Any]],
) -> None:
    for row in explored(READOUTS)["designs"]:
        assert not {"accuracy", "energy_pj"} & set(row)


def test_the_table_says_what_varies_and_what_cannot_be_built(
    binohm: Binohm, tmp_path: Path
) -> None:
    config = tmp_path / "sweep.toml"
    config.write_text(READOUTS, encoding="utf-8")
    out = tmp_path / "out"
    command = ("explore", "digits", "-c", config, "-o", out, "--workers", 1)
    status, said, _ = binohm(*command)
    assert status == 0
    lines = [line.split() for line in said.splitlines()]
    assert lines[0] == ["3", "designs"]
    assert lines[1] == ["rows", "readout", "arrays", "cells", "used,", "%", "latency", "LUT",
                        "front"]  # fmt: skip
    assert [line[:2] for line in lines[2:5]] == [["64", "adc"], ["128", "sa"], ["128", "adc"]]
    assert "All: interval 8." in said
    assert "Cannot be built: layer fc2: sa with cell complementary: the layer has 128" in said
    assert [str(out / "table.csv"), str(out / "plot.svg")] == said.splitlines()[-2:]
    assert (out / "plot.svg").read_text(encoding="utf-8").count("<svg") == 1
    before = (out / "plot.svg").read_bytes(), (out / "table.csv").read_bytes()
    assert binohm(*command)[2] == f"binohm: 4 of 4 points were in {out} before\n"
    assert before == ((out / "plot.svg").read_bytes(), (out / "table.csv").read_bytes())


def test_what_is_there_is_not_done_again(
    explored: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = explored(READOUTS)
    done: list[str] = []
    write = Store.write

    def counted(store: Store, name: str, figures: dict[str, Any]) -> None:
        done.append(name)
        write(store, name, figures)

    monkeypatch.setattr(Store, "write", counted)
    assert explored(READOUTS) == first
    assert done == []
    explored(READOUTS.replace("64, 128", "64, 128, 256"))
    assert len(done) == 2
    kept = tmp_path / "out" / "points" / f"{done[0]}.json"
    kept.write_text("{", encoding="utf-8")
    explored(READOUTS.replace("64, 128", "64, 128, 256"))
    assert done[2:] == done[:1]
    explored(READOUTS, "--data", "digits", "--images", 5)
    explored(READOUTS, "--data", "digits", "--images", 6)
    assert len(set(done[3:])) == len(done[3:]) == 2 * 4


def test_a_break_costs_what_was_not_done(
    explored: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = exploring.evaluate

    def breaks(network: Network, point: Any, looks: Looks | None) -> dict[str, Any]:
        if point.config.array.rows == 128:
            raise RuntimeError("power cut")
        return evaluate(network, point, looks)

    with monkeypatch.context() as patch:
        patch.setattr(exploring, "evaluate", breaks)
        with pytest.raises(RuntimeError, match=r"^power cut$"):
            explored('[[grid]]\narray.rows = [64, 128]\narray.readout = "adc"\n')
    assert len(list((tmp_path / "out" / "points").iterdir())) == 1
    assert not (tmp_path / "out" / "table.csv").exists()
    assert (
        len(explored('[[grid]]\narray.rows = [64, 128]\narray.readout = "adc"\n')["designs"]) == 2
    )


def test_processes_and_a_cluster_give_the_same(tmp_path: Path) -> None:
    from distributed import LocalCluster

    config = tmp_path / "sweep.toml"
    config.write_text(READOUTS, encoding="utf-8")
    sweep = load_sweep(config, ["digits"])
    images = np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8) % 17
    looks = Looks(images, np.arange(3), load_costs(None))
    networks = {"digits": actions.embedded("digits")}

    def figures(place: str, **where: Any) -> Any:
        return exploring.explore(sweep, networks, looks, Store(tmp_path / place), **where)

    here = figures("here", workers=1)
    assert here[1] == 0
    assert figures("processes", workers=2) == here
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        assert figures("cluster", scheduler=cluster.scheduler_address) == here
    assert figures("here", workers=1) == (here[0], 4)


@pytest.mark.slow
def test_the_page_shows_what_its_commands_print(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "exploration.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(sh|text)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = []
    for kind, text in blocks:
        if kind == "text":
            assert text == said[-1]
            continue
        done = subprocess.run(
            ["sh", "-ex"], input=text, cwd=tmp_path, env={**os.environ, "PATH": path},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "distributed" not in done.stderr  # processes that end say nothing of each other
        lines = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
        said.append("\n".join([*lines, ""]).replace("\n\n\n", "\n\n"))
    assert [kind for kind, _ in blocks] == ["sh", "text", "sh", "sh", "text"]


def test_bad_input_is_one_line(binohm: Binohm, tmp_path: Path) -> None:
    config = tmp_path / "sweep.toml"
    config.write_text("[[grid]]\narray.rows = [64, 128]\n", encoding="utf-8")
    start = ("explore", "digits", "-c", config)
    out = tmp_path / "out"
    config_of = (tmp_path / "none.toml", "no such file; `binohm init` writes one")
    assert binohm("explore", "digits", "-c", config_of[0], "-o", out) == (
        2, "", f"binohm: error: {config_of[0]}: {config_of[1]}\n",
    )  # fmt: skip
    assert not out.exists()
    for name, value in (("--images", "5"), ("--technology", "costs.toml")):
        assert binohm(*start, "-o", out, name, value) == (
            2, "",
            f"binohm: error: {name} {value}: needs --data; add it, or drop {name}\n",
        )  # fmt: skip
    assert not out.exists()
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, x=np.zeros((2, 5, 5), np.uint8), y=np.zeros(2, np.int64))
    status, _, err = binohm(*start, "-o", out, "--data", wrong, "--workers", 1)
    assert status == 2
    assert "the network cannot take these images" in err
    status, _, err = binohm(*start, "-o", out, "--scheduler", "tcp://127.0.0.1:9")
    assert status == 2
    assert err.startswith("binohm: error: --scheduler tcp://127.0.0.1:9: nobody answers there")
    status, _, err = binohm(*start, "-o", out, "--workers", 1, "--y", "speed")
    assert status == 2
    assert err.startswith("binohm: error: --y speed: must be one of array.rows, arrays, cells,")
    assert (out / "table.csv").is_file()  # what was evaluated is not lost
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("years of work")
    assert binohm(*start, "-o", full) == (
        2, "", f"binohm: error: {full} exists and is no exploration; choose another with -o\n",
    )  # fmt: skip
    assert [path.name for path in full.iterdir()] == ["thesis.txt"]
    config.write_text('[[grid]]\narray.readout = "sa"\narray.rows = [64, 128]\n', encoding="utf-8")
    status, _, err = binohm(*start, "-o", tmp_path / "none", "--workers", 1)
    assert status == 2
    assert err.startswith(f"binohm: error: {config}: no design can be built: layer fc1: sa with")


@pytest.mark.parametrize(
    ("package", "what"), [("distributed", "Dask"), ("matplotlib", "Matplotlib")]
)
def test_a_missing_library_is_named(
    binohm: Binohm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, what: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    config = tmp_path / "sweep.toml"
    config.write_text("[[grid]]\narray.rows = [64, 128]\n", encoding="utf-8")
    status, _, err = binohm(
        "explore", "digits", "-c", config, "-o", tmp_path / "out", "--workers", 1
    )
    assert status == 2
    assert f"takes {what}" in err or f"take {what}" in err
    assert "pip install '.[explore]'" in err
