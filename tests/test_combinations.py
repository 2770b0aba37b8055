"""The table of what may be combined covers everything once and says why."""

from itertools import product

import numpy as np
import pytest

from binohm.gen.combinations import (
    BORDERS,
    CELLS,
    INPUTS,
    LAYERS,
    READOUTS,
    TABLE,
    Legal,
    border,
    kinds,
    legal,
    reason,
    table_markdown,
)
from binohm.gen.network import Conv, Dense, Input, Network, Scores

COMBINATIONS = list(product(READOUTS, CELLS, INPUTS, LAYERS, BORDERS))


def test_every_combination_is_in_one_row() -> None:
    rows = [
        combination
        for row in TABLE
        for combination in product(row.readouts, row.cells, row.inputs, row.layers, row.borders)
    ]
    assert sorted(rows) == sorted(COMBINATIONS)


@pytest.mark.parametrize(("readout", "cell", "inputs", "layer", "border"), COMBINATIONS)
def test_a_combination_is_legal_or_has_a_reason(
    readout: str, cell: str, inputs: str, layer: str, border: str
) -> None:
    """The facts of the design, said the other way round."""
    how = legal(readout, cell, inputs, layer, border)
    assert (how is None) == (reason(readout, cell, inputs, layer, border) is not None)
    one_line = cell != "complementary"
    off = border == "padded" and inputs == "signs"  # lines that are off, where bits are -1 and +1
    if readout == "sa":
        possible = inputs == "signs" and layer != "scores" and not (off and one_line)
        assert (how is not None) == possible
        wanted = Legal("unipolar" if one_line else "bipolar", driven=False)
    elif readout == "adc":
        counted = one_line or inputs == "planes"
        split = layer == "split" and (counted or off)
        assert (how is not None) == (not split and not (off and one_line))
        wanted = Legal("unipolar" if counted else "bipolar", driven=counted or off)
    else:
        assert (how is not None) == (layer != "split")
        planes = inputs == "planes"
        wanted = Legal("unipolar" if planes else "bipolar", driven=planes or off)
    assert how in (None, wanted)


@pytest.mark.parametrize(
    ("combination", "why"),
    [
        (
            ("sa", "2t2r", "signs", "scores"),
            "a sense amplifier gives one bit, and scores are integers",
        ),
        (
            ("sa", "complementary", "planes", "hidden"),
            "a sense amplifier gives one bit, and bit planes have to be added up",
        ),
        (
            ("adc", "1t1r", "signs", "split"),
            "every group would need its own count of driven lines, and one count travels",
        ),
        (
            ("adc", "complementary", "planes", "split"),
            "every group would need its own sum of inputs, and one sum travels",
        ),
        (
            ("pcsa", "complementary", "signs", "split"),
            "pcsa accumulates any fan-in exactly; a vote of groups needs sa or adc",
        ),
    ],
)
def test_reasons(combination: tuple[str, str, str, str], why: str) -> None:
    assert reason(*combination) == why


def test_markdown_has_a_line_for_each_row() -> None:
    lines = table_markdown().split("\n")
    assert len(lines) == len(TABLE) + 3
    assert {line.count("|") for line in lines[:-1]} == {9}
    assert lines[2] == (
        "| `sa` | `complementary` | -1/+1 | hidden, split hidden | any | bipolar | no |  |"
    )
    assert lines[5] == (
        "| `sa` | any | -1/+1 | scores | any |  |  "
        "| a sense amplifier gives one bit, and scores are integers |"
    )
    assert lines[-1] == ""


def test_kinds_of_the_layers_of_a_network() -> None:
    ones = np.ones((4, 4), np.int8)
    theta, flip = np.zeros((2, 4), np.int64), np.zeros((2, 4), np.bool_)
    layers = (
        Dense("a", ones, theta[:1], flip[:1]),
        Dense("b", ones, theta, flip, (0, 1, 4)),
        Scores("c", ones),
    )
    pixels = np.arange(256, dtype=np.int64)
    network = Network("n", Input((4,), pixels, bipolar=False), layers)
    assert [kinds(network, k) for k in range(3)] == [
        ("planes", "hidden"),
        ("signs", "split"),
        ("signs", "scores"),
    ]
    network = Network("n", Input((4,), np.where(pixels > 3, 1, -1), bipolar=True), layers)
    assert kinds(network, 0) == ("signs", "hidden")


def test_only_padded_windows_reach_beyond_the_border() -> None:
    weights, theta = np.ones((2, 9), np.int8), np.zeros((1, 2), np.int64)
    facts = {"image": (3, 3, 1), "kernel": (3, 3)}
    inside = Conv("a", weights, theta, theta > 0, **facts)
    padded = Conv("a", weights, theta, theta > 0, padding=(0, 1), **facts)
    pixels = np.arange(256, dtype=np.int64)
    for first, classes, wanted in ((inside, 2, "inside"), (padded, 6, "padded")):
        last = Scores("b", np.ones((1, classes), np.int8))
        network = Network("n", Input((3, 3), pixels, bipolar=False), (first, last))
        assert [border(network, k) for k in range(2)] == [wanted, "inside"]
        assert kinds(network, 0) == ("planes", "hidden")
