"""Training by PyTorch: epochs, checkpoints, and the choice of an epoch.

The last twelfth of the images is held out: it chooses the epoch and nothing is learned from it.
After every epoch the whole state goes to one file; the same recipe on the same images continues
from there, and gives what it would have given without a break. A test set has no part in it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import cross_entropy

from binohm.gen.output import replacing
from binohm.gen.training.model import Model
from binohm.gen.training.recipe import Recipe, Trained

__all__ = ["fit", "levels", "so_far"]

HELD_OUT = 12
"""One of so many images is held out."""

EVALUATE = 200
"""Images of a batch that is not learned from."""


def levels(pixels: Tensor, bits: int) -> Tensor:
    """What the network is given for pixel bytes: 0 to ``2^bits - 1``, or -1 and +1; in float32."""
    if bits == 8:
        return pixels.float()
    x = pixels.float() / 255
    if bits == 1:
        return torch.where(x >= 0.5, 1.0, -1.0)
    return torch.round(x * ((1 << bits) - 1))


def augmented(images: Tensor, shift: int, mirror: bool) -> Tensor:
    """Each (H, W, C) of the batch moved by up to ``shift`` pixels over zeros; half mirrored."""
    count, rows, columns = images.shape[:3]
    down, right = (torch.randint(2 * shift + 1, (count, 1, 1)) for _ in range(2))
    y, x = torch.arange(rows)[:, None] + down, torch.arange(columns) + right
    if mirror:
        x = torch.where(torch.rand(count, 1, 1) < 0.5, x.flip(2), x)
    around = functional.pad(images, (0, 0, shift, shift, shift, shift))
    at = (index.to(images.device) for index in (torch.arange(count)[:, None, None], y, x))
    return around[tuple(at)]


def _precision(device: torch.device) -> torch.dtype:
    """Of sums in training: bfloat16 where the processor multiplies matrices of it."""
    cpu = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if device.type == "cuda" or cpu else torch.float32


class _Session:
    """The state of a training between two epochs."""

    def __init__(
        self, recipe: Recipe, images: NDArray[np.uint8], labels: NDArray[np.int64]
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = _precision(self.device)
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        channels = () if images.ndim == 4 else (1,)
        self.x = torch.from_numpy(images.reshape(*images.shape, *channels).copy()).to(self.device)
        self.y = torch.from_numpy(labels).to(self.device)
        self.learned = len(labels) - len(labels) // HELD_OUT
        self.model = Model(recipe).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), recipe.rate, fused=True)
        self.batches = self.learned // recipe.batch
        steps = recipe.epochs * self.batches
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        self.history: list[tuple[float, float, float]] = []
        self.best = self.model.state_dict()

    def epoch(self, progress: Callable[[int, int], Any] | None = None) -> None:
        """Learn from all images once, in a new order."""
        recipe = self.recipe
        order = torch.randperm(self.learned)[: self.batches * recipe.batch].to(self.device)
        self.model.train()
        total, right = torch.zeros(2, device=self.device)
        before = len(self.history) * self.batches
        for done, chosen in enumerate(order.split(recipe.batch)):
            if progress is not None:
                progress(before + done, recipe.epochs * self.batches)
            pixels, labels = self.x[chosen], self.y[chosen]
            if recipe.shift or recipe.mirror:
                pixels = augmented(pixels, recipe.shift, recipe.mirror)
            x = self.inputs(pixels)
            scores = self.model(x.to(self.precision))
            loss = cross_entropy(scores, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.model.clip()
            self.schedule.step()
            total += loss.detach()
            right += (scores.argmax(1) == labels).sum()
        self._judge(float(total) / self.batches, float(right) / len(order))

    def inputs(self, pixels: Tensor) -> Tensor:
        """What the network is given for images as they are stored."""
        x = levels(pixels, self.recipe.pixel_bits)
        return x if self.recipe.image else x.flatten(1)

    def _judge(self, loss: float, learned: float) -> None:
        """Accuracy on the images held out, with errors if there are any; the best state is kept."""
        self.model.eval()
        with torch.no_grad():
            held = self.x[self.learned :].split(EVALUATE)
            found = torch.cat([self.model(self.inputs(part)).argmax(1) for part in held])
        accuracy = float((found == self.y[self.learned :]).float().mean())
        if all(accuracy > before for *_, before in self.history):
            self.best = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.history.append((loss, learned, accuracy))

    def result(self) -> Trained:
        """The best epoch of those there were."""
        self.model.load_state_dict(self.best)
        accuracies = [accuracy for *_, accuracy in self.history]
        chosen = int(np.argmax(accuracies))
        return Trained(
            self.recipe, self.model.trained(), chosen + 1, accuracies[chosen], tuple(self.history)
        )

    def save(self, path: Path) -> None:
        """All of it, in a file that appears whole."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": self.best,
            "history": self.history,
            "random": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, force=True) as beside:
            torch.save(state, beside)

    def load(self, path: Path) -> None:
        """What :meth:`save` wrote."""
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.best = {key: value.to(self.device) for key, value in state["best"].items()}
        self.history = [tuple(epoch) for epoch in state["history"]]
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"])


def fit(
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    checkpoints: Path,
    progress: Callable[[int, int], Any] | None = None,
    log: Path | None = None,
) -> Trained:
    """Train, or continue to.

    Parameters
    ----------
    recipe : Recipe
    images, labels
        Of the training split: uint8 (N, ...) and int64 (N,).
    checkpoints : Path
        Folder; a recipe and its images have one file there.
    progress : callable, optional
        Called before every batch with the batches done and all of them.
    log : Path, optional
        A CSV file, written anew after each epoch: loss and accuracies of all epochs so far.
    """
    session, path = _session(recipe, images, labels, checkpoints)
    with _one_thread():
        while len(session.history) < recipe.epochs:
            session.epoch(progress)
            session.save(path)
            _write(log, session.history)
    _write(log, session.history)
    return session.result()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep PyTorch's own threads from waiting busily where the model's work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def so_far(
    recipe: Recipe, images: NDArray[np.uint8], labels: NDArray[np.int64], checkpoints: Path
) -> Trained | None:
    """What :func:`fit` has reached, without going on; None where it has not begun."""
    session, _ = _session(recipe, images, labels, checkpoints)
    return session.result() if session.history else None


def _session(
    recipe: Recipe, images: NDArray[np.uint8], labels: NDArray[np.int64], checkpoints: Path
) -> tuple[_Session, Path]:
    """Where it was left off, and the file of its state."""
    path = checkpoints / f"{recipe.digest(images, labels)}.pt"
    session = _Session(recipe, images, labels)
    if path.is_file():
        session.load(path)
    return session, path


def _write(log: Path | None, history: Sequence[tuple[float, float, float]]) -> None:
    if log is None:
        return
    lines = [f"{n},{a:.6f},{b:.6f},{c:.6f}" for n, (a, b, c) in enumerate(history, 1)]
    with replacing(log, force=True) as beside:
        heads = "epoch,loss,train_accuracy,validation_accuracy"
        beside.write_text("\n".join([heads, *lines, ""]), encoding="utf-8")
