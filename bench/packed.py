"""The bit-packed model against the qonnx executor, on all 10,000 MNIST test images, in one run.

TFC_1W1A (``models/TFC_1W1A.onnx``) and MNIST come from ``$BINOHM_DATA``. The executor is timed as
its model is exported, an image a call, on the first images alone; and with its batch changed to
1000, where it was fastest of 1, 100, 1000 and 10,000, on all of them. The ratio that counts is the
one against the batches. Before anything is believed, all classes must be equal.
"""

import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

from binohm.gen.importer.qonnx import import_model
from binohm.sim.datasets import load
from binohm.sim.golden import forward
from binohm.sim.packed import Packed

BATCH = 1000
SINGLE = 100
"""Images executed one by one: their time per image is what counts."""

REPEATS = 5
"""Of everything but the single images; the packed model gets four times as many, being short."""


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps(measure(), indent=1))


def measure() -> dict[str, Any]:
    """Figures by name; times in seconds are the least of some repetitions."""
    if "BINOHM_DATA" not in os.environ:
        raise SystemExit("bench/packed.py needs $BINOHM_DATA with models/TFC_1W1A.onnx")
    path = Path(os.environ["BINOHM_DATA"]) / "models" / "TFC_1W1A.onnx"
    images, labels = load("mnist")
    network = import_model(path)
    packed = Packed(network)
    packed_s, scores = timed(lambda: packed.scores(images), 4 * REPEATS)
    golden_s, trace = timed(lambda: forward(network, images), REPEATS)
    batch_s, outputs = timed(executor(path, images, BATCH), REPEATS)
    single_s, first = timed(executor(path, images[:SINGLE], 1), 1)
    classes, theirs = scores.argmax(axis=1), outputs.argmax(axis=1)
    if not np.array_equal(classes, theirs) or not np.array_equal(scores, trace.scores):
        raise SystemExit("packed, golden and the qonnx executor disagree")
    if not np.array_equal(first.argmax(axis=1), theirs[:SINGLE]):
        raise SystemExit("the qonnx executor disagrees with itself in batches")
    best = scores.max(axis=1, keepdims=True)
    return {
        "images": len(images),
        "accuracy_percent": round(100 * float((classes == labels).mean()), 2),
        "tied_images": int(((scores == best).sum(axis=1) > 1).sum()),
        "packed_s": round(packed_s, 4),
        "golden_s": round(golden_s, 4),
        "qonnx_batches_s": round(batch_s, 3),
        "qonnx_single_s_per_image": round(single_s / SINGLE, 5),
        "packed_vs_qonnx_ratio": round(batch_s / packed_s, 1),
        "packed_vs_qonnx_single_ratio": round(single_s / SINGLE * len(images) / packed_s),
        "packed_vs_golden_ratio": round(golden_s / packed_s, 1),
    }


def timed(call: Callable[[], NDArray[Any]], repeats: int) -> tuple[float, Any]:
    """Least time of some calls in seconds, and the result of the last."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def executor(path: Path, images: NDArray[np.uint8], batch: int) -> Callable[[], NDArray[Any]]:
    """What runs all images through the qonnx package, prepared; returns outputs (N, classes)."""
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cleanup_model(ModelWrapper(proto))
    source, target = model.graph.input[0].name, model.graph.output[0].name
    pixels = (images / np.float32(255)).reshape(-1, batch, 1, 28, 28)

    def run() -> NDArray[Any]:
        outputs = [execute_onnx(model, {source: x})[target] for x in pixels]
        return np.concatenate(outputs).reshape(len(images), -1)

    return run


if __name__ == "__main__":
    main()
