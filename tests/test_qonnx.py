"""A network of the field: golden gives the classes of the qonnx executor."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.cleanup import cleanup_model

from binohm.gen.importer.qonnx import import_model
from binohm.sim.datasets import load
from binohm.sim.golden import forward


@pytest.fixture(scope="module")
def tfc() -> Path:
    folder = os.environ.get("BINOHM_DATA")
    path = Path(folder or "", "models", "TFC_1W1A.onnx")
    if not folder or not path.is_file():
        pytest.skip("TFC_1W1A.onnx is not in $BINOHM_DATA/models")
    return path


def test_tfc_gives_the_classes_of_the_qonnx_executor(tfc: Path) -> None:
    """All 10,000 test images of MNIST; 92.96 %, 32 of them with two best classes."""
    images, labels = load("mnist")
    remarks: list[str] = []
    network = import_model(tfc, remarks=remarks)
    assert remarks == ["scalar affine of the scores: dropped"]
    assert [layer.weights.shape for layer in network.layers] == [
        (64, 784),
        (64, 64),
        (64, 64),
        (10, 64),
    ]
    ours = forward(network, images)
    assert int((ours.predictions == labels).sum()) == 9296
    best = ours.scores == ours.scores.max(axis=1, keepdims=True)
    assert int((best.sum(axis=1) > 1).sum()) == 32

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cleanup_model(ModelWrapper(str(tfc)))
        model = model.transform(ChangeBatchSize(len(images))).transform(InferShapes())
        source, target = model.graph.input[0].name, model.graph.output[0].name
        floats = (images[:, None] / np.float32(255)).astype(np.float32)
        theirs = execute_onnx(model, {source: floats})[target]
    # One float for each integer score, in the same order: float32 breaks no tie and makes none.
    values, place = np.unique(ours.scores, return_inverse=True)
    floats, rank = np.unique(theirs, return_inverse=True)
    assert len(values) == len(floats) == 54
    assert np.array_equal(place, rank)
    assert np.array_equal(ours.predictions, theirs.argmax(axis=1))
