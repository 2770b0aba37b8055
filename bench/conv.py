"""Convolutional networks at full size: ``make bench-conv`` writes ``docs/results/conv.json``.

Weights are random: sizes, cycles and equality do not depend on them. CIFAR-10 comes from
``$BINOHM_DATA``. Seconds of the processor are those of the command and all it starts; memory is
that of its largest process. The bound of an interval is the larger of a layer's input positions and
its windows times the planes read one after another.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import ROOT, Figures, measure_parts

from binohm.gen import split
from binohm.gen.config import load
from binohm.gen.cycles import predict
from binohm.gen.mapping import map_network
from binohm.gen.network import Conv, Dense, Input, Network, Pool, Scores
from binohm.gen.plan import Plan
from binohm.sim.directory import open_build

sys.path.append(str(ROOT / "tests"))

from conv_models import cnv

KEPT = ROOT / "build" / "bench-conv"
"""Builds that several parts need."""

SETTINGS = ["array.planes=parallel"]
"""Eight copies of the first layer's arrays, one for each bit of a pixel."""

RUN_IMAGES = 200
CHECK_IMAGES = {"verilator": 2, "icarus": 1}
VGG_ROWS = 128
VGG = ((3, 128, 32), (128, 128, 32), (128, 256, 16), (256, 256, 16), (256, 512, 8), (512, 512, 8))
"""Channels in and out, and side of the image, of each convolution."""


def timed(*words: object) -> tuple[Any, dict[str, float]]:
    """What ``binohm`` prints as JSON; seconds, processor seconds and MiB that it took."""
    print("binohm", *words, file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "binohm.gen", *map(str, words), "--json"]
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"binohm {' '.join(map(str, words))}: exit status {status >> 8}")
    return json.loads(said), {
        "s": round(time.monotonic() - begin, 1),
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "mib": round(used.ru_maxrss / 1024),
    }


def bound(plan: Plan) -> int:
    """Fewest cycles between images that reading windows one after another allows."""
    return max(
        max(layer.sweep.image[0] * layer.sweep.image[1], layer.windows * layer.series)
        for layer in plan.layers
        if layer.sweep
    )


def size(build: Path) -> int:
    """Bytes of Verilog, without images."""
    verilog = [*(build / "rtl").iterdir(), build / "macros" / "digital.v"]
    return sum(path.stat().st_size for path in verilog)


def building(name: str, model: Path, *, imported: bool) -> Figures:
    """Import, if the model is not a network yet, and build."""
    network, used = KEPT / f"{name}.npz", {"s": 0.0, "cpu": 0.0, "mib": 0.0}
    if imported:
        _, used = timed("import", model, "-o", network, "--name", name, "--force")
    settings = [word for text in SETTINGS for word in ("--set", text)]
    facts, more = timed("build", network, "-o", KEPT / name, "--force", *settings)
    plan = open_build(KEPT / name).plan
    return {
        f"{name}_build_s": (round(used["s"] + more["s"], 1), "s"),
        f"{name}_build_cpu_s": (round(used["cpu"] + more["cpu"], 1), "s"),
        f"{name}_build_peak_mib": (max(used["mib"], more["mib"]), "MiB"),
        f"{name}_verilog_bytes": (size(KEPT / name), "bytes"),
        f"{name}_arrays": (sum(len(layer.tiles) for layer in plan.layers), "1"),
        f"{name}_weights": (Network.load(network).weight_count, "1"),
        f"{name}_predicted_latency": (facts["cycles"]["latency"], "cycles"),
        f"{name}_predicted_interval": (facts["cycles"]["interval"], "cycles"),
        f"{name}_interval_bound": (bound(plan), "cycles"),
    }


def running(name: str, images: int) -> Figures:
    """Images of CIFAR-10 through the Verilog, every score compared with golden."""
    words = ("run", KEPT / name, "--data", "cifar10", "--images", images, "--processes", 1)
    facts, used = timed(*words)
    return {
        f"{name}_run_images": (facts["images"], "1"),
        f"{name}_run_mismatches": (facts["mismatches"], "1"),
        f"{name}_run_latency": (facts["latency"], "cycles"),
        **({f"{name}_run_interval": (facts["interval"], "cycles")} if images > 1 else {}),
        f"{name}_run_s": (used["s"], "s"),
        f"{name}_run_cpu_s": (used["cpu"], "s"),
        f"{name}_run_peak_mib": (used["mib"], "MiB"),
        f"{name}_simulation_s": (facts["seconds"], "s"),
    }


def checking(name: str, simulator: str) -> Figures:
    """``binohm check`` on one simulator."""
    images = CHECK_IMAGES[simulator]
    facts, used = timed("check", KEPT / name, "--images", images, "--simulator", simulator)
    return {
        f"{name}_check_{simulator}": (verdict(facts), "1"),
        f"{name}_check_{simulator}_s": (used["s"], "s"),
        f"{name}_check_{simulator}_cpu_s": (used["cpu"], "s"),
    }


def verdict(facts: dict[str, Any]) -> str:
    """What a check found, in words."""
    (result,) = facts["runs"]
    return f"equal, {result['compared']['result']} results" if facts["ok"] else "differs"


def cnv_model(_: Path) -> Figures:
    """The CNV-class network: import and build, and the interval with bit planes in series."""
    KEPT.mkdir(parents=True, exist_ok=True)
    model, result = cnv(np.random.default_rng(1))
    figures = building("cnv", model.save(KEPT / "cnv.onnx", result), imported=True)
    network = Network.load(KEPT / "cnv.npz")
    plan = map_network(network, load(None))
    return figures | {
        "cnv_series_predicted_interval": (predict(network, plan).interval, "cycles"),
        "cnv_series_interval_bound": (bound(plan), "cycles"),
        "cnv_series_arrays": (sum(len(layer.tiles) for layer in plan.layers), "1"),
    }


def vgg_model(_: Path) -> Figures:
    """cifar10-vgg at full width, split without training."""
    KEPT.mkdir(parents=True, exist_ok=True)
    split.split(vgg(np.random.default_rng(2)), VGG_ROWS).save(KEPT / "vgg.npz")
    return building("vgg", KEPT / "vgg.npz", imported=False)


def vgg(rng: np.random.Generator) -> Network:
    """cifar10-vgg with random weights and thresholds, of the size of the sums."""

    def weights(outputs: int, inputs: int) -> NDArray[np.int8]:
        return rng.choice(np.array([-1, 1], np.int8), (outputs, inputs))

    def decisions(outputs: int, spread: float) -> tuple[Any, Any]:
        theta = (rng.normal(size=(1, outputs)) * spread).round().astype(np.int64)
        return theta, rng.random((1, outputs)) < 0.3

    layers: list[Dense | Scores] = []
    for number, (before, after, side) in enumerate(VGG):
        inputs = 9 * before
        spread = inputs**0.5 / 2 * (1 if number else 128)
        layers.append(
            Conv(
                f"conv{number + 1}", weights(after, inputs), *decisions(after, spread), (0, inputs),
                image=(side, side, before), kernel=(3, 3), padding=(1, 1),
                pool=Pool((2, 2), (2, 2), "sums") if number % 2 else None,
            )
        )  # fmt: skip
    for number, (inputs, outputs) in enumerate(((8192, 1024), (1024, 1024))):
        decided = decisions(outputs, inputs**0.5 / 2)
        layers.append(Dense(f"fc{number + 1}", weights(outputs, inputs), *decided, (0, inputs)))
    layers.append(Scores("fc3", weights(10, 1024)))
    return Network("vgg", Input((32, 32, 3), np.arange(256, dtype=np.int64), False), tuple(layers))


def packed(_: Path) -> Figures:
    """The bit-packed model beside the qonnx executor and PyTorch."""
    from conv_packed import packed_figures

    return packed_figures()


PARTS = {
    "cnv": cnv_model,
    "cnv-run": lambda _: running("cnv", RUN_IMAGES),
    "cnv-check-verilator": lambda _: checking("cnv", "verilator"),
    "cnv-check-icarus": lambda _: checking("cnv", "icarus"),
    "vgg": vgg_model,
    "vgg-run": lambda _: running("vgg", 1),
    "packed": packed,
}

if __name__ == "__main__":
    measure_parts("conv", PARTS, description=__doc__.splitlines()[0], seed=1)
