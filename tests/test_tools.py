"""What is missing is named, with its cure."""

import sys
from pathlib import Path

import pytest

from binohm.gen.errors import ToolError
from binohm.sim import tools


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
    assert f"PYTHON3='{sys.executable}'" in tools.environment()["MAKEFLAGS"]
