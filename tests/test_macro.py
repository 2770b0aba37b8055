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
from amaranth.hdl import Const, Module, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from plans import array, plan_of

from binohm.gen.macro_views import macro_pins, render
from binohm.gen.plan import Array
from binohm.hdl.macro import Command, MacroPins, macro

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


class Sockets(wiring.Component):
    """Macro ``k`` behind the streams ``i<k>`` and ``o<k>``."""

    def __init__(self, arrays: Sequence[Array], images: Sequence[str]) -> None:
        self.arrays, self.images = arrays, images
        members = {}
        for k, kind in enumerate(arrays):
            pins = macro_pins(kind)
            request = data.StructLayout({
                "cmd": Command,
                "row": Shape.cast(range(max(pins.lines, 2))),
                "x_p": pins.lines,
                "x_n": pins.lines,
                "col_x": pins.columns,
                "col_en": pins.columns,
                "ref_code": max(1, pins.ref_bits),
            })
            members[f"i{k}"] = In(stream.Signature(request))
            members[f"o{k}"] = Out(stream.Signature(pins.q_bits))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for k, kind in enumerate(self.arrays):
            i, o = getattr(self, f"i{k}"), getattr(self, f"o{k}")
            request = {name: i.payload[name] for name in i.payload.shape().members}
            m.submodules[f"macro_{k}"] = macro(
                f"binohm_t_{kind.name}",
                macro_pins(kind),
                init=self.images[k],
                id=k,
                req_valid=i.valid,
                req_ready=i.ready,
                q=o.payload,
                q_valid=o.valid,
                q_ready=o.ready,
                **request,
            )
        return m


def draw_cells(rng: np.random.Generator, kind: Array, *, empty: bool) -> np.ndarray:
    """Random cells; bias cells may be 0. An array without image holds -1, its bias cells 0."""
    if empty:
        return np.repeat([-1, 0], [kind.rows, kind.bias_rows])[:, None] * np.ones(
            (1, kind.columns), np.int8
        )
    weights = rng.choice([-1, 1], (kind.rows, kind.columns))
    bias = rng.integers(-1, 2, (kind.bias_rows, kind.columns))
    return np.concatenate([weights, bias]).astype(np.int8)


def image(kind: Array, cells: np.ndarray) -> str:
    """The cells as a memory image, bit by bit."""
    rows = kind.rows
    if kind.readout == "pcsa":
        words = [list(row > 0) for row in cells]
    else:
        columns = [[*(c[:rows] > 0), *(c[rows:] > 0), *(c[rows:] < 0)] for c in cells.T]
        columns += [[0] * kind.column_bits] * (kind.depth * kind.per_cycle - kind.columns)
        words = list(np.reshape(columns, (kind.depth, kind.word_bits)))
    digits = -(-kind.word_bits // 4)
    values = [sum(1 << k for k, bit in enumerate(word) if bit) for word in words]
    return "".join(f"{value:0{digits}x}\n" for value in values)


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


def test_digital_view(bench: Callable[..., None], tmp_path: Path) -> None:
    run(bench, tmp_path, FEW, "digital")


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
