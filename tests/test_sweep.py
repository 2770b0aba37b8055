"""Sweeps: what a file stands for, and the rows that its designs become."""

from pathlib import Path
from typing import Any

import pytest

from binohm.gen.errors import ConfigError
from binohm.gen.exploration.plot import choose
from binohm.gen.exploration.sweep import Sweep, load
from binohm.gen.exploration.table import as_csv, beats, rows

TWO_GRIDS = """
draws = 3

[array]
rows = 32
columns = 48

[device]
seed = 4294967294

[[grid]]
array.rows = [64, 128]
layers.fc1.readout = ["adc", "pcsa"]
array.bias_rows = 9

[[grid]]
split = [0, 16]
array.rows = 64
"""


def sweep(tmp_path: Path, text: str, *models: str) -> Sweep:
    path = tmp_path / "sweep.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, models or ("digits",))


def test_a_grid_is_all_combinations_and_two_grids_are_both(tmp_path: Path) -> None:
    found = sweep(tmp_path, TWO_GRIDS)
    designs = [point for point in found.points if point.draw == 0]
    assert found.axes == ("array.rows", "array.bias_rows", "layers.fc1.readout", "split")
    assert [tuple(point.values.values()) for point in designs] == [
        (64, 9, "adc", None),
        (64, 9, "pcsa", None),
        (128, 9, "adc", None),
        (128, 9, "pcsa", None),
        (64, None, None, 0),
        (64, None, None, 16),
    ]
    assert [point.config.array.rows for point in designs] == [64, 64, 128, 128, 64, 64]
    assert {point.config.array.columns for point in designs} == {48}
    assert [point.config.array.bias_rows for point in designs] == [9, 9, 9, 9, 48, 48]
    assert [point.split for point in designs] == [0, 0, 0, 0, 0, 16]
    assert designs[1].config.layers["fc1"].readout == "pcsa"


def test_every_design_has_its_chips_side_by_side(tmp_path: Path) -> None:
    found = sweep(tmp_path, TWO_GRIDS)
    assert found.draws == 3
    assert [point.draw for point in found.points] == [0, 1, 2] * 6
    seeds = [point.config.device.seed for point in found.points if point.config.device]
    assert seeds == [4294967294, 4294967295, 0] * 6


def test_a_design_that_two_grids_have_is_there_once(tmp_path: Path) -> None:
    twice = "[[grid]]\narray.rows = [32, 64]\n[[grid]]\narray.rows = [64, 128]\n"
    found = sweep(tmp_path, twice)
    assert [point.values["array.rows"] for point in found.points] == [32, 64, 128]


def test_several_models_are_an_axis(tmp_path: Path) -> None:
    models = ("x/a.npz", "x/b.npz", "y/b.npz")
    found = sweep(tmp_path, "[[grid]]\narray.rows = [32, 64]\n", *models)
    assert found.axes == ("model", "array.rows")
    assert [tuple(point.values.values()) for point in found.points] == [
        ("a", 32), ("a", 64), ("x/b.npz", 32), ("x/b.npz", 64), ("y/b.npz", 32), ("y/b.npz", 64),
    ]  # fmt: skip
    assert [point.model for point in found.points] == [m for m in models for _ in range(2)]
    assert found.labels == {"model": "model", "array.rows": "rows"}


def test_a_label_is_as_long_as_it_takes(tmp_path: Path) -> None:
    text = (
        "[[grid]]\narray.rows = [1, 2]\nlayers.fc1.rows = [3, 4]\narray.cell = ['1t1r', '2t2r']\n"
    )
    assert list(sweep(tmp_path, text).labels.values()) == ["array.rows", "cell", "fc1.rows"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[array]\nrows = 8\n", "must have a table [[grid]] of keys with lists of values"),
        ("grid = 3\n", "must have a table [[grid]] of keys with lists of values"),
        ("[[grid]]\narray.rows = []\n", "grid: array.rows = []: must have at least one value"),
        ("[[grid]]\narray.rows = [8, 0]\n", "grid: array.rows = 0: must be 1 to 4096 rows"),
        ("[array]\nrows = 0\n[[grid]]\nsplit = 8\n", "array.rows = 0: must be 1 to 4096 rows"),
        ("[[grid]]\narray.row = 8\n", "grid: array.row: unknown key; did you mean rows?"),
        ("[[grid]]\nsplit = [-1]\n", "grid: split = -1: must be 0 to 65536"),
        ("[[grid]]\nsplit = true\n", "grid: split = True: must be 0 to 65536"),
        ("draws = 0\n[[grid]]\nsplit = 1\n", "draws = 0: must be 1 to 1000"),
        (
            "draws = 2\n[[grid]]\nsplit = 1\n",
            "draws = 2: without [device] there is nothing to draw; add it, or leave draws out",
        ),
        (
            f"[[grid]]\narray.rows = {[*range(1, 401)]}\narray.columns = {[*range(1, 401)]}\n",
            "160000 designs; at most 100000 can be explored at once",
        ),
        (
            "[array]\nrows = 3\n[[grid]]\narray.rows.more = 1\n",
            "grid: array.rows.more: rows is a value and has no keys",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sweep(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'sweep.toml'}: {message}"


def figures(cells: int, interval: int, **more: float) -> dict[str, Any]:
    return {"cells": cells, "interval": interval, **more}


def test_the_front_is_what_no_other_design_is_better_than(tmp_path: Path) -> None:
    made = sweep(tmp_path, "[[grid]]\narray.rows = [1, 2, 3, 4, 5]\n")
    table = rows(made, [
        figures(10, 5, accuracy=0.9),
        figures(10, 5, accuracy=0.8),
        {"refused": "too small"},
        figures(20, 4, accuracy=0.9),
        figures(10, 6, accuracy=0.9),
    ])  # fmt: skip
    assert [row.get("front") for row in table] == [True, False, None, True, False]
    assert table[2] == {"model": "digits", "array.rows": 3, "refused": "too small"}
    assert as_csv(made, table).splitlines() == [
        "model,array.rows,cells,interval,accuracy,front,refused",
        "digits,1,10,5,0.9,True,",
        "digits,2,10,5,0.8,False,",
        "digits,3,,,,,too small",
        "digits,4,20,4,0.9,True,",
        "digits,5,10,6,0.9,False,",
    ]


def test_equal_designs_are_both_on_the_front(tmp_path: Path) -> None:
    made = sweep(tmp_path, "[[grid]]\narray.rows = [1, 2]\n")
    assert [row["front"] for row in rows(made, [figures(10, 5)] * 2)] == [True, True]


def test_less_is_better_but_for_accuracy() -> None:
    one, other = figures(10, 5, accuracy=0.9), figures(10, 5, accuracy=0.8)
    assert beats(one, other, ("accuracy", "cells")) and not beats(other, one, ("accuracy", "cells"))
    assert not beats(one, other, ("cells", "interval"))


def test_chips_become_one_row(tmp_path: Path) -> None:
    made = sweep(tmp_path, "draws = 3\n[device]\n[[grid]]\narray.rows = [1, 2]\n")
    each = [figures(10, 5, accuracy=value) for value in (0.5, 0.75, 1.0, 0.25, 0.25, 0.25)]
    table = rows(made, each)
    assert [(row["accuracy"], row["accuracy_sd"], row["accuracy_min"]) for row in table] == [
        (0.75, 0.25, 0.5), (0.25, 0.0, 0.25),
    ]  # fmt: skip


def test_what_is_drawn(tmp_path: Path) -> None:
    plain = sweep(tmp_path, "[[grid]]\narray.rows = [1, 2]\narray.cell = ['1t1r', '2t2r']\n")
    slower = [figures(10, 5), figures(10, 6), {"refused": "no"}, figures(10, 7)]
    assert choose(plain, rows(plain, slower), None, None) == ("cells", "interval")
    alike = [figures(10, 5, energy_pj=pj) for pj in (1.0, 2.0, 3.0, 4.0)]
    assert choose(plain, rows(plain, alike), None, None) == ("cells", "energy_pj")
    assert choose(plain, rows(plain, alike), "array.rows", "cells") == ("array.rows", "cells")
    with pytest.raises(ConfigError) as caught:
        choose(plain, rows(plain, alike), None, "accuracy")
    known = "array.rows, cells, interval, energy_pj"
    assert str(caught.value) == f"--y accuracy: must be one of {known}"
    noisy = sweep(tmp_path, "[device]\n[[grid]]\ndevice.read_noise = [0.1, 0.2]\n")
    seen = rows(noisy, [figures(10, 5, accuracy=value) for value in (0.9, 0.8)])
    assert choose(noisy, seen, None, None) == ("device.read_noise", "accuracy")
    blind = rows(noisy, [figures(10, 5)] * 2)
    assert choose(noisy, blind, None, None) == ("cells", "interval")
