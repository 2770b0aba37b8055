"""Every refusal of the mapping."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped import first, network, refusal
from random_networks import random_network

from binohm.gen.combinations import CELLS, INPUTS, LAYERS, READOUTS, kinds, legal, reason
from binohm.gen.config import ArrayConfig, Config, GoalConfig, load
from binohm.gen.errors import BinohmError, ConfigError, ModelError
from binohm.gen.mapping import map_network


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
