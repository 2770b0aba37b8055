"""Golden's convolutions: cases worked by hand, and every formula once more in Python loops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import FORMS, random_conv_network, random_images

from binohm.gen.network import Conv, Dense, Input, Network, Pool, Scores
from binohm.sim.golden import forward


def convolved(layer: Conv, x: np.ndarray) -> np.ndarray:
    """Results of a convolution of one image, element by element."""
    image = x.reshape(layer.image)
    rows, columns = layer.windows
    sums = np.zeros((layer.groups, rows, columns, layer.outputs), np.int64)
    for g, row, column, o in np.ndindex(*sums.shape):
        for k in range(layer.bounds[g], layer.bounds[g + 1]):
            channel, tap = divmod(k, layer.kernel[0] * layer.kernel[1])
            y = row * layer.stride[0] - layer.padding[0] + tap // layer.kernel[1]
            at = column * layer.stride[1] - layer.padding[1] + tap % layer.kernel[1]
            if 0 <= y < layer.image[0] and 0 <= at < layer.image[1]:
                sums[g, row, column, o] += int(image[y, at, channel]) * int(layer.weights[o, k])
    ballots = np.int64(0)
    for g in range(layer.groups):
        s = pooled(layer.pool, sums[g]) if layer.pool and layer.pool.of == "sums" else sums[g]
        ballots = ballots + np.where((s >= layer.theta[g]) ^ layer.flip[g], 1, -1)
    signs = np.where(ballots >= 0, 1, -1)
    return pooled(layer.pool, signs) if layer.pool and layer.pool.of == "signs" else signs


def pooled(pool: Pool, values: np.ndarray) -> np.ndarray:
    """Largest of the values in each window of a pool."""
    rows = range(0, values.shape[0] - pool.kernel[0] + 1, pool.stride[0])
    columns = range(0, values.shape[1] - pool.kernel[1] + 1, pool.stride[1])
    height, width = pool.kernel
    return np.array([
        [values[y : y + height, x : x + width].max((0, 1)) for x in columns] for y in rows
    ])


def slowly(network: Network, image: np.ndarray) -> list[list[int]]:
    """Results of every layer on one image."""
    x = network.input.table[image].flatten()
    after = []
    for layer in network.layers:
        if isinstance(layer, Conv):
            x = convolved(layer, x).flatten()
        elif isinstance(layer, Dense):
            votes = np.zeros(layer.outputs, np.int64)
            for g in range(layer.groups):
                part = slice(layer.bounds[g], layer.bounds[g + 1])
                s = (layer.weights[:, part].astype(np.int64) * x[part]).sum(axis=1)
                votes += np.where((s >= layer.theta[g]) ^ layer.flip[g], 1, -1)
            x = np.where(votes >= 0, 1, -1)
        else:
            x = layer.scale * (layer.weights.astype(np.int64) * x).sum(axis=1) + layer.offset
        after.append(x.tolist())
    return after


@pytest.mark.parametrize("form", FORMS)
def test_matches_the_formula_in_loops(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(sum(form.encode()))
    for _ in range(5):
        network = random_conv_network(rng, form)
        images = random_images(rng, network, 2)
        trace = forward(network, images)
        for k, image in enumerate(images):
            *hidden, last = slowly(network, image)
            assert [layer[k].tolist() for layer in trace.hidden] == hidden
            assert trace.scores[k].tolist() == last
        network.save(tmp_path / "n.npz")
        again = Network.load(tmp_path / "n.npz")
        assert [getattr(x, "pool", 0) for x in again.layers] == [
            getattr(x, "pool", 0) for x in network.layers
        ]
        assert np.array_equal(forward(again, images).scores, trace.scores)


def by_hand(**geometry: Any) -> np.ndarray:
    """An image of 3 x 3 pixels under a kernel of ones with -1 at its last tap."""
    geometry = {"kernel": (2, 2)} | geometry
    weights = np.ones((1, geometry["kernel"][0] * geometry["kernel"][1]), np.int8)
    weights[0, -1] = -1
    theta, flip = np.array([[geometry.pop("theta", 5)]]), np.array([[geometry.pop("flip", False)]])
    layer = Conv("c", weights, theta, flip, image=(3, 3, 1), **geometry)
    table = np.arange(256, dtype=np.int64)
    out = Scores("out", np.ones((1, layer.gives), np.int8))
    network = Network("n", Input((3, 3), table, False), (layer, out))
    image = np.array([[[1, 2, 3], [4, 0, 0], [0, 0, 9]]], np.uint8)
    return forward(network, image).hidden[0].reshape(layer.result).squeeze(axis=-1)


def test_windows_worked_by_hand() -> None:
    # 2 x 2: 1+2+4-0 = 7, 2+3+0-0 = 5; 4+0+0-0 = 4, 0+0+0-9 = -9.
    assert by_hand().tolist() == [[1, 1], [-1, -1]]
    assert by_hand(theta=6).tolist() == [[1, -1], [-1, -1]]
    assert by_hand(theta=6, flip=True).tolist() == [[-1, 1], [1, 1]]
    # Rows of three, off beyond the border: 1-2, 1+2-3, 2+3; 4-0, 4, 0; 0, -9, 9.
    assert by_hand(kernel=(1, 3), padding=(0, 1), theta=4).tolist() == [
        [-1, -1, 1], [1, 1, -1], [-1, -1, 1],
    ]  # fmt: skip
    assert by_hand(kernel=(1, 3), padding=(0, 1), stride=(2, 2), theta=5).tolist() == [
        [-1, 1], [-1, 1],
    ]  # fmt: skip


def test_pools_worked_by_hand() -> None:
    for of, flip, wanted in (("sums", True, -1), ("signs", True, 1), ("sums", False, 1)):
        pool = Pool((2, 2), (2, 2), of)  # type: ignore[arg-type]
        assert by_hand(theta=6, flip=flip, pool=pool).tolist() == [[wanted]]
