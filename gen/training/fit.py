"""Training by PyTorch: epochs, checkpoints, and the choice of an epoch.

The last twelfth of the images is held out: it chooses the epoch and nothing is learned from it.
After every epoch the whole state goes to one file; the same recipe on the same images continues
from there, and gives what it would have given without a break. A test set has no part in it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from binohm.gen.output import replacing
from binohm.gen.training.model import Mlp
from binohm.gen.training.recipe import Recipe, Trained

__all__ = ["fit", "levels"]

HELD_OUT = 12
"""One of so many images is held out."""

EVALUATE = 1000
"""Images of a batch that is not learned from."""


def levels(pixels: Tensor, bits: int) -> Tensor:
    """What the network is given for pixel bytes: 0 to 1 in ``2^bits`` steps, or -1 and +1."""
    x = pixels.float() / 255
    if bits == 1:
        return torch.where(x >= 0.5, 1.0, -1.0)
    top = (1 << bits) - 1
    return torch.round(x * top) / top


class _Session:
    """The state of a training between two epochs."""

    def __init__(
        self, recipe: Recipe, images: NDArray[np.uint8], labels: NDArray[np.int64]
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        pixels = torch.from_numpy(images.reshape(len(images), -1).copy())
        self.x = levels(pixels, recipe.pixel_bits).to(self.device)
        self.y = torch.from_numpy(labels).to(self.device)
        self.learned = len(labels) - len(labels) // HELD_OUT
        self.model = Mlp(recipe).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), recipe.rate)
        steps = recipe.epochs * (self.learned // recipe.batch)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        self.history: list[tuple[float, float]] = []
        self.best = self.model.state_dict()

    def epoch(self) -> None:
        """Learn from all images once, in a new order."""
        order = torch.randperm(self.learned).to(self.device)
        self.model.train()
        total = torch.zeros((), device=self.device)
        batches = order[: self.learned // self.recipe.batch * self.recipe.batch]
        for chosen in batches.split(self.recipe.batch):
            self.optimizer.zero_grad()
            loss = cross_entropy(self.model(self.x[chosen]), self.y[chosen])
            loss.backward()
            self.optimizer.step()
            self.model.clip()
            self.schedule.step()
            total += loss.detach()
        self._judge(float(total) * self.recipe.batch / len(batches))

    def _judge(self, loss: float) -> None:
        """Accuracy on the images held out, with errors if there are any; the best state is kept."""
        self.model.eval()
        with torch.no_grad():
            held = self.x[self.learned :].split(EVALUATE)
            found = torch.cat([self.model(part).argmax(1) for part in held])
        accuracy = float((found == self.y[self.learned :]).float().mean())
        if all(accuracy > before for _, before in self.history):
            self.best = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.history.append((loss, accuracy))

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
        self.history = [(loss, accuracy) for loss, accuracy in state["history"]]
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"])


def fit(
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    checkpoints: Path,
    progress: Callable[[int, int], Any] | None = None,
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
        Called with the epochs done and all of them.
    """
    path = checkpoints / f"{recipe.digest(images, labels)}.pt"
    session = _Session(recipe, images, labels)
    if path.is_file():
        session.load(path)
    while (done := len(session.history)) < recipe.epochs:
        if progress is not None:
            progress(done, recipe.epochs)
        session.epoch()
        session.save(path)
    session.model.load_state_dict(session.best)
    accuracies = [accuracy for _, accuracy in session.history]
    chosen = int(np.argmax(accuracies))
    return Trained(
        recipe, session.model.trained(), chosen + 1, accuracies[chosen], tuple(session.history)
    )
