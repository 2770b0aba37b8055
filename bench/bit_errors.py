"""Accuracy on MNIST when weights are read wrongly: each bit is flipped with the same chance.

Besides TFC_1W1A of ``$BINOHM_DATA``, two networks are trained here by ``binohm train mnist-mlp``,
alike but for the errors that the second sees while it learns. They are kept in the user's cache.
Thresholds are stored digitally and are right.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.cli.actions import train
from binohm.gen.importer.qonnx import import_model
from binohm.gen.network import Network
from binohm.gen.training.recipe import Recipe
from binohm.sim.datasets import load
from binohm.sim.packed import Packed

__all__ = ["RATES", "flipped", "measure", "percent", "tfc"]

RATES = (0, 1e-4, 1e-3, 3e-3, 1e-2, 2e-2, 3e-2, 4e-2, 5e-2, 0.1, 0.2)
SEEDS = 5

WIDTH, LAYERS, EPOCHS = 0.25, 3, 20
TRAINED_AT = 0.05
"""Error rate in training: a little above the one to be borne."""

BORNE = "0.04"
HARMLESS = "0.0001"


def tfc() -> Network:
    """TFC_1W1A."""
    return import_model(Path(os.environ["BINOHM_DATA"]) / "models" / "TFC_1W1A.onnx")


def trained(error_rate: float) -> Network:
    """784 - 512 - 512 - 512 - 10, on pixels of 8 bits; by one thread, so that it repeats."""
    import torch

    torch.set_num_threads(1)
    recipe = Recipe.mnist_mlp(WIDTH, LAYERS, epochs=EPOCHS, error_rate=error_rate)
    with tempfile.TemporaryDirectory() as place:
        return train("mnist-mlp", recipe, Path(place) / "network.npz")[1]


def flipped(network: Network, rate: float, rng: np.random.Generator) -> Network:
    """The network with wrong weights in all layers."""
    layers = [
        replace(
            layer,
            weights=np.where(rng.random(layer.weights.shape) < rate, -1, 1).astype(np.int8)
            * layer.weights,
        )
        for layer in network.layers
    ]
    return replace(network, layers=tuple(layers))


def percent(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Accuracy."""
    return round(100 * float((predictions == labels).mean()), 2)


def sweep(network: Network) -> tuple[dict[str, float], dict[str, float]]:
    """Mean accuracy, and standard deviation over the seeds, by error rate."""
    images, labels = load("mnist")
    means, spreads = {}, {}
    for rate in RATES:
        found = [
            percent(
                Packed(flipped(network, rate, np.random.default_rng(seed))).predictions(images),
                labels,
            )
            for seed in range(SEEDS if rate else 1)
        ]
        means[f"{rate:g}"] = round(float(np.mean(found)), 2)
        spreads[f"{rate:g}"] = round(float(np.std(found)), 2)
    return means, spreads


def measure() -> dict[str, tuple[Any, str]]:
    """Figures by name, with their unit."""
    networks = {"": trained(0.0), "_error_aware": trained(TRAINED_AT), "_tfc": tfc()}
    figures: dict[str, tuple[Any, str]] = {}
    for suffix, network in networks.items():
        means, spreads = sweep(network)
        figures[f"accuracy_vs_ber{suffix}"] = (means, "%")
        figures[f"accuracy_vs_ber_spread{suffix}"] = (spreads, "%")
    plain, aware = (figures[f"accuracy_vs_ber{key}"][0] for key in ("", "_error_aware"))
    losses = {
        "ber_loss_plain_at_1e-4": plain["0"] - plain[HARMLESS],
        "ber_loss_plain_at_4e-2": plain["0"] - plain[BORNE],
        "ber_loss_error_aware_at_4e-2": plain["0"] - aware[BORNE],
    }
    return figures | {key: (round(loss, 2), "points") for key, loss in losses.items()}
