"""Networks and configurations for tests of the mapping, of every legal combination."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_networks import FORMS, random_images, random_network

from binohm.gen.combinations import CELLS, READOUTS, kinds, legal
from binohm.gen.config import ArrayConfig, Config, GoalConfig, HostConfig
from binohm.gen.network import Dense, Network

SIZES = (1, 2, 3, 8, 13, 33)
LARGEST = (1 << 30) - 1


@dataclass(frozen=True)
class Case:
    """A network, a configuration under which it maps, and a few images."""

    network: Network
    config: Config
    images: NDArray[np.uint8]


def extreme_thresholds(rng: np.random.Generator, network: Network) -> Network:
    """Some thresholds at, just beyond and far beyond the reachable sums."""
    layers = []
    for layer in network.layers:
        if isinstance(layer, Dense):
            n = layer.inputs
            ends = np.array([-LARGEST, -n - 1, -n, -n + 1, -1, 0, 1, n - 1, n, n + 1, LARGEST])
            some = rng.random(layer.theta.shape) < 0.3
            theta = np.where(some, rng.choice(ends, layer.theta.shape), layer.theta)
            layer = replace(layer, theta=theta)
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def unsplit(layer: Dense) -> Dense:
    """The layer with its first group's thresholds for all its inputs."""
    return Dense(layer.name, layer.weights, layer.theta[:1], layer.flip[:1])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any legal combination in every layer."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    sizes = draw(st.lists(st.sampled_from(SIZES), min_size=2, max_size=4))
    form = draw(st.sampled_from(FORMS))
    network = random_network(rng, tuple(sizes), form, draw(st.sampled_from((1, 2, 3))))
    layers = list(network.layers)
    if not network.input.bipolar and isinstance(layers[0], Dense):
        layers[0] = unsplit(layers[0])
    network = extreme_thresholds(rng, replace(network, layers=tuple(layers)))
    own = {
        layer.name: draw(array_configs(network, index))
        for index, layer in enumerate(network.layers)
    }
    host = HostConfig(input_bytes=draw(st.integers(1, 64)), scores=draw(st.booleans()))
    goal = GoalConfig(interval=draw(st.sampled_from(("input", 1, 7, 50, 1000))))
    images = random_images(rng, network, 5)
    return Case(network, Config(layers=own, host=host, goal=goal), images)


@st.composite
def array_configs(draw: st.DrawFn, network: Network, index: int) -> ArrayConfig:
    """Settings under which layer ``index`` maps."""
    layer = network.layers[index]
    possible = [(r, c) for r in READOUTS for c in CELLS if legal(r, c, *kinds(network, index))]
    readout, cell = draw(st.sampled_from(possible))
    keys: dict[str, object] = {"readout": readout, "cell": cell}
    keys["columns"] = draw(st.sampled_from((1, 2, 5, 16, 40)))
    if readout == "sa":
        keys["rows"] = draw(st.sampled_from((layer.inputs, layer.inputs + 3)))
        keys["bias_rows"] = draw(st.sampled_from((layer.inputs + 1, layer.inputs + 7)))
        if draw(st.booleans()):
            keys |= {"threshold": "reference", "reference_per_column": True}
    elif readout == "adc":
        keys["rows"] = draw(st.sampled_from((1, 2, 5, 16, 40)))
        if draw(st.booleans()):
            keys["lossy"] = True
            keys["adc_bits"] = draw(st.integers(1, 6))
    else:
        words = layer.outputs * -(-layer.inputs // int(str(keys["columns"])))
        keys["rows"] = draw(st.sampled_from((1, 2, 5, 16, words)))
        if draw(st.booleans()):
            keys["engines"] = draw(st.integers(1, 40))
            keys["rows"] = words
        if draw(st.booleans()):
            keys["slices_per_read"] = draw(st.integers(1, 6))
            keys["rows"] = words
    if readout != "pcsa" and draw(st.booleans()):
        keys["columns_per_cycle"] = draw(st.sampled_from((1, 2, 7, 40, 4096)))
    return ArrayConfig.model_validate(keys)
