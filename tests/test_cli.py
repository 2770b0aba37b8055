"""The command line: exit statuses, whole messages, JSON, nothing half-written."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network

from binohm.gen import config
from binohm.gen.__main__ import main
from binohm.gen.cli.commands import app, train
from binohm.gen.network import Network
from binohm.sim.golden import forward

NAMES = [command.name or command.callback.__name__ for command in app.registered_commands]
COMMANDS = [[name] for name in NAMES] + [
    ["train", command.name or command.callback.__name__] for command in train.registered_commands
]

Said = tuple[int, str, str]
Binohm = Callable[..., Said]


def small(path: Path) -> Path:
    """Write a small network."""
    network = random_network(np.random.default_rng(1), (12, 8, 3))
    source = replace(network.input, shape=(3, 4))
    Network("small", source, network.layers).save(path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small network in a file."""
    return small(tmp_path / "small.npz")


def test_version(binohm: Binohm) -> None:
    assert binohm("--version") == (0, "binohm 0.1.0\n", "")


def test_help_is_what_comes_without_a_command(binohm: Binohm) -> None:
    status, out, err = binohm()
    assert (status, err) == (0, "")
    assert out.strip() == binohm("--help")[1].strip()
    assert all(name in out for name in ["demo", *NAMES, "train"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(binohm: Binohm, command: list[str]) -> None:
    status, out, err = binohm(*command, "--help")
    assert (status, err) == (0, "")
    assert f"Example: binohm {' '.join(command)}" in out
    assert ("--json" in out) == (command != ["init"])


USAGE = [
    ("chek", "No such command 'chek'. Did you mean 'check'?", "binohm"),
    ("train digit", "No such command 'digit'. Did you mean 'digits'?", "binohm train"),
    ("train", "Missing command.", "binohm train"),
    ("check", "Missing argument 'DIR'.", "binohm check"),
    ("build x.npz", "Missing option '--output' / '-o'.", "binohm build"),
    ("check x --imges 3", "No such option: --imges. Did you mean --images?", "binohm check"),
    (
        "check x --images 0",
        "Invalid value for '--images': Input should be greater than or equal to 1.",
        "binohm check",
    ),
    (
        "check x --simulator vcs",
        "Invalid value for '--simulator': 'vcs' is not one of 'verilator', 'icarus'.",
        "binohm check",
    ),
    ("init x", "Got unexpected extra argument(s) (x).", "binohm init"),
]
NOT_THERE = [
    ("check x", "x is not a directory; make one with `binohm build`"),
    ("report x", "x is not a build directory: no report.json; make one with `binohm build`"),
    ("build x.npz -o y", "x.npz: no such file"),
    ("import x.onnx -o y.npz", "x.onnx: no such file"),
    ("import x.onnx -o y --pixel-scale a", "--pixel-scale a: must be a fraction such as 1/255"),
    ("import x.onnx -o y --shape 8by8", "--shape 8by8: must be sizes such as 28x28 or 32x32x3"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(given, f"{said} See `{where} --help`.") for given, said, where in USAGE] + NOT_THERE,
)
def test_bad_input_is_one_line(
    binohm: Binohm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert binohm(*arguments.split()) == (2, "", f"binohm: error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_every_message_is_one_line(binohm: Binohm) -> None:
    status, _, err = binohm("report", "a\nb")
    message = "a b is not a build directory: no report.json; make one with `binohm build`"
    assert (status, err) == (2, f"binohm: error: {message}\n")


def test_init_writes_the_defaults(binohm: Binohm, tmp_path: Path) -> None:
    status, text, err = binohm("init")
    assert (status, err) == (0, "")
    path = tmp_path / "binohm.toml"
    assert binohm("init", "-o", path) == (0, f"{path}\n", "")
    assert path.read_text() == text
    assert config.load(path) == config.load(None)
    message = f"{path} exists; replace it with --force or choose another -o"
    assert binohm("init", "-o", path) == (2, "", f"binohm: error: {message}\n")


def test_build_prints_its_report(binohm: Binohm, model: Path, tmp_path: Path) -> None:
    status, table, err = binohm("build", model, "-o", tmp_path / "out")
    assert (status, err) == (0, "")
    assert table.splitlines()[0].strip() == "binohm_small"
    assert table.splitlines()[-1] == str(tmp_path / "out")


def test_settings_go_over_the_file(binohm: Binohm, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "binohm.toml"
    file.write_text("[design]\nname = 'other'\n[array]\nrows = 16\ncolumns = 4\n")
    options = ("-c", file, "--set", "array.rows=32", "-o", tmp_path / "out", "--json")
    status, out, err = binohm("build", model, *options)
    assert (status, err) == (0, "")
    facts = json.loads(out)
    assert facts == json.loads((tmp_path / "out" / "report.json").read_text())
    assert facts["name"] == "other"
    assert (tmp_path / "out" / "rtl" / "binohm_other.v").is_file()
    assert {(array["rows"], array["columns"]) for array in facts["arrays"]} == {(32, 4)}
    assert facts["config"]["array"]["rows"] == 32


def test_images_of_the_bench_must_fit(binohm: Binohm, model: Path, tmp_path: Path) -> None:
    status, out, err = binohm("build", model, "--data", "digits", "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("binohm: error: the network cannot take these images: ")
    assert not (tmp_path / "out").exists()


def test_an_unknown_key_suggests_the_nearest(binohm: Binohm, model: Path, tmp_path: Path) -> None:
    status, out, err = binohm("build", model, "-o", tmp_path / "out", "--set", "array.rws=3")
    assert (status, out) == (2, "")
    assert err == "binohm: error: --set array.rws: unknown key; did you mean rows?\n"
    assert not (tmp_path / "out").exists()


def test_an_older_build_is_replaced_by_force_only(binohm: Binohm, model: Path, built: Path) -> None:
    out = built
    (out / "stale").touch()
    message = f"{out} exists; replace it with --force or choose another -o"
    assert binohm("build", model, "-o", out) == (2, "", f"binohm: error: {message}\n")
    assert (out / "stale").exists()
    assert binohm("build", model, "-o", out, "--force")[0] == 0
    assert not (out / "stale").exists()


def test_foreign_folders_are_never_replaced(binohm: Binohm, model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    status, _, err = binohm("build", model, "-o", tmp_path / "mine", "--force")
    assert status == 2
    message = f"{tmp_path}/mine exists and is not a build of ours; choose another with -o"
    assert err == f"binohm: error: {message}\n"
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_an_unwritable_place_is_named(binohm: Binohm, model: Path, tmp_path: Path) -> None:
    status, out, err = binohm("build", model, "-o", model / "out")
    assert (status, out) == (2, "")
    assert err == f"binohm: error: cannot write {model}/out: File exists\n"
    status, out, err = binohm("init", "-o", tmp_path / "no" / "binohm.toml")
    assert (
        err == f"binohm: error: cannot write {tmp_path}/no/binohm.toml: No such file or directory\n"
    )


def test_an_interrupted_build_leaves_nothing(
    binohm: Binohm, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("binohm.gen.images.render", interrupt)
    assert binohm("build", model, "-o", tmp_path / "out")[:2] == (130, "")
    assert list(tmp_path.iterdir()) == [model]


def test_a_terminated_build_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("binohm.gen.images.render", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as stopped:
        main(["build", str(model), "-o", str(tmp_path / "out")])
    assert stopped.value.code == 143
    assert list(tmp_path.iterdir()) == [model]


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = [sys.executable, "-u", "-m", "binohm.gen", "init"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of the small network, to be copied."""
    place = tmp_path_factory.mktemp("once")
    small(place / "small.npz")
    assert main(["build", str(place / "small.npz"), "-o", str(place / "out")]) == 0
    return place / "out"


def test_build_makes_the_same_bytes(
    binohm: Binohm, once: Path, model: Path, tmp_path: Path
) -> None:
    assert binohm("build", model, "-o", tmp_path / "out")[0] == 0
    made = []
    for place in (once, tmp_path / "out"):
        files = sorted(path for path in place.rglob("*") if path.is_file())
        made.append({path.relative_to(place): path.read_bytes() for path in files})
        assert not any(str(place.parent).encode() in content for content in made[-1].values())
    assert made[0] == made[1]


@pytest.fixture
def built(once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A build of the small network, for one test."""
    capsys.readouterr()
    return Path(shutil.copytree(once, tmp_path / "out"))


def test_check_and_report_agree(binohm: Binohm, built: Path) -> None:
    status, out, _ = binohm("check", built, "--images", 2, "--simulator", "icarus", "--json")
    figures = json.loads(out)
    assert (status, figures["ok"]) == (0, True)
    assert [run["simulator"] for run in figures["runs"]] == ["icarus"]
    report = json.loads(binohm("report", built, "--json")[1])
    assert report["results"] == {"check": figures}
    assert figures["runs"][0]["latency"] == report["cycles"]["latency"]
    assert figures["runs"][0]["interval"] == report["cycles"]["interval"]
    page = (built / "report.html").read_text()
    assert "equal to golden, layer by layer" in page


def test_check_exits_1_when_a_cell_differs(binohm: Binohm, built: Path) -> None:
    image = next((built / "mem").glob("*_t0.hex"))
    text = image.read_text()
    image.write_text(text.translate(str.maketrans("01", "10")))
    status, out, err = binohm("check", built, "--json")
    figures = json.loads(out)
    assert (status, figures["ok"], err) == (1, False, "")
    assert len(figures["runs"]) == 1  # whatever simulates them, the images are wrong
    text = figures["runs"][0]["divergences"][0]["text"]
    assert text.startswith(f"{image.stem} row 0 column ")
    status, out, _ = binohm("check", built)
    assert (status, "DIVERGES" in out, text in out) == (1, True, True)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Labelled images for the small network: the labels are what golden says, but for one."""
    x = np.random.default_rng(2).integers(0, 256, (20, 3, 4), np.uint8)
    network = Network.load(small(tmp_path / "labels.npz"))
    y = forward(network, x).predictions
    assert len(set(y)) > 1
    y[7] = (y[7] + 1) % 3
    np.savez(tmp_path / "images.npz", x=x, y=y)
    return tmp_path / "images.npz"


@pytest.mark.parametrize("engine", ["golden", "packed"])
def test_run_counts_what_is_right(
    binohm: Binohm, built: Path, model: Path, images: Path, engine: str
) -> None:
    for what in (built, model):
        options = ("--data", images, "--engine", engine, "--save", images.parent / "scores.npz")
        status, out, err = binohm("run", what, *options, "--json")
        assert (status, err) == (0, "")
        figures = json.loads(out)
        assert (figures["engine"], figures["images"], figures["correct"]) == (engine, 20, 19)
        assert figures["accuracy"] == 0.95
        with np.load(images.parent / "scores.npz") as saved:
            assert saved["scores"].shape == (20, 3)
            assert (saved["scores"].argmax(axis=1) == saved["predictions"]).all()
    assert binohm("report", built)[0] == 0
    assert "95.0 %" in (built / "report.html").read_text()
    first = json.loads(binohm("run", model, "--data", images, "--images", 7, "--json")[1])
    assert (first["engine"], first["images"], first["correct"]) == ("packed", 7, 7)


@pytest.mark.slow
def test_run_takes_the_verilog_of_a_build(binohm: Binohm, built: Path, images: Path) -> None:
    status, out, err = binohm("run", built, "--data", images, "--json")
    assert (status, err) == (0, "")
    figures = json.loads(out)
    assert (figures["engine"], figures["correct"], figures["mismatches"]) == ("rtl", 19, 0)
    cycles = json.loads(binohm("report", built, "--json")[1])["cycles"]
    assert (figures["latency"], figures["interval"]) == (cycles["latency"], cycles["interval"])


def test_wave_needs_a_divergence_or_an_image(binohm: Binohm, built: Path) -> None:
    message = f"no divergence is known of {built}; run `binohm check`, or name an image"
    assert binohm("wave", built) == (2, "", f"binohm: error: {message}\n")
    message = "there is no image 8: there are 8, from 0"
    assert binohm("wave", built, "--image", 8) == (2, "", f"binohm: error: {message}\n")


@pytest.mark.slow
def test_wave_shows_an_image(binohm: Binohm, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = built / "sim" / "wave.vcd"
    assert binohm("wave", built, "--image", 3) == (0, f"{path}\n", "")
    assert path.read_text().startswith("$")
    monkeypatch.chdir(built.parent)  # relative to here, not to where the simulation runs
    figures = json.loads(binohm("wave", "out", "--image", 3, "-o", "other.vcd", "--json")[1])
    assert figures == {"image": 3, "output": "other.vcd", "bytes": path.stat().st_size}
    assert Path("other.vcd").is_file()


def test_a_model_has_no_verilog(binohm: Binohm, model: Path, images: Path) -> None:
    status, out, err = binohm("run", model, "--data", images, "--engine", "rtl")
    message = f"{model} is a file; --engine rtl needs a build directory"
    assert (status, out, err) == (2, "", f"binohm: error: {message}\n")


@pytest.mark.parametrize("engine", ["rtl", "device"])
def test_a_model_by_name_has_no_verilog(binohm: Binohm, engine: str) -> None:
    status, out, err = binohm("run", "digits", "--data", "digits", "--engine", engine)
    message = f"digits is a network; --engine {engine} takes a build directory: `binohm build`"
    assert (status, out, err) == (2, "", f"binohm: error: {message}\n")


def test_report_draws_a_picture(binohm: Binohm, built: Path, tmp_path: Path) -> None:
    status, out, _ = binohm("report", built, "--svg", tmp_path / "map.svg")
    assert status == 0
    assert out.splitlines()[-1] == str(built / "report.html")
    assert (tmp_path / "map.svg").read_text().lstrip().startswith("<svg")


def test_a_damaged_report_is_named(binohm: Binohm, built: Path) -> None:
    (built / "report.json").write_text("{")
    message = f"{built}/report.json is damaged; build again"
    assert binohm("report", built) == (2, "", f"binohm: error: {message}\n")
