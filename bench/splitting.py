"""Input splitting: ``docs/results/splitting.json``, and the logs of training in a folder beside it.

Takes what ``binohm train`` has left in the user's cache (``make train-splitting`` trains all of it:
hours to days), or what was kept of it in that folder (:mod:`trained`), and MNIST and CIFAR-10 of
``$BINOHM_DATA``. A network is trained as a whole and with
groups of at most 512, 256 and 128 inputs, everything else alike; the epoch is chosen on training
images held out. What is not trained to the end is no figure: a word says how far it is.

Two baselines stand beside it, both with the weights of the unsplit network: partial sums of arrays
of so many rows through converters of 10, 9 and 8 bits, and the groups without training again
(:func:`binohm.gen.split.split`).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import RESULTS, Figures, Part, measure_parts, origin
from trained import Finished, keep, kept, same

from binohm.gen.cli.actions import TRAINED_ON
from binohm.gen.config import load
from binohm.gen.errors import BinohmError
from binohm.gen.mapping import map_network
from binohm.gen.network import Dense, Network
from binohm.gen.plan import Plan
from binohm.gen.reporting.energy import baseline
from binohm.gen.reporting.energy import figures as energy_figures
from binohm.gen.reporting.technology import load as load_technology
from binohm.gen.split import split
from binohm.gen.training.export import fold
from binohm.gen.training.recipe import Recipe
from binohm.sim.datasets import load as load_data
from binohm.sim.events import count
from binohm.sim.events import measure as measure_activity
from binohm.sim.fetch import places
from binohm.sim.golden import forward
from binohm.sim.packed import Packed

__all__ = ["PARTS", "RECIPES", "ROWS", "name_of"]

ROWS = (0, 512, 256, 128)
"""Most inputs of a group; 0 for the unsplit network."""

SIDES = (512, 256, 128)
"""Rows of arrays."""

COLUMNS = 64

PUBLISHED = {
    "mnist-mlp": {0: 98.8, 512: 98.8, 256: 98.7, 128: 98.7},
    "cifar10-vgg": {0: 88.6, 512: 88.4, 256: 88.0, 128: 87.5},
}
"""Accuracies of arXiv 1811.02187, from the README of the authors' code; MNIST's best epoch is
chosen on test images there, and the networks are of full width."""

UNITS = {"chosen_epoch": "1", "epochs": "by name", "origin": "by name"}

COMPARED = 500
"""Images that are computed through converters too."""

TURNS = 9
"""Batches in training, either way; the first is not counted."""


@dataclass(frozen=True)
class Setup:
    """How a network is trained, whatever its groups."""

    width: float
    more: dict[str, float]

    def recipe(self, name: str, rows: int) -> Recipe:
        """The recipe of that name with groups of at most so many inputs."""
        if name == "mnist-mlp":
            return Recipe.mnist_mlp(self.width, 3, split=rows, **self.more)
        return Recipe.cifar10_vgg(self.width, split=rows, **self.more)


RECIPES = {
    "mnist-mlp": Setup(1.0, {"epochs": 40, "shift": 2}),
    "cifar10-vgg": Setup(0.25, {"epochs": 60}),
}


def name_of(rows: int) -> str:
    """Of a row of the tables."""
    return str(rows) if rows else "unsplit"


def finished(name: str) -> Iterator[tuple[int, Finished | None, str]]:
    """For all rows: what was trained to the end, and how far it is."""
    for rows in ROWS:
        recipe, log = RECIPES[name].recipe(name, rows), log_of(name, rows)
        found, done = _trained(name, recipe)
        before = kept(log, recipe)
        if before and (found is None or same(before, found)):
            found, done = before, len(before.history)
        elif found:
            keep(log, recipe, found)
        yield rows, found, f"{done} of {recipe.epochs} epochs" if done else "not run"


def _trained(name: str, recipe: Recipe) -> tuple[Finished | None, int]:
    """What the user's cache has of a recipe, if it is all there, and its epochs so far."""
    from binohm.gen.training.fit import so_far

    images, labels = load_data(TRAINED_ON[name], split="train")
    found = so_far(recipe, images, labels, places()[-1] / "training")
    done = len(found.history) if found else 0
    if found is None or done < recipe.epochs:
        return None, done
    network = fold(found, name.replace("-", "_"), images.shape[1:])
    return Finished(network, found.history, origin()), done


def log_of(name: str, rows: int) -> Path:
    """File of a learning curve."""
    return RESULTS / "splitting" / f"{name}_{RECIPES[name].width:g}_{name_of(rows)}.csv"


def accuracies(name: str) -> Figures:
    """Accuracies on the test images by rows, and what was trained how."""
    images, labels = load_data(TRAINED_ON[name])
    heads = "accuracy", "validation", "chosen_epoch", "epochs", "origin", "not_retrained"
    columns: dict[str, dict[str, Any]] = {key: {} for key in heads}
    unsplit: Network | None = None
    for rows, trained, far in finished(name):
        row = name_of(rows)
        columns["epochs"][row] = far
        if trained is not None:
            network = trained.network
            columns["accuracy"][row] = _percent(_right(network, images, labels))
            columns["validation"][row] = _percent(trained.validation)
            columns["chosen_epoch"][row] = trained.epoch
            columns["origin"][row] = trained.origin
            unsplit = network if not rows else unsplit
        if rows and unsplit is not None:
            columns["not_retrained"][row] = _percent(_right(split(unsplit, rows), images, labels))
    recipe = RECIPES[name].recipe(name, 0)
    key = name.replace("-", "_")
    found: Figures = {
        f"{key}_recipe": ({"width": RECIPES[name].width, **_training(recipe)}, "1"),
        f"{key}_test_images": (len(images), "1"),
        f"{key}_published": ({name_of(k): v for k, v in PUBLISHED[name].items()}, "%"),
    }
    for column, values in columns.items():
        found[f"{key}_{column}"] = (values, UNITS.get(column, "%"))
    if unsplit is not None:
        found |= _converted(key, unsplit, images, columns["accuracy"]["unsplit"])
    return found


def _training(recipe: Recipe) -> dict[str, Any]:
    known = asdict(recipe)
    keys = ("epochs", "batch", "rate", "seed", "shift", "mirror", "pixel_bits")
    return {key: known[key] for key in keys}


def _right(network: Network, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Fraction of images that are classified right."""
    return float((Packed(network).predictions(images) == labels).mean())


def _percent(fraction: float) -> float:
    return round(100 * fraction, 2)


def _converted(key: str, network: Network, images: NDArray[np.uint8], accuracy: float) -> Figures:
    """The unsplit network, partial sums of so many rows through converters that lose nothing."""
    whole = forward(network, images[:COMPARED]).scores
    bits, columns, unequal = {}, {}, {}
    for rows in SIDES:
        settings = [f"array.rows={rows}", f"array.columns={COLUMNS}", "array.readout=adc"]
        try:
            plan = map_network(network, load(None, settings))
        except BinohmError as error:
            columns[name_of(rows)] = f"not run: {error}"
            continue
        scores = forward(network, images[:COMPARED], plan.layers).scores
        bits[name_of(rows)] = max(layer.array.adc_bits for layer in plan.layers)
        unequal[name_of(rows)] = int((scores != whole).any(axis=1).sum())
        equal = not unequal[name_of(rows)]
        columns[name_of(rows)] = accuracy if equal else "not equal to the unsplit network"
    return {
        f"{key}_converters_accuracy": (columns, "%"),
        f"{key}_converters_bits": (bits, "bits"),
        f"{key}_converters_images_compared": (min(COMPARED, len(images)), "1"),
        f"{key}_converters_images_unequal": (unequal, "1"),
    }


def utilisation(_: Path) -> Figures:
    """Groups, their inputs, and how many of an array's rows they use; at full width."""
    found: Figures = {}
    for name in RECIPES:
        for rows in SIDES:
            recipe = Setup(1.0, {}).recipe(name, rows)
            inner = list(enumerate(recipe.layers))[1:-1]
            table = {
                recipe.label(index): {
                    "inputs": layer.inputs,
                    "groups": len(layer.bounds) - 1,
                    "inputs_of_a_group": layer.bounds[1],
                    "rows_used": _percent(layer.bounds[1] / rows),
                }
                for index, layer in inner
            }
            found[f"{name.replace('-', '_')}_groups_{rows}"] = (table, "1; rows used in %")
    return found


def energy(_: Path) -> Figures:
    """What reads columns, and modelled energy of an image, with groups and with converters."""
    name = "mnist-mlp"
    images = load_data(TRAINED_ON[name])[0][:COMPARED]
    table: dict[str, Any] = {}
    for rows, trained, far in finished(name):
        if not rows:
            continue
        if trained is None:
            table[name_of(rows)] = far
            continue
        table[name_of(rows)] = _costs(trained.network, rows, images)
    return {
        "energy_mnist_mlp": (table, "pJ an image; columns and conversions in numbers"),
        "energy_images": (len(images), "1"),
    }


def _costs(network: Network, rows: int, images: NDArray[np.uint8]) -> dict[str, Any]:
    """Of a split network, thresholds in bias rows or in reference codes, and with converters.

    Those read the same weights unsplit, at every column.
    """
    hidden = {layer.name for layer in network.layers[1:] if isinstance(layer, Dense)}
    arrays = [f"array.rows={rows}", f"array.columns={COLUMNS}"]
    codes = [*arrays, "array.threshold=reference", "array.reference_per_column=true"]
    bias, plan = _amplified(network, rows, arrays, hidden)
    found: dict[str, Any] = {"split_bias_rows": bias, "hidden_layers": len(hidden)}
    designs = {
        "split": (network, plan),
        "codes": (network, map_network(network, load(None, codes))),
    }
    designs["converters"] = baseline(network, plan)
    activity = measure_activity(network, plan, images)
    for word, (shape, built) in designs.items():
        found[f"{word}_hidden_layers_without_converters"] = sum(
            layer.array.readout == "sa" for layer in built.layers if layer.name in hidden
        )
        events = [asdict(layer) for layer in count(shape, built, activity)]
        facts = energy_figures(events, events, len(images), load_technology(None), {})
        found |= _shares(word, facts["build"], hidden)
    return found


def _shares(word: str, design: dict[str, Any], hidden: set[str]) -> dict[str, Any]:
    return {
        f"{word}_sense_amplifiers": design["sense_amplifiers"],
        f"{word}_converters": design["converters"],
        f"{word}_strobes": round(design["events"]["sense_strobes"]),
        f"{word}_conversions": round(design["events"]["conversions"]),
        f"{word}_readout_pj": round(design["parts_pj"]["sensing"], 2),
        f"{word}_hidden_readout_pj": round(_readout(design, hidden), 2),
        f"{word}_all_pj": round(design["total_pj"], 2),
    }


def _amplified(
    network: Network, rows: int, arrays: list[str], hidden: set[str]
) -> tuple[int, Plan]:
    """The fewest of a few numbers of bias rows that hold all thresholds, and the plan."""
    for bias in (rows // 4, rows // 2, rows, 2 * rows):
        plan = map_network(network, load(None, [*arrays, f"array.bias_rows={bias}"]))
        if all(layer.array.readout == "sa" for layer in plan.layers if layer.name in hidden):
            break
    return bias, plan


def _readout(design: dict[str, Any], names: set[str]) -> float:
    layers = [layer for layer in design["layers"] if layer["name"] in names]
    return sum(float(layer["parts_pj"]["sensing"]) for layer in layers)


def training(_: Path) -> Figures:
    """Seconds of a batch of cifar10-vgg, compiled and by PyTorch alone, in turns on one thread."""
    import torch

    from binohm.gen.training.model import Model

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    table: dict[str, Any] = {}
    for rows in ROWS:
        recipe = RECIPES["cifar10-vgg"].recipe("cifar10-vgg", rows)
        torch.manual_seed(0)
        model = Model(recipe)
        images = torch.randint(256, (recipe.batch, *recipe.image)).float()
        times: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(2 * TURNS):
            compiled = turn % 2 == 0
            model.threads = int(compiled)
            start = perf_counter()
            model(images).square().mean().backward()
            times[compiled].append(perf_counter() - start)
        ours, theirs = (float(np.median(times[way][1:])) for way in (True, False))
        table[name_of(rows)] = {
            "compiled_seconds": round(ours, 3),
            "pytorch_seconds": round(theirs, 3),
            "ratio": round(theirs / ours, 2),
        }
    torch.set_num_threads(before)
    return {"training_batch": (table, "s"), "training_batch_images": (recipe.batch, "1")}


PARTS: dict[str, Part] = {
    "mnist-mlp": lambda _: accuracies("mnist-mlp"),
    "cifar10-vgg": lambda _: accuracies("cifar10-vgg"),
    "utilisation": utilisation,
    "energy": energy,
    "training": training,
}


if __name__ == "__main__":
    measure_parts("splitting", PARTS, description="Input splitting.", seed=0)
