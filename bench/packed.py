"""Bit-packed NumPy beside the qonnx executor: ``python bench/packed.py`` prints the figures.

Both compute the class of all 10,000 MNIST test images with TFC_1W1A, in one process and one run;
the classes must be the same. The executor gets all images as one batch, which is far faster than
one image at a time. Of equal scores the lowest class wins; the executor's scores are scaled floats,
equal where ours are.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.cleanup import cleanup_model

from binohm.gen.qonnx import import_model
from binohm.sim.datasets import load
from binohm.sim.packed import Packed

__all__ = ["measure"]

REPEATS = 5
"""Runs of the packed model, of which the median counts: one takes a few milliseconds."""


def measure(images: int = 10_000) -> dict[str, float]:
    """Time both on the first ``images`` test images.

    Raises
    ------
    AssertionError
        If a class differs.
    """
    path = Path(os.environ["BINOHM_DATA"]) / "models" / "TFC_1W1A.onnx"
    x, y = load("mnist")
    x, y = x[:images], y[:images]

    packed = Packed(import_model(path))
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        scores = packed.scores(x)
        seconds.append(time.perf_counter() - begin)
    packed_s = sorted(seconds)[REPEATS // 2]

    classes, qonnx_s = executor(path, x)

    assert np.array_equal(classes, scores.argmax(axis=1)), "a class differs from the executor's"
    best = np.sort(scores, axis=1)
    return {
        "images": len(x),
        "ties": int((best[:, -1] == best[:, -2]).sum()),
        "accuracy": round(100 * float((classes == y).mean()), 2),
        "packed_s": round(packed_s, 4),
        "qonnx_s": round(qonnx_s, 2),
        "packed_vs_qonnx_ratio": round(qonnx_s / packed_s),
    }


def executor(path: Path, x: NDArray[np.uint8]) -> tuple[NDArray[np.int64], float]:
    """Classes by the qonnx executor, cleaned and with all images in one batch, and its time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # qonnx's own
        model = cleanup_model(ModelWrapper(str(path)))
        model = model.transform(ChangeBatchSize(len(x))).transform(InferShapes())
        source, result = model.graph.input[0].name, model.graph.output[0].name
        pixels = x[:, None].astype(np.float32) / 255
        begin = time.perf_counter()
        scores = execute_onnx(model, {source: pixels})[result]
        return scores.argmax(axis=1), time.perf_counter() - begin


if __name__ == "__main__":
    json.dump(measure(*map(int, sys.argv[1:])), sys.stdout, indent=1)
