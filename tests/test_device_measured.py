"""Maps of measured conductances, and device maps on the command line."""

import csv
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_build import MIXED, small_network

from binohm.gen.__main__ import main
from binohm.gen.config import Config, DeviceConfig
from binohm.gen.mapping import map_network
from binohm.sim import run as running
from binohm.sim.datasets import load as load_data
from binohm.sim.device.draw import draw
from binohm.sim.device.measured import load
from binohm.sim.device.network import Devices, load_maps
from binohm.sim.device.physics import RANGES, Device
from binohm.sim.directory import open_build

NETWORK = small_network()
PLAN = map_network(NETWORK, Config.model_validate(MIXED))
SHAPE = (8, 8)
"""Of fc0_t0, an adc array of 2t2r cells."""

Arrays = dict[str, NDArray[Any]]


def chip(rng: np.random.Generator, tile: str = "fc0_t0", shape: tuple[int, int] = SHAPE) -> Arrays:
    """Conductances of both states of all devices of a tile, whose medians are 20 and 200 kOhm."""
    return {
        f"{tile}_{state}_{k}": np.exp(0.1 * rng.standard_normal(shape)) / ohm
        for state, ohm in (("lrs", 2e4), ("hrs", 2e5))
        for k in "ab"
    }


def saved(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        load(path, PLAN, Device(), 1)
    return str(caught.value)


def test_both_states_are_taken_over(tmp_path: Path) -> None:
    arrays = chip(np.random.default_rng(1))
    maps = load(saved(tmp_path / "c.npz", arrays), PLAN, Device(), 1)
    drawn = draw(Device(), PLAN, 1)
    assert list(maps) == list(drawn)
    map, before = maps["fc0_t0"], drawn["fc0_t0"]
    for k, letter in enumerate("ab"):
        for values, state in ((map.r_lrs, "lrs"), (map.r_hrs, "hrs")):
            wanted = np.rint(1 / arrays[f"fc0_t0_{state}_{letter}"])
            assert np.array_equal(values[:-1, :-2, k], wanted)
    assert np.array_equal(map.series, before.series)
    assert abs(np.median(map.r_lrs[:, -2:]) / 2e4 - 1) < 0.1
    assert abs(np.median(map.r_hrs[:, -2:]) / 2e5 - 1) < 0.25
    other = maps["fc1_t0"]
    assert abs(np.median(other.r_lrs) / 2e4 - 1) < 0.05
    low, high = (0.55e12 / (ohm + Device().access_ohm) for ohm in (2e4, 2e5))
    assert abs(map.unit / (low - high) - 1) < 0.05


def test_what_is_programmed_reads_the_same_in_both_states(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    arrays = {f"fc0_t0_{k}": rng.random(SHAPE) / 1e4 for k in "ab"}
    arrays["fc0_t0_b"][3, 4] = 0
    maps = load(saved(tmp_path / "c.npz", arrays), PLAN, Device(), 1)
    map = maps["fc0_t0"]
    assert np.array_equal(map.r_lrs[:-1, :-2], map.r_hrs[:-1, :-2])
    assert np.array_equal(map.r_lrs[:-1, :-2, 0], np.rint(1 / arrays["fc0_t0_a"]))
    assert map.r_lrs[3, 4, 1] == (1 << 32) - 1
    assert map.unit == draw(Device(), PLAN, 1)["fc0_t0"].unit


def written(path: Path, arrays: Arrays, heading: str | None = None) -> Path:
    """A CSV of arrays, its lines in disorder."""
    lines = []
    for name, values in arrays.items():
        tile, rest = name[:6], name[7:].split("_")
        state, k = rest if len(rest) == 2 else ("", rest[0])
        lines += [
            [tile, row, column, k, state, repr(float(value))]
            for (row, column), value in np.ndenumerate(values)
        ]
    np.random.default_rng(0).shuffle(lines)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((heading or "tile,row,column,device,state,conductance_s").split(","))
        writer.writerows(lines)
    return path


def test_csv_and_npz_hold_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    programmed = {f"fc0_t0_{k}": rng.random(SHAPE) / 1e4 for k in "ab"}
    for arrays in (chip(rng), programmed):
        one = load(saved(tmp_path / "c.npz", arrays), PLAN, Device(), 1)
        other = load(written(tmp_path / "c.csv", arrays), PLAN, Device(), 1)
        assert [map.text() for map in one.values()] == [map.text() for map in other.values()]


def changed(arrays: Arrays, key: str, change: Callable[[NDArray[Any]], Any]) -> Arrays:
    return {**arrays, key: np.asarray(change(arrays[key].copy()))}


def put(row: int, column: int, value: float) -> Callable[[NDArray[Any]], Any]:
    def change(values: NDArray[Any]) -> NDArray[Any]:
        values[row, column] = value
        return values

    return change


def test_wrong_arrays_are_refused(tmp_path: Path) -> None:
    arrays = chip(np.random.default_rng(4))
    path = tmp_path / "c.npz"

    def text(wrong: Arrays) -> str:
        found = refused(saved(path, wrong))
        assert found.startswith(f"{path}: ")
        return found.removeprefix(f"{path}: ")

    key = "fc0_t0_hrs_b"
    for value in (float("nan"), -1e-6, float("inf"), 1.5):
        assert text(changed(arrays, key, put(3, 5, value))) == (
            f"fc0_t0_hrs_b row 3 column 5: {value:g} S: must be a conductance of 0 to 1 S"
        )
    assert text(changed(arrays, key, lambda values: values[1:])) == (
        "fc0_t0_hrs_b must be numbers of shape (8, 8), not float64 of shape (7, 8)"
    )
    assert text(changed(arrays, key, lambda values: values > 0)) == (
        "fc0_t0_hrs_b must be numbers of shape (8, 8), not bool of shape (8, 8)"
    )
    swapped = {name.translate({ord("l"): "h", ord("h"): "l"}): v for name, v in arrays.items()}
    assert text(swapped).startswith("hrs_ohm / lrs_ohm = 0.1")
    assert text(swapped).endswith(": the resistance window must be above 1")
    assert text({**arrays, "fc9_t0_a": arrays[key]}) == (
        "fc9_t0_a: no tile is called fc9_t0; the plan has fc0_t0, fc0_t1, fc0_t2, ..., with "
        "_lrs_a, _hrs_a, _a or the like"
    )
    del arrays["fc0_t0_lrs_b"]
    assert text(arrays) == (
        "fc0_t0: there are fc0_t0_lrs_a, fc0_t0_hrs_a, fc0_t0_hrs_b; there must be "
        "fc0_t0_lrs_a, fc0_t0_lrs_b, fc0_t0_hrs_a, fc0_t0_hrs_b"
    )


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    arrays = chip(np.random.default_rng(5))
    path = tmp_path / "c.csv"
    good = written(path, arrays).read_text().splitlines()

    def text(line: str, at: int = 1) -> str:
        path.write_text("\n".join([*good[:at], line, *good[at + 1 :]]) + "\n")
        return refused(path).removeprefix(f"{path}: ")

    heading = "tile,row,column,device,state,conductance_s"
    assert text("tile,row,column,conductance", 0) == f"line 1 must be {heading}"
    assert text("fc7,0,0,a,lrs,1e-5") == (
        "line 2: no tile is called fc7; the plan has fc0_t0, fc0_t1, fc0_t2, ..., with _lrs_a, "
        "_hrs_a, _a or the like"
    )
    for row, column in ((8, 0), (0, 8), (-1, 0)):
        assert text(f"fc0_t0,{row},{column},a,lrs,1e-5") == (
            f"line 2: row {row}, column {column}: fc0_t0 has 8 lines and 8 columns"
        )
    for line in ("fc0_t0,0,0,a,lrs", "fc0_t0,0,x,a,lrs,1", "fc0_t0,0,0,a,lrs,one", ""):
        assert text(line) == f"line 2: must be {heading}"
    assert text("fc0_t0,0,0,c,lrs,1").startswith("fc0_t0_lrs_c: no tile is called fc0_t0_lrs")
    tile, row, column, k, state, _ = good[2].split(",")
    assert text(good[2]) == f"line 3: {tile}_{state}_{k} row {row} column {column} is there twice"
    path.write_text("\n".join([good[0], *good[2:]]) + "\n")
    tile, row, column, k, state, _ = good[1].split(",")
    assert refused(path) == (
        f"{path}: {tile}_{state}_{k} row {row} column {column}: nan S: must be a conductance of 0 "
        "to 1 S"
    )
    path = tmp_path / "c.npz"
    path.write_bytes(b"nothing")
    assert refused(path).startswith(f"{path}: not an .npz of arrays (")


def test_configuration_and_physics_agree() -> None:
    """Every key of [device] has the default and the range of its parameter, in the same order."""
    keys = {
        key: info for key, info in DeviceConfig.model_fields.items() if key not in ("seed", "map")
    }
    assert list(keys) == [field.name for field in fields(Device)] == list(RANGES)
    for key, info in keys.items():
        low, high, unit = RANGES[key]
        assert info.default == getattr(Device(), key)
        assert isinstance(info.json_schema_extra, dict)
        assert info.json_schema_extra["allowed"] == f"{low:g} to {high:g} {unit}".rstrip()
        for value in (low, high):
            DeviceConfig.model_validate({key: value})


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.slow
def test_devices_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maps of a build are those drawn from its configuration, and --engine device computes them."""
    build = tmp_path / "build"
    settings = ["--set", "device.seed=3", "--set", "device.read_noise=0.3"]
    assert run(capsys, "build", "digits", "-o", str(build), *settings)[0] == 0
    found = open_build(build)
    maps = load_maps(build, found.plan)
    expected = draw(Device(read_noise=0.3), found.plan, 3)
    assert {name: map.text() for name, map in maps.items()} == {
        name: map.text() for name, map in expected.items()
    }
    images, labels = load_data("digits", split="test")
    trace = Devices(found.network, found.plan, maps).forward(images[:70])
    monkeypatch.setattr(running, "CHUNK", 30)
    save = tmp_path / "scores.npz"
    status, out, _ = run(
        capsys, "run", str(build), "--data", "digits", "--images", "70", "--engine", "device",
        "--save", str(save), "--json",
    )  # fmt: skip
    assert status == 0
    with np.load(save) as file:
        assert np.array_equal(file["scores"], trace.scores)
    figures = json.loads(out)
    assert figures["accuracy"] == (trace.predictions == labels[:70]).mean()
    assert (figures["engine"], figures["mismatches"]) == ("device", None)


@pytest.mark.slow
def test_mistakes_on_the_command_line_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(*arguments: str) -> str:
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        return err.removeprefix("binohm: error: ").rstrip("\n")

    build = ("build", "digits", "-o", str(tmp_path / "x"), "--set")
    assert error(*build, "device.hrs_ohm=9e4") == (
        "device.hrs_ohm / lrs_ohm = 0.9: the resistance window must be above 1"
    )
    missing = tmp_path / "none.npz"
    assert error(*build, f'device.map="{missing}"') == (
        f"device.map = {missing}: No such file or directory"
    )
    wrong = saved(tmp_path / "w.npz", {"fc1_t0_a": np.zeros((2, 2)), "fc1_t0_b": np.zeros((2, 2))})
    assert error(*build, f'device.map="{wrong}"') == (
        f"device.map = {wrong}: fc1_t0_a must be numbers of shape (128, 128), not float64 of "
        "shape (2, 2)"
    )
    assert not (tmp_path / "x").exists()
    plain = tmp_path / "plain"
    assert run(capsys, "build", "digits", "-o", str(plain))[0] == 0
    path = plain / "device" / "fc1_t0.hex"
    running = ("run", str(plain), "--data", "digits", "--engine", "device")
    assert error(*running) == (
        f"{path}: No such file or directory; draw maps with `binohm build --set device.seed=1`"
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text("0\n")
    assert error(*running) == f"{path}: not lines of 16 hexadecimal digits"
