"""Networks with convolutions, from the mapping to both simulators."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import FORMS, random_conv, random_conv_network, random_images, random_table

from binohm.gen.combinations import CELLS, READOUTS, border, kinds, legal
from binohm.gen.config import Config, load
from binohm.gen.cycles import predict
from binohm.gen.emit import write_build
from binohm.gen.errors import BinohmError, ConfigError
from binohm.gen.mapping import map_network
from binohm.gen.network import Conv, Dense, Input, Network, Pool, Scores
from binohm.gen.plan import Plan
from binohm.sim.check import CheckResult, bench_files, check

slow = pytest.mark.slow
SUMS, SIGNS = Pool((2, 2), (2, 2), "sums"), Pool((2, 2), (2, 2), "signs")
ROOM = ["array.rows=64", "array.bias_rows=65"]


def network_of(form: str, *layers: Dense, hidden: int = 0) -> Network:
    """Scores behind ``layers``, and a dense layer between."""
    rng = np.random.default_rng(8)
    table = random_table(rng, form)
    first = layers[0]
    assert isinstance(first, Conv)
    signs = np.array([-1, 1], np.int8)
    if hidden:
        weights = rng.choice(signs, (hidden, layers[-1].gives))
        zeros = np.zeros((1, hidden), np.int64)
        layers = (*layers, Dense("fc", weights, zeros, zeros > 0))
    last = Scores("out", rng.choice(signs, (3, layers[-1].gives)))
    return Network("t", Input(first.image, table.table, table.bipolar), (*layers, last))


def build(place: Path, network: Network, config: Config, images: int) -> Plan:
    """A build directory whose bench knows the predicted cycles."""
    plan = map_network(network, config)
    pictures = random_images(np.random.default_rng(3), network, images)
    cycles = predict(network, plan, images=images).results
    files = bench_files(network, plan, pictures, cycles=cycles)
    write_build(place, network, plan, config=config.model_dump(), bench_files=files)
    return plan


def checked(place: Path, simulator: str, images: int = 3) -> CheckResult:
    """Golden, image by image and position by position, and the predicted cycles."""
    found = Plan.from_json((place / "plan.json").read_text())
    network = Network.load(place / "model.npz")
    cycles = predict(network, found, images=images).results
    return check(place, images=images, simulator=simulator, cycles=cycles)


CASES: dict[str, tuple[str, list[dict[str, Any]], int, list[str]]] = {
    # What each layer has beside its kernel of 3 x 3; a dense layer; settings.
    "plain": ("step", [{}], 0, []),
    "padded": ("inverted", [{"padding": (1, 1)}, {"padding": (1, 0)}], 0, []),
    "pool of signs": ("step", [{"padding": (1, 1), "pool": SIGNS}], 4, []),
    "pool of sums": ("step", [{"padding": (1, 1), "pool": SUMS}], 4, []),
    "planes": ("signed", [{"padding": (1, 1)}, {"pool": SUMS}], 4, []),
    "adc": ("step", [{"padding": (1, 1), "pool": SUMS}, {"padding": (1, 1)}], 4,
            ["array.readout=adc", "array.rows=8"]),
    "pcsa": ("unsigned", [{"padding": (1, 1), "pool": SUMS}, {"padding": (1, 1)}], 4,
             ["array.readout=pcsa", "array.rows=64", "array.columns=8"]),
    "split": ("step", [{"groups": 2, "padding": (1, 1)}, {"groups": 3, "pool": SUMS}], 4, []),
    "columns in turn": ("step", [{"groups": 2, "pool": SUMS}], 0, ["array.columns_per_cycle=3"]),
    "1t1r": ("unsigned", [{}, {"pool": SUMS}], 4, ["array.cell=1t1r"]),
    "2t2r adc": ("step", [{"pool": SIGNS}], 4, ["array.cell=2t2r", "array.readout=adc"]),
    "strides": ("step", [{"kernel": (2, 3), "stride": (2, 1), "padding": (0, 1)}], 0, []),
    "one byte a beat": ("wide", [{"padding": (1, 1)}], 0, ["host.input_bytes=1"]),
}  # fmt: skip
IMAGE = (6, 7, 2)
QUICK = ("plain",)


def case(name: str) -> tuple[Network, Config]:
    """A network of :data:`CASES` for pictures of :data:`IMAGE`."""
    form, layers, hidden, settings = CASES[name]
    rng = np.random.default_rng(6)
    made: list[Conv] = []
    for index, geometry in enumerate(layers):
        image = made[-1].result if made else IMAGE
        large = form in ("unsigned", "signed", "wide") and not index
        scale = int(np.abs(random_table(rng, form).table).max()) // 2 if large else 1
        made.append(random_conv(rng, f"c{index}", image, 3, scale=scale, **geometry))
    return network_of(form, *made, hidden=hidden), load(None, [*ROOM, *settings])


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else slow) for n in CASES])
def test_equals_golden_in_the_predicted_cycles(tmp_path: Path, name: str) -> None:
    build(tmp_path / "b", *case(name), images=3)
    found = checked(tmp_path / "b", "icarus")
    assert found.ok, found.divergences
    assert set(found.compared) >= {"input", "c0", "out", "result"}


@slow
@pytest.mark.parametrize("seed", [*range(14), 206, 211])  # skid buffers count in the last two
def test_random_networks_equal_golden(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_conv_network(rng, FORMS[seed % len(FORMS)])
    config = random_config(rng, network)
    build(tmp_path / "b", network, config, images=3)
    found = checked(tmp_path / "b", ("verilator", "icarus")[seed % 3 > 0])
    assert found.ok, found.divergences


def random_config(rng: np.random.Generator, network: Network) -> Config:
    """Settings under which the network maps."""
    for _ in range(99):
        own: dict[str, dict[str, Any]] = {}
        for index, layer in enumerate(network.layers):
            kind = (*kinds(network, index), border(network, index))
            possible = [(r, c) for r in READOUTS for c in CELLS if legal(r, c, *kind)]
            if not possible:  # split behind lines that are off, or single-ended
                return random_config(rng, unsplit(network))
            readout, cell = possible[rng.integers(len(possible))]
            own[layer.name] = {
                "readout": readout, "cell": cell, "rows": max(64, layer.inputs),
                "bias_rows": layer.inputs + 1, "columns": int(rng.choice([2, 5, 16])),
                "columns_per_cycle": [1, 2, "auto"][rng.integers(3)],
            }  # fmt: skip
            if readout == "pcsa":
                own[layer.name]["rows"] = layer.outputs * -(-layer.inputs // 2)
            if readout == "adc":
                own[layer.name]["rows"] = int(rng.choice([3, 16]))
        host = {"input_bytes": int(rng.choice([1, 3, 8]))}
        goal = {"interval": int(rng.choice([1, 40]))}
        config = Config.model_validate({"layers": own, "host": host, "goal": goal})
        try:
            map_network(network, config)
            return config
        except BinohmError:  # a pool of sums of groups, for one
            continue
    raise AssertionError(network)


def unsplit(network: Network) -> Network:
    """The first group's thresholds for all inputs of every layer."""
    layers = tuple(
        replace(layer, theta=layer.theta[:1], flip=layer.flip[:1], bounds=())
        if isinstance(layer, Dense)
        else layer
        for layer in network.layers
    )
    return replace(network, layers=layers)


@pytest.mark.slow
def test_a_divergence_names_the_position(tmp_path: Path) -> None:
    plan = build(tmp_path, *case("pool of sums"), images=2)
    path = tmp_path / "mem" / "c0_flip.hex"
    path.write_text(f"{int(path.read_text(), 16) ^ 2:x}\n")
    (wrong,) = check(tmp_path, images=2, simulator="icarus").divergences
    assert re.fullmatch(r"c0_flip word 0 lane 1: image has flip \d, the plan \d .*", wrong.text)
    found = check(tmp_path, images=2, simulator="icarus", image_check=False)
    (wrong,) = found.divergences
    assert re.fullmatch(
        r"c0 position \(0, 0\) channel 1: expected -?1, found -?1, image 0, cycle \d+ of flowing",
        wrong.text,
    )
    facts = {key: wrong.facts[key] for key in ("layer", "image", "y", "x", "output")}
    assert facts == {"layer": "c0", "image": 0, "y": 0, "x": 0, "output": 1}
    assert plan.layers[0].results == 9


def test_the_image_check_knows_the_polarities_of_a_pool(tmp_path: Path) -> None:
    plan = build(tmp_path, *case("pcsa"), images=1)
    assert [i.name for i in plan.images if i.kind == "pool"] == ["c0_pool"]
    path = tmp_path / "mem" / "c0_pool.hex"
    path.write_text(f"{int(path.read_text(), 16) ^ 4:x}\n")
    (wrong,) = check(tmp_path, images=1, simulator="icarus").divergences
    assert wrong.text.startswith("c0_pool word 0 lane 2: image has smallest ")


def test_a_plan_is_its_text_again() -> None:
    for name in CASES:
        network, config = case(name)
        plan = map_network(network, config)
        assert Plan.from_json(plan.to_json()) == plan
        sweep = plan.layers[0].sweep
        assert sweep and sweep.image == IMAGE
        assert "sweep" not in json.loads(plan.to_json())["layers"][-1]


def test_activations_are_those_of_all_windows() -> None:
    network, config = case("planes")
    plan = map_network(network, config)
    first, second = plan.layers[:2]
    assert (first.windows, first.activations) == (42, 42 * network.input.bits)
    assert (second.windows, second.results, second.activations) == (20, 4, 20)
    predicted = predict(network, plan)
    assert predicted.activations["c0"] == first.activations
    assert predicted.bottleneck == "c0"


@pytest.mark.parametrize("padding", [(0, 0), (1, 1)])
@pytest.mark.parametrize("side", [16, 32])
def test_the_interval_is_that_of_the_slowest_layer(side: int, padding: tuple[int, int]) -> None:
    """At most five in a hundred above, with all columns at once."""
    rng = np.random.default_rng(1)
    shape = (side, side, 3)
    first = random_conv(rng, "c0", shape, 4, padding=padding, scale=9)
    second = random_conv(rng, "c1", first.result, 4, padding=padding, pool=SUMS)
    for form in ("step", "unsigned"):
        network = network_of(form, first, second)
        plan = map_network(network, load(None, [*ROOM, "array.columns_per_cycle=128"]))
        found = predict(network, plan, images=6)
        slowest = max(side * side, plan.layers[0].windows * len(plan.layers[0].planes))
        assert slowest <= found.interval <= 1.05 * slowest


OFF = "what an input that is off adds depends on its weight, and those at a border differ"


@pytest.mark.parametrize(
    ("geometry", "settings", "message"),
    [
        (
            {"padding": (1, 1)},
            ["array.cell=1t1r"],
            (
                f"layer c0: sa with cell 1t1r: {OFF}; adc with cell 1t1r: {OFF}; set "
                "layers.c0.readout = pcsa"
            ),
        ),
        (
            {"padding": (1, 1), "groups": 2},
            ["array.readout=adc"],
            (
                "layer c0: adc with cell complementary: every group would need its own count of "
                "driven lines, and one count travels; set layers.c0.readout = sa"
            ),
        ),
        (
            {"pool": SUMS, "groups": 2},
            ["array.readout=adc"],
            (
                "layer c0: a pool of the sums of 2 groups takes the bits of sense amplifiers; set "
                "layers.c0.readout = sa, or pool the signs"
            ),
        ),
    ],
)
def test_refusals(geometry: dict[str, Any], settings: list[str], message: str) -> None:
    layer = random_conv(np.random.default_rng(0), "c0", IMAGE, 3, **geometry)
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        map_network(network_of("step", layer), load(None, [*ROOM, *settings]))


def test_convolutions_come_first_and_fit_each_other() -> None:
    rng = np.random.default_rng(0)
    first = random_conv(rng, "c0", (4, 4, 2), 4, kernel=(1, 1))
    zeros = np.zeros((1, 64), np.int64)
    dense = Dense("fc", np.ones((64, 64), np.int8), zeros, zeros > 0)
    second = random_conv(rng, "c1", (4, 4, 4), 4)
    message = "layer c1: a convolution behind layer fc, which is none; give a model with all "
    with pytest.raises(ConfigError, match=f"^{message}convolutions first$"):
        map_network(network_of("step", first, dense, second), load(None, ROOM))
    second = random_conv(rng, "c1", (4, 8, 2), 4)
    message = "layer c1: an image of 2 channels behind layer c0 with 4; give a model in which they "
    with pytest.raises(ConfigError, match=f"^{message}agree$"):
        map_network(network_of("step", first, second), load(None, ROOM))
