"""What `binohm train ... --on-array` does: learning on the arrays, by the golden model.

Like :mod:`binohm.gen.cli.actions`, this meets ``binohm.sim``, and the commands import it when they
run.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from binohm.gen.cli.console import bar
from binohm.gen.errors import ConfigError
from binohm.gen.network import Network
from binohm.sim.datasets import load
from binohm.sim.device.pair import PairDevice
from binohm.sim.fetch import places
from binohm.sim.golden import forward
from binohm.sim.training.recipe import Recipe, rule_for
from binohm.sim.training.session import Learned, learn

__all__ = ["Choices", "measured", "recipe_of", "train"]

HIDDEN = {"digits": "128,64", "mnist": "512,256,128"}
EPOCHS = {"digits": 100, "mnist": 30}
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
        rule = rule_for(
            data, hidden, batch_bits=choices.batch_bits, error_bits=choices.error_bits,
            refresh=refresh,
        )  # fmt: skip
        return Recipe(
            data, rule, choices.method, choices.seed, epochs, max(1, epochs // STAGES),
            MOVES[data], _device(choices), choices.chip,
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


def measured(network: Network, data: str) -> float:
    """Accuracy on the test set, by the golden model of inference."""
    images, labels = load(data)
    right = 0
    for first in range(0, len(labels), EVALUATE):
        part = slice(first, first + EVALUATE)
        right += int((forward(network, images[part]).predictions == labels[part]).sum())
    return right / len(labels)
