"""What is missing is named, with its cure."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from binohm.gen.errors import ToolError
from binohm.gen.verilog import to_verilog
from binohm.hdl.streams.queue import Queue
from binohm.sim import tools
from binohm.sim.runner import run_bench


def refused(simulator: str, **options: bool) -> str:
    with pytest.raises(ToolError) as error:
        tools.require(simulator, **options)
    return str(error.value)


def test_what_the_suite_runs_on_is_there() -> None:
    for simulator in tools.SIMULATORS:
        tools.require(simulator)


def test_a_missing_simulator_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused("icarus") == (
        "icarus needs iverilog, which is not on PATH: apt-get install iverilog"
    )
    assert (
        refused("verilator") == "verilator needs make, which is not on PATH: apt-get install make"
    )
    (tmp_path / "make").touch(mode=0o755)
    assert refused("verilator") == "verilator needs c++, which is not on PATH: apt-get install g++"


def test_cocotb_needs_python_as_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find_libpython", lambda: None)
    cure = f"apt-get install libpython3.{sys.version_info.minor}"
    assert refused("icarus") == f"cocotb needs libpython, which this Python lacks: {cure}"
    tools.require("verilator", cocotb=False)


def test_verilator_finds_this_python() -> None:
    """Its makefile says ``python``, which a bare Debian does not have."""
    assert f"PYTHON3={sys.executable}" in tools.environment()["MAKEFLAGS"]


@pytest.mark.slow
def test_headers_of_verilator_are_read_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second build on, and the compiler takes them: it would warn otherwise."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # nothing is kept from before
    source = tmp_path / "dut.v"
    source.write_text(to_verilog({"dut": Queue(1, depth=1)})["dut"], encoding="utf-8")
    bench, facts = "binohm.sim.benches.queue", {"FACT_DEPTH": "1"}
    before = dict(os.environ)
    for place in (tmp_path / "first", tmp_path / "second"):
        run_bench(
            [source], top="dut", bench=bench, build_dir=place, simulator="verilator",
            variables=facts,
        )  # fmt: skip
    log = (place / "build.log").read_text()
    assert log.count("-include") == 2 and "[-Winvalid-pch]" not in log
    assert dict(os.environ) == before, "a bench changed the environment of this process"


def test_makefile_variables_hold_spaces(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\t@echo [$(OPT_FAST)]\n")
    done = subprocess.run(
        ["make", "-s", "-C", str(tmp_path)], env={**os.environ, **tools.environment("-O1 -g")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "[-O1 -g]" in done.stdout
