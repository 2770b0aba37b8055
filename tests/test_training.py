"""Trained layers become integers, and a file that other tools read; neither takes PyTorch."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import execute

from binohm.gen.cli import actions
from binohm.gen.errors import ConfigError, ToolError
from binohm.gen.importer.qonnx import import_model
from binohm.gen.network import Dense, Network
from binohm.gen.training.export import fold, write_qonnx
from binohm.gen.training.recipe import EPSILON, Norm, Recipe, Trained, TrainedLayer
from binohm.sim.datasets import load
from binohm.sim.golden import accuracy, forward

SHAPE = (3, 4)


def made_up(recipe: Recipe, seed: int = 0) -> Trained:
    """Layers of random weights and normalisations, some of them falling or constant."""
    rng = np.random.default_rng(seed)
    layers = []
    for index, like in enumerate(recipe.layers):
        shape = (len(like.bounds) - 1, like.outputs)
        gamma = rng.normal(size=shape).astype(np.float32)
        gamma[0, 0] = 0
        beta, mean = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
        variance = rng.uniform(0.5, 4, shape).astype(np.float32)
        if like.image:  # about as wide as the sums, or all bits are constant
            mean, variance = 2 * mean, variance * np.float32(like.inputs / 4)
        last = index == len(recipe.layers) - 1
        weights = rng.choice(np.array([-1, 1], np.int8), (like.outputs, like.inputs))
        norm = None if last else Norm(gamma, beta, mean, variance)
        layers.append(TrainedLayer(weights, like.bounds, norm))
    return Trained(recipe, tuple(layers), 1, 0.5, ((1.0, 0.5, 0.5),))


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


CNN = Recipe((2 * 3 * 7, 40, 4), (4, 6, 2), ((6, False), (7, True)))
"""Convolutions whose image is not square, so that an exchanged axis shows."""


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_the_file_is_imported_as_the_same_network(tmp_path: Path, bits: int) -> None:
    trained = made_up(Recipe((12, 9, 7, 4), pixel_bits=bits))
    network = fold(trained, "made_up", SHAPE)
    assert network.input.bits == bits
    write_qonnx(trained, tmp_path / "made_up.onnx")
    read = import_model(tmp_path / "made_up.onnx", shape=SHAPE)
    network.save(tmp_path / "ours.npz")
    read.save(tmp_path / "theirs.npz")
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "theirs.npz").read_bytes()


@pytest.mark.parametrize("bits", [1, 5, 8])
def test_the_qonnx_package_executes_the_file_alike(tmp_path: Path, bits: int) -> None:
    trained = made_up(Recipe((12, 9, 7, 4), pixel_bits=bits), 3)
    write_qonnx(trained, tmp_path / "made_up.onnx")
    x = pixels(40)
    theirs = execute(tmp_path / "made_up.onnx", x.reshape(40, 1, 12) / np.float32(255))
    ours = forward(fold(trained, "made_up", SHAPE), x).scores
    assert len(np.unique(ours)) > 3
    assert np.array_equal(theirs.reshape(40, 4), ours)


@pytest.mark.parametrize("bits", [1, 8])
def test_convolutions_are_written_and_read(tmp_path: Path, bits: int) -> None:
    trained = made_up(replace(CNN, pixel_bits=bits), 6)
    network = fold(trained, "made_up", CNN.image)
    write_qonnx(trained, tmp_path / "made_up.onnx")
    read = import_model(tmp_path / "made_up.onnx", shape=CNN.image)
    x = np.random.default_rng(1).integers(0, 256, (30, *CNN.image)).astype(np.uint8)
    floats = x.transpose(0, 3, 1, 2)[:, None] / np.float32(255)
    theirs = execute(tmp_path / "made_up.onnx", floats).reshape(30, 4)
    ours = forward(network, x)
    assert len(np.unique(ours.scores)) > 3
    assert np.array_equal(theirs, ours.scores)
    for bits_here, bits_there in zip(ours.hidden, forward(read, x).hidden, strict=True):
        assert np.array_equal(bits_here, bits_there)
    assert np.array_equal(forward(read, x).scores, ours.scores)


def test_split_layers_are_folded_group_by_group() -> None:
    """The formula of training in float64, with a vote; on sums of integers no rounding decides."""
    recipe = Recipe((12, 10, 7, 4), pixel_bits=1, split=3)
    assert [layer.bounds for layer in recipe.layers] == [(0, 12), (0, 2, 4, 6, 8, 10), (0, 7)]
    trained = made_up(recipe, 5)
    network = fold(trained, "split", SHAPE)
    assert [layer.groups for layer in network.layers] == [1, 5, 1]
    x = network.input.table[pixels(50).reshape(50, -1)].astype(np.float64)
    for layer in trained.layers:
        if layer.norm is None:
            x = x @ layer.weights.T
            continue
        votes = 0
        for group, (a, b) in enumerate(zip(layer.bounds[:-1], layer.bounds[1:], strict=True)):
            sums = x[:, a:b] @ layer.weights[:, a:b].T
            n = layer.norm
            root = np.sqrt(n.variance[group].astype(np.float64) + EPSILON)
            normal = (sums - n.mean[group]) / root * n.gamma[group] + n.beta[group]
            votes = votes + np.where(normal >= 0, 1, -1)
        x = np.where(votes >= 0, 1.0, -1.0)
    assert np.array_equal(forward(network, pixels(50)).scores, x)


SPLIT = {
    "mlp": Recipe((64, 32, 21, 12, 10), pixel_bits=4, split=8),
    "cnn": Recipe((4 * 4 * 7, 24, 10), (8, 8, 1), ((10, False), (7, True)), split=15),
}
"""Four and three groups; six that begin inside kernels, and eight of a flattened image."""


@pytest.mark.parametrize("name", SPLIT)
def test_split_networks_are_written_and_read(tmp_path: Path, name: str) -> None:
    """The same integers, and the qonnx package executes it alike on digits, ties of votes too."""
    trained, path = made_up(SPLIT[name], 4), tmp_path / "made_up.onnx"
    network = fold(trained, "made_up", (8, 8))
    write_qonnx(trained, path)
    read = import_model(path, shape=(8, 8))
    assert [layer.groups for layer in read.layers] == [1, *{"mlp": (4, 3), "cnn": (6, 8)}[name], 1]
    network.save(tmp_path / "ours.npz")
    read.save(tmp_path / "theirs.npz")
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "theirs.npz").read_bytes()
    images = (load("digits")[0][:40] * 15).astype(np.uint8)
    theirs = execute(path, (images / np.float32(255)).astype(np.float32), batch=True)
    ours = forward(network, images)
    assert len(np.unique(ours.scores)) > 3
    assert np.array_equal(theirs, ours.scores)
    # Where the majority and that of the opposite bits are both +1, the votes were equal.
    second = network.hidden[1]
    opposite = replace(network, layers=(
        network.layers[0], replace(second, flip=~second.flip), *network.layers[2:],
    ))  # fmt: skip
    assert (ours.hidden[1] + forward(opposite, images).hidden[1] == 2).any()


def test_the_file_of_a_split_network_holds_each_weight_once(tmp_path: Path) -> None:
    """But for the zeros that fill up kernels: 15 weights of 9 a channel touch two or three."""
    sizes = {}
    for rows in (0, 15):
        write_qonnx(made_up(replace(SPLIT["cnn"], split=rows)), tmp_path / "x.onnx")
        tensors = onnx.load(tmp_path / "x.onnx").graph.initializer
        sizes[rows] = sum(np.prod(t.dims) for t in tensors if t.name.endswith("_weights"))
    assert sizes[0] == sum(layer.weights.size for layer in made_up(SPLIT["cnn"]).layers)
    assert sizes[15] == sizes[0] + 7 * 9 * (2 * (2 + 3 + 2) - 10)


def test_pixels_are_rounded_to_the_nearest_level() -> None:
    for bits in range(2, 9):
        table = fold(made_up(Recipe((12, 4), pixel_bits=bits)), "x", SHAPE).input.table
        assert table.tolist() == [round(p * (2**bits - 1) / 255) for p in range(256)]
    table = fold(made_up(Recipe((12, 4), pixel_bits=1)), "x", SHAPE).input.table
    assert table.tolist() == [-1] * 128 + [1] * 128


def test_the_recipe_of_mnist() -> None:
    assert Recipe.mnist_mlp(1, 3).sizes == (784, 2048, 2048, 2048, 10)
    recipe = Recipe.mnist_mlp(0.25, 2, split=128)
    assert recipe.sizes == (784, 512, 512, 10)
    assert [layer.bounds for layer in recipe.layers] == [
        (0, 784),
        (0, 128, 256, 384, 512),
        (0, 512),
    ]


def test_the_recipe_of_cifar10() -> None:
    """Groups as in the table computed from the published code."""
    found = {
        rows: [
            (len(layer.bounds) - 1, layer.bounds[1])
            for layer in Recipe.cifar10_vgg(1, split=rows).layers
        ]
        for rows in (512, 256, 128)
    }
    first, last = (1, 27), (1, 1024)
    a, b, c = (3, 384), (6, 384), (9, 512)
    assert found[512] == [first, a, a, b, b, c, (16, 512), (2, 512), last]
    a, b, c = (6, 192), (9, 256), (18, 256)
    assert found[256] == [first, a, a, b, b, c, (32, 256), (4, 256), last]
    a, b, c = (9, 128), (18, 128), (36, 128)
    assert found[128] == [first, a, a, b, b, c, (64, 128), (8, 128), last]
    layers = Recipe.cifar10_vgg(0.25).layers
    assert [layer.outputs for layer in layers] == [32, 32, 64, 64, 128, 128, 256, 256, 10]
    assert [layer.image for layer in layers[:6]] == [
        (32, 32, 3), (32, 32, 32), (16, 16, 32), (16, 16, 64), (8, 8, 64), (8, 8, 128),
    ]  # fmt: skip
    assert [layer.pool for layer in layers] == [False, True] * 3 + [False] * 3
    assert layers[6].inputs == 4 * 4 * 128


def test_the_recipe_of_mnist_with_convolutions() -> None:
    layers = Recipe.mnist_cnn(0.25, split=32).layers
    assert [layer.outputs for layer in layers] == [8, 8, 16, 16, 128, 10]
    assert [len(layer.bounds) - 1 for layer in layers] == [1, 3, 3, 6, 28, 1]
    assert layers[4].inputs == 7 * 7 * 16 and layers[0].image == (28, 28, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": 0.0}, "width = 0.0: must be above 0 and at most 8"),
        ({"layers": 0}, "layers = 0: must be 1 to 16"),
        ({"pixel_bits": 9}, "pixel_bits = 9: must be 1 to 8"),
        ({"error_rate": 0.6}, "error_rate = 0.6: must be 0.0 to 0.5"),
        ({"shift": 17}, "shift = 17: must be 0 to 16"),
        ({"epochs": 0}, "epochs = 0: must be 1 to 10000"),
        ({"split": -1}, "split = -1: must be 0 to 65536"),
    ],
)
def test_recipes_have_limits(given: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Recipe.mnist_mlp(**{"width": 1.0, "layers": 3, **given})


def test_fingerprints_tell_recipes_and_images_apart() -> None:
    recipe, images = Recipe((12, 4)), pixels(2)
    known = {
        recipe.digest(images),
        replace(recipe, error_rate=0.1).digest(images),
        recipe.digest(images[:1]),
        recipe.digest(images ^ 1),
    }
    assert len(known) == 4
    assert recipe.digest(images) == Recipe((12, 4)).digest(images.copy())


def test_without_pytorch_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for module in ("fit", "model"):
        monkeypatch.delitem(sys.modules, f"binohm.gen.training.{module}", raising=False)
    message = (
        r"^training takes PyTorch, which is missing: pip install '\.\[train\]' in the repository$"
    )
    with pytest.raises(ToolError, match=message):
        actions.train("mnist-mlp", Recipe((784, 10)), tmp_path / "x.npz")


SPLIT_CNN = Path(__file__).parent / "data" / "mnist_cnn_split.npz"


def test_the_split_network_for_tests_is_what_its_readme_says() -> None:
    network = Network.load(SPLIT_CNN)
    assert [layer.groups for layer in network.layers] == [1, 3, 3, 6, 28, 1]
    assert [layer.outputs for layer in network.layers] == [8, 8, 16, 16, 128, 10]
    assert any(bound % 9 for bound in network.hidden[1].bounds)
    assert not any(layer.flip.any() for layer in network.hidden)
    assert SPLIT_CNN.stat().st_size < 100_000


@pytest.mark.skipif("BINOHM_DATA" not in os.environ, reason="BINOHM_DATA is not set")
def test_the_split_network_for_tests_tells_digits_apart() -> None:
    images, labels = load("mnist")
    predictions = forward(Network.load(SPLIT_CNN), images[:200]).predictions
    assert accuracy(predictions, labels[:200]) > 0.93


def test_falling_and_constant_outputs_occur() -> None:
    network = fold(made_up(Recipe((12, 9, 7, 4))), "x", SHAPE)
    flips = np.concatenate([layer.flip.ravel() for layer in network.layers if type(layer) is Dense])
    assert flips.any() and not flips.all()
