"""Networks with plain layers, and what the mapping makes of them, for its tests."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_network

from binohm.gen.config import load
from binohm.gen.errors import BinohmError, CapacityError
from binohm.gen.mapping import map_network
from binohm.gen.network import Dense, Network, Scores
from binohm.gen.plan import LayerPlan


def network(*sizes: int, form: str = "step", groups: int = 1, theta: int = 0) -> Network:
    """Seeded network whose layers are called fc0, fc1, ... and out, all thresholds ``theta``."""
    made = random_network(np.random.default_rng(0), sizes, form, 1, affine=False)
    layers: list[Dense | Scores] = []
    for layer in made.layers:
        if isinstance(layer, Dense):
            shape = (groups, layer.outputs)
            bounds = tuple(layer.inputs * g // groups for g in range(groups + 1))
            thetas, flips = np.full(shape, theta, np.int64), np.zeros(shape, np.bool_)
            layer = Dense(layer.name, layer.weights, thetas, flips, bounds)
        layers.append(layer)
    return replace(made, layers=tuple(layers))


def first(made: Network, *overrides: str) -> LayerPlan:
    return map_network(made, load(None, overrides)).layers[0]


def refusal(made: Network, *overrides: str, error: type[BinohmError] = CapacityError) -> str:
    with pytest.raises(BinohmError) as caught:
        map_network(made, load(None, overrides))
    assert type(caught.value) is error
    return str(caught.value)


# What auto chooses
