"""What ``binohm train`` has trained to the end: a network, its learning curve, where it comes from.

Trainings lie in the user's cache. Since they take hours they are kept as well, in three files
beside the results: ``NAME.csv`` (loss and accuracies of every epoch), ``NAME.npz`` (the network,
for every ``binohm`` command) and ``NAME.json`` (its recipe, commit and processor). What is kept
stands for the training wherever the recipe is the same.
"""

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from binohm.gen.network import Network
from binohm.gen.training.recipe import Recipe

__all__ = ["Finished", "keep", "kept", "same"]

HEADS = ["epoch", "loss", "train_accuracy", "validation_accuracy"]


@dataclass(frozen=True)
class Finished:
    """A network of the best epoch.

    Parameters
    ----------
    network : Network
    history : tuple of (loss, accuracy in training, accuracy on the images held out)
        One for each epoch.
    origin : dict
        ``commit`` and ``cpu`` of the training.
    """

    network: Network
    history: tuple[tuple[float, ...], ...]
    origin: dict[str, str]

    @property
    def validation(self) -> float:
        """Best accuracy on the images held out."""
        return max(accuracy for *_, accuracy in self.history)

    @property
    def epoch(self) -> int:
        """The first with it, from 1."""
        return [accuracy for *_, accuracy in self.history].index(self.validation) + 1


def keep(log: Path, recipe: Recipe, finished: Finished) -> None:
    """Write the files of a training; ``log`` is the learning curve's."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADS)
        for epoch, values in enumerate(finished.history, 1):
            table.writerow([epoch, *_written(values)])
    finished.network.save(log.with_suffix(".npz"))
    facts = {"recipe": asdict(recipe), **finished.origin}
    log.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def kept(log: Path, recipe: Recipe) -> Finished | None:
    """What was kept of this recipe, if anything was."""
    if not log.with_suffix(".json").is_file():
        return None
    facts: dict[str, Any] = json.loads(log.with_suffix(".json").read_bytes())
    if facts.pop("recipe") != json.loads(json.dumps(asdict(recipe))):
        return None
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    history = tuple(tuple(float(value) for value in row[1:]) for row in rows)
    return Finished(Network.load(log.with_suffix(".npz")), history, facts)


def same(one: Finished, other: Finished) -> bool:
    """Whether the learning curves are the same, as they are written."""
    return [*map(_written, one.history)] == [*map(_written, other.history)]


def _written(values: tuple[float, ...]) -> list[str]:
    return [f"{value:.6f}" for value in values]
