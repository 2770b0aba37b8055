"""Training by PyTorch: it learns, repeats and continues, and golden computes what it computes."""

import importlib
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from binohm.gen.__main__ import main
from binohm.gen.network import Network
from binohm.gen.training.export import fold
from binohm.gen.training.recipe import Recipe
from binohm.sim.datasets import load
from binohm.sim.golden import forward

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
fit = importlib.import_module("binohm.gen.training.fit")

pytestmark = pytest.mark.extras

RECIPE = Recipe((64, 32, 32, 10), epochs=4, batch=32)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    torch.set_num_threads(1)
    images, labels = load("digits", split="train")
    return (images * 15).astype(np.uint8), labels


@pytest.mark.parametrize(
    "change",
    [{}, {"split": 10}, {"pixel_bits": 1}, {"pixel_bits": 3, "split": 16}, {"error_rate": 0.02}],
    ids=str,
)
def test_golden_gives_the_scores_of_the_model(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], change: dict[str, float]
) -> None:
    images, labels = digits
    recipe = replace(RECIPE, **change)
    trained = fit.fit(recipe, images, labels, tmp_path)
    assert trained.validation > 0.6
    session = fit._Session(recipe, images, labels)
    session.load(next(tmp_path.glob("*.pt")))
    model = session.model
    model.load_state_dict(session.best)
    model.error_rate = 0.0
    with torch.no_grad():
        theirs = model.eval()(session.x).numpy() * np.sqrt(recipe.sizes[-2])
    ours = forward(fold(trained, "digits", (8, 8)), images).scores
    assert np.array_equal(np.rint(theirs), ours)
    if not recipe.error_rate:
        held = len(labels) - len(labels) // 12
        right = (ours.argmax(axis=1) == labels)[held:].mean()
        assert trained.validation == pytest.approx(right, abs=1e-6)


def test_the_best_epoch_is_kept(digits: tuple[np.ndarray, np.ndarray]) -> None:
    session = fit._Session(replace(RECIPE, epochs=12, rate=0.05), *digits)
    session.epoch()
    while session.history[-1][1] == (best := max(accuracy for _, accuracy in session.history)):
        session.epoch()
    session.model.load_state_dict(session.best)
    session._judge(0.0)
    assert session.history[-1][1] == best


def test_training_learns_and_repeats(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray]) -> None:
    told: list[tuple[int, int]] = []
    first = fit.fit(RECIPE, *digits, tmp_path / "a", lambda *done: told.append(done))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert first.history[-1][0] < first.history[0][0] / 2
    assert first.validation == max(accuracy for _, accuracy in first.history)
    assert first.history[first.epoch - 1][1] == first.validation
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
    told: list[int] = []
    parts = fit.fit(recipe, *digits, tmp_path / "parts", lambda done, _: told.append(done))
    assert told == [2, 3]
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
    assert [loss for loss, _ in second.history] == [loss for loss, _ in first.history]
    assert second.validation < 0.3 < first.validation


def test_the_command_writes_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    few = rng.integers(0, 256, (600, 28, 28)).astype(np.uint8), rng.integers(0, 10, 600)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("binohm.gen.actions.load_data", lambda *_, **__: few)
    options = ["--width", "0.01", "--layers", "2", "--epochs", "1", "--json"]
    for name in ("mlp.npz", "mlp.onnx"):
        assert main(["train", "mnist-mlp", "-o", str(tmp_path / name), *options]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["epoch"] == 1 and [layer["outputs"] for layer in said["layers"]] == [20, 20, 10]
    assert len(list((tmp_path / "cache/binohm/training").iterdir())) == 1
    assert main(["import", str(tmp_path / "mlp.onnx"), "-o", str(tmp_path / "read.npz")]) == 0
    ours, read = (Network.load(tmp_path / name) for name in ("mlp.npz", "read.npz"))
    for a, b in zip(ours.hidden, read.hidden, strict=True):
        assert np.array_equal(a.theta, b.theta) and np.array_equal(a.weights, b.weights)
