"""The memory images: what the generator writes is accepted, and any change of a bit is found."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network

from binohm.gen.config import Config
from binohm.gen.errors import OutputError
from binohm.gen.images import render
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim.image_check import check_images

ARRAY = {"rows": 8, "columns": 5, "bias_rows": 16}
CASES: dict[str, tuple[str, int, dict[str, object]]] = {
    "sa": ("step", 1, {"readout": "auto", "rows": 65}),
    "sa split": ("step", 3, {"readout": "auto", "rows": 65, "columns_per_cycle": 2}),
    "sa unipolar": ("step", 1, {"readout": "auto", "rows": 65, "cell": "2t2r"}),
    "sa codes": (
        "step",
        3,
        {"readout": "auto", "rows": 65, "threshold": "reference", "reference_per_column": True},
    ),
    "sa codes unipolar": (
        "step",
        1,
        {
            "readout": "auto",
            "rows": 65,
            "cell": "1t1r",
            "threshold": "reference",
            "reference_per_column": True,
        },
    ),
    "adc": ("step", 1, {"readout": "adc", "columns_per_cycle": 3}),
    "adc unipolar": ("inverted", 1, {"readout": "adc", "cell": "1t1r"}),
    "adc split": ("step", 3, {"readout": "adc", "columns": 7}),
    "adc planes": ("signed", 1, {"readout": "adc", "cell": "2t2r"}),
    "pcsa": ("step", 1, {"readout": "pcsa", "rows": 64, "engines": 3, "slices_per_read": 2}),
    "pcsa planes": ("wide", 1, {"readout": "pcsa", "rows": 1696, "engines": 2}),
}

Written = Callable[[str], tuple[Path, Network, Plan]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Images of a small network on disk: ``written(case)``."""

    def write(case: str) -> tuple[Path, Network, Plan]:
        form, groups, array = CASES[case]
        network = random_network(np.random.default_rng(5), (23, 17, 9, 4), form, groups)
        plan = map_network(network, Config.model_validate({"array": {**ARRAY, **array}}))
        (tmp_path / "mem").mkdir()
        for name, text in render(network, plan).items():
            (tmp_path / "mem" / f"{name}.hex").write_text(text)
        return tmp_path, network, plan

    return write


@pytest.mark.parametrize("case", CASES)
def test_right_images_are_accepted(written: Written, case: str) -> None:
    assert check_images(*written(case)) == []


@pytest.mark.parametrize("case", CASES)
def test_every_flipped_bit_is_found(written: Written, case: str) -> None:
    """Every bit of every kind of image, unused cells and lanes too."""
    directory, network, plan = written(case)
    for kind in {image.kind for image in plan.images}:
        image = next(image for image in plan.images if image.kind == kind)
        path = directory / "mem" / f"{image.name}.hex"
        text = path.read_text()
        words = [int(line, 16) for line in text.splitlines()]
        digits = -(-image.width // 4)
        positions = [(w, b) for w in range(image.depth) for b in range(image.width)]
        if len(positions) > 16:
            chosen = np.random.default_rng(1).choice(len(positions), 16, replace=False)
            positions = [positions[k] for k in chosen]
        for word, bit in positions:
            changed = [*words]
            changed[word] ^= 1 << bit
            path.write_text("".join(f"{value:0{digits}x}\n" for value in changed))
            found = check_images(directory, network, plan)
            assert len(found) == 1 and found[0].facts["count"] == 1, (image.name, word, bit)
            assert found[0].facts["file"] == f"mem/{image.name}.hex"
            json.dumps(found[0].facts)
        path.write_text(text)


def flip(path: Path, word: int, bit: int) -> None:
    lines = path.read_text().splitlines()
    lines[word] = f"{int(lines[word], 16) ^ 1 << bit:0{len(lines[word])}x}"
    path.write_text("\n".join(lines) + "\n")


def test_a_cell_is_named_by_tile_row_and_column(written: Written) -> None:
    directory, network, plan = written("adc")
    tile = plan.layers[0].tiles[-1]  # inputs 16 to 22, outputs 15 and 16
    array = plan.layers[0].array
    assert (tile.inputs, tile.outputs[:2], array.per_cycle) == ((16, 23), (15, 17), 3)
    flip(directory / "mem" / f"{tile.name}.hex", 0, array.column_bits + 4)
    (found,) = check_images(directory, network, plan)
    plus = network.layers[0].weights[16, 20]
    assert str(found) == (
        f"{tile.name} row 4 column 1: image has {-plus:+d}, the plan {plus:+d} "
        "(output 16, input 20)"
    )
    assert found.facts == {
        "file": f"mem/{tile.name}.hex", "layer": "fc0", "tile": tile.name, "row": 4, "column": 1,
        "output": 16, "input": 20, "expected": plus, "found": -plus, "count": 1,
    }  # fmt: skip


def test_words_and_lanes_are_named(written: Written) -> None:
    directory, network, plan = written("adc")
    bits = next(image for image in plan.images if image.kind == "threshold").fields[0]
    assert plan.layers[0].chunk == 9
    flip(directory / "mem" / "fc0_threshold.hex", 1, bits + 1)
    (found,) = check_images(directory, network, plan)
    assert str(found).startswith("fc0_threshold word 1 lane 1: image has theta ")
    assert str(found).endswith("(output 10)")
    flip(directory / "mem" / "fc0_threshold.hex", 1, bits + 1)
    flip(directory / "mem" / "fc0_threshold.hex", 0, bits)
    (found,) = check_images(directory, network, plan)
    was = int(network.layers[0].flip[0, 0])
    assert str(found) == (
        f"fc0_threshold word 0 lane 0: image has flip {1 - was}, the plan {was} (output 0)"
    )


def test_a_bias_cell_is_named(written: Written) -> None:
    directory, network, plan = written("sa")
    layer = plan.layers[0]
    output = int(np.argmin(network.layers[0].theta[0]))  # the largest bias
    tile = next(t for t in layer.tiles if t.outputs[0] <= output < t.outputs[1])
    word, lane = divmod(output - tile.outputs[0], layer.array.per_cycle)
    bit = lane * layer.array.column_bits + layer.array.rows
    flip(directory / "mem" / f"{tile.name}.hex", word, bit)
    (found,) = check_images(directory, network, plan)
    bias = -int(network.layers[0].theta[0, output])
    assert bias > 0
    assert str(found) == (
        f"{tile.name} bias row 0 column {output - tile.outputs[0]}: image has +0, the plan +1 "
        f"(output {output}, bias {bias:+d})"
    )


def test_a_reference_code_is_named(written: Written) -> None:
    directory, network, plan = written("sa codes")
    layer = plan.layers[0]
    tile = layer.tiles[-1]
    column = tile.outputs[1] - tile.outputs[0] - 1
    output, bits = tile.outputs[0] + column, layer.array.ref_bits
    flip(directory / "mem" / f"{tile.name}_reference.hex", 0, column * bits)
    (found,) = check_images(directory, network, plan)
    code = -int(network.layers[0].theta[tile.group, output])
    assert str(found) == (
        f"{tile.name} column {column}: image has reference code {code ^ 1}, the plan {code} "
        f"(output {output})"
    )


def test_a_common_reference_code_is_named(tmp_path: Path) -> None:
    network = random_network(np.random.default_rng(5), (8, 6, 2), "step")
    layer = network.layers[0]
    layer = replace(layer, theta=np.full_like(layer.theta, 2))
    network = replace(network, layers=(layer, network.layers[1]))
    array = {"columns": 4, "threshold": "reference"}
    plan = map_network(network, Config.model_validate({"array": array}))
    (tmp_path / "mem").mkdir()
    for name, text in render(network, plan).items():
        (tmp_path / "mem" / f"{name}.hex").write_text(text)
    assert check_images(tmp_path, network, plan) == []
    flip(tmp_path / "mem" / "fc0_t1_reference.hex", 0, 2)
    (found,) = check_images(tmp_path, network, plan)
    assert str(found) == ("fc0_t1 column 0: image has reference code -6, the plan -2 (output 4)")


def test_a_bias_cell_cannot_be_two_things(written: Written) -> None:
    directory, network, plan = written("sa")
    array = plan.layers[0].array
    last = array.rows + array.bias_rows - 1
    for bit in (last, last + array.bias_rows):
        flip(directory / "mem" / "fc0_t0.hex", 0, bit)
    (found,) = check_images(directory, network, plan)
    assert str(found).startswith(
        f"fc0_t0 bias row {array.bias_rows - 1} column 0: image has both +1 and -1, the plan +0 "
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda text: text[:-1], " line 64: no line end"),
        (lambda text: text + "\n", ": 65 words instead of 64"),
        (lambda text: text[3:], ": 63 words instead of 64"),
        (lambda text: text[1:], " line 1: 1 digits instead of 2"),
        (lambda text: "X" + text[1:], " line 1: 'X' is not a lower-case hex digit"),
        (lambda text: "f" + text[1:], " line 1: bit 5 is set, but words have 5 bits"),
        (lambda _: "", ": 0 words instead of 64"),
    ],
)
def test_malformed_files_are_named(
    written: Written, change: Callable[[str], str], text: str
) -> None:
    directory, network, plan = written("pcsa")
    image = next(image for image in plan.images if image.name == "fc0_t0")
    assert (image.depth, image.width) == (64, 5)
    path = directory / "mem" / "fc0_t0.hex"
    path.write_text(change(path.read_text()))
    (found,) = check_images(directory, network, plan)
    assert str(found) == f"mem/fc0_t0.hex{text}"


def test_missing_and_extra_files_are_named(written: Written) -> None:
    directory, network, plan = written("adc")
    (directory / "mem" / "fc1_t1.hex").unlink()
    (directory / "mem" / "fc1_t99.hex").write_text("0\n")
    assert [str(found) for found in check_images(directory, network, plan)] == [
        "mem/fc1_t1.hex: no such file or directory",
        "mem/fc1_t99.hex: the plan has no such image",
    ]


def test_many_differences_are_counted(written: Written) -> None:
    directory, network, plan = written("pcsa")
    path = directory / "mem" / "fc0_t0.hex"
    path.write_text(path.read_text().replace("0", "1"))
    (found,) = check_images(directory, network, plan)
    assert str(found).endswith(f" (and {found.facts['count'] - 1} more in this file)")


def test_a_plan_of_another_network_is_refused(written: Written) -> None:
    directory, _, plan = written("adc")
    other = random_network(np.random.default_rng(5), (23, 16, 9, 4))
    with pytest.raises(OutputError, match=r"plan\.json has layers .*; build again"):
        check_images(directory, other, plan)
