# amaranth: UnusedElaboratable=no
"""The views of the arrays behind their sockets, and the pins in front of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Const, Signal
from plans import array, plan_of
from sockets import Sockets, draw_cells, image

from binohm.gen.macros.macro_views import render
from binohm.gen.plan import Array
from binohm.hdl.arrays.macro import MacroPins, macro

slow = pytest.mark.slow

FEW = [
    array("sa", 8, 3, bias_rows=2, per_cycle=1),
    array("sa", 65, 8, bias_rows=5, per_cycle=3),
    array("sa", 1, 1),
    array("sa", 3, 65, per_cycle=65),
    array("adc", 8, 8, adc_bits=4, per_cycle=3),
    array("adc", 65, 3, adc_bits=5),
    array("adc", 3, 1, adc_bits=4),
    array("pcsa", 8, 65),
    array("pcsa", 1, 1),
    array("sa", 8, 7, per_cycle=3, ref_bits=5, ref_per_column=True),
    array("sa", 65, 3, per_cycle=3, ref_bits=4, ref_per_column=True),
    array("sa", 3, 5, per_cycle=2, ref_bits=2),
    array("sa", 1, 1, ref_bits=1),
]

SIZES = (1, 3, 8, 65)


def per_cycle(rows: int, columns: int) -> int:
    """One, three or all columns: each for some number of rows."""
    return (1, min(3, columns), columns)[SIZES.index(rows) % 3]


SENSE = [
    array("sa", rows, columns, bias_rows=bias, per_cycle=per_cycle(rows, columns))
    for (rows, columns), bias in zip(product(SIZES, SIZES), cycle(range(6)), strict=False)
]
REFER = [
    array(
        "sa", rows, columns, per_cycle=per_cycle(rows, columns), ref_bits=bits,
        ref_per_column=bits % 3 > 0,
    )
    for (rows, columns), bits in zip(product(SIZES, SIZES), cycle(range(1, 9)), strict=False)
]  # fmt: skip
CONVERT = [
    array("adc", rows, columns, adc_bits=bits, per_cycle=per_cycle(rows, columns))
    for (rows, columns), bits in zip(product(SIZES, SIZES), cycle(range(1, 8)), strict=False)
]
COMPARE = [array("pcsa", rows, columns) for rows, columns in product(SIZES, SIZES)]


def run(bench: Callable[..., None], place: Path, arrays: Sequence[Array], view: str) -> None:
    """Bench on ``arrays``; the second of them has no image."""
    rng = np.random.default_rng(len(arrays))
    build = place / "build"
    build.mkdir()
    names = []
    for k, kind in enumerate(arrays):
        cells = draw_cells(rng, kind, empty=k == 1)
        np.save(build / f"cells{k}.npy", cells)
        names.append("" if k == 1 else f"t{k}.hex")
        if k != 1:
            (build / f"t{k}.hex").write_text(image(kind, cells), encoding="utf-8")
    source = place / "views.v"
    source.write_text(render(plan_of("t", arrays), view), encoding="utf-8")
    bench(
        Sockets(arrays, names),
        "binohm.sim.benches.macro",
        sources=(source,),
        arrays=[asdict(kind) for kind in arrays],
        exact=view == "digital",
    )


@pytest.mark.slow
def test_digital_view(bench: Callable[..., None], tmp_path: Path) -> None:
    run(bench, tmp_path, FEW, "digital")


@pytest.mark.slow
def test_jitter_changes_no_result(bench: Callable[..., None], tmp_path: Path) -> None:
    run(bench, tmp_path, FEW[1::3], "jitter")


@slow
@pytest.mark.parametrize(
    "arrays", [SENSE, REFER, CONVERT, COMPARE], ids=["sa", "ref", "adc", "pcsa"]
)
def test_digital_view_of_all_sizes(
    bench: Callable[..., None], tmp_path: Path, arrays: Sequence[Array]
) -> None:
    run(bench, tmp_path, arrays, "digital")


PINS = MacroPins(rows=3, bias_rows=2, columns=4, q_bits=4)


def test_pins() -> None:
    assert PINS.lines == 5
    assert [(pin.name, pin.direction, pin.width) for pin in PINS.ports] == [
        ("clk", "input", 1),
        ("rst", "input", 1),
        ("cmd", "input", 3),
        ("row", "input", 3),
        ("x_p", "input", 5),
        ("x_n", "input", 5),
        ("col_x", "input", 4),
        ("col_en", "input", 4),
        ("ref_code", "input", 1),
        ("req_valid", "input", 1),
        ("req_ready", "output", 1),
        ("q", "output", 4),
        ("q_valid", "output", 1),
        ("q_ready", "input", 1),
    ]


def test_one_line_has_a_row_pin() -> None:
    assert next(pin for pin in MacroPins(1, 0, 1, 1).ports if pin.name == "row").width == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"rows": 0}, ValueError("rows must be at least 1, not 0")),
        ({"bias_rows": -1}, ValueError("bias_rows must be at least 0, not -1")),
        ({"columns": "4"}, TypeError("columns must be an int, not '4'")),
        ({"q_bits": 0}, ValueError("q_bits must be at least 1, not 0")),
    ],
)
def test_pins_are_checked(changes: dict[str, Any], error: Exception) -> None:
    good = {"rows": 3, "bias_rows": 2, "columns": 4, "q_bits": 4}
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        MacroPins(**good | changes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"ref": 0},
            TypeError(
                f"a macro has no pin 'ref'; its pins are {', '.join(p.name for p in PINS.ports)}"
            ),
        ),
        ({"q_ready": None}, TypeError("pin q_ready of m must be connected")),
        ({"x_p": Const(0, 6)}, ValueError("pin x_p of m has 5 bits, its signal 6")),
        ({"q": Signal(3)}, ValueError("pin q of m has 4 bits, its signal 3")),
    ],
)
def test_connections_are_checked(changes: dict[str, Any], error: Exception) -> None:
    names = ("req_valid", "req_ready", "q_valid", "q_ready")
    good = {name: Signal(name=name) for name in names} | {"q": Signal(4)}
    signals = {name: value for name, value in (good | changes).items() if value is not None}
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        macro("m", PINS, init="", id=0, **signals)
