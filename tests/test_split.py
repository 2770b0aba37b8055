"""Splitting: the groups of the published table, thresholds in proportion, what is left whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_networks import random_images, random_network

from binohm.gen.errors import ConfigError
from binohm.gen.network import Dense, Scores
from binohm.gen.split import bounds, split
from binohm.sim.golden import forward

TABLE = [  # inputs; groups and their size at 512, 256 and 128 rows
    (2048, (4, 512), (8, 256), (16, 128)),
    (9 * 128, (3, 384), (6, 192), (9, 128)),
    (9 * 256, (6, 384), (9, 256), (18, 128)),
    (9 * 512, (9, 512), (18, 256), (36, 128)),
    (8192, (16, 512), (32, 256), (64, 128)),
    (1024, (2, 512), (4, 256), (8, 128)),
]


@pytest.mark.parametrize("row", TABLE)
def test_groups_are_those_of_the_published_code(row: tuple[int, ...]) -> None:
    inputs, *groups = row
    for rows, (count, size) in zip((512, 256, 128), groups, strict=True):
        assert bounds(inputs, rows) == tuple(range(0, inputs + 1, size))
        assert count * size == inputs


@given(st.integers(1, 5000), st.integers(1, 600))
def test_groups_fit_and_are_as_few_as_the_rule_allows(inputs: int, rows: int) -> None:
    edges = bounds(inputs, rows)
    sizes = np.diff(edges)
    assert (edges[0], edges[-1]) == (0, inputs)
    assert 1 <= sizes.min() <= sizes.max() <= min(rows, sizes.min() + 1)
    least = -(-inputs // rows)
    fitting = [g for g in range(least, 2 * least + 1) if inputs % g == 0]
    assert len(sizes) == (fitting[0] if fitting else least)


def test_thresholds_are_in_proportion_and_halves_go_up() -> None:
    """Groups of 4 of 8 inputs: half of each threshold."""
    network = random_network(np.random.default_rng(1), (8, 5, 3))
    theta = np.array([[-7, -3, 0, 3, 5]])
    first = network.layers[0]
    assert isinstance(first, Dense)
    layer = Dense(first.name, first.weights, theta, first.flip)
    network = type(network)(network.name, network.input, (layer, network.scores))
    result = split(network, 4).layers[0]
    assert isinstance(result, Dense)
    assert result.bounds == (0, 4, 8)
    assert result.theta.tolist() == [[-3, -1, 0, 2, 3]] * 2
    assert result.flip.tolist() == [first.flip[0].tolist()] * 2
    assert result.weights is layer.weights


def test_what_fits_or_cannot_be_split_is_left_alone() -> None:
    rng = np.random.default_rng(2)
    planes = random_network(rng, (40, 24, 16, 3), "unsigned")
    halves = split(planes, 16)
    assert [layer.groups for layer in halves.layers] == [1, 2, 1]
    assert isinstance(halves.layers[2], Scores)
    assert halves.layers[0] is planes.layers[0]
    assert split(halves, 4).layers[1] is halves.layers[1]
    assert split(planes, 40) == planes
    images = random_images(rng, planes, 20)
    assert (forward(halves, images).scores != forward(planes, images).scores).any()


def test_rows_must_be_there() -> None:
    with pytest.raises(ConfigError, match=r"^rows = 0: must be at least 1$"):
        split(random_network(np.random.default_rng(3), (8, 3)), 0)
