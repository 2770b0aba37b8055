"""Choices of the mapping."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped import first, network

from binohm.gen.config import Config, load
from binohm.gen.mapping import map_network, pixel_form
from binohm.gen.network import Input
from binohm.gen.periphery import signed_bits
from binohm.gen.plan import Array, Image, LayerPlan, Tile


def test_auto_reads_what_fits_by_sense_amplifier() -> None:
    plan = map_network(network(128, 129, 128, 10), Config())
    assert [layer.array.readout for layer in plan.layers] == ["sa", "adc", "adc"]
    assert [layer.scores for layer in plan.layers] == [False, False, True]


@pytest.mark.parametrize(("theta", "readout"), [(48, "sa"), (-48, "sa"), (49, "adc"), (-49, "adc")])
def test_auto_avoids_sense_amplifiers_for_thresholds_out_of_reach(theta: int, readout: str) -> None:
    assert first(network(64, 3, 2, theta=theta)).array.readout == readout


def test_auto_reads_bit_planes_by_converter() -> None:
    layer = first(network(64, 3, 2, form="unsigned"))
    assert (layer.array.readout, layer.drive, layer.driven) == ("adc", "unipolar", True)
    assert layer.planes == (1, 2, 4, 8, 16)


def test_auto_reads_groups_by_sense_amplifier() -> None:
    layer = first(network(200, 3, 2, groups=4))
    assert (layer.array.readout, layer.groups, len(layer.tiles)) == ("sa", 4, 4)


def test_auto_converters_have_the_bits_that_all_rows_need() -> None:
    for rows, bits in ((1, 1), (2, 2), (3, 2), (4, 3), (127, 7), (128, 8), (4095, 12), (4096, 13)):
        layer = first(
            network(8, 3, 2),
            "array.readout=adc" if 0 else f"array.rows={rows}",
            "layers.fc0.readout=adc",
        )
        assert layer.array.adc_bits == bits


# Tiles


def test_tiles_of_a_split_layer_go_by_group_then_rows_then_columns() -> None:
    made = network(10, 5, 2, groups=2)
    split = replace(made.hidden[0], bounds=(0, 3, 10))
    made = replace(made, layers=(split, made.scores))
    plan = map_network(
        made, load(None, ["array.rows=4", "array.columns=3", "layers.fc0.readout=adc"])
    )
    assert plan.layers[0].tiles == (
        Tile("fc0_t0", 0, 0, (0, 3), (0, 3, 1)),
        Tile("fc0_t1", 1, 0, (0, 3), (3, 5, 1)),
        Tile("fc0_t2", 2, 1, (3, 7), (0, 3, 1)),
        Tile("fc0_t3", 3, 1, (3, 7), (3, 5, 1)),
        Tile("fc0_t4", 4, 1, (7, 10), (0, 3, 1)),
        Tile("fc0_t5", 5, 1, (7, 10), (3, 5, 1)),
    )
    assert plan.layers[1].tiles == (
        Tile("out_t0", 6, 0, (0, 4), (0, 2, 1)),
        Tile("out_t1", 7, 0, (4, 5), (0, 2, 1)),
    )


def test_tiles_of_engines_go_by_engine_then_slice() -> None:
    layer = first(
        network(10, 5, 2),
        "layers.fc0.readout=pcsa",
        "array.columns=3",
        "array.engines=2",
        "array.slices_per_read=2",
    )
    assert layer.tiles == (
        Tile("fc0_t0", 0, 0, (0, 10), (0, 5, 2), 0),
        Tile("fc0_t1", 1, 0, (0, 10), (0, 5, 2), 1),
        Tile("fc0_t2", 2, 0, (0, 10), (1, 5, 2), 0),
        Tile("fc0_t3", 3, 0, (0, 10), (1, 5, 2), 1),
    )
    assert (layer.chunk, layer.chunks, layer.reads_per_output, layer.activations) == (2, 3, 2, 6)


# Datasheets, images, taps


def test_a_plan_in_full() -> None:
    plan = map_network(
        network(20, 6, 4, 3, form="signed"),
        load(None, ["design.name=chip", "array.rows=16", "array.columns=8", "host.input_bytes=4",
                    "layers.fc0.columns_per_cycle=3", "layers.out.readout=pcsa"]),
    )  # fmt: skip
    assert plan.name == "chip"
    assert (plan.host.input_bytes, plan.host.output_bytes, plan.host.scores) == (4, 8, True)
    assert [layer.array for layer in plan.layers] == [
        Array("adc", "complementary", 16, 8, 0, 5, 3, 4, 3, 2),
        Array("sa", "complementary", 16, 8, 48, 0, 2, 5, 4, 2),
        Array("pcsa", "complementary", 16, 8, 0, 0, 8, 1, 1, 1),
    ]
    assert [layer.u_range for layer in plan.layers] == [(-80, 80), (0, 1), (0, 4)]
    assert [layer.chunk for layer in plan.layers] == [2, 1, 1]
    assert plan.images == (
        Image("input_table", "table", "input", 256, 3),
        Image("fc0_t0", "cells", "fc0", 3, 48),
        Image("fc0_t1", "cells", "fc0", 3, 48),
        Image("fc0_threshold", "threshold", "fc0", 3, 18, (8,)),
        Image("fc1_t0", "cells", "fc1", 4, 224),
        Image("fc1_flip", "flip", "fc1", 4, 1),
        Image("out_t0", "cells", "out", 16, 8),
        Image("out_affine", "affine", "out", 3, 6, (3, 3)),
    )
    taps = {name: f"layer_{name}__o" for name in ("fc0", "fc1", "out")}
    assert plan.taps == {"input": "pixels__o", **taps}


def test_the_network_gives_the_name() -> None:
    assert map_network(network(3, 2), Config()).name == "random"


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [
        (0, 0, 1),
        (0, 1, 2),
        (-1, 0, 1),
        (-2, 1, 2),
        (-3, 0, 3),
        (-128, 127, 8),
        (0, 128, 9),
        (-129, 0, 9),
        (5, 7, 4),
        (-9, -5, 5),
    ],
)
def test_signed_bits(low: int, high: int, bits: int) -> None:
    assert signed_bits(low, high) == bits


# Parallelism


def time_of(layer: LayerPlan) -> int:
    """Cycles that arrays and periphery of a layer need for an image."""
    planes = len(layer.planes)
    if layer.array.readout == "pcsa":
        return planes * layer.reads_per_output * layer.chunks
    return planes * max(layer.array.depth, layer.chunks)


@given(
    st.integers(1, 70), st.integers(1, 70), st.integers(1, 50), st.sampled_from(("step", "wide")),
    st.integers(1, 400),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_columns_are_the_fewest_that_meet_the_goal(
    inputs: int, outputs: int, columns: int, form: str, goal: int
) -> None:
    made = network(inputs, outputs, form=form)
    layer = first(made, f"goal.interval={goal}", f"array.columns={columns}", "array.rows=16")
    planes = len(layer.planes)
    if goal < planes:
        assert (layer.array.per_cycle, layer.chunk) == (columns, outputs)
        return
    assert time_of(layer) <= goal
    if layer.array.per_cycle > 1:
        assert planes * -(-columns // (layer.array.per_cycle - 1)) > goal
    if layer.chunk > 1:
        assert planes * -(-outputs // (layer.chunk - 1)) > goal


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 9), st.integers(1, 20),
       st.sampled_from(("step", "unsigned")), st.integers(1, 200))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_engines_are_the_best_of_all(
    inputs: int, outputs: int, columns: int, rows: int, form: str, goal: int
) -> None:
    """Against every pair, tried one by one."""
    layer = first(
        network(inputs, outputs, form=form),
        "array.readout=pcsa",
        f"goal.interval={goal}",
        f"array.columns={columns}",
        f"array.rows={rows}",
    )
    slices = -(-inputs // columns)
    tries = []
    for engines, width in product(range(1, outputs + 1), range(1, slices + 1)):
        reads, steps = -(-slices // width), -(-outputs // engines)
        if reads * steps <= rows:
            late = max(0, len(layer.planes) * reads * steps - goal)
            tries.append((late, engines * width, engines))
    late = max(0, time_of(layer) - goal)
    assert (late, len(layer.tiles), layer.chunk) == min(tries)
    assert layer.chunks * layer.reads_per_output <= rows


def test_given_parallelism_is_taken() -> None:
    layer = first(network(64, 40, 2), "array.columns=50", "array.columns_per_cycle=7")
    assert (layer.array.per_cycle, layer.array.interval, layer.chunks) == (7, 8, 8)
    assert (layer.array.latency, layer.array.outstanding, layer.chunk) == (9, 2, 5)
    layer = first(network(64, 40, 2), "array.columns=50", "array.columns_per_cycle=4096")
    assert (layer.array.per_cycle, layer.array.interval, layer.chunk) == (50, 1, 40)
    wide = ["layers.fc0.readout=pcsa", "array.engines=99", "array.slices_per_read=99"]
    layer = first(network(64, 40, 2), *wide, "array.columns=9")
    assert (layer.chunk, layer.slices_per_read, len(layer.tiles)) == (40, 8, 320)


def test_given_engines_leave_the_width_to_the_goal() -> None:
    keys = ["layers.fc0.readout=pcsa", "array.columns=8", "array.engines=2"]
    assert first(network(64, 8, 2), *keys, "goal.interval=16").slices_per_read == 2
    assert first(network(64, 8, 2), *keys, "goal.interval=15").slices_per_read == 3
    assert first(network(64, 8, 2), *keys, "goal.interval=1").slices_per_read == 8


def test_the_default_goal_is_the_time_of_the_input() -> None:
    keys = ["array.columns=64", "layers.fc0.readout=adc"]
    assert first(network(100, 3, 2), *keys).array.interval == 13
    assert first(network(100, 3, 2), *keys, "host.input_bytes=1").array.interval == 64
    assert first(network(100, 3, 2), *keys, "host.input_bytes=64").array.interval == 2


# Pixels


def table(*changes: int, start: int = -1) -> Input:
    """Bipolar table that changes its sign at ``changes``."""
    values = np.full(256, start, np.int64)
    for at in changes:
        values[at:] *= -1
    return Input((1,), values, bipolar=True)


def test_pixel_forms() -> None:
    pixels = np.arange(256, dtype=np.int64)

    def form(values: np.ndarray) -> tuple[str, int, bool]:
        return pixel_form(Input((1,), values.astype(np.int64), bipolar=False))

    assert form(pixels) == ("identity", 0, False)
    for bits in range(1, 8):
        assert form(np.minimum(pixels, (1 << bits) - 1)) == ("saturate", 0, False)
    assert form(np.minimum(pixels, 16)) == ("table", 0, False)
    assert form(pixels - 128) == ("table", 0, False)
    assert form(2 * pixels) == ("table", 0, False)
    assert form(255 - pixels) == ("table", 0, False)
    assert form(pixels >= 128) == ("table", 0, False)
    assert form(0 * pixels) == ("table", 0, False)
    assert pixel_form(table(1)) == ("step", 1, False)
    assert pixel_form(table(255)) == ("step", 255, False)
    assert pixel_form(table(128, start=1)) == ("step", 128, True)
    assert pixel_form(table(3, 9)) == ("table", 0, False)
    assert pixel_form(table()) == ("table", 0, False)


def test_only_tables_have_an_image() -> None:
    for source in (table(), table(5)):
        plan = map_network(replace(network(1, 2), input=source), Config())
        kind = [image.kind for image in plan.images]
        assert ("table" in kind) == (pixel_form(source)[0] == "table")


# Refusals
