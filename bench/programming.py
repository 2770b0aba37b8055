"""The digits network, written into blank arrays by a host; and what spare columns buy."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from results import ROOT

from binohm.gen.cli.actions import embedded
from binohm.gen.config import Config
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim.datasets import load as load_data
from binohm.sim.device.draw import draw
from binohm.sim.device.network import Devices
from binohm.sim.device.physics import Device
from binohm.sim.device.program import program_row
from binohm.sim.device.state import State
from binohm.sim.golden import forward
from binohm.sim.programming import lines

sys.path.append(str(ROOT / "tests"))
from test_programming import SLOW, Maps, run

__all__ = ["accuracy", "measure"]

SEED = 3
DEAD = 0.03
"""Columns whose devices never leave the high state."""

SPARES = 8
ARRAY = {"array": {"columns_per_cycle": 128}, "host": {"programming": True}}


def measure(place: Path) -> dict[str, tuple[Any, str]]:
    """Programmed by RTL, over AXI4-Lite, into its device view; and accuracies with dead columns."""
    network = embedded("digits")
    facts = run(place / "digits", "icarus", network, ARRAY, SLOW, faults=True)
    mean = round(facts["pulses"] / facts["cells"], 3)
    right = forward(network, load_data("digits")[0]).predictions == load_data("digits")[1]
    return {
        "programmed_cells": (facts["cells"], "1"),
        "pulses_per_cell_mean": (mean, "pulses"),
        "pulses_per_cell_max": (facts["most_pulses"], "pulses"),
        "failures_injected": (facts["failures_injected"], "devices"),
        "failures_found": (facts["failures_found"], "devices"),
        "false_reports": (facts["false_reports"], "devices"),
        "dead_columns_share": (100 * DEAD, "%"),
        "accuracy_no_dead_columns": (round(100 * float(right.mean()), 2), "%"),
        "accuracy_dead_columns": (accuracy(network, 0), "%"),
        "accuracy_dead_columns_spares": (accuracy(network, SPARES), "%"),
    }


def accuracy(network: Network, spares: int) -> float:
    """Of digits on perfect devices but for dead columns, the same with any number of spares."""
    array = ARRAY["array"] | {"spare_columns": spares}
    plan = map_network(network, Config.model_validate(ARRAY | {"array": array}))
    maps = draw(Device.ideal(), plan, SEED)
    kill(plan, maps)
    devices = Devices(network, plan, maps)
    moved = repaired(network, plan, maps) if spares else {}
    arrays = {tile.name: (layer.array, tile.id) for layer in plan.layers for tile in layer.tiles}
    devices.states = {name: State(maps[name], number) for name, (_, number) in arrays.items()}
    for line in lines(network, plan, moved):
        program_row(devices.states[line.name], line.row, line.cells)
    for name, columns in moved.items():
        currents, own = devices.states[name].currents, arrays[name][0].own_columns
        for bad, spare in columns.items():
            currents[:, bad] = currents[:, own + spare]
    x, y = load_data("digits")
    return round(100 * float((devices.forward(x).predictions == y).mean()), 2)


def kill(plan: Plan, maps: Maps) -> None:
    """Stick all devices of some columns, drawn by their number: spares change no other column."""
    for layer in plan.layers:
        for tile in layer.tiles:
            rng = np.random.default_rng([SEED, tile.id])
            dead = rng.random(layer.array.columns) < DEAD
            maps[tile.name].stuck[:-1, :-2][:, dead] = 2


def repaired(network: Network, plan: Plan, maps: Maps) -> dict[str, dict[int, int]]:
    """Spares for the columns in which most devices fail, and which spares do not fail themselves.

    A first pass programs the columns where they are; the spares are tried with the same cells.
    """
    arrays = {tile.name: (layer.array, tile.id) for layer in plan.layers for tile in layer.tiles}
    fails = {name: np.zeros(array.columns, np.int64) for name, (array, _) in arrays.items()}
    states = {name: State(maps[name], number) for name, (_, number) in arrays.items()}
    for line in lines(network, plan):
        array, _ = arrays[line.name]
        wanted = line.cells.copy()
        wanted[array.own_columns :] = wanted[0]
        fails[line.name] += program_row(states[line.name], line.row, wanted).sum(axis=1)
    moved = {}
    for name, (array, _) in arrays.items():
        own = fails[name][: array.own_columns]
        bad = [c for c in np.argsort(-own, kind="stable").tolist() if own[c]]
        good = np.flatnonzero(fails[name][array.own_columns :] == 0).tolist()
        moved[name] = dict(zip(bad, good, strict=False))
    return moved
