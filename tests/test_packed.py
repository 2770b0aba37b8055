"""Packed: equal to golden on everything."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from random_networks import networks, random_images, random_network

from binohm.gen.network import Dense, Input, Network, Scores
from binohm.sim import packed
from binohm.sim.datasets import load
from binohm.sim.golden import forward
from binohm.sim.packed import Packed


@settings(max_examples=150, deadline=None)
@given(networks())
def test_matches_golden(case: tuple[Network, np.ndarray]) -> None:
    network, images = case
    trace = forward(network, images)
    fast = Packed(network)
    assert np.array_equal(fast.scores(images), trace.scores)
    assert np.array_equal(fast.predictions(images), trace.predictions)
    assert fast.scores(images).dtype == fast.predictions(images).dtype == np.int64


@pytest.mark.parametrize("form", ["step", "inverted", "unsigned", "wide"])
@pytest.mark.parametrize("groups", [1, 4])
def test_blocks_and_long_vectors_match_golden(
    form: str, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    network = random_network(rng, (784, 130, 65, 10), form, groups)
    images = random_images(rng, network, 150)
    monkeypatch.setattr(packed, "BLOCK", 64)  # two and a part
    assert np.array_equal(Packed(network).scores(images), forward(network, images).scores)


def test_counts_beyond_16_bits_match_golden() -> None:
    rng = np.random.default_rng(4)
    table = np.where(np.arange(256) >= 128, 1, -1).astype(np.int64)
    weights = np.ones((2, 70_000), np.int8)
    network = Network("long", Input((70_000,), table, True), (Scores("out", weights),))
    images = np.zeros((2, 70_000), np.uint8)
    images[1] = rng.integers(0, 256, 70_000)
    assert Packed(network).scores(images)[0].tolist() == [-70_000, -70_000]
    assert np.array_equal(Packed(network).scores(images), forward(network, images).scores)


@pytest.mark.parametrize("kind", ["identity", "random", "constant", "negative one", "always one"])
def test_any_table_matches_golden(kind: str) -> None:
    rng = np.random.default_rng(5)
    pixel = np.arange(256, dtype=np.int64)
    tables = {
        "identity": pixel,
        "random": rng.integers(-300, 300, 256),
        "constant": np.full(256, 5),
        "always one": np.ones(256, np.int64),
        "negative one": -(pixel & 1),
    }
    network = random_network(rng, (65, 8, 3), "unsigned")
    network = Network("any", Input((65,), tables[kind], False), network.layers)
    images = random_images(rng, network, 30)
    assert np.array_equal(Packed(network).scores(images), forward(network, images).scores)


@pytest.mark.skipif("BINOHM_DATA" not in os.environ, reason="BINOHM_DATA is not set")
def test_all_mnist_images_match_golden() -> None:
    images, _ = load("mnist")
    network = random_network(np.random.default_rng(6), (784, 64, 64, 10), "step")
    network = Network("mnist", Input((28, 28), network.input.table, True), network.layers)
    assert np.array_equal(Packed(network).scores(images), forward(network, images).scores)


def test_a_threshold_only_all_matches_reach_matches_golden() -> None:
    step = np.where(np.arange(256) >= 128, 1, -1).astype(np.int64)
    weights = np.array([[1] * 64, [-1] * 64, [1] * 64, [1] * 64], np.int8)
    theta = np.array([[64, 64, -64, 65]])
    layer = Dense("fc", weights, theta, np.zeros((1, 4), bool))
    out = Scores("out", np.eye(4, dtype=np.int8) * 2 - 1)
    network = Network("edge", Input((64,), step, True), (layer, out))
    images = np.repeat(np.array([[0], [255]], np.uint8), 64, axis=1)
    assert forward(network, images).hidden[0].tolist() == [[-1, 1, 1, -1], [1, -1, 1, -1]]
    assert np.array_equal(Packed(network).scores(images), forward(network, images).scores)


def test_images_are_checked() -> None:
    network = random_network(np.random.default_rng(0), (8, 3))
    with pytest.raises(ValueError, match=r"^images must have shape \(N, 8\), not \(2, 9\)$"):
        Packed(network).scores(np.zeros((2, 9), np.uint8))
    with pytest.raises(ValueError, match=r"^images must be an array of uint8, not int64$"):
        Packed(network).predictions(np.zeros((2, 8), np.int64))  # type: ignore[arg-type]
