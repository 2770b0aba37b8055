"""Layers in groups of inputs that fit an array, so that 1-bit sense amplifiers are all they need.

A split layer gives, for each output, one bit of every group of its inputs, and the majority of them
(Kim, Kim and Kim, arXiv 1811.02187). Groups are contiguous slices of one size:

- at least ``ceil(inputs / rows)`` of them, and as many more as it takes until they divide the
  inputs, so that a boundary may lie inside the kernel of a convolution;
- where that would take more than twice as many, as few as possible, of sizes that differ by one.

The first layer is left whole where it reads bit planes, and the last one always: neither gives one
bit a column. What is already split is left as it is.

Splitting changes what a network computes. Trained again in this form it loses little; as it is,
with thresholds in proportion to the groups, ``theta_g = floor(theta * n_g / n + 1/2)``, it is what
training is compared with.
"""

from dataclasses import replace

import numpy as np

from binohm.gen.errors import ConfigError
from binohm.gen.network import Dense, Network

__all__ = ["bounds", "split"]


def bounds(inputs: int, rows: int) -> tuple[int, ...]:
    """Where the groups of a layer begin and end.

    Parameters
    ----------
    inputs : int
    rows : int
        Most inputs of a group.
    """
    least = -(-inputs // rows)
    for groups in range(least, min(2 * least, inputs) + 1):
        if inputs % groups == 0:
            return tuple(range(0, inputs + 1, inputs // groups))
    return tuple(inputs * g // least for g in range(least + 1))


def split(network: Network, rows: int) -> Network:
    """The network with every hidden layer of more than ``rows`` inputs split, not trained again.

    Raises
    ------
    ConfigError
        If ``rows`` is less than 1.
    """
    if rows < 1:
        raise ConfigError(f"rows = {rows}: must be at least 1")
    layers = tuple(
        _split(layer, rows)
        if isinstance(layer, Dense) and (index or network.input.bipolar)
        else layer
        for index, layer in enumerate(network.layers)
    )
    return replace(network, layers=layers)


def _split(layer: Dense, rows: int) -> Dense:
    if layer.groups > 1 or layer.inputs <= rows:
        return layer
    edges = bounds(layer.inputs, rows)
    sizes = np.diff(edges)[:, np.newaxis]
    theta = (2 * layer.theta * sizes + layer.inputs) // (2 * layer.inputs)
    flip = np.repeat(layer.flip, len(sizes), axis=0)
    return replace(layer, theta=theta, flip=flip, bounds=edges)
