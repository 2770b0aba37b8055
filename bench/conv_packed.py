"""The bit-packed model of a CNV-class network against the qonnx executor and PyTorch, in one run.

The network is that of ``tests/conv_models.py``: convolutions of 3 x 3 with 64, 64, 128, 128, 256
and 256 channels, layers of 512, 512 and 10, an 8-bit input of 32 x 32 x 3; weights are random.
PyTorch computes the same layers in float32, with a sign behind each and nothing else; it shares no
weights. All are confined to one and the same core, and to one thread. The executor and PyTorch run
at several sizes of a batch, PyTorch with its channels first and last; the best time of each counts.
Before anything is believed, the scores of packed and executor must be equal.
"""

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
from results import ROOT, Figures

from binohm.gen.importer.qonnx import import_model
from binohm.sim.packed import Packed

sys.path.append(str(ROOT / "tests"))

from conv_models import cnv

IMAGES = 512
BATCHES = (32, 64, 128, 256)
ROUNDS = 3

Run = Callable[[], NDArray[Any]]


def packed_figures() -> Figures:
    """Images per second, and what the bit-packed model gains; in a process on one core."""
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(
        [sys.executable, __file__], env=os.environ | one, check=True, stdout=subprocess.PIPE
    )
    return {name: (value, unit) for name, (value, unit) in json.loads(done.stdout).items()}


def main() -> None:
    """Print the figures as JSON."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    options = onnxruntime.SessionOptions()  # its other threads would wait for work in a loop
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.InferenceSession = partial(onnxruntime.InferenceSession, sess_options=options)
    print(json.dumps(measure(), indent=1))


def measure() -> Figures:
    """Figures by name, on the core that this process has."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as place:
        model, output = cnv(rng)
        path = model.save(Path(place) / "cnv.onnx", output)
        network = import_model(path)
        coarse = rng.integers(0, 256, (IMAGES, 8, 8, 3), np.uint8)
        images = coarse.repeat(4, axis=1).repeat(4, axis=2)
        runs = {"qonnx": {str(batch): executor(path, images, batch) for batch in BATCHES}}
    packed = Packed(network)
    runs["packed"] = {"all": lambda: packed.scores(images)}
    runs["torch"] = floats(images)
    fastest, results = compete(runs)
    if not np.array_equal(results["packed"], results["qonnx"]):
        raise SystemExit("packed and the qonnx executor disagree")
    if len(np.unique(results["packed"], axis=0)) < IMAGES // 2:
        raise SystemExit("the images are all alike to this network")
    rates = {name: IMAGES / seconds for name, (seconds, _) in fastest.items()}
    return {
        "cnv_packed_images": (IMAGES, "images"),
        "cnv_packed_images_per_s": (round(rates["packed"]), "1/s"),
        "cnv_qonnx_images_per_s": (round(rates["qonnx"], 1), "1/s"),
        "cnv_qonnx_batch": (int(fastest["qonnx"][1]), "images"),
        "cnv_torch_images_per_s": (round(rates["torch"]), "1/s"),
        "cnv_torch_way": (fastest["torch"][1], "batch, layout"),
        "cnv_packed_vs_qonnx_ratio": (round(rates["packed"] / rates["qonnx"], 1), "1"),
        "cnv_packed_vs_torch_ratio": (round(rates["packed"] / rates["torch"], 2), "1"),
    }


def compete(
    runs: Mapping[str, Mapping[str, Run]],
) -> tuple[dict[str, tuple[float, str]], dict[str, NDArray[Any]]]:
    """Least seconds of each, and in which way; and what it computed. All take turns.

    Seconds of the core, so that what else runs on the machine hardly counts. Compiling, the first
    time, does not count either.
    """
    fastest: dict[str, tuple[float, str]] = {}
    results = {}
    for _ in range(ROUNDS):
        for name, ways in runs.items():
            for way, run in ways.items():
                start = time.process_time()
                results[name] = run()
                taken = time.process_time() - start, way
                fastest[name] = min(taken, fastest.get(name, taken))
    return fastest, results


def executor(path: Path, images: NDArray[np.uint8], batch: int) -> Run:
    """What runs all images through the qonnx package, prepared; returns scores (N, classes)."""
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cleanup_model(ModelWrapper(proto))
    source, target = model.graph.input[0].name, model.graph.output[0].name
    first = np.ascontiguousarray(np.moveaxis(images, -1, 1) / np.float32(255))
    parts = [first[start : start + batch] for start in range(0, len(images), batch)]

    def run() -> NDArray[Any]:
        return np.concatenate([execute_onnx(model, {source: x})[target] for x in parts])

    return run


def floats(images: NDArray[np.uint8]) -> dict[str, Run]:
    """The same layers in PyTorch, by size of a batch and layout."""
    nn = torch.nn
    layers: list[Any] = []
    before = 3
    for position, width in enumerate((64, 64, 128, 128, 256, 256)):
        layers += [nn.Conv2d(before, width, 3, bias=False), Sign()]
        layers += [nn.MaxPool2d(2)] if position in (1, 3) else []
        before = width
    layers.append(nn.Flatten())
    for width in (512, 512):
        layers += [nn.Linear(before, width, bias=False), Sign()]
        before = width
    net = nn.Sequential(*layers, nn.Linear(before, 10, bias=False)).eval()
    first = torch.from_numpy(np.moveaxis(images, -1, 1) / np.float32(255))

    def run(batch: int, layout: Any) -> NDArray[Any]:
        with torch.inference_mode():
            parts = first.contiguous(memory_format=layout).split(batch)
            shaped = net.to(memory_format=layout)
            return torch.cat([shaped(part) for part in parts]).numpy()

    layouts = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}
    return {
        f"{batch}, {name}": lambda batch=batch, layout=layout: run(batch, layout)
        for batch in (16, 64, 256)
        for name, layout in layouts.items()
    }


class Sign(torch.nn.Module):
    """-1 and +1; where batch normalisation is folded, a comparison."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Sign of every element."""
        return x.sign_()


if __name__ == "__main__":
    main()
