"""What tests of components share."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from binohm.gen.__main__ import main
from binohm.gen.verilog import to_verilog
from binohm.sim.runner import run_bench
from binohm.sim.tools import SIMULATORS

Bench = Callable[..., None]
Binohm = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers of the test's own."""
    return np.random.default_rng(random.Random(request.node.name).getrandbits(32))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Verilator, which has to compile, a test is a slow one, but for ``fast_on_verilator``."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        slow = parameters.get("simulator") == "verilator"
        if slow and not item.get_closest_marker("fast_on_verilator"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=SIMULATORS)
def simulator(request: pytest.FixtureRequest) -> str:
    """Both simulators, always."""
    return str(request.param)


@pytest.fixture
def bench(tmp_path: Path, simulator: str) -> Bench:
    """Run a cocotb bench against a component: ``bench(component, "binohm.sim.benches.x", key=1)``.

    Keyword arguments reach the bench as environment variables FACT_<KEY>: some
    libraries set COLUMNS and LINES for a terminal.
    """

    def run(
        component: Any, module: str, *, sources: tuple[Path, ...] = (), **facts: object
    ) -> None:
        source = tmp_path / "dut.v"
        source.write_text(to_verilog({"dut": component})["dut"], encoding="utf-8")
        run_bench(
            [source, *sources],
            top="dut",
            bench=module,
            build_dir=tmp_path / "build",
            simulator=simulator,
            variables={f"FACT_{key.upper()}": str(value) for key, value in facts.items()},
        )

    return run


@pytest.fixture
def binohm(capsys: pytest.CaptureFixture[str]) -> Binohm:
    """Run a command in this process: status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
