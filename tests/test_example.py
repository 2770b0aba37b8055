"""The example of integration: somebody's Verilog around a build, and nothing else of ours."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from binohm.gen import config as configuration
from binohm.gen.cycles import predict
from binohm.gen.emit import write_build
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.sim.check import bench_files
from binohm.sim.datasets import load

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "example-integration"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits network, as ``binohm build digits`` writes it, with three images."""
    out = tmp_path_factory.mktemp("example") / "digits"
    network = Network.load(ROOT / "gen" / "data" / "digits.npz")
    plan = map_network(network, configuration.Config())
    x, _ = load("digits")
    pictures = np.ascontiguousarray(x[:3])
    cycles = predict(network, plan).results
    write_build(
        out, network, plan, config={},
        bench_files=bench_files(network, plan, pictures, cycles=cycles),
    )  # fmt: skip
    return out


def simulate(build: Path, out: Path, folder: Path = EXAMPLE) -> str:
    done = subprocess.run(
        ["sh", str(folder / "run.sh"), str(build), str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_reads_every_digit(build: Path, tmp_path: Path) -> None:
    assert simulate(build, tmp_path / "out") == "PASS: 3 digits read\n"
    warnings = (tmp_path / "out" / "warnings.txt").read_text().splitlines()
    assert [line for line in warnings if EXAMPLE.name in line and "timescale" not in line] == []


def test_says_when_digits_are_wrong(build: Path, tmp_path: Path) -> None:
    """Another digit is expected, or pixels go in the wrong order."""
    folder = tmp_path / "example-integration"
    shutil.copytree(EXAMPLE, folder)
    reader = folder / "digit_reader.v"
    text, count = re.subn(r"\{29'd0, beat\}", "{29'd0, ~beat}", reader.read_text())
    assert count == 1
    reader.write_text(text)
    assert simulate(build, tmp_path / "out", folder).startswith("FAIL: 3 digits read, ")
