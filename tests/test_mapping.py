"""Choices of the mapping, and every refusal."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import random_network

from binohm.gen.combinations import CELLS, INPUTS, LAYERS, READOUTS, kinds, legal, reason
from binohm.gen.config import ArrayConfig, Config, GoalConfig, load
from binohm.gen.errors import BinohmError, CapacityError, ConfigError, ModelError
from binohm.gen.mapping import map_network, pixel_form
from binohm.gen.network import Dense, Input, Network, Scores
from binohm.gen.periphery import signed_bits
from binohm.gen.plan import Array, Image, LayerPlan, Tile


def network(*sizes: int, form: str = "step", groups: int = 1, theta: int = 0) -> Network:
    """Seeded network whose layers are called fc0, fc1, ... and out, all thresholds ``theta``."""
    made = random_network(np.random.default_rng(0), sizes, form, 1, affine=False)
    layers: list[Dense | Scores] = []
    for layer in made.layers:
        if isinstance(layer, Dense):
            shape = (groups, layer.outputs)
            bounds = tuple(layer.inputs * g // groups for g in range(groups + 1))
            thetas, flips = np.full(shape, theta, np.int64), np.zeros(shape, np.bool_)
            layer = Dense(layer.name, layer.weights, thetas, flips, bounds)
        layers.append(layer)
    return replace(made, layers=tuple(layers))


def first(made: Network, *overrides: str) -> LayerPlan:
    return map_network(made, load(None, overrides)).layers[0]


def refusal(made: Network, *overrides: str, error: type[BinohmError] = CapacityError) -> str:
    with pytest.raises(BinohmError) as caught:
        map_network(made, load(None, overrides))
    assert type(caught.value) is error
    return str(caught.value)


# What auto chooses


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


@pytest.mark.parametrize(
    ("readout", "cell", "inputs", "kind"),
    [c for c in product(READOUTS, CELLS, INPUTS, LAYERS) if not legal(*c)],
)
def test_illegal_combinations_are_refused_with_their_reason(
    readout: str, cell: str, inputs: str, kind: str
) -> None:
    sizes = (6, 2) if kind == "scores" else (6, 3, 2)
    form = "unsigned" if inputs == "planes" else "step"
    made = network(*sizes, form=form, groups=2 if kind == "split" else 1)
    name = made.layers[0].name
    assert kinds(made, 0) == (inputs, kind)
    if kind == "split" and inputs == "planes":
        cure = "give the model with this layer unsplit"
    elif readout == "pcsa":
        others = "sa or adc" if cell == "complementary" else "sa"
        cure = f"set layers.{name}.readout = {others}"
    elif readout == "adc":
        cure = f"set layers.{name}.readout = sa"
    else:
        cure = f"set layers.{name}.readout = adc or pcsa"
    message = refusal(made, f"layers.{name}.readout={readout}", f"layers.{name}.cell={cell}",
                      error=ConfigError)  # fmt: skip
    why = reason(readout, cell, inputs, kind)
    assert message == f"layer {name}: {readout} with cell {cell}: {why}; {cure}"


def test_auto_names_all_obstacles() -> None:
    assert refusal(network(6, 3, 2, form="unsigned", groups=2), error=ConfigError) == (
        "layer fc0: sa with cell complementary: a sense amplifier gives one bit, and bit planes "
        "have to be added up; adc with cell complementary: every group would need its own sum of "
        "inputs, and one sum travels; give the model with this layer unsplit"
    )
    assert refusal(network(9, 3, 2, groups=2, theta=3), "array.cell=1t1r", "array.bias_rows=0") == (
        "layer fc0: sa with cell 1t1r: the threshold of output 0 needs 2 bias rows, but the array "
        "has 0; adc with cell 1t1r: every group would need its own count of driven lines, and one "
        "count travels; set layers.fc0.bias_rows = 2 or layers.fc0.cell = complementary"
    )


def test_sense_amplifiers_need_all_inputs_in_the_rows() -> None:
    assert refusal(network(129, 3, 2), "layers.fc0.readout=sa") == (
        "layer fc0: sa with cell complementary: the layer has 129 inputs, but the array has 128 "
        "rows; set layers.fc0.rows = 129 or layers.fc0.readout = adc or pcsa, or split the layer"
    )
    assert refusal(network(5000, 3, 2), "layers.fc0.readout=sa") == (
        "layer fc0: sa with cell complementary: the layer has 5000 inputs, but the array has 128 "
        "rows; set layers.fc0.readout = adc or pcsa, or split the layer"
    )
    message = refusal(network(129, 3, 2, groups=2), "layers.fc0.readout=sa", "array.rows=60")
    assert message == (
        "layer fc0: sa with cell complementary: group 1 has 65 inputs, but the array has 60 "
        "rows; set layers.fc0.rows = 65 or layers.fc0.readout = adc, or split the layer further"
    )


def test_sense_amplifiers_need_their_thresholds_in_the_bias_rows() -> None:
    assert refusal(network(64, 3, 2, theta=-49), "layers.fc0.readout=sa") == (
        "layer fc0: sa with cell complementary: the threshold of output 0 needs 49 bias rows, but "
        "the array has 48; set layers.fc0.bias_rows = 49 or layers.fc0.readout = adc or pcsa"
    )
    assert first(network(64, 3, 2, theta=9999), "array.bias_rows=65").array.readout == "sa"
    assert first(network(64, 3, 2, theta=9999), "array.bias_rows=64").array.readout == "adc"


def test_sense_amplifiers_need_their_thresholds_in_the_reference_codes() -> None:
    keys = ["layers.fc0.readout=sa", "array.threshold=reference", "array.columns=2"]
    made = network(64, 3, 2, theta=-49)
    assert refusal(made, *keys, "array.reference_bits=6") == (
        "layer fc0: sa with cell complementary: the threshold of output 0 needs 7 bits of "
        "reference code, but the array has 6; set layers.fc0.reference_bits = 7 or "
        "layers.fc0.readout = adc or pcsa"
    )
    array = first(made, *keys, "array.reference_bits=7").array
    assert (array.bias_rows, array.ref_bits, array.ref_per_column) == (0, 7, False)
    assert array.name == "sa_complementary_128x2_r7_p1"
    assert first(made, *keys).array.ref_bits == 9  # any threshold of 128 inputs
    assert first(made, *keys, "array.rows=127").array.ref_bits == 8
    own = first(made, *keys, "array.reference_per_column=true").array
    assert (own.name, own.ref_codes) == ("sa_complementary_128x2_r9c_p1", 2)


def test_one_reference_code_takes_equal_thresholds() -> None:
    keys = ["layers.fc0.readout=sa", "array.threshold=reference", "array.columns=3"]
    made = network(64, 5, 2, theta=4)
    layer = made.layers[0]
    theta = np.array([[4, 4, 4, -2, -3]])
    made = replace(made, layers=(replace(layer, theta=theta), made.scores))
    assert refusal(made, *keys) == (
        "layer fc0: sa with cell complementary: tile fc0_t1 has one reference code for all "
        "columns, but outputs 3 and 4 have thresholds -2 and -3; set "
        "layers.fc0.reference_per_column = true or layers.fc0.threshold = bias or "
        "layers.fc0.readout = adc or pcsa"
    )
    theta[0, 4] = -2
    made = replace(made, layers=(replace(layer, theta=theta), made.scores))
    assert first(made, *keys).array.ref_codes == 1
    assert first(made, *keys[1:]).array.readout == "sa"
    assert first(made, *keys[1:], "array.rows=9").array.readout == "adc"


def test_without_reference_codes_nothing_changes() -> None:
    made = network(64, 5, 2)
    plan = map_network(made, load(None, ["array.reference_bits=5"]))
    assert plan == map_network(made, Config())
    assert "ref_" not in plan.to_json()


def test_too_few_converter_bits_need_consent() -> None:
    keys = ["layers.fc0.readout=adc", "array.adc_bits=7"]
    assert refusal(network(64, 3, 2), *keys, error=ConfigError) == (
        "layer fc0: adc_bits = 7, but 128 rows need 8; set layers.fc0.adc_bits = 8, or "
        "layers.fc0.lossy = true to let it clip"
    )
    assert first(network(64, 3, 2), *keys, "array.lossy=true").array.adc_bits == 7
    assert first(network(64, 3, 2), *keys, "array.rows=127").array.adc_bits == 7
    assert first(network(64, 3, 2), keys[0], "array.adc_bits=13").array.adc_bits == 13


def test_engines_need_room_for_their_words() -> None:
    keys = ["layers.fc0.readout=pcsa", "array.columns=8"]
    assert refusal(network(64, 9, 2), *keys, "array.engines=2", "array.rows=4") == (
        "layer fc0: an engine takes 5 words of an array, but the array has 4 rows; "
        "set layers.fc0.engines = 3"
    )
    assert first(network(64, 9, 2), *keys, "array.engines=3", "array.rows=4").chunk == 3
    assert refusal(network(64, 9, 2), *keys, "array.slices_per_read=2", "array.rows=3") == (
        "layer fc0: one output takes 4 words of an array, but the array has 3 rows; "
        "set layers.fc0.slices_per_read = 3"
    )
    layer = first(network(64, 9, 2), *keys, "layers.fc0.slices_per_read=3", "array.rows=3")
    assert (layer.chunk, layer.reads_per_output) == (9, 3)


def test_absurd_sizes_are_refused() -> None:
    keys = ["array.rows=1", "array.columns=1", "array.readout=adc"]
    assert refusal(network(300, 300, 2), *keys) == (
        "layer fc0: 90000 of 90600 arrays, more than 65536; use larger arrays"
    )
    keys = ["array.rows=4096", "array.columns=4096"]
    assert refusal(network(*[2] * 18, 2), *keys) == (
        "layer fc0: 1 of 18 arrays, which have 305332224 cells, more than 268435456; "
        "use arrays nearer to the layers in size"
    )


@pytest.mark.parametrize(("scale", "ok"), [((1 << 31) // 8 - 1, True), ((1 << 31) // 8 + 1, False)])
def test_scores_fit_32_bits(scale: int, ok: bool) -> None:
    made = network(8, 2)
    last = replace(made.scores, scale=np.array([1, -scale]), offset=np.array([0, 0]))
    made = replace(made, layers=(last,))
    if ok:
        map_network(made, Config())
        return
    assert refusal(made) == (
        f"layer out: a score of class 1 can be {8 * scale}, beyond 32 bits; give the model "
        "smaller scales and offsets"
    )


def test_spare_columns_come_beyond_the_others() -> None:
    made = network(64, 40, 2)
    plain = first(made, "array.columns=16", "array.columns_per_cycle=5")
    layer = first(
        made, "array.columns=16", "array.columns_per_cycle=5", "array.spare_columns=3",
        "host.programming=true",
    )  # fmt: skip
    assert (layer.array.columns, layer.array.spare_columns, layer.array.own_columns) == (19, 3, 16)
    assert layer.array.interval == 4
    assert [tile.outputs for tile in layer.tiles] == [tile.outputs for tile in plain.tiles]
    assert layer.array.name == f"{plain.array.name.replace('64x16', '64x19')}_s3".replace(
        "128x16", "128x19"
    )
    output, _ = layer.cells(layer.tiles[0])
    assert (output[:64, :16] >= 0).all() and (output[:, 16:] < 0).all()


def test_spare_columns_that_nothing_could_use_are_refused() -> None:
    made = network(16, 8, 2)
    assert refusal(made, "array.spare_columns=2", error=ConfigError) == (
        "layer fc0: spare_columns = 2, but only a host that programs the arrays can use them; set "
        "host.programming = true or layers.fc0.spare_columns = 0"
    )
    programmed = ("host.programming=true", "layers.fc0.spare_columns=2")
    assert refusal(made, *programmed, "array.readout=pcsa", error=ConfigError) == (
        "layer fc0: spare_columns = 2, but the columns of pcsa are inputs, which no spare can take "
        "over; set layers.fc0.spare_columns = 0"
    )
    reference = ("layers.fc0.threshold=reference", "layers.fc0.reference_per_column=true")
    assert refusal(made, *programmed, *reference, error=ConfigError) == (
        "layer fc0: spare_columns = 2, but a column's reference code stays where it is; set "
        "layers.fc0.spare_columns = 0"
    )


def test_unknown_layers_are_refused() -> None:
    assert refusal(network(3, 2), "layers.outs.rows=3", error=ConfigError) == (
        "layers.outs: the network has no such layer; did you mean out?"
    )


def test_the_name_of_the_pixels_is_reserved() -> None:
    made = network(3, 2)
    made = replace(made, layers=(replace(made.scores, name="input"),))
    assert refusal(made, error=ModelError) == (
        "layer input: this name stands for the pixels; give the layer another"
    )


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_configuration_maps_or_is_refused(data: st.DataObject) -> None:
    """Nothing but an error of ours, whatever is asked."""
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=2, max_size=4))
    form = data.draw(st.sampled_from(("step", "signed")))
    made = random_network(rng, tuple(sizes), form, data.draw(st.integers(1, 3)))
    small = st.integers(1, 20)
    config = Config(
        array=ArrayConfig(
            rows=data.draw(small),
            columns=data.draw(small),
            bias_rows=data.draw(st.integers(0, 20)),
            cell=data.draw(st.sampled_from(CELLS)),
            readout=data.draw(st.sampled_from(("auto", *READOUTS))),
            adc_bits=data.draw(st.one_of(st.just("auto"), st.integers(1, 6))),
            lossy=data.draw(st.booleans()),
            threshold=data.draw(st.sampled_from(("bias", "reference"))),
            reference_bits=data.draw(st.one_of(st.just("auto"), st.integers(1, 6))),
            reference_per_column=data.draw(st.booleans()),
            columns_per_cycle=data.draw(st.one_of(st.just("auto"), small)),
            engines=data.draw(st.one_of(st.just("auto"), small)),
            slices_per_read=data.draw(st.one_of(st.just("auto"), small)),
        ),
        goal=GoalConfig(interval=data.draw(small)),
    )
    try:
        plan = map_network(made, config)
    except BinohmError as error:
        message = str(error)
        assert message.startswith("layer ") and "\n" not in message
        return
    tiles = [tile for layer in plan.layers for tile in layer.tiles]
    assert [tile.id for tile in tiles] == list(range(len(tiles)))
    assert len({tile.name for tile in tiles} | {image.name for image in plan.images}) == len(
        plan.images
    )
    for layer, source in zip(plan.layers, made.layers, strict=True):
        assert (layer.inputs, layer.outputs) == (source.inputs, source.outputs)
        assert sum((layer.cells(tile)[0] >= 0).sum() for tile in layer.tiles) == source.weights.size
