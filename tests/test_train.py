"""Training: the stored network, its recipe, and the integers it is made of."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import binohm.gen.training.digits
from binohm.gen.errors import DataError
from binohm.gen.network import Network
from binohm.gen.training.digits import Noise, Recipe, Trainer, distort, train_digits
from binohm.sim.datasets import load
from binohm.sim.golden import accuracy, forward

STORED = Path(binohm.gen.training.digits.__file__).parent.parent / "data" / "digits.npz"

BEGINNING = "a347b4dc7f5e20e66415a9009ef5fcfe704e047d5f3a99a0545c9a6cfabeec5c"
"""State after 25 steps, with an epoch's end among them."""

HELD_OUT_CORRECT = 344
"""Of 360."""


def beginning() -> str:
    trainer = Trainer(*load("digits", split="train"), Recipe())
    for _ in range(25):
        trainer.step()
    return trainer.digest()


def test_the_stored_network_reaches_its_accuracy() -> None:
    images, labels = load("digits")
    network = Network.load(STORED)
    predictions = forward(network, images).predictions
    assert int((predictions == labels).sum()) == HELD_OUT_CORRECT
    assert accuracy(predictions, labels) >= 0.95


def test_the_stored_network_is_what_was_planned() -> None:
    network = Network.load(STORED)
    assert network.name == "digits" and network.input.shape == (8, 8)
    assert network.input.plane_weights == (1, 2, 4, 8, 16)
    assert [layer.weights.shape for layer in network.layers] == [(128, 64), (128, 128), (10, 128)]
    assert all(layer.groups == 1 and not layer.flip.any() for layer in network.hidden)


def test_the_network_is_the_state_it_was_trained_to() -> None:
    trainer = Trainer(*load("digits", split="train"), Recipe())
    for _ in range(3):
        trainer.step()
    network = trainer.network("digits")
    assert network.input.table.tolist() == Network.load(STORED).input.table.tolist()
    assert network.input.table.tolist() == [min(p, 16) for p in range(256)]
    for index, layer in enumerate(network.hidden):
        assert layer.theta.tolist() == [trainer.thresholds(index).tolist()]
        assert layer.theta.any()
    for layer, latent in zip(network.layers, trainer.weights, strict=True):
        assert np.array_equal(layer.weights > 0, latent >= 0)


def test_training_begins_as_it_did() -> None:
    assert beginning() == BEGINNING


def test_training_is_the_same_with_other_arithmetic_kernels() -> None:
    script = "import test_train; print(test_train.beginning())"
    for kernels in ({"OPENBLAS_CORETYPE": "Nehalem"}, {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"}):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **kernels, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [BEGINNING]


@pytest.mark.slow
def test_training_gives_the_stored_bytes(tmp_path: Path) -> None:
    train_digits(*load("digits", split="train")).save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == STORED.read_bytes()


def test_noise_is_splitmix64() -> None:
    # The first outputs published for a start of 0, and of 1234567.
    assert [hex(word) for word in Noise(0).words(3).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]
    noise = Noise(0)
    noise._at = 1234567
    assert [*noise.words(1).tolist(), *noise.words(2, 1).flatten().tolist()] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_integers_cover_their_range() -> None:
    drawn = Noise(7).integers(-2, 3, 5000)
    assert np.unique(drawn).tolist() == [-2, -1, 0, 1, 2, 3]
    assert min(np.bincount(drawn + 2)) > 700
    assert sorted(Noise(7).order(100).tolist()) == list(range(100))
    assert not np.array_equal(Noise(7).order(100), Noise(8).order(100))


def test_images_are_moved_by_fractions_of_a_pixel() -> None:
    class Fixed(Noise):
        """Draws what it is told."""

        def integers(self, low: int, high: int, *shape: int) -> np.ndarray:
            return np.full(shape, self.values.pop(0))

    def moved(*values: int) -> np.ndarray:
        fixed = Fixed(0)
        fixed.values = list(values)
        return distort(fixed, image, 64, 64)[0]

    image = np.zeros((1, 4, 4), np.int64)
    image[0, 1, 2] = 16
    image[0, 3, 0] = 8
    assert np.array_equal(moved(0, 0, 0, 0, 0, 0), image[0])
    down, right = np.zeros((2, 4, 4), np.int64)
    down[0, 2], down[2, 0] = 16, 8
    assert np.array_equal(moved(0, 0, 0, 0, 64, 0), down)
    right[1, 1], right[1, 2], right[3, 0] = 4, 12, 6
    assert np.array_equal(moved(0, 0, 0, 0, 0, 16), right)
    # Turned by a quarter: pixel (i, j) about the centre comes from (j, -i).
    assert np.array_equal(moved(-64, 64, -64, -64, 0, 0), np.rot90(image[0], 1))


def test_foreign_images_are_refused() -> None:
    labels = np.zeros(100, np.int64)
    message = r"^training takes at least 64 images of 8 x 8 values 0 to 16, not shape \(.*\)$"
    for images in (np.zeros((100, 28, 28)), np.full((100, 8, 8), 17), np.zeros((20, 8, 8))):
        with pytest.raises(DataError, match=message):
            train_digits(images.astype(np.uint8), labels)


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = load("digits", split="train")
    monkeypatch.setattr(binohm.gen.training.digits, "Recipe", lambda: Recipe(epochs=2))
    told: list[tuple[int, int]] = []
    network = train_digits(images[:130], labels[:130], 3, lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
    other = train_digits(images[:130], labels[:130], 4)
    assert not np.array_equal(network.layers[0].weights, other.layers[0].weights)
