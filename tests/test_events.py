"""Events of a build: counted by hand, by brute force over every cell, and by the Verilog."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_images, random_network
from small_build import MIXED, small_build, small_network

from binohm.gen.config import Config
from binohm.gen.images import render
from binohm.gen.mapping import map_network
from binohm.gen.network import Dense, Input, Network, Scores
from binohm.gen.plan import LayerPlan, Plan
from binohm.sim.directory import open_build
from binohm.sim.events import EVENTS, Activity, LayerEvents, count, measure, total
from binohm.sim.golden import Trace, forward
from binohm.sim.loop import Window, compile_loop, launch

STEP = np.where(np.arange(256) >= 128, 1, -1).astype(np.int64)
WEIGHTS = np.array([[1, 1, -1], [-1, 1, 1]], np.int8)
TINY = Network(
    "tiny",
    Input((3,), STEP, True),
    (
        Dense("fc0", WEIGHTS, np.array([[1, -2]]), np.zeros((1, 2), np.bool_)),
        Scores("out", np.array([[1, -1], [1, 1]], np.int8)),
    ),
)
REFERENCE = {"threshold": "reference", "reference_per_column": True}
IMAGES = np.array([[255, 0, 255], [255, 255, 0]], np.uint8)


def events_of(network: Network, plan: Plan, images: Any) -> tuple[LayerEvents, ...]:
    return count(network, plan, measure(network, plan, images))


def mapped(network: Network, **array: Any) -> Plan:
    layers = array.pop("layers", {})
    return map_network(network, Config.model_validate({"array": array, "layers": layers}))


def test_sense_amplifiers_by_hand() -> None:
    plan = mapped(TINY, rows=4, columns=3, bias_rows=2, columns_per_cycle=1)
    pixels, fc0, _ = events_of(TINY, plan, IMAGES[:1])
    # x = + - +; matches of the columns + + -, - + +, and the spare one, - - -: 1 each.
    assert fc0.counts["activations"] == fc0.counts["macro_reads"] == 1
    assert fc0.counts["line_drives"] == 3 + 2
    assert fc0.counts["lrs"] == 3 + 3  # and an LRS reference device a driven line
    assert fc0.counts["hrs"] == 6 + 3
    assert fc0.counts["bias_lrs"] == 1 + 2  # biases -1 and +2
    assert fc0.counts["bias_hrs"] == 2 * 2 * 3 - 3
    assert fc0.counts["gates"] == 3 * (3 + 2) + 2 * 2 * 3
    assert fc0.counts["bitline_devices"] == 3 * (2 * 4 + 2 * 2)
    assert fc0.counts["sense_strobes"] == 3 and fc0.counts["conversions"] == 0
    assert fc0.counts["rom_bits"] == 2  # a flip for each of two chunks
    assert fc0.counts["comparisons"] == fc0.counts["popcount_bits"] == 0
    assert (fc0.converters, fc0.adc_bits, fc0.cell) == (3, 0, "complementary")
    # Sums -1 and -1 against 1 and -2: bits 0 and 1, after reset's 0 and 0.
    assert (fc0.counts["stream_bits"], fc0.counts["stream_toggles"]) == (2, 1)
    assert (pixels.counts["stream_bits"], pixels.counts["stream_toggles"]) == (3, 2)


def test_reference_codes_are_read_with_every_request() -> None:
    plan = mapped(TINY, rows=4, columns=3, columns_per_cycle=1, **REFERENCE)
    _, fc0, _ = events_of(TINY, plan, IMAGES)
    bits = plan.layers[0].array.ref_bits
    assert fc0.counts["rom_bits"] == 2 * (2 + 3 * bits)
    assert fc0.counts["line_drives"] == 2 * 3 and fc0.counts["bias_hrs"] == 0


def test_converters_by_hand() -> None:
    plan = mapped(TINY, rows=2, columns=2, readout="adc", cell="1t1r", columns_per_cycle=1)
    pixels, fc0, out = events_of(TINY, plan, IMAGES[:1])
    # Two tiles of rows: + - and +; of the weights ++-, -++ the driven first and last row have one
    # +1 each.
    assert fc0.counts["macro_reads"] == 2 and fc0.counts["line_drives"] == 2
    assert (fc0.counts["lrs"], fc0.counts["hrs"]) == (2 + 2, 2 + 2)
    assert fc0.counts["gates"] == 2 * (2 + 2)
    assert fc0.counts["bitline_devices"] == 2 * 2 * 2
    assert fc0.counts["conversions"] == 4 and fc0.adc_bits == 2
    # Two counts of two bits a column, and 2 * M - D of -2..4 or so (u_range) once an output.
    low, high = plan.layers[0].u_range
    wide = max((-low - 1).bit_length(), high.bit_length()) + 1
    assert fc0.counts["adder_bits"] == 2 * 2 * 2 + 2 * wide
    assert fc0.counts["comparisons"] == 2
    assert fc0.counts["popcount_bits"] == 2  # the number of ones travels to the last layer
    assert fc0.counts["stream_bits"] == 2 + 2
    assert pixels.counts["stream_bits"] == 3 + 2 and pixels.counts["adder_bits"] == 3
    assert out.counts["comparisons"] == 2 and out.counts["compare_bits"] == 64
    assert out.counts["stream_bits"] == 1 + 64


def test_words_by_hand() -> None:
    plan = mapped(
        TINY, rows=4, columns=2, readout="pcsa", cell="1t1r", engines=1, slices_per_read=1
    )
    _, fc0, _ = events_of(TINY, plan, IMAGES)
    # Two outputs of two slices, two images: 8 reads of 2 and 1 columns; +1 cells: 2 and 2.
    assert plan.layers[0].activations == 4
    assert fc0.counts["activations"] == fc0.counts["macro_reads"] == 8
    assert fc0.counts["line_drives"] == 8
    assert fc0.counts["sense_strobes"] == fc0.counts["popcount_bits"] == 2 * 2 * 3
    assert fc0.counts["lrs"] == 2 * 4 + 8 and fc0.counts["hrs"] == 2 * 2 + 8
    assert fc0.counts["gates"] == 8 * (2 + 2)
    assert fc0.counts["bitline_devices"] == 12 * 4
    assert fc0.counts["adder_bits"] == 2 * 4 * 2


def drives(network: Network, part: LayerPlan, index: int, trace: Trace) -> Any:
    """What every plane puts on the lines: +1, -1 or 0, shape (images, planes, inputs)."""
    if index:
        x = trace.hidden[index - 1][:, None].astype(np.int64)
    elif network.input.bipolar:
        x = trace.input[:, None]
    else:
        x = trace.input[:, None] >> np.arange(len(part.planes))[:, None] & 1
    return x if part.drive == "bipolar" else np.maximum(x, 0)


def brute(network: Network, part: LayerPlan, index: int, trace: Trace) -> dict[str, int]:
    """Devices, lines and strobes of a layer, cell by cell."""
    array, layer = part.array, network.layers[index]
    counts = dict.fromkeys(("line_drives", "lrs", "hrs", "sensed"), 0)
    for image in drives(network, part, index, trace):
        for tile in part.tiles:
            output, source = part.cells(tile)
            weights = np.where(output >= 0, layer.weights[output, source], -1)
            for plane in image:
                if array.readout == "pcsa":
                    for row in range(part.chunks * part.reads_per_output):
                        at = row % part.reads_per_output * part.slices_per_read + tile.slice
                        x = plane[at * array.columns : (at + 1) * array.columns]
                        w = weights[row, : len(x)][x != 0]
                        read(counts, array.cell, w == 1, array.cell == "1t1r")
                        counts["line_drives"] += 1
                        counts["sensed"] += len(w)
                    continue
                x = plane[slice(*tile.inputs)]
                for row in np.flatnonzero(x):
                    referenced = array.cell != "2t2r" or array.readout == "adc"
                    read(counts, array.cell, weights[row] == x[row], referenced)
                counts["line_drives"] += np.count_nonzero(x) + array.bias_rows
                counts["sensed"] += array.columns
    return counts


def read(counts: dict[str, int], cell: str, match: Any, referenced: bool) -> None:
    """Devices that conduct on one line whose cells match or not."""
    low, high = np.count_nonzero(match), np.count_nonzero(~match)
    if cell == "2t2r" or (cell == "complementary" and not referenced):
        low = high = len(match)
    counts["lrs"] += low + referenced
    counts["hrs"] += high + referenced


CASES: list[tuple[str, int, dict[str, Any]]] = [
    ("step", 1, {"readout": "auto", **REFERENCE}),
    ("step", 1, {"readout": "auto"}),
    ("step", 3, {"readout": "auto"}),
    ("inverted", 1, {"readout": "auto", "cell": "1t1r"}),
    ("step", 1, {"readout": "auto", "cell": "2t2r"}),
    ("step", 1, {"readout": "adc", "rows": 5}),
    ("step", 1, {"readout": "adc", "cell": "2t2r"}),
    ("unsigned", 1, {"readout": "adc", "cell": "1t1r", "rows": 7}),
    ("signed", 1, {"readout": "pcsa", "cell": "1t1r"}),
    ("step", 1, {"readout": "pcsa", "slices_per_read": 1}),
    ("unsigned", 1, {"readout": "pcsa", "cell": "2t2r", "engines": 4, "slices_per_read": 2}),
]


@pytest.mark.parametrize(("form", "groups", "array"), CASES)
def test_every_cell_is_counted(form: str, groups: int, array: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    network = random_network(rng, (11, 13, 9, 5), form, groups)
    images = random_images(rng, network, 4)
    plan = mapped(network, **{"rows": 16, "columns": 6, "bias_rows": 40, **array})
    trace = forward(network, images)
    for index, (found, part) in enumerate(
        zip(events_of(network, plan, images)[1:], plan.layers, strict=True)
    ):
        expected = brute(network, part, index, trace)
        sensed = found.counts["sense_strobes"] + found.counts["conversions"]
        measured = {name: found.counts[name] for name in ("line_drives", "lrs", "hrs")}
        assert {**measured, "sensed": sensed} == expected


@pytest.mark.parametrize("cell", ["complementary", "1t1r", "2t2r"])
def test_bias_cells_are_those_of_the_images(cell: str) -> None:
    rng = np.random.default_rng(9)
    network = random_network(rng, (11, 13, 9, 5), "step")
    first, second, last = network.layers
    assert isinstance(first, Dense)
    beyond = replace(first, theta=first.theta.copy())
    beyond.theta[0, :2] = 999, -999  # never, always
    network = replace(network, layers=(beyond, second, last))
    plan = mapped(network, rows=16, columns=6, bias_rows=24, cell=cell)
    stored = render(network, plan)
    images = random_images(rng, network, 3)
    events = events_of(network, plan, images)[1:-1]
    for found, part in zip(events, plan.layers, strict=False):
        array = part.array
        assert array.readout == "sa"
        bias = (1 << 2 * array.bias_rows) - 1
        words = [int(w, 16) for t in part.tiles for w in stored[t.name].split()]
        shifts = [array.column_bits * c + array.rows for c in range(array.per_cycle)]
        ones = sum((word >> shift & bias).bit_count() for word in words for shift in shifts)
        assert found.counts["bias_lrs"] == 3 * ones
        assert found.counts["bias_lrs"] + found.counts["bias_hrs"] == (
            2 * array.bias_rows * array.columns * found.counts["macro_reads"]
        )


@pytest.mark.parametrize(("form", "groups", "array"), CASES)
def test_nothing_is_lost_between_images(form: str, groups: int, array: dict[str, Any]) -> None:
    """Two halves make the whole, except for the toggle between them."""
    rng = np.random.default_rng(6)
    network = random_network(rng, (11, 13, 9, 5), form, groups)
    images = random_images(rng, network, 7)
    plan = mapped(network, **{"rows": 16, "columns": 6, "bias_rows": 40, **array})
    whole = events_of(network, plan, images)
    halves = [events_of(network, plan, images[:3]), events_of(network, plan, images[3:])]
    for layer, one, other in zip(whole, *halves, strict=True):
        for name in set(EVENTS) - {"stream_toggles"}:
            assert layer.counts[name] == one.counts[name] + other.counts[name], name
        assert layer.counts["stream_toggles"] <= layer.counts["stream_bits"]
    sums = total(whole)
    assert sums["macro_reads"] == 7 * sum(p.activations * len(p.tiles) for p in plan.layers)
    assert sums["lrs"] == sum(layer.counts["lrs"] for layer in whole)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network()
    plan = map_network(network, Config.model_validate(MIXED))
    images = random_images(np.random.default_rng(4), network, 9)
    whole = measure(network, plan, images)
    monkeypatch.setattr("binohm.sim.events.CHUNK", 4)
    parts = measure(network, plan, images)
    assert parts.toggles == whole.toggles and parts.images == 9
    assert all((a == b).all() for a, b in zip(parts.ones, whole.ones, strict=True))


def test_writes_are_given() -> None:
    _, fc0, out = events_of(TINY, mapped(TINY), IMAGES)
    written = fc0.written(set_pulses=3, reset_pulses=5, verifies=8)
    assert total([written, out])["set_pulses"] == 3 and written.counts["reset_pulses"] == 5
    changed = {name for name in EVENTS if written.counts[name] != fc0.counts[name]}
    assert changed == {"set_pulses", "reset_pulses", "verifies"}


def test_another_network_is_refused() -> None:
    plan = mapped(TINY)
    wrong = Activity(1, (np.zeros((1, 4), np.int64), np.zeros((1, 2), np.int64)), {})
    with pytest.raises(
        ValueError,
        match=r"^the activity has inputs of \[\(1, 4\), \(1, 2\)\], but the plan of "
        r"\[\(1, 3\), \(1, 2\)\]$",
    ):
        count(TINY, plan, wrong)


def changes(path: Path, scope: str, signal: str) -> list[int]:
    """Every value that a signal takes in a VCD file, in order."""
    head, body = path.read_text().split("$enddefinitions $end")
    at: list[str] = []
    code = None
    for line in head.splitlines():
        words = line.split()
        if words[:1] == ["$scope"]:
            at.append(words[2])
        elif words[:1] == ["$upscope"]:
            at.pop()
        elif words[:1] == ["$var"] and (".".join(at), words[4]) == (scope, signal):
            code = words[3]
    assert code is not None, f"{scope}.{signal}"
    found = re.findall(rf"^(?:b([01]+) |([01])){re.escape(code)}$", body, re.MULTILINE)
    return [int(wide or narrow, 2) for wide, narrow in found]


@pytest.mark.slow
@pytest.mark.parametrize(("form", "groups"), [("unsigned", 1), ("step", 3)])
def test_the_verilog_counts_the_same(tmp_path: Path, form: str, groups: int) -> None:
    """Activations of the RTL's counters, and toggles of the streams between the layers."""
    network = small_network(form, groups)
    count_travels = {"fc1": {"readout": "adc", "cell": "1t1r", "columns_per_cycle": 4}}
    layers = {"unsigned": {**MIXED["layers"], **count_travels}, "step": {}}
    config = {**MIXED, "layers": layers[form]}
    plan = small_build(tmp_path / "build", network, config)
    images = random_images(np.random.default_rng(12), network, 9)
    build = open_build(tmp_path / "build")
    wave = tmp_path / "wave.vcd"
    program = compile_loop(build, trace=True)
    with launch(build, program, images, place=tmp_path, window=Window(wave, 0, 8)) as running:
        running.block()
    top = f"TOP.{build.top}"
    pixels, *layers = events_of(network, plan, images)
    for index, layer in enumerate(layers):
        read = changes(wave, f"{top}.registers", f"activations_{index}")
        assert read[-1] == layer.counts["activations"], layer.name
    for stream in (pixels, *layers):
        values = changes(wave, top, f"{plan.taps[stream.name]}__payload")
        toggles = sum((a ^ b).bit_count() for a, b in zip([0, *values], values, strict=False))
        assert toggles == stream.counts["stream_toggles"], stream.name
