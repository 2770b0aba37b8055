"""What `binohm train ... --on-array` does: learning on the arrays, by the golden model.

Like :mod:`binohm.gen.cli.actions`, this meets ``binohm.sim``, and the commands import it when they
run.
"""

import re
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from binohm.gen.cli.console import bar, status
from binohm.gen.errors import ConfigError
from binohm.gen.learning.trainer import map_names, write_trainer
from binohm.gen.network import Network
from binohm.sim.datasets import load
from binohm.sim.device.pair import PairDevice, draw_pairs
from binohm.sim.fetch import places
from binohm.sim.golden import forward
from binohm.sim.training.beside import Batches, compare
from binohm.sim.training.recipe import Recipe, rule_for
from binohm.sim.training.session import Learned, Session, learn

__all__ = ["Choices", "Verilog", "beside", "measured", "recipe_of", "train"]

HIDDEN = {"digits": "128,64", "mnist": "1024,512,256"}
EPOCHS = {"digits": 100, "mnist": 15}
MOVES = {"digits": "half", "mnist": "whole"}
STAGES = 5
"""The rate has so many values, each half the one before."""

EVALUATE = 1000


@dataclass(frozen=True)
class Choices:
    """What the command line says; None is the default of the data."""

    hidden: str | None = None
    epochs: int | None = None
    seed: int = 1
    method: str = "pairs"
    nonlinearity: float | None = None
    mismatch: float | None = None
    cycle_noise: float | None = None
    chip: int = 1
    refresh: bool = True
    error_bits: int = 6
    batch_bits: int | None = None


@dataclass(frozen=True)
class Verilog:
    """What is asked of the trainer in Verilog.

    Parameters
    ----------
    steps : int
        Batches that it learns beside the golden model.
    directory : Path, optional
        Where it stays.
    simulator : str
    by_row : bool
        The baseline, which reads a row of pairs at a time.
    """

    steps: int
    directory: Path | None
    simulator: str
    by_row: bool


def recipe_of(data: str, choices: Choices) -> Recipe:
    """What is trained.

    Raises
    ------
    ConfigError
        If a choice is out of range, or says something about devices that are ideal.
    """
    text = HIDDEN[data] if choices.hidden is None else choices.hidden
    try:
        hidden = tuple(int(size) for size in text.split(",")) if text else ()
        if min((1, *hidden)) < 1:
            raise ValueError(text)
    except ValueError as error:
        raise ConfigError(f"--hidden {text}: must be sizes such as 512,256,128") from error
    epochs = EPOCHS[data] if choices.epochs is None else choices.epochs
    refresh = choices.refresh and choices.method != "single"
    try:
        device = _device(choices)
        rule = rule_for(
            data, hidden, batch_bits=choices.batch_bits, error_bits=choices.error_bits,
            refresh=refresh, devices=device is not None,
        )  # fmt: skip
        return Recipe(
            data, rule, choices.method, choices.seed, epochs, max(1, epochs // STAGES),
            MOVES[data], device, choices.chip,
        )  # fmt: skip
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _device(choices: Choices) -> PairDevice | None:
    """Devices of a nonlinearity, ideal ones without."""
    spreads = {"--mismatch": choices.mismatch, "--cycle-noise": choices.cycle_noise}
    if choices.nonlinearity is None:
        for name, value in spreads.items():
            if value is not None:
                raise ConfigError(f"{name} {value:g}: ideal devices have none; add --nonlinearity")
        return None
    device = PairDevice(nonlinearity=choices.nonlinearity)
    if choices.mismatch is not None:
        device = replace(device, gain_sigma=choices.mismatch)
    if choices.cycle_noise is not None:
        reset = device.reset_sigma if choices.cycle_noise else 0.0
        device = replace(device, cycle_sigma=choices.cycle_noise, reset_sigma=reset)
    return device


def train(data: str, choices: Choices) -> tuple[Learned, float, dict[str, Any]]:
    """Train, or continue to, and open the test set once.

    Checkpoints are in the user's cache, so what was trained once is there at once.

    Returns
    -------
    Learned, accuracy on the test set, figures
    """
    recipe = recipe_of(data, choices)
    with bar(f"load {data}") as shown:
        images, labels = load(data, split="train", progress=lambda _, done, size: shown(done, size))
    with bar(f"train {data} on the array, batches") as shown:
        learned = learn(recipe, images, labels, places()[-1] / "training", shown)
    accuracy = measured(learned.network, data)
    counts, cells = learned.counts, recipe.rule.cells
    figures = {
        "epoch": learned.epoch,
        "validation": learned.validation,
        "test": accuracy,
        "history": learned.history,
        "cells": cells,
        "pulses_per_cell": (counts.pulses_1 + counts.pulses_2) / cells,
        "refreshes_per_cell": counts.refreshes / cells,
        "counts": asdict(counts),
    }
    return learned, accuracy, figures


def beside(data: str, choices: Choices, asked: Verilog, *, force: bool) -> dict[str, Any]:
    """Write the trainer, and let it learn the first batches beside the golden model.

    Returns
    -------
    dict
        ``rtl_steps_equal``, and ``rtl_steps_unequal``: 0, or 1 with ``divergence``, since none is
        compared behind it; what happened in the steps, and clock cycles, if all are equal.

    Raises
    ------
    ConfigError
        If the baseline of this method has no Verilog.
    """
    recipe = recipe_of(data, choices)
    if recipe.method != "pairs":
        raise ConfigError(f"--method {recipe.method}: is not built; drop --rtl and --verilog")
    images, labels = load(data, split="train")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="binohm-")))
        directory = asked.directory or scratch / "trainer"
        write_trainer(
            directory, asdict(recipe.rule), recipe.seed, by_row=asked.by_row,
            maps=_maps(recipe), force=force,
        )  # fmt: skip
        if not asked.steps:
            return {}
        batches = _first(Session(recipe, images, labels), asked.steps)
        stack.enter_context(status(f"compare {asked.steps} steps on {asked.simulator}"))
        try:
            counts = compare(directory, batches, scratch / "sim", simulator=asked.simulator)
        except AssertionError as failure:
            found = re.search(r"after step (\d+), [^\n]*", str(failure))
            if found is None:
                raise
            equal = max(0, int(found[1]) - 1)
            return {"rtl_steps_equal": equal, "rtl_steps_unequal": 1, "divergence": found[0]}
    return {"rtl_steps_equal": asked.steps, "rtl_steps_unequal": 0, "rtl": counts}


def _maps(recipe: Recipe) -> dict[str, str]:
    """The device maps of a trainer."""
    if recipe.device is None:
        return {}
    rule = recipe.rule
    return {
        name: draw_pairs(recipe.device, rows, columns, rule.pulses, recipe.chip, number).text()
        for number, (name, (rows, columns)) in enumerate(
            zip(map_names(asdict(rule)), rule.shapes, strict=True)
        )
    }


def _first(session: Session, steps: int) -> Batches:
    """The first batches of a training, as many as there are."""
    epochs = (session.batches_of(epoch) for epoch in range(session.recipe.epochs))
    levels, labels, slower = zip(*islice(chain.from_iterable(epochs), steps), strict=True)
    return Batches(np.array(levels), np.array(labels), np.array(slower))


def measured(network: Network, data: str) -> float:
    """Accuracy on the test set, by the golden model of inference."""
    images, labels = load(data)
    right = 0
    for first in range(0, len(labels), EVALUATE):
        part = slice(first, first + EVALUATE)
        right += int((forward(network, images[part]).predictions == labels[part]).sum())
    return right / len(labels)
