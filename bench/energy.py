"""Energy of an image of MNIST in TFC_1W1A, by mapping: ``docs/results/energy.json``.

TFC_1W1A needs ``$BINOHM_DATA`` (``models/TFC_1W1A.onnx`` and ``mnist/``). Events are counted on the
first test images. Every mapping stands beside the same weights in arrays of the same size with a
converter at every column, see :mod:`binohm.gen.reporting.energy`.

``split`` mappings cut the weights into groups as input splitting does, without training again: only
what they cost means anything, so they are counted on the bits of the network as it is.
"""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from results import write

from binohm.gen.config import load
from binohm.gen.importer.qonnx import import_model
from binohm.gen.mapping import map_network
from binohm.gen.network import Dense, Network
from binohm.gen.reporting.energy import baseline
from binohm.gen.reporting.energy import figures as energy_figures
from binohm.gen.reporting.technology import load as load_technology
from binohm.sim.datasets import load as load_data
from binohm.sim.events import Activity, count
from binohm.sim.events import measure as measure_activity

__all__ = ["measure"]

Figures = dict[str, tuple[Any, str]]

IMAGES = 1000
SIDES = {128: 48, 256: 64, 512: 96}
"""Rows, and bias rows: four standard deviations of a random sum, as the default has them."""

FAST_NS = 1.0
"""A read as short as NeuroSim's sense amplifier takes, instead of the 10 ns of the defaults."""

SHOWN = {
    "all": ("all", "pJ"),
    "readout": ("sensing", "pJ"),
    "cells": ("cells", "pJ"),
    "strobes": ("sense_strobes", "1"),
    "conversions": ("conversions", "1"),
}
"""Figures of an image, and what they are in :func:`binohm.gen.reporting.energy.figures`."""

RATIOS = ("sensing", "total", "total_fast")

MAPPINGS: dict[str, list[str]] = {
    "sa, 784 rows": ["array.rows=784", "array.columns=64", "array.bias_rows=128"],
    "adc, 128 rows": ["array.readout=adc", "array.columns=64"],
    "pcsa, 128 rows": ["array.readout=pcsa", "array.columns=64"],
}


def tfc() -> Network:
    """The network."""
    return import_model(Path(os.environ["BINOHM_DATA"]) / "models" / "TFC_1W1A.onnx")


def measure() -> Figures:
    """Energies per image in pJ, and what the columns are read with; a key for each mapping."""
    network = tfc()
    images = load_data("mnist")[0][:IMAGES]
    plan = map_network(network, load(None, MAPPINGS["sa, 784 rows"]))
    activity = measure_activity(network, plan, images)
    taken = {name: _one(network, settings, activity) for name, settings in MAPPINGS.items()}
    for side, bias in SIDES.items():
        settings = [f"array.rows={side}", "array.columns=64", f"array.bias_rows={bias}"]
        taken[f"split, {side} rows"] = _one(_split(network, side), settings, activity)
    found: Figures = {"energy_images": (len(images), "1")}
    for word, design in (("", "build"), ("_converters", "baseline")):
        for key, (part, unit) in SHOWN.items():
            values = {name: _value(facts[design], part) for name, facts in taken.items()}
            found[f"energy_{key}{word}"] = (values, unit)
    for key in RATIOS:
        ratios = {name: round(facts["ratio"][key], 3) for name, facts in taken.items()}
        found[f"energy_ratio_{key}"] = (ratios, "1")
    return found


def _value(design: dict[str, Any], part: str) -> float:
    """Energy of a part, or number of an event."""
    if part in design["events"]:
        return round(design["events"][part])
    return round(design["total_pj"] if part == "all" else design["parts_pj"][part], 2)


def _one(network: Network, settings: list[str], activity: Activity) -> dict[str, Any]:
    """Figures of one mapping and its baseline, and the ratio with shorter reads."""
    plan = map_network(network, load(None, settings))
    mine = [asdict(layer) for layer in count(network, plan, activity)]
    other = [asdict(layer) for layer in count(*baseline(network, plan), activity)]
    normal = load_technology(None)
    cells = normal.cells.model_copy(update={"read_ns": FAST_NS})
    fast = normal.model_copy(update={"cells": cells})
    facts, faster = (
        energy_figures(mine, other, activity.images, technology, {})
        for technology in (normal, fast)
    )
    facts["ratio"]["total_fast"] = faster["ratio"]["total"]
    return facts


def _split(network: Network, side: int) -> Network:
    """The same weights in groups of at most ``side`` inputs, with thresholds of no meaning."""
    layers = []
    for layer in network.layers:
        if not isinstance(layer, Dense):
            layers.append(layer)
            continue
        groups = -(-layer.inputs // side)
        bounds = tuple(int(b) for b in np.linspace(0, layer.inputs, groups + 1))
        zeros = np.zeros((groups, layer.outputs), np.int64)
        layers.append(Dense(layer.name, layer.weights, zeros, zeros > 0, bounds))
    return replace(network, layers=tuple(layers))


if __name__ == "__main__":
    write("energy", measure(), command="make bench-energy")
