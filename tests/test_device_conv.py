"""Convolutions on device maps: ideal devices are golden; others are what both simulators give."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_images
from small_build import small_build
from test_conv import CASES, case

from binohm.gen.config import Config, load
from binohm.gen.cycles import predict
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.sim import golden
from binohm.sim.check import check
from binohm.sim.device.draw import draw
from binohm.sim.device.map import reads_per_image
from binohm.sim.device.network import Devices, load_maps
from binohm.sim.device.physics import Device
from binohm.sim.directory import open_build
from binohm.sim.run import run

slow = pytest.mark.slow

NOISY = Device(
    lrs_sigma_d2d=0.3, lrs_sigma_c2c=0.1, hrs_sigma_c2c=0.2, read_noise=0.2, sense_offset_a=1e-6,
    stuck_lrs=0.01, stuck_hrs=0.01, line_ohm=20.0,
)  # fmt: skip

ROOM = ["array.rows=64", "array.bias_rows=65", "array.columns=4"]
COPIES = {
    "": [],
    "copies": ["array.replicas=2"],
    "planes at once": ["layers.c0.planes=parallel", "layers.c0.replicas=3"],
}
BUILDS = {"split": "", "adc": "copies", "pcsa": "copies", "planes": "planes at once",
          "1t1r": "", "2t2r adc": "copies"}  # fmt: skip
"""Builds of :data:`test_conv.CASES`: every readout, each kind of cell."""


def settled(name: str, copies: str = "") -> tuple[Network, Config]:
    """A case, with more settings."""
    network, given = case(name)[0], CASES[name][3]
    return network, load(None, [*ROOM, *given, *COPIES[copies]])


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("name", CASES)
def test_ideal_devices_are_golden(name: str, copies: str) -> None:
    network, config = settled(name, copies)
    plan = map_network(network, config)
    devices = Devices(network, plan, draw(Device.ideal(), plan, 1))
    images = random_images(np.random.default_rng(4), network, 5)
    found, expected = devices.forward(images, first=3), golden.forward(network, images, plan.layers)
    assert np.array_equal(found.scores, expected.scores)
    for one, other in zip(found.hidden, expected.hidden, strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other)


@pytest.mark.parametrize("name", BUILDS)
def test_noise_depends_on_image_and_window_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, config = settled(name, BUILDS[name])
    plan = map_network(network, config)
    devices = Devices(network, plan, draw(NOISY, plan, 2))
    images = np.repeat(random_images(np.random.default_rng(3), network, 1), 30, axis=0)
    whole = devices.forward(images, first=5)
    assert len(np.unique(np.concatenate(whole.hidden, axis=1), axis=0)) > 5
    monkeypatch.setattr("binohm.sim.device.network.VECTORS", 99)
    parts = [devices.forward(images[at : at + 7], first=5 + at).scores for at in range(0, 30, 7)]
    assert np.array_equal(np.concatenate(parts), whole.scores)


def test_every_replica_counts_its_own_reads() -> None:
    layer = map_network(*settled("planes", "planes at once")).layers[0]
    assert (layer.windows, layer.reads, layer.replicas) == (42, 1, 3)
    assert {reads_per_image(layer, tile) for tile in layer.tiles} == {14}
    layer = map_network(*settled("planes", "copies")).layers[0]
    assert {reads_per_image(layer, tile) for tile in layer.tiles} == {21 * layer.reads}
    layer = map_network(*settled("plain", "planes at once")).layers[0]
    assert [reads_per_image(layer, tile) for tile in layer.tiles] == [7, 7, 6]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A build of each case, with maps, made once."""

    def build(name: str) -> Path:
        directory = tmp_path_factory.mktemp(re.sub(r"\W", "_", name)) / "out"
        network, config = settled(name, BUILDS[name])
        small_build(directory, network, config.model_dump(), device=NOISY)
        return directory

    return cache(build)


@slow
@pytest.mark.parametrize("name", BUILDS)
def test_every_stream_equals_the_model(
    built: Callable[[str], Path], name: str, simulator: str
) -> None:
    directory = built(name)
    build = open_build(directory)
    cycles = predict(build.network, build.plan).results
    result = check(directory, images=3, simulator=simulator, view="device", cycles=cycles)
    assert result.ok, [str(found) for found in result.divergences]
    assert set(result.compared) >= {"c0", "out", "result"}


@pytest.mark.parametrize("name", BUILDS)
def test_devices_change_some_bits(name: str) -> None:
    network, config = settled(name, BUILDS[name])
    plan = map_network(network, config)
    images = random_images(np.random.default_rng(8), network, 20)
    found = Devices(network, plan, draw(NOISY, plan, 3)).forward(images)
    ideal = golden.forward(network, images, plan.layers)
    wrong = np.concatenate([a != b for a, b in zip(found.hidden, ideal.hidden, strict=True)], 1)
    assert 0.02 < wrong.mean() < 0.45, wrong.mean()


@slow
def test_scores_do_not_depend_on_who_computes_them(built: Callable[[str], Path]) -> None:
    directory = built("split")
    build = open_build(directory)
    images = random_images(np.random.default_rng(8), build.network, 41)
    devices = Devices(build.network, build.plan, load_maps(directory, build.plan))
    expected = run(directory, images, engine="device").scores
    assert np.array_equal(devices.forward(images).scores, expected)
    for processes, seed in ((1, 0), (2, 5)):
        result = run(directory, images, view="device", processes=processes, seed=seed)
        assert result.mismatches == 0 and (result.scores == expected).all()
        assert result.deviations
