"""Events of convolutions: those of a dense layer that sees every window."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_networks import random_conv, random_images, random_signs, random_table

from binohm.gen.config import load
from binohm.gen.mapping import map_network
from binohm.gen.network import Conv, Dense, Input, Network, Pool, Scores
from binohm.gen.reporting.energy import baseline
from binohm.sim.events import EVENTS, count, measure
from binohm.sim.golden import forward

STREAMS = {"transfers", "stream_bits", "stream_toggles", "adder_bits"}


def windows_of(layer: Conv, images: Any) -> Any:
    """Pixels of every window, one image each."""
    rows, columns = layer.windows
    cut = [
        image[y : y + layer.kernel[0], x : x + layer.kernel[1]].transpose(2, 0, 1).ravel()
        for image in images
        for y in range(rows)
        for x in range(columns)
    ]
    return np.stack(cut)


@pytest.mark.parametrize("form", ["step", "signed"])
@pytest.mark.parametrize("readout", ["sa", "adc", "pcsa"])
@pytest.mark.parametrize("cell", ["complementary", "2t2r", "1t1r"])
def test_windows_are_vectors(form: str, readout: str, cell: str) -> None:
    if form == "signed" and readout == "sa":
        return
    rng = np.random.default_rng(4)
    table = random_table(rng, form)
    conv = random_conv(rng, "c0", (4, 5, 2), 3)
    last = Scores("out", random_signs(rng, 2, conv.gives))
    swept = Network("n", Input((4, 5, 2), table.table, table.bipolar), (conv, last))
    flat = Dense("c0", conv.weights, conv.theta, conv.flip)
    dense = Network(
        "n",
        Input((18,), table.table, table.bipolar),
        (flat, Scores("out", random_signs(rng, 2, 3))),
    )
    images = random_images(rng, swept, 3)
    settings = [f"layers.c0.readout={readout}", f"layers.c0.cell={cell}", "array.bias_rows=20"]
    settings += ["layers.out.readout=pcsa", "layers.c0.engines=2"]
    found = []
    for network, pictures in ((swept, images), (dense, windows_of(conv, images))):
        plan = map_network(network, load(None, settings))
        _, layer, _ = count(network, plan, measure(network, plan, pictures))
        found.append({name: layer.counts[name] for name in EVENTS if name not in STREAMS})
    if form == "step" and readout == "adc" and cell != "complementary":
        found[0]["popcount_bits"] -= 3 * 4 * 5 * 2  # ones are counted by whom they drive
    assert found[0] == found[1]
    assert found[0]["activations"] > 0


def test_lines_beyond_the_border_are_off() -> None:
    rng = np.random.default_rng(4)
    table = random_table(rng, "step")
    conv = random_conv(rng, "c0", (2, 2, 1), 3, padding=(1, 1))
    last = Scores("out", random_signs(rng, 2, conv.gives))
    network = Network("n", Input((2, 2), table.table, True), (conv, last))
    plan = map_network(network, load(None, ["array.bias_rows=0", "array.readout=adc"]))
    images = random_images(rng, network, 2)
    pixels, layer, _ = count(network, plan, measure(network, plan, images))
    assert layer.counts["line_drives"] == 2 * 4 * 4  # four windows of four positions each
    assert layer.counts["popcount_bits"] == 2 * 4 * 9
    assert pixels.counts["transfers"] == 8 and pixels.counts["stream_bits"] == 8
    bits = np.where(table.table[images] > 0, 1, 0).ravel()
    assert pixels.counts["stream_toggles"] == np.abs(np.diff(bits, prepend=0)).sum()


def test_a_pool_of_sums_leaves_fewer_votes() -> None:
    rng = np.random.default_rng(4)
    table = random_table(rng, "step")
    conv = random_conv(rng, "c0", (4, 4, 2), 3, kernel=(1, 1), groups=2)
    counts = []
    for pool in (None, Pool((2, 2), (2, 2), "sums")):
        layer = replace(conv, pool=pool)
        network = Network(
            "n",
            Input((4, 4, 2), table.table, True),
            (layer, Scores("out", random_signs(rng, 2, layer.gives))),
        )
        plan = map_network(network, load(None, ["array.bias_rows=20"]))
        images = random_images(rng, network, 2)
        counts.append(count(network, plan, measure(network, plan, images))[1].counts)
        other, converters = baseline(network, plan)
        assert other.layers[0].takes == layer.takes and converters.layers[0].windows == 16
        assert forward(other, images).scores.shape == (2, 2)
    assert counts[0]["macro_reads"] == counts[1]["macro_reads"] == 2 * 16 * 2
    assert counts[0]["comparisons"] == 4 * counts[1]["comparisons"] == 2 * 16 * 3
