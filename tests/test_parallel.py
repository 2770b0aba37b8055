"""Copies of arrays: bit planes read at once, and replicas that take windows in turn."""

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from random_networks import FORMS, random_conv, random_conv_network, random_images, random_network
from small_build import small_network
from test_conv import CASES, IMAGE, ROOM, SUMS, build, case, checked, network_of, random_config
from test_cycles import simulate
from test_programming import MIXED, SLOW, run

from binohm.gen.cli.summary import print_build
from binohm.gen.config import Config, load
from binohm.gen.cycles import alone, predict
from binohm.gen.emit import write_build
from binohm.gen.errors import CapacityError
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.gen.reporting.floorplan import place
from binohm.gen.reporting.report import render_html, report_data
from binohm.sim.events import count, measure, total
from binohm.sim.golden import forward
from binohm.sim.tools import environment

slow = pytest.mark.slow
AT_ONCE = "array.planes=parallel"

COPIED: dict[str, tuple[str, list[str]]] = {
    # A case of convolutions, and what copies its arrays.
    "planes, adc": ("planes", [AT_ONCE]),
    "planes, pcsa": ("pcsa", [AT_ONCE, "array.slices_per_read=2", "array.columns=5"]),
    "replicas, adc": ("planes", ["layers.c0.replicas=4"]),
    "replicas, pcsa": ("pcsa", ["array.replicas=3"]),
    "replicas, an early pool": (
        "split",
        ["array.replicas=3", "array.columns_per_cycle=1", "array.columns=8"],
    ),
    "replicas, off lines": (
        "adc",
        ["layers.c0.replicas=9", "array.columns_per_cycle=1", "array.columns=8"],
    ),
    "replicas, reference codes": (
        "pool of sums",
        ["array.replicas=2", "array.threshold=reference", "array.reference_per_column=true"],
    ),
    "both": (
        "planes",
        [AT_ONCE, "array.replicas=5", "array.columns_per_cycle=1", "array.columns=8"],
    ),
    "both, programmable": (
        "planes",
        [AT_ONCE, "array.replicas=2", "host.programming=true", "array.spare_columns=1"],
    ),
}


def copied(name: str) -> tuple[Network, Config]:
    """A network of :data:`CASES` with copies of its arrays."""
    base, settings = COPIED[name]
    return case(base)[0], load(None, [*ROOM, *CASES[base][3], *settings])


@slow
@pytest.mark.parametrize("name", COPIED)
def test_equals_golden_in_the_predicted_cycles(tmp_path: Path, name: str) -> None:
    plan = build(tmp_path / "b", *copied(name), images=3)
    assert max(layer.copies for layer in plan.layers) > 1
    found = checked(tmp_path / "b", "icarus")
    assert found.ok, found.divergences


@slow
@pytest.mark.parametrize("readout", ["adc", "pcsa"])
def test_planes_of_a_dense_layer(tmp_path: Path, readout: str) -> None:
    network = random_network(np.random.default_rng(4), (17, 9, 5, 3), "signed")
    rows = 8 if readout == "adc" else 64
    config = load(
        None, [f"array.rows={rows}", "array.columns=3", f"array.readout={readout}", AT_ONCE]
    )
    build(tmp_path / "b", network, config, images=4)
    found = checked(tmp_path / "b", "icarus", images=4)
    assert found.ok, found.divergences


@slow
@pytest.mark.parametrize("seed", range(6))
def test_random_networks_equal_golden(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    network = random_conv_network(rng, FORMS[seed % len(FORMS)])
    config = random_config(rng, network)
    build(tmp_path / "b", network, with_copies(rng, config), images=3)
    found = checked(tmp_path / "b", ("icarus", "verilator")[seed % 4 == 3])
    assert found.ok, found.divergences


def with_copies(rng: np.random.Generator, config: Config) -> Config:
    """The same with random copies of every layer."""
    layers = {
        name: {
            **layer.model_dump(exclude_unset=True),
            "planes": str(rng.choice(["series", "parallel"])),
            "replicas": int(rng.choice([1, 2, 3, 7])),
        }
        for name, layer in config.layers.items()
    }
    return Config.model_validate({**config.model_dump(exclude_unset=True), "layers": layers})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["both", "both, programmable"])
def test_verilog_is_lint_clean(tmp_path: Path, name: str) -> None:
    network, config = copied(name)
    write_build(tmp_path / "b", network, map_network(network, config), config={}, bench_files={})
    command = ["verilator", "--lint-only", "-Wall", "--top-module", "binohm_t", "lint.vlt"]
    done = subprocess.run(
        [*command, "-f", "digital.f"],
        cwd=tmp_path / "b", env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@slow
@pytest.mark.parametrize("name", ["both", "replicas, an early pool"])
def test_random_latency_changes_no_result(name: str) -> None:
    """Replicas that are slow now and then keep the order of windows."""
    network, config = copied(name)
    plan = map_network(network, config)
    images = random_images(np.random.default_rng(9), network, 12)
    with TemporaryDirectory() as where:
        _, words = simulate(Path(where), network, plan, images, view="jitter")
    truth = forward(network, images, plan.layers)
    assert [word[0] for word in words] == truth.predictions.tolist()
    assert [word[1:] for word in words] == truth.scores.tolist()


@pytest.mark.parametrize("side", [16, 32])
def test_planes_at_once_take_the_time_of_one(side: int) -> None:
    """At most five in a hundred above pixels or windows, whichever are more."""
    rng = np.random.default_rng(1)
    first = random_conv(rng, "c0", (side, side, 3), 4, padding=(1, 1), scale=9)
    second = random_conv(rng, "c1", first.result, 4, padding=(1, 1), pool=SUMS)
    network = network_of("wide", first, second)
    settings = [*ROOM, "array.columns_per_cycle=128"]
    serial = predict(network, map_network(network, load(None, settings)), images=6)
    plan = map_network(network, load(None, [*settings, AT_ONCE]))
    found = predict(network, plan, images=6)
    assert side * side <= found.interval <= 1.05 * side * side
    assert serial.interval >= 16 * side * side
    assert found.activations["c0"] == side * side == serial.activations["c0"] // 16


@pytest.mark.parametrize("replicas", [2, 3, 8, 65])
def test_replicas_share_the_time(replicas: int) -> None:
    """Until the positions of the image take longer."""
    network, _ = case("planes")
    settings = [*ROOM, "array.columns_per_cycle=1"]
    once = map_network(network, load(None, settings)).layers[0]
    plan = map_network(network, load(None, [*settings, f"layers.c0.replicas={replicas}"]))
    layer = plan.layers[0]
    own = -(-42 // min(replicas, 42))
    assert alone(layer) == max(42, own * once.reads * once.array.interval)
    assert alone(once) == 42 * once.reads * once.array.interval
    assert layer.activations == once.activations
    assert len(layer.tiles) == min(replicas, 42) * len(once.tiles)


def test_copies_share_the_images_of_their_originals() -> None:
    network, config = copied("both")
    plan = map_network(network, config)
    first = plan.layers[0]
    assert (first.copies, first.replicas, first.series) == (15, 5, 1)
    assert [tile.name for tile in first.originals] == ["c0_t0"]
    assert {tile.image for tile in first.tiles} == {"c0_t0"}
    assert [(tile.replica, tile.plane) for tile in first.tiles] == [
        (replica, plane) for replica in range(5) for plane in range(3)
    ]
    assert [tile.id for layer in plan.layers for tile in layer.tiles] == list(
        range(sum(len(layer.tiles) for layer in plan.layers))
    )
    cells = [image.name for image in plan.images if image.kind == "cells"]
    assert cells == [tile.name for layer in plan.layers for tile in layer.originals]
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("name", ["planes, adc", "planes, pcsa", "replicas, an early pool", "both"])
def test_copies_cost_cells_and_no_events(name: str) -> None:
    """Each window and plane is read once, whichever copy reads it."""
    network, config = copied(name)
    layers = {
        layer: {"planes": "series", "replicas": 1} for layer in (n.name for n in network.layers)
    }
    array = config.array.model_copy(update={"planes": "series", "replicas": 1})
    once = map_network(network, config.model_copy(update={"array": array}))
    plan = map_network(network, config)
    assert [layer.copies for layer in once.layers] == [1] * len(layers)
    images = random_images(np.random.default_rng(5), network, 3)
    activity = measure(network, plan, images)
    mine, other = (count(network, p, activity) for p in (plan, once))
    for one, two, layer in zip(mine[1:], other[1:], plan.layers, strict=True):
        assert one.converters == layer.copies * two.converters
        assert two.counts["activations"] == one.counts["activations"] * len(layer.planes) // (
            layer.series
        )
    apart = {key for key, number in total(mine).items() if number != total(other)[key]}
    assert apart <= {"activations", "adder_bits"}


def test_the_report_says_what_copies_cost_and_gain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    network, config = copied("both")
    plan = map_network(network, config)
    facts = report_data(network, plan, predict(network, plan), config={})
    first, *_, last = facts["layers"]
    assert first["copies"] == {
        "planes": 3,
        "replicas": 5,
        "cells_once": first["cells"] // 15,
        "interval_once": 42 * 3 * 8,
        "speedup": round(42 * 3 / 9, 3),
    }
    assert first["interval"] == 9 * 8
    assert "copies" not in last
    print_build(facts)
    assert "Copied arrays" in capsys.readouterr().out
    assert first["tiles"][7]["copy"] == "c0_t0"
    assert facts["totals"]["cells"] == sum(layer["cells"] for layer in facts["layers"])
    assert f"(once: {42 * 3 * 8:,})".replace(",", "\u202f") in render_html(facts)
    macros = place(facts)["layers"][0]["macros"]
    assert len({(macro["x"], macro["y"]) for macro in macros}) == 15
    assert macros[14]["title"].startswith("c0_t14, a copy of c0_t0: ")


def test_more_replicas_than_arrays_can_be_are_refused() -> None:
    conv = random_conv(np.random.default_rng(0), "c0", IMAGE, 3)
    network = network_of("step", conv)
    config = load(None, [*ROOM, "array.rows=4096", "array.columns=4096", "array.replicas=20"])
    message = (
        r"layer c0: 20 of 21 arrays, which have \d+ cells, more than 268435456; use arrays nearer "
        "to the layers in size or fewer replicas"
    )
    with pytest.raises(CapacityError, match=f"^{message}$"):
        map_network(network, config)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("array.planes=both", 'array.planes = "both": must be "series" or "parallel"'),
        ("array.replicas=0", "array.replicas = 0: must be 1 to 1048576 copies"),
    ],
)
def test_settings_are_checked(setting: str, message: str) -> None:
    with pytest.raises(Exception, match=f"^--set {re.escape(message)}$"):
        load(None, [setting])


def test_what_has_no_planes_and_no_windows_has_no_copies() -> None:
    settings: list[Any] = [AT_ONCE, "array.replicas=4"]
    network = random_network(np.random.default_rng(4), (17, 9, 5, 3), "step")
    assert map_network(network, load(None, settings)) == map_network(network, load(None, []))


@slow
@pytest.mark.parametrize("form", ["planes", "replicas"])
def test_every_copy_is_programmed(tmp_path: Path, form: str) -> None:
    """Blank arrays of devices, written by the host, compute what golden does."""
    if form == "planes":
        own = {**MIXED["layers"]["fc0"], "planes": "parallel"}
        network = small_network()
        settings = {**MIXED, "layers": {**MIXED["layers"], "fc0": own}}
    else:
        conv = random_conv(np.random.default_rng(0), "c0", (4, 4, 1), 2, kernel=(2, 2))
        network = network_of("step", conv)
        settings = {
            "array": {"rows": 18, "columns": 3, "bias_rows": 5, "replicas": 4},
            "host": {"programming": True},
        }
    facts = run(tmp_path / "out", "icarus", network, settings, SLOW)
    assert facts["failures_found"] == facts["false_reports"] == 0
