"""Training by PyTorch: it learns, repeats and continues, and golden computes what it computes."""

import importlib
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from binohm.gen.__main__ import main
from binohm.gen.cli.actions import TRAINED_ON
from binohm.gen.importer.qonnx import import_model
from binohm.gen.network import Network
from binohm.gen.split import bounds
from binohm.gen.training.export import fold
from binohm.gen.training.recipe import Recipe, Shape
from binohm.sim.datasets import load
from binohm.sim.golden import forward

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
fit = importlib.import_module("binohm.gen.training.fit")
functions = importlib.import_module("binohm.gen.training.functions")
model = importlib.import_module("binohm.gen.training.model")

pytestmark = pytest.mark.extras

RECIPE = Recipe((64, 32, 32, 10), epochs=4, batch=32)

CNN = Recipe(
    (2 * 2 * 12, 20, 10),
    (8, 8, 1),
    ((10, False), (10, True), (12, False), (12, True)),
    epochs=6,
    batch=32,
)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    torch.set_num_threads(1)
    images, labels = load("digits", split="train")
    return (images * 15).astype(np.uint8), labels


@pytest.mark.parametrize(
    ("recipe", "change"),
    [
        (RECIPE, {}),
        (RECIPE, {"split": 10}),
        (RECIPE, {"pixel_bits": 1}),
        (RECIPE, {"pixel_bits": 3, "split": 16}),
        (RECIPE, {"error_rate": 0.02}),
        (CNN, {}),
        (CNN, {"split": 40}),  # groups begin inside a kernel
        (CNN, {"pixel_bits": 1, "split": 18}),
        (CNN, {"pixel_bits": 3, "shift": 1, "mirror": True, "error_rate": 0.01}),
    ],
    ids=str,
)
def test_golden_gives_the_scores_of_the_model(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], recipe: Recipe, change: dict[str, float]
) -> None:
    images, labels = digits
    recipe = replace(recipe, **change)
    trained = fit.fit(recipe, images, labels, tmp_path)
    assert trained.validation > (0.25 if recipe.convs else 0.6)
    session = fit._Session(recipe, images, labels)
    session.load(next(tmp_path.glob("*.pt")))
    session.model.load_state_dict(session.best)
    session.model.error_rate = 0.0
    with torch.no_grad():
        theirs = session.model.eval()(session.inputs(session.x)).numpy() * np.sqrt(recipe.sizes[-2])
    ours = forward(fold(trained, "digits", (8, 8)), images).scores
    assert np.array_equal(np.rint(theirs), ours)
    if not recipe.error_rate:
        held = len(labels) - len(labels) // 12
        right = (ours.argmax(axis=1) == labels)[held:].mean()
        assert trained.validation == pytest.approx(right, abs=1e-6)


def test_a_split_convolution_sums_its_groups_and_passes_gradients_back() -> None:
    shape = Shape(9 * 5, 4, bounds(9 * 5, 16), (6, 6, 5))
    assert shape.bounds == (0, 15, 30, 45)
    x = functions._signs(torch.randn(3, 5, 6, 6)).requires_grad_()
    weights = functions._signs(torch.randn(4, 45)).requires_grad_()
    windows = torch.nn.functional.unfold(x, 3, padding=1)
    for part in functions.parts(shape):
        own = slice(part.start, part.stop)
        wanted = (weights[:, own] @ windows[:, own]).reshape(3, 4, 6, 6)
        taken, kernels = part.taken(x.detach()), part.kernels(weights.detach())
        assert torch.equal(part.sums(taken, kernels), wanted)
        gradient = torch.randint(-9, 10, wanted.shape).float()  # integers: nothing is rounded
        to_x, to_weights = torch.autograd.grad(wanted, (x, weights), gradient, retain_graph=True)
        found = part.gradients(gradient, taken, kernels, True)
        assert torch.equal(found[0], to_x[:, part.inputs])
        assert torch.equal(part.weights(found[1]), to_weights[:, own])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "shape",
    [
        Shape(5, 1, (0, 5)),
        Shape(65, 8, (0, 21, 43, 65)),
        Shape(27, 3, (0, 13, 27), (4, 6, 3)),
        Shape(27, 65, (0, 9, 15, 27), (8, 4, 3), True),
        Shape(9, 8, (0, 9), (5, 7, 1), True),
    ],
    ids=str,
)
def test_compiled_votes_are_those_of_pytorch(shape: Shape, training: bool) -> None:
    """As far as floats go: votes are equal, gradients and statistics of up to 100 nearly."""
    torch.manual_seed(shape.outputs)
    layer = model._Layer(shape, 1.0, binary=False, last=False).train(training)
    with torch.no_grad():
        for parameter in (layer.norm.weight, layer.norm.bias, layer.norm.running_mean):
            parameter.normal_()
    before = {key: value.clone() for key, value in layer.norm.state_dict().items()}
    size = (shape.image[2], *shape.image[:2]) if shape.image else (shape.inputs,)
    x = torch.randint(-9, 10, (17, *size)).float().requires_grad_()
    weights = functions._signs(torch.randn(shape.outputs, shape.inputs)).requires_grad_()
    gradient = None
    found = []
    for way in (layer._votes, lambda *given: layer._compiled(*given, 1)):
        layer.norm.load_state_dict(before)
        counted = way(x, weights)
        made = [counted.detach()]
        if training:
            gradient = torch.randn(counted.shape) if gradient is None else gradient
            leaves = x, weights, layer.norm.weight, layer.norm.bias
            made += torch.autograd.grad(counted, leaves, gradient)
        found.append((*made, layer.norm.running_mean.clone(), layer.norm.running_var.clone()))
    assert torch.equal(found[0][0], found[1][0]) and found[0][0].unique().numel() > 1
    for wanted, given in zip(*found, strict=True):
        assert (wanted - given).abs().max() <= 1e-4


def test_what_is_normalised_to_0_votes_1() -> None:
    layer = model._Layer(Shape(1, 1, (0, 1)), 1.0, binary=False, last=False)
    x, weights = torch.tensor([[-2.0], [0.0], [2.0]]), torch.ones(1, 1)
    assert layer._compiled(x, weights, 1).tolist() == [[-1], [1], [1]]
    assert layer._votes(x, weights).tolist() == [[-1], [1], [1]]


def test_images_are_moved_and_mirrored() -> None:
    images = torch.arange(1, 31, dtype=torch.uint8).reshape(1, 5, 6, 1).repeat(300, 1, 1, 1)
    torch.manual_seed(0)
    seen = set()
    for image in fit.augmented(images, 1, True)[..., 0].numpy():
        for mirrored in range(2):
            straight = image[:, ::-1] if mirrored else image
            for down, right in itertools.product((-1, 0, 1), repeat=2):
                around = np.pad(images[0, :, :, 0].numpy(), 1)
                wanted = around[1 + down : 6 + down, 1 + right : 7 + right]
                if np.array_equal(straight, wanted):
                    seen.add((mirrored, down, right))
    assert len(seen) == 18
    assert torch.equal(fit.augmented(images, 0, False), images)


def test_signs_are_straight_through_within_one() -> None:
    x = torch.tensor([-2.0, -0.5, -0.0, 0.0, 0.5, 2.0], requires_grad=True)
    for sign, passed in ((functions.Sign, [0, 1, 1, 1, 1, 0]), (functions.Through, [1] * 6)):
        for kind in (torch.float32, torch.bfloat16):
            x.grad = None
            y = sign.apply(x.to(kind))
            y.sum().backward()
            assert y.tolist() == [-1, -1, 1, 1, 1, 1] and x.grad.tolist() == passed


def test_the_best_epoch_is_kept(digits: tuple[np.ndarray, np.ndarray]) -> None:
    session = fit._Session(replace(RECIPE, epochs=12, rate=0.05), *digits)
    session.epoch()
    while session.history[-1][2] == (best := max(accuracy for *_, accuracy in session.history)):
        session.epoch()
    session.model.load_state_dict(session.best)
    session._judge(0.0, 0.0)
    assert session.history[-1][2] == best


def test_training_learns_and_repeats(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray]) -> None:
    told: list[tuple[int, int]] = []
    first = fit.fit(RECIPE, *digits, tmp_path / "a", lambda *done: told.append(done))
    steps = (len(digits[1]) - len(digits[1]) // 12) // RECIPE.batch
    assert told == [(k, 4 * steps) for k in range(4 * steps)]
    assert first.history[-1][0] < first.history[0][0] / 2
    assert first.validation == max(accuracy for *_, accuracy in first.history)
    assert first.history[first.epoch - 1][2] == first.validation
    again = fit.fit(RECIPE, *digits, tmp_path / "b")
    assert again.history == first.history
    other = fit.fit(replace(RECIPE, seed=1), *digits, tmp_path / "a")
    assert other.history != first.history


def test_a_break_changes_nothing(
    tmp_path: Path,
    digits: tuple[np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = replace(RECIPE, error_rate=0.05)
    whole = fit.fit(recipe, *digits, tmp_path / "whole")
    save, saved = fit._Session.save, itertools.count(1)

    def break_off(session: object, path: Path) -> None:
        save(session, path)
        if next(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(fit._Session, "save", break_off)
    with pytest.raises(KeyboardInterrupt):
        fit.fit(recipe, *digits, tmp_path / "parts")
    monkeypatch.setattr(fit._Session, "save", save)
    told: list[tuple[int, int]] = []
    parts = fit.fit(recipe, *digits, tmp_path / "parts", lambda *done: told.append(done))
    assert told[0] == (len(told), 2 * len(told))
    assert parts.history == whole.history and parts.epoch == whole.epoch
    for a, b in zip(parts.layers, whole.layers, strict=True):
        assert np.array_equal(a.weights, b.weights)
        assert a.norm is b.norm or np.array_equal(a.norm.mean, b.norm.mean)


def test_images_held_out_are_not_learned_from(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    images, labels = digits
    spoilt = images.copy()
    spoilt[-(len(labels) // 12) :] = 0
    first = fit.fit(RECIPE, images, labels, tmp_path)
    second = fit.fit(RECIPE, spoilt, labels, tmp_path)
    assert [loss for loss, *_ in second.history] == [loss for loss, *_ in first.history]
    assert second.validation < 0.3 < first.validation


def test_the_commands_write_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    shapes = {"mnist": (28, 28), "cifar10": (32, 32, 3)}
    few = {
        name: (rng.integers(0, 256, (300, *shape)).astype(np.uint8), rng.integers(0, 10, 300))
        for name, shape in shapes.items()
    }
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("binohm.gen.cli.actions.load_data", lambda name, **_: few[name])
    outputs = {
        "mnist-mlp": [20, 20, 10],
        "mnist-cnn": [1, 1, 1, 1, 5, 10],
        "cifar10-vgg": [1, 1, 3, 3, 5, 5, 10, 10, 10],
    }
    for recipe, sizes in outputs.items():
        options = ["--width", "0.01", "--epochs", "1", "--json"]
        options += ["--layers", "2"] if recipe == "mnist-mlp" else []
        options += [] if recipe == "cifar10-vgg" else ["--split", "8"]
        for name in ("a.npz", "a.onnx"):
            given = ["train", recipe, "-o", str(tmp_path / name), *options, "--force"]
            assert main(given) == 0
            said = json.loads(capsys.readouterr().out)
            assert said["epoch"] == 1 and [layer["outputs"] for layer in said["layers"]] == sizes
        heads, line = (tmp_path / "a.csv").read_text().splitlines()
        assert heads == "epoch,loss,train_accuracy,validation_accuracy"
        assert [float(part) for part in line.split(",")] == pytest.approx(
            [1, *said["history"][0]], abs=1e-6
        )
        read = import_model(tmp_path / "a.onnx", shape=few[TRAINED_ON[recipe]][0].shape[1:])
        ours = Network.load(tmp_path / "a.npz")
        for a, b in zip(ours.hidden, read.hidden, strict=True):
            assert np.array_equal(a.theta, b.theta) and np.array_equal(a.weights, b.weights)
            assert a.bounds == b.bounds
        assert (max(layer.groups for layer in read.layers) > 1) == ("--split" in options)
    assert len(list((tmp_path / "cache/binohm/training").iterdir())) == 3
