"""Images hold the network: read back cell by cell, and run by the arithmetic of the plan."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from mapping_cases import Case, cases, extreme_thresholds
from plan_arithmetic import cells, simulate, words
from random_networks import random_images, random_network

from binohm.gen.combinations import CELLS, INPUTS, LAYERS, READOUTS, kinds, legal
from binohm.gen.config import ArrayConfig, Config
from binohm.gen.images import render
from binohm.gen.mapping import map_network
from binohm.gen.network import Dense, Network, Scores
from binohm.gen.plan import Plan
from binohm.sim.golden import forward

SEEDS = range(3)


def check_arithmetic(network: Network, config: Config, images: np.ndarray) -> Plan:
    """Every layer's output from plan and images alone equals golden."""
    plan = map_network(network, config)
    texts = render(network, plan)
    assert list(texts) == [image.name for image in plan.images]
    trace = forward(network, images, plan.layers)
    *hidden, scores = simulate(plan, texts, network.input, trace.input)
    for layer, found, expected in zip(plan.layers, hidden, trace.hidden, strict=False):
        assert np.array_equal(2 * found - 1, expected), layer.name
    assert np.array_equal(scores, trace.scores)
    return plan


@given(cases())
@settings(max_examples=150, deadline=None)
def test_plan_and_images_compute_the_network(case: Case) -> None:
    check_arithmetic(case.network, case.config, case.images)


LEGAL = [c for c in product(READOUTS, CELLS, INPUTS, LAYERS) if legal(*c)]


@pytest.mark.parametrize(("readout", "cell", "inputs", "kind"), LEGAL)
def test_every_legal_combination_computes_the_network(
    readout: str, cell: str, inputs: str, kind: str
) -> None:
    """One layer under test, first or (for scores of activations) after a hidden one."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        form = "signed" if inputs == "planes" else "step"
        sizes = (13, 5) if kind == "scores" else (13, 8, 5)
        network = random_network(rng, sizes, form, 3 if kind == "split" else 1)
        network = extreme_thresholds(rng, network)
        assert kinds(network, 0) == (inputs, kind)
        own = ArrayConfig(readout=readout, cell=cell, rows=16, columns=4, bias_rows=14)
        if readout == "adc":
            own = own.model_copy(update={"rows": 4})
        config = Config(layers={network.layers[0].name: own})
        plan = check_arithmetic(network, config, random_images(rng, network, 40))
        assert (plan.layers[0].array.readout, plan.layers[0].array.cell) == (readout, cell)


@given(cases())
@settings(max_examples=80, deadline=None)
def test_every_weight_is_in_one_cell(case: Case) -> None:
    """Read back through ``LayerPlan.cells``; what is unused is 0, that is -1."""
    plan = map_network(case.network, case.config)
    texts = render(case.network, plan)
    images = {image.name: image for image in plan.images}
    for layer, part in zip(case.network.layers, plan.layers, strict=True):
        found = np.zeros((layer.outputs, layer.inputs), np.int64)
        times = np.zeros((layer.outputs, layer.inputs), np.int64)
        for tile in part.tiles:
            image = images[tile.name]
            content = cells(words(texts[tile.name], image), part.array).signs
            output, source = part.cells(tile)
            used = output >= 0
            assert (content[~used] == -1).all()
            np.add.at(times, (output[used], source[used]), 1)
            found[output[used], source[used]] = content[used]
            if isinstance(layer, Dense):
                start, stop = layer.bounds[tile.group], layer.bounds[tile.group + 1]
                assert ((start <= source[used]) & (source[used] < stop)).all()
        assert (times == 1).all()
        assert np.array_equal(found, layer.weights)


@given(cases())
@settings(max_examples=20, deadline=None)
def test_same_input_same_plan_and_images(case: Case) -> None:
    plan = map_network(case.network, case.config)
    again = map_network(case.network, Config.model_validate(case.config.model_dump()))
    assert plan.to_json() == again.to_json()
    assert render(case.network, plan) == render(case.network, again)
    assert Plan.from_json(plan.to_json()) == plan


@given(cases())
@settings(max_examples=20, deadline=None)
def test_other_weights_need_other_images_alone(case: Case) -> None:
    """A retrained network of the same shape has the same plan, but for the widths of scores."""
    rng = np.random.default_rng(1)

    def retrained(layer: Dense | Scores) -> Dense | Scores:
        weights = rng.choice(np.array([-1, 1], np.int8), layer.weights.shape)
        if isinstance(layer, Dense):
            return replace(layer, weights=weights, theta=rng.permuted(layer.theta, axis=1))
        return replace(layer, weights=weights)

    other = replace(case.network, layers=tuple(retrained(layer) for layer in case.network.layers))
    one, two = map_network(case.network, case.config), map_network(other, case.config)
    assert one.layers == two.layers
    assert [i for i in one.images if i.kind != "affine"] == [
        i for i in two.images if i.kind != "affine"
    ]


def test_images_of_a_worked_example() -> None:
    """Three inputs, two outputs, by hand: sa with one column a cycle, then adc scores."""
    weights = np.array([[1, -1, 1], [-1, -1, 1]], np.int8)
    hidden = Dense("h", weights, np.array([[1, -2]]), np.array([[False, True]]))
    last = Scores("s", np.array([[1, -1]], np.int8), np.array([3]), np.array([-1]))
    network = Network("n", random_network(np.random.default_rng(0), (3, 1)).input, (hidden, last))
    own = {
        "h": ArrayConfig(rows=4, columns=2, bias_rows=2, columns_per_cycle=1),
        "s": ArrayConfig(rows=2, columns=2, columns_per_cycle=2),
    }
    plan = map_network(network, Config(layers=own))
    assert render(network, plan) == {
        # Column 0: rows 101, then row 3 unused, b = -1: minus row 0. Column 1: 001, b = +2.
        "h_t0": "45\n34\n",
        "h_flip": "0\n1\n",
        # Columns 0 and 1 in one word: 01 below 00.
        "s_t0": "1\n",
        # s = 2u - 2, score = 3s - 1 = 6u - 7: scale 0110, offset 1001.
        "s_affine": "96\n",
    }


def test_millions_of_weights_are_rendered() -> None:
    rng = np.random.default_rng(0)
    network = random_network(rng, (784, 2048, 2048, 10))
    for readout in ("adc", "pcsa"):
        plan = map_network(network, Config(array=ArrayConfig(readout=readout)))
        assert sum(map(len, render(network, plan).values())) > network.weight_count // 4
