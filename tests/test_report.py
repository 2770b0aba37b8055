"""Figures of a build, and the pictures made of them."""

import json
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from random_networks import random_network

from binohm.gen import config
from binohm.gen.cycles import predict
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.gen.reporting import floorplan, report

CASES = {
    "automatic": ((64, 96, 64, 10), "unsigned", []),
    "one cell": ((1, 1, 1), "step", []),
    "words": ((65, 33, 10), "step", ["array.readout=pcsa", "array.columns=16", "array.engines=3"]),
    "lanes": (
        (100, 20, 3), "unsigned",
        ["array.readout=pcsa", "array.columns=8", "array.slices_per_read=3", "array.engines=2"],
    ),
    "small arrays": ((300, 100, 65, 4), "step", ["array.rows=65", "array.columns=8"]),
    "wide": ((40, 1024), "step", ["array.rows=32", "array.columns=8"]),
    "many arrays": ((784, 512, 10), "step", ["array.rows=32", "array.columns=32"]),
}  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def built(case: str) -> tuple[Network, Plan, dict[str, object]]:
    sizes, form, settings = CASES[case]
    network = random_network(np.random.default_rng(1), sizes, form)
    plan = map_network(network, config.load(None, settings))
    facts = report.report_data(network, plan, predict(network, plan), config={"array": {}})
    return network, plan, json.loads(json.dumps(facts))


@pytest.mark.parametrize("case", CASES)
def test_every_weight_and_no_other_cell_is_used(case: str) -> None:
    network, plan, facts = built(case)
    for layer, part, found in zip(network.layers, plan.layers, facts["layers"], strict=True):
        biases = part.array.bias_rows * sum(tile["bias_columns"] for tile in found["tiles"])
        assert found["cells_used"] == layer.weights.size + biases
        assert found["cells"] == part.array.lines * part.array.columns * len(part.tiles)
        assert found["cells_idle"] == found["cells"] - found["cells_used"]
        assert found["activations"] == part.activations
    assert facts["totals"]["weights"] == network.weight_count
    assert facts["totals"]["macros"] == sum(array["macros"] for array in facts["arrays"])


@pytest.mark.parametrize("case", CASES)
def test_blocks_are_the_cells_of_the_plan(case: str) -> None:
    _, plan, facts = built(case)
    for part, found in zip(plan.layers, facts["layers"], strict=True):
        for tile, shown in zip(part.tiles, found["tiles"], strict=True):
            drawn = np.zeros((part.array.rows, part.array.columns), int)
            for first, rows, distance, repetitions, columns in shown["used"]:
                for start in range(first, first + repetitions * distance, distance):
                    drawn[start : start + rows, :columns] += 1
            output, _ = part.cells(tile)
            np.testing.assert_array_equal(drawn, output >= 0)


def test_rom_bits_are_those_of_the_images() -> None:
    _, plan, facts = built("automatic")
    assert sum(facts["rom_bits"].values()) == sum(i.depth * i.width for i in plan.images)
    cells = sum(
        layer.array.word_bits * layer.array.depth * len(layer.tiles) for layer in plan.layers
    )
    assert facts["rom_bits"]["cells"] == cells
    own = sum(layer["rom_bits"] for layer in facts["layers"])
    assert own == sum(facts["rom_bits"].values()) - cells - facts["rom_bits"]["table"]


def test_programming_is_counted_where_it_is() -> None:
    network, plan, facts = built("automatic")
    assert facts["programming"] is None
    assert "<h2>Programming</h2>" not in report.render_html(facts)
    layers = tuple(
        replace(layer, array=replace(layer.array, columns=70, spare_columns=6))
        for layer in plan.layers
    )
    host = replace(plan.host, programming=True)
    changed = replace(plan, host=host, layers=layers)
    facts = report.report_data(network, changed, predict(network, plan), config={})
    lines = sum(layer.array.lines * len(layer.tiles) for layer in layers)
    assert facts["programming"] == {
        "lines": lines, "wear_bits": 32 * lines, "line_bits": 280 + 96, "spare_cells": 6 * lines,
    }  # fmt: skip
    assert "<h2>Programming</h2>" in report.render_html(facts)


@pytest.mark.parametrize("case", CASES)
def test_macros_stand_apart_and_inside_the_picture(case: str) -> None:
    _, _, facts = built(case)
    placed = floorplan.place(facts)
    stamps = {stamp["id"]: stamp for stamp in placed["stamps"]}
    boxes = []
    for layer in placed["layers"]:
        assert layer["x"] + layer["width"] <= floorplan.WIDTH
        for macro in layer["macros"]:
            stamp = stamps[macro["stamp"]]
            x, y = layer["x"] + macro["x"], layer["y"] + macro["y"]
            boxes.append((x, y, x + stamp["width"], y + stamp["height"]))
            assert boxes[-1][2] <= floorplan.WIDTH
            assert boxes[-1][3] <= placed["height"]
    assert len(boxes) == facts["totals"]["macros"]
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_equal_macros_are_drawn_once() -> None:
    _, _, facts = built("many arrays")
    assert facts["totals"]["macros"] == 25 * 16 + 16
    assert len(floorplan.place(facts)["stamps"]) == 3
    assert len(report.render_svg(facts)) < 80_000


def test_bars_show_the_bottleneck() -> None:
    _, _, facts = built("words")
    bars = floorplan.pipeline_bars(facts)
    assert [bar["name"] for bar in bars] == ["input", "fc0", "out", "output"]
    longest = max(bars, key=lambda bar: bar["cycles"])
    assert longest["percent"] == 100.0
    assert [bar["bottleneck"] for bar in bars] == [bar is longest for bar in bars]


@pytest.mark.parametrize("case", CASES)
def test_picture_draws_every_macro(case: str) -> None:
    _, _, facts = built(case)
    picture = ElementTree.fromstring(report.render_svg(facts))
    stamps = {group.get("id") for group in picture.iter(f"{SVG}g") if group.get("id")}
    uses = [use.get("href") for use in picture.iter(f"{SVG}use")]
    assert len(uses) == facts["totals"]["macros"]
    assert {name.removeprefix("#") for name in uses} == stamps


def test_page_stands_alone_and_depends_on_the_data_only() -> None:
    _, _, facts = built("automatic")
    page = report.render_html(facts)
    assert page == report.render_html(facts)
    assert page.startswith("<!DOCTYPE html>")
    for outside in ("http:", "https:", "<script", "src=", "@import", "url("):
        assert outside not in page


def test_page_shows_results() -> None:
    _, _, facts = built("automatic")
    bad = {"simulator": "icarus", "ok": False, "images": 3, "latency": None, "interval": None,
           "divergences": [{"text": "layer <fc0>, image 2"}]}  # fmt: skip
    good = {**bad, "simulator": "verilator", "ok": True, "latency": 9, "interval": 8}
    run = {"engine": "rtl", "data": "digits", "images": 1360, "accuracy": 0.975, "mismatches": 0,
           "interval": 8, "latency": 9}  # fmt: skip
    page = report.render_html(facts, {"check": {"runs": [good, bad]}, "run": run})
    assert "layer &lt;fc0&gt;, image 2" in page
    assert "latency 9, interval 8 cycles" in page
    assert "97.5 %" in page
    assert "0 of 1\u202f360 images differ from golden" in page
    model = {**run, "engine": "golden", "mismatches": None, "interval": None, "latency": None}
    assert "a model in NumPy" in report.render_html(facts, {"run": model})
