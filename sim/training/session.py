"""A training from its first weights to the epoch that is chosen, with checkpoints.

The last twelfth of the images is held out and chooses the epoch; nothing is learned from it, and a
test set has no part in it. After every epoch the whole state goes to one file, so that the same
recipe on the same images continues from there and gives, bit for bit, what it would have given
without a break.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import DataError
from binohm.gen.network import Dense, Network, Scores
from binohm.sim.device.pair import draw_pairs
from binohm.sim.training.pairs import DevicePairs, Pairs
from binohm.sim.training.recipe import Recipe, network_input
from binohm.sim.training.rule import Counts, Ints, Steps, Xorshift
from binohm.sim.training.single import SingleDevices
from binohm.sim.training.software import Software
from binohm.sim.training.trainer import Training

__all__ = ["Learned", "Session", "learn"]

HELD_OUT = 12
"""One of so many images is held out."""

EVALUATE = 1000
"""Images that are evaluated at once."""

State = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Learned:
    """What came out of a training.

    Parameters
    ----------
    network : Network
        Of the epoch that was chosen: the last of those with the best accuracy on the images held
        out.
    epoch : int
        That one, from 1.
    validation : float
        Its accuracy there.
    history : tuple of float
        The accuracy there after each epoch.
    counts : Counts
        At the end of the last epoch.
    """

    network: Network
    epoch: int
    validation: float
    history: tuple[float, ...]
    counts: Counts


class Session:
    """The state of a training between two epochs.

    Parameters
    ----------
    recipe : Recipe
    images : uint8 array, shape (N, H, W)
    labels : int64 array, shape (N,)
        Of the training split.

    Raises
    ------
    DataError
        If the images do not fit the network, or are fewer than a batch.
    """

    def __init__(self, recipe: Recipe, images: NDArray[np.uint8], labels: Ints) -> None:
        rule = recipe.rule
        if images[0].size != rule.sizes[0] or int(labels.max()) >= rule.sizes[-1]:
            raise DataError(
                f"images of {images[0].size} pixels in {int(labels.max()) + 1} classes, but the "
                f"network takes {rule.sizes[0]} pixels and tells {rule.sizes[-1]} classes"
            )
        self.recipe = recipe
        self.input = network_input(recipe, images.shape[1:])
        self._table = self.input.table.astype(np.uint8)
        held = len(labels) // HELD_OUT
        learned = len(labels) - held
        self._held = self._table[images[learned:]].reshape(held, -1), labels[learned:]
        self._images, self._labels = images[:learned], labels[:learned]
        self.batches = len(self._labels) // rule.batch
        if self.batches == 0 or held == 0:
            raise DataError(
                f"{len(labels)} images are too few: one in {HELD_OUT} is held out, and a batch "
                f"has {rule.batch}"
            )
        self.learner: Training | Software = self._learner()
        self.history: list[float] = []
        self.best = self.learner.network(recipe.data, self.input)

    def _learner(self) -> Training | Software:
        recipe, rule = self.recipe, self.recipe.rule
        if recipe.method == "software":
            return Software(rule.sizes, recipe.seed, recipe.epochs * self.batches)
        if recipe.device is None:
            return Training(rule, recipe.seed)
        arrays: list[Pairs] = []
        for number, (rows, columns) in enumerate(rule.shapes):
            drawn = (recipe.device, rows, columns, rule.pulses, recipe.chip, number)
            if recipe.method == "single":
                arrays.append(SingleDevices(*drawn))
            else:
                arrays.append(DevicePairs(draw_pairs(*drawn), number))
        return Training(rule, recipe.seed, arrays)

    def batches_of(self, epoch: int) -> Iterator[tuple[NDArray[np.uint8], Ints, int]]:
        """Levels, labels and halvings of the rate of every batch of an epoch, from 0.

        The images are in a new order in each, and moved anew.
        """
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, epoch])
        order = rng.permutation(len(self._labels))
        for chosen in order[: self.batches * recipe.rule.batch].reshape(self.batches, -1):
            images = self._images[chosen]
            if recipe.moves:
                images = _moved(
                    images, rng.integers(0, 9, len(images)), half=recipe.moves == "half"
                )
            levels = self._table[images].reshape(len(images), -1)
            yield levels, self._labels[chosen], recipe.slower(epoch)

    def epoch(self, progress: Callable[[int, int], Any] | None = None) -> None:
        """Learn from all images once."""
        recipe, done = self.recipe, len(self.history)
        for number, batch in enumerate(self.batches_of(done)):
            if progress is not None:
                progress(done * self.batches + number, recipe.epochs * self.batches)
            self.learner.step(*batch)
        accuracy = self._accuracy()
        if accuracy >= max(self.history, default=0.0):
            self.best = self.learner.network(recipe.data, self.input)
        self.history.append(accuracy)

    def learned(self) -> Learned:
        """The result so far."""
        chosen = len(self.history) - 1 - int(np.argmax(self.history[::-1]))
        counts = self.learner.counts if isinstance(self.learner, Training) else Counts()
        return Learned(self.best, chosen + 1, self.history[chosen], tuple(self.history), counts)

    def _accuracy(self) -> float:
        """On the images held out."""
        levels, labels = self._held
        right = 0
        for first in range(0, len(labels), EVALUATE):
            part = slice(first, first + EVALUATE)
            right += int((self.learner.scores(levels[part]).argmax(axis=1) == labels[part]).sum())
        return right / len(labels)

    def save(self, path: Path) -> None:
        """All of it, in a file that appears whole."""
        parts = {f"learner/{key}": value for key, value in _state(self.learner).items()}
        for layer in self.best.layers:
            parts[f"best/{layer.name}"] = layer.weights
        for layer in self.best.hidden:
            parts[f"best/{layer.name}/theta"] = layer.theta
        parts["history"] = np.array(self.history)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                np.savez(file, **parts)  # type: ignore[arg-type]
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    def load(self, path: Path) -> None:
        """What :meth:`save` wrote.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        try:
            with path.open("rb") as raw, np.load(raw) as file:
                parts = {key: file[key] for key in file.files}
            own = {
                key.removeprefix("learner/"): value
                for key, value in parts.items()
                if key.startswith("learner/")
            }
            _restore(self.learner, own)
            self.best = Network(self.best.name, self.best.input, _layers(self.best, parts))
            self.history = [float(value) for value in parts["history"]]
        except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise DataError(f"checkpoint {path} is damaged ({error}); remove it") from error


def learn(
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: Ints,
    checkpoints: Path,
    progress: Callable[[int, int], Any] | None = None,
) -> Learned:
    """Train, or continue to.

    Parameters
    ----------
    recipe : Recipe
    images, labels
        Of the training split: uint8 (N, H, W) and int64 (N,).
    checkpoints : Path
        Folder; a recipe and its images have one file there.
    progress : callable, optional
        Called with the batches done and all of them.

    Raises
    ------
    DataError
        If images do not fit or a checkpoint is damaged.
    """
    path = checkpoints / f"array-{recipe.digest(images, labels)}.npz"
    session = Session(recipe, images, labels)
    if path.is_file():
        session.load(path)
    while len(session.history) < recipe.epochs:
        session.epoch(progress)
        session.save(path)
    return session.learned()


def _moved(images: NDArray[np.uint8], way: NDArray[np.int64], *, half: bool) -> NDArray[np.uint8]:
    """Images moved down and right by -1, 0 or 1 pixels, or halves; zeros come in.

    ``way`` is 0 to 8. Half a pixel is the mean of two, rounded down.
    """
    _, height, width = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    moved = np.empty_like(images)
    for number in range(9):
        chosen, (down, right) = way == number, divmod(number, 3)
        part = padded[chosen]
        if half:
            wide = part.astype(np.uint16)
            wide = wide[:, 1:-1] + wide[:, down : down + height]
            wide = wide[:, :, 1:-1] + wide[:, :, right : right + width]
            moved[chosen] = wide >> 2
        else:
            moved[chosen] = part[:, down : down + height, right : right + width]
    return moved


def _state(learner: Training | Software) -> State:
    if isinstance(learner, Software):
        return learner.state()
    parts: State = {
        "random": np.array(learner.random.state),
        "counts": np.array(json.dumps(asdict(learner.counts))),
    }
    for number, layer in enumerate(learner.layers):
        parts |= {f"{number}/pairs/{key}": value for key, value in layer.pairs.state().items()}
        parts[f"{number}/positive"] = layer.signs > 0
        parts[f"{number}/mean"], parts[f"{number}/offset"] = layer.mean, layer.offset
    return parts


def _restore(learner: Training | Software, state: State) -> None:
    if isinstance(learner, Software):
        learner.restore(state)
        return
    learner.random = Xorshift(int(state["random"]))
    learner.counts = _counts(json.loads(str(state["counts"])))
    for number, layer in enumerate(learner.layers):
        prefix = f"{number}/pairs/"
        layer.pairs.restore({
            key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)
        })
        layer.signs[:] = np.where(state[f"{number}/positive"], 1, -1)
        layer.mean = np.array(state[f"{number}/mean"], np.int64)
        layer.offset = np.array(state[f"{number}/offset"], np.int64)


def _layers(network: Network, parts: dict[str, NDArray[Any]]) -> tuple[Dense | Scores, ...]:
    """Of the chosen epoch, as a checkpoint holds them."""
    layers: list[Dense | Scores] = []
    for layer in network.hidden:
        weights, theta = parts[f"best/{layer.name}"], parts[f"best/{layer.name}/theta"]
        layers.append(Dense(layer.name, weights, theta, layer.flip))
    name = network.scores.name
    return (*layers, Scores(name, parts[f"best/{name}"]))


def _counts(values: dict[str, Any]) -> Counts:
    steps = {key: Steps(**values[key]) for key in ("parallel", "by_row")}
    return Counts(**{**values, **steps})
