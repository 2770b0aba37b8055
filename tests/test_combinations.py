"""The table of what may be combined covers everything once and says why."""

from itertools import product

import numpy as np
import pytest

from binohm.gen.combinations import (
    CELLS,
    INPUTS,
    LAYERS,
    READOUTS,
    TABLE,
    Legal,
    kinds,
    legal,
    reason,
    table_markdown,
)
from binohm.gen.network import Dense, Input, Network, Scores

COMBINATIONS = list(product(READOUTS, CELLS, INPUTS, LAYERS))


def test_every_combination_is_in_one_row() -> None:
    rows = [c for row in TABLE for c in product(row.readouts, row.cells, row.inputs, row.layers)]
    assert sorted(rows) == sorted(COMBINATIONS)


@pytest.mark.parametrize(("readout", "cell", "inputs", "layer"), COMBINATIONS)
def test_a_combination_is_legal_or_has_a_reason(
    readout: str, cell: str, inputs: str, layer: str
) -> None:
    """The facts of the design, said the other way round."""
    how, why = legal(readout, cell, inputs, layer), reason(readout, cell, inputs, layer)
    assert (how is None) == (why is not None)
    one_line = cell != "complementary"
    if readout == "sa":
        assert (how is not None) == (inputs == "signs" and layer != "scores")
        wanted = Legal("unipolar" if one_line else "bipolar", driven=False)
    elif readout == "adc":
        counted = one_line or inputs == "planes"
        assert (how is not None) == (layer != "split" or not counted)
        wanted = Legal("unipolar" if counted else "bipolar", driven=counted)
    else:
        assert (how is not None) == (layer != "split")
        wanted = Legal("unipolar" if inputs == "planes" else "bipolar", driven=inputs == "planes")
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
    assert {line.count("|") for line in lines[:-1]} == {8}
    assert lines[2] == "| `sa` | `complementary` | -1/+1 | hidden, split hidden | bipolar | no |  |"
    assert lines[4] == (
        "| `sa` | any | -1/+1 | scores |  |  "
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
