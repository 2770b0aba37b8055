"""Packed: equal to golden on everything."""

import os
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import (
    FORMS,
    networks,
    random_conv,
    random_conv_network,
    random_images,
    random_network,
    random_signs,
)

from binohm.gen.network import Conv, Dense, Input, Network, Pool, Scores
from binohm.sim import packed
from binohm.sim.datasets import load
from binohm.sim.golden import forward
from binohm.sim.packed import Packed
from binohm.sim.words import compiled, mismatches


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
    monkeypatch.setattr(packed, "VECTORS", 64)  # two and a part
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


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from(FORMS))
def test_convolutions_match_golden(seed: int, form: str) -> None:
    rng = np.random.default_rng(seed)
    network = random_conv_network(rng, form)
    images = random_images(rng, network, 3)
    assert np.array_equal(Packed(network).scores(images), forward(network, images).scores)


@pytest.mark.skipif(compiled() is None, reason="there is no C compiler")
@pytest.mark.parametrize(("words", "vectors"), [(1, 1), (3, 511), (2, 1025), (20, 700), (1024, 3)])
def test_what_is_compiled_counts_the_same(words: int, vectors: int) -> None:
    rng = np.random.default_rng(words)
    sides = [rng.integers(0, 1 << 64, (words, n), dtype=np.uint64) for n in (vectors, 33)]
    count = compiled()
    assert count is not None
    found, expected = count(*sides), mismatches(*sides)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)
    assert np.array_equal(expected[5], np.bitwise_count(sides[0] ^ sides[1][:, 5:6]).sum(axis=0))


def test_without_a_compiler_all_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert compiled() is None
    compiled.cache_clear()


@pytest.mark.parametrize("of", ["sums", "signs"])
@pytest.mark.parametrize("form", ["step", "unsigned"])
def test_many_channels_and_groups_match_golden(
    form: str, of: Literal["sums", "signs"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Channels of no, one and several whole words; groups that begin and end within a position."""
    rng = np.random.default_rng(11)
    pool = Pool((2, 2), (2, 2), of)
    layers: list[Dense | Scores] = []
    image, scale = (9, 8, 3), 1 if form == "step" else 8
    for channels, groups, padding in ((64, 1, (1, 1)), (65, 5, (1, 0)), (130, 4, (0, 1))):
        conv = random_conv(
            rng, f"c{channels}", image, channels, scale=scale, groups=groups, padding=padding
        )
        layers.append(replace(conv, pool=pool if channels == 65 else None))
        image, scale = layers[-1].result, 1
    dense = random_network(rng, (layers[-1].gives, 70, 2), groups=7).layers[0]
    layers += [dense, Scores("out", random_signs(rng, 10, 70))]
    source = random_network(rng, (1, 1), form).input
    network = Network("wide", Input((9, 8, 3), source.table, source.bipolar), tuple(layers))
    images = random_images(rng, network, 20)
    wanted = forward(network, images).scores
    assert len(np.unique(wanted, axis=0)) > 10
    assert np.array_equal(Packed(network).scores(images), wanted)
    monkeypatch.setattr(packed, "VECTORS", 150)
    monkeypatch.setattr(packed, "MAP", 9 * 8 * 2 * 7)
    assert np.array_equal(Packed(network).scores(images), wanted)
    monkeypatch.setattr(packed, "WORTH", 0)
    assert np.array_equal(Packed(network).scores(images), wanted)


def test_products_beyond_24_bits_match_golden() -> None:
    """Sums of an odd number of odd values near 2^24, one apart from their thresholds."""
    table = np.full(256, 1 << 15, np.int64)
    table[0] = 1
    weights = np.ones((3, 9 * 65), np.int8)
    top = (9 * 65 - 1 << 15) + 1
    assert top > 1 << 24
    theta = np.array([[top - 1, top, top + 1]])
    conv = Conv("c", weights, theta, np.zeros((1, 3), bool), image=(3, 3, 65), kernel=(3, 3))
    network = Network("n", Input((3, 3, 65), table, False), (conv, Scores("out", weights[:, :3])))
    images = np.full((1, 3, 3, 65), 255, np.uint8)
    images[0, 1, 1, 1] = 0
    assert forward(network, images).hidden[0].tolist() == [[1, 1, -1]]
    assert np.array_equal(Packed(network).scores(images), forward(network, images).scores)


@pytest.mark.parametrize("most", [255, 1 << 15])
def test_thresholds_out_of_reach_match_golden(most: int) -> None:
    """Just beyond the largest sum, and so far that the type of sums does not hold them."""
    table = np.minimum(np.arange(256, dtype=np.int64) * 200, most)
    theta = np.array([[most, most + 1, (1 << 30) - 1, 1 - (1 << 30), -most]])
    layer = Dense("fc", np.ones((5, 1), np.int8), theta, np.zeros((1, 5), bool))
    out = Scores("out", 2 * np.eye(5, dtype=np.int8) - 1)
    network = Network("edge", Input((1,), table, False), (layer, out))
    images = np.array([[0], [255]], np.uint8)
    wanted = forward(network, images)
    assert wanted.hidden[0].tolist() == [[-1, -1, -1, 1, 1], [1, -1, -1, 1, 1]]
    assert np.array_equal(Packed(network).scores(images), wanted.scores)


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
