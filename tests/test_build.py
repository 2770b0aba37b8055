"""The build directory: what it holds, that it is clean, and the same every time."""

import filecmp
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network

from binohm.gen.config import load
from binohm.gen.emit import write_build
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim.tools import environment

MIXES = {
    "sense": ("step", 1, ["array.bias_rows=65"]),
    "votes": ("step", 3, ["array.bias_rows=65", "array.rows=32"]),
    "codes": ("step", 1, ["array.threshold=reference", "array.reference_per_column=true"]),
    "sums": ("signed", 1, ["array.readout=adc", "array.rows=16", "array.columns=8"]),
    "ports": ("step", 1, ["array.readout=adc", "array.cell=2t2r", "goal.interval=64"]),
    "words": ("unsigned", 1, ["array.readout=pcsa", "array.columns=8", "goal.interval=99"]),
    "programmed": (
        "unsigned",
        1,
        ["host.programming=true", "array.rows=32", "layers.fc0.spare_columns=3"],
    ),
    "wishbone": ("step", 1, ["host.bus=wishbone", "array.bias_rows=65", "array.rows=80"]),
    "table": ("wide", 1, ["host.input_bytes=3", "host.output_bytes=1"]),
}


def designed(mix: str) -> tuple[Network, Plan]:
    form, groups, overrides = MIXES[mix]
    network = random_network(np.random.default_rng(5), (65, 24, 9, 5), form, groups)
    return network, map_network(network, load(None, overrides))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A build of each mix, made once."""
    return cache(lambda mix: build(tmp_path_factory.mktemp(mix) / "out", mix))


def build(directory: Path, mix: str) -> Path:
    network, plan = designed(mix)
    write_build(directory, network, plan, config={}, bench_files={"Makefile": b"all:\n"})
    return directory


def listing(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_directory_is_complete(built: Callable[[str], Path]) -> None:
    _, plan = designed("table")
    out = built("table")
    for name in (
        *("digital.f", "device.f", "asic.f", "lint.vlt", "taps.vlt", "random.core"),
        *("macros/digital.v", "macros/device.sv", "macros/asic.v", "macros/stubs.v"),
        *("macros/datasheet.toml", "constraints/timing.sdc", "netlist.f"),
        *("asic/openlane.json", "asic/netlist.ys"),
        *("host/registers.h", "host/registers.json", "host/registers.md"),
        *("model.npz", "plan.json", "report.json", "report.html", "tb/Makefile"),
    ):
        assert (out / name).is_file(), name
    assert Network.load(out / "model.npz").name == "random"
    assert Plan.from_json((out / "plan.json").read_text()) == plan
    assert {path.stem for path in (out / "mem").iterdir()} == {image.name for image in plan.images}
    core = (out / "random.core").read_text()
    for view in ("digital", "device", "asic"):
        files = (out / f"{view}.f").read_text().split()
        assert all((out / file).is_file() for file in files)
        assert all(f"- {file}" in core for file in files)


def test_sockets_name_their_maps(built: Callable[[str], Path], tmp_path: Path) -> None:
    network, plan = designed("table")
    maps = {tile.name: f"{tile.id}\n" for layer in plan.layers for tile in layer.tiles}
    write_build(tmp_path / "out", network, plan, config={}, bench_files={}, device=maps)
    rtl = "".join(path.read_text() for path in (tmp_path / "out" / "rtl").iterdir())
    core = (tmp_path / "out" / "random.core").read_text()
    for name, text in maps.items():
        assert (tmp_path / "out" / "device" / f"{name}.hex").read_text() == text
        assert rtl.count(f'.MAP("device/{name}.hex")') == 1
        assert f"- device/{name}.hex: {{copyto: device/{name}.hex}}\n" in core
    assert not [path for path in listing(built("table")) if path.startswith("device/")]
    for path in [*built("table").rglob("*.v"), built("table") / "random.core"]:
        assert "device/" not in path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("view", ["digital", "device", "asic"])
def test_verilog_is_lint_clean(built: Callable[[str], Path], mix: str, view: str) -> None:
    out = built(mix)
    top = designed(mix)[1].top
    command = ["verilator", "--lint-only", "-Wall", "--top-module", top, "lint.vlt"]
    done = subprocess.run(
        [*command, "-f", f"{view}.f"],
        cwd=out, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_waivers_are_all_needed(built: Callable[[str], Path]) -> None:
    """A rule that nothing breaks any more must leave the waiver file."""
    seen: set[str] = set()
    for mix in MIXES:
        out = built(mix)
        command = ["verilator", "--lint-only", "-Wall", "--top-module", designed(mix)[1].top]
        done = subprocess.run(
            [*command, "-f", "digital.f"],
            cwd=out, env=environment(), capture_output=True, text=True,
        )  # fmt: skip
        seen |= set(re.findall(r"%Warning-(\w+)", done.stderr))
    waived = set(re.findall(r"-rule (\w+)", (out / "lint.vlt").read_text()))
    assert waived == seen


def test_nothing_of_programming_is_there_unless_asked_for(
    built: Callable[[str], Path], tmp_path: Path
) -> None:
    """Nor is anything of spare columns."""
    assert not [path for path in (built("sums") / "rtl").iterdir() if "program" in path.name]
    rtl = [path for path in (built("programmed") / "rtl").iterdir() if path.suffix == ".v"]
    named = {path.stem.removeprefix("binohm_random_") for path in rtl}
    assert {"programmer", "program_registers", "ram"} <= named
    for path in (built("sums") / "rtl").iterdir():
        text = path.read_text()
        assert "program" not in text and "spare" not in text
    spared = [path.stem for path in rtl if "_spare_0_used" in path.read_text()]
    assert spared == ["binohm_random_layer_fc0"]


def test_waivers_have_reasons(built: Callable[[str], Path]) -> None:
    lines = (built("sums") / "lint.vlt").read_text().splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("lint_off")]
    assert rules
    assert all(lines[number - 1].startswith("// ") for number in rules)
    assert all('-file "*' in lines[number] for number in rules)


def test_same_input_gives_same_bytes(built: Callable[[str], Path], tmp_path: Path) -> None:
    """Also in another process, with another hash seed."""
    first = built("words")
    code = "import sys, pathlib, test_build; test_build.build(pathlib.Path(sys.argv[1]), 'words')"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b" / "elsewhere")],
        check=True,
        env={**environment(), "PYTHONHASHSEED": "77", "PYTHONPATH": str(Path(__file__).parent)},
    )
    second = tmp_path / "b" / "elsewhere"
    assert listing(first) == listing(second)
    assert not filecmp.dircmp(first, second).diff_files


def test_files_name_no_place_and_no_tool(built: Callable[[str], Path]) -> None:
    out = built("sense")
    for path in out.rglob("*"):
        if path.is_file() and path.suffix != ".npz":
            text = path.read_text()
            assert str(out.parent) not in text, path
            assert not re.search(r"Generated by|Yosys|Amaranth Yosys", text), path


def test_equal_periphery_is_one_module(built: Callable[[str], Path]) -> None:
    out = built("sense")
    texts = "".join(path.read_text() for path in (out / "rtl").iterdir())
    names = re.findall(r"^module (\w+)", texts, re.MULTILINE)
    assert len(names) == len(set(names))
    bodies = [re.sub(r"^module \w+", "", text) for text in texts.split("endmodule")]
    assert len(bodies) == len(set(bodies))
