"""The spine from end to end: ``make bench-spine`` writes ``docs/results/spine.json``.

TFC_1W1A needs ``$BINOHM_DATA`` (``models/TFC_1W1A.onnx`` and ``mnist/``). Every interval and
latency is simulated, on the compiled RTL, and compared with what the build predicted.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packed import measure as measure_packed
from results import ROOT, Figures, measure_parts

from binohm.gen.config import load
from binohm.gen.emit import write_build
from binohm.gen.importer.qonnx import import_model
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.sim.check import bench_files
from binohm.sim.datasets import load as load_data
from binohm.sim.packed import Packed
from binohm.sim.run import Engine, RunResult, run

BINOHM = Path(sys.executable).with_name("binohm")
COLUMNS = (1, 2, 4, 8, 16, 32, 64)
BYTES = (8, 16, 32, 64)
CURVE_IMAGES = 200
ROWS_64 = ("array.columns=64", "array.bias_rows=48")
"""Arrays as wide as the layers: no column idles."""


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def demo(_: Path) -> Figures:
    """``make demo`` in a fresh clone, with a bare PATH, an empty home and so an empty cache."""
    say("make demo in a fresh clone")
    with TemporaryDirectory() as place:
        clone, home = Path(place) / "clone", Path(place) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        bare = kept | {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home)}
        python = f"PYTHON={sys.base_prefix}/bin/python3"
        begin = time.monotonic()
        subprocess.run(["make", "demo", python], cwd=clone, env=bare, check=True, stdout=sys.stderr)
        return {"demo_s": (round(time.monotonic() - begin, 1), "s")}


def digits(_: Path) -> Figures:
    """The embedded network on its held-out images."""
    x, y = load_data("digits")
    scores = Packed(Network.load(ROOT / "gen" / "data" / "digits.npz")).scores(x)
    right = int((scores.argmax(axis=1) == y).sum())
    return {"digits_accuracy": (round(100 * right / len(y), 2), "%")}


def tfc(place: Path) -> Figures:
    """Import and build by the command line; every test image through the RTL; all engines."""
    say("TFC_1W1A: import, build, run")
    onnx = Path(os.environ["BINOHM_DATA"]) / "models" / "TFC_1W1A.onnx"
    begin = time.monotonic()
    command([BINOHM, "import", onnx, "-o", place / "tfc.npz"])
    command([BINOHM, "build", place / "tfc.npz", "-o", place / "tfc"])
    built = time.monotonic() - begin
    verilog = [*(place / "tfc" / "rtl").iterdir(), place / "tfc" / "macros" / "digital.v"]
    x, y = load_data("mnist")
    begin = time.monotonic()
    result = run(place / "tfc", x)
    return {
        "tfc_build_s": (round(built, 1), "s"),
        "tfc_verilog_bytes": (sum(path.stat().st_size for path in verilog), "bytes"),
        "tfc_rtl_images": (len(x), "1"),
        "tfc_rtl_s": (round(time.monotonic() - begin, 1), "s"),
        "tfc_mismatches": (result.mismatches, "1"),
        "tfc_accuracy": (percent(result, y), "%"),
        **ladder(place / "tfc", x),
    }


def ladder(build: Path, x: NDArray[np.uint8]) -> Figures:
    """Images per second of every engine, on the same build, without compilation."""
    say("speed of the engines")
    engines: tuple[Engine, ...] = ("rtl", "golden", "packed")
    speeds = {engine: round(len(x) / run(build, x, engine=engine).seconds) for engine in engines}
    return {"tfc_images_per_s": (speeds, "1/s")}


def curves(place: Path) -> Figures:
    """Interval and latency against columns per cycle, and against the width of the stream."""
    network = import_model(Path(os.environ["BINOHM_DATA"]) / "models" / "TFC_1W1A.onnx")
    x = load_data("mnist")[0][:CURVE_IMAGES]
    by_columns = {str(columns): simulated(place, network, x, columns, 16) for columns in COLUMNS}
    by_bytes = {str(width): simulated(place, network, x, max(COLUMNS), width) for width in BYTES}
    figures: Figures = {}
    for prefix, table in (("tfc", by_columns), ("tfc_stream", by_bytes)):
        for number, name in enumerate(("initiation_interval", "latency")):
            values = {key: pair[number] for key, pair in table.items()}
            figures[f"{prefix}_{name}_cycles"] = (values, "cycles")
    return figures


def simulated(
    place: Path, network: Network, x: NDArray[np.uint8], columns: int, width: int
) -> tuple[int, int]:
    """Interval and latency on the RTL; they must be the predicted ones."""
    say(f"TFC_1W1A: {columns} columns per cycle, {width} bytes per beat")
    settings = [
        *ROWS_64,
        f"array.columns_per_cycle={columns}",
        f"host.input_bytes={width}",
        f"host.output_bytes={width}",
    ]
    plan = map_network(network, load(None, settings))
    out = place / "curve"
    shutil.rmtree(out, ignore_errors=True)
    facts = write_build(
        out, network, plan, config={}, bench_files=bench_files(network, plan, x[:1])
    )
    result = run(out, x)
    predicted = facts["cycles"]
    assert result.mismatches == 0
    assert result.interval_cycles == predicted["interval"]
    assert result.latency_cycles == predicted["latency"]
    return result.interval_cycles, result.latency_cycles


def prediction(_: Path) -> Figures:
    """Configurations of the property test in which every predicted cycle was simulated."""
    say("predicted against simulated cycles")
    words = [sys.executable, "-m", "pytest", "-q", "--hypothesis-show-statistics"]
    done = subprocess.run(
        [*words, "tests/test_cycles.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    counts = re.findall(r"(\d+) passing, (\d+) failing", done.stdout)
    return {
        "prediction_configurations": (sum(int(passed) for passed, _ in counts), "1"),
        "prediction_unequal": (sum(int(failed) for _, failed in counts), "1"),
    }


def percent(result: RunResult, y: NDArray[np.int64]) -> float:
    """Accuracy."""
    return round(100 * float((result.predictions == y).mean()), 2)


def command(words: Sequence[object]) -> Any:
    """Run ``binohm`` and return what it prints as JSON."""
    done = subprocess.run([*map(str, words), "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def packed(_: Path) -> Figures:
    """The bit-packed model and the qonnx executor."""
    measured = measure_packed()
    names = ("packed_vs_qonnx_ratio", "packed_vs_qonnx_single_ratio")
    return {name: (measured[name], "1") for name in names}


PARTS = {
    "demo": demo,
    "tfc": tfc,
    "curves": curves,
    "digits": digits,
    "prediction": prediction,
    "packed": packed,
}

if __name__ == "__main__":
    measure_parts("spine", PARTS, description=__doc__.splitlines()[0], seed=0)
