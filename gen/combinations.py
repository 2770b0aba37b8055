"""What may be combined: cell, readout, kind of input and kind of layer, in one table.

:data:`TABLE` covers every combination exactly once. A row is either legal, and then says how the
lines are driven and whether the number of driven lines travels with the activations (``drive``
and ``driven`` of :mod:`binohm.gen.plan`), or it carries the reason why it cannot be built. What
depends on sizes (rows, bias rows, ADC bits) is not here but in :mod:`binohm.gen.mapping`.

- Cells: a ``complementary`` cell, two cells on two lines, takes +1, -1 and off. ``1t1r`` and
  ``2t2r`` sit on one word line and take +1 and off.
- Inputs: ``signs`` are -1/+1 activations; ``planes`` are integers, read bit plane by bit plane.
- Borders: the windows of a ``padded`` layer reach beyond the border of the image, where inputs are
  off. All other layers are ``inside``.
- Layers: ``hidden`` gives one bit an output; ``split`` is a hidden layer whose groups of inputs
  each give a bit, joined by a majority vote; ``scores`` gives integers.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from binohm.gen.network import Conv, Dense, Network
from binohm.gen.plan import Cell, Drive, Readout

__all__ = [
    "BORDERS",
    "CELLS",
    "INPUTS",
    "LAYERS",
    "READOUTS",
    "TABLE",
    "Legal",
    "Row",
    "border",
    "kinds",
    "legal",
    "reason",
    "row",
    "table_markdown",
]

InputKind = Literal["signs", "planes"]
LayerKind = Literal["hidden", "split", "scores"]
Border = Literal["inside", "padded"]

CELLS: tuple[Cell, ...] = get_args(Cell)
READOUTS: tuple[Readout, ...] = get_args(Readout)
INPUTS: tuple[InputKind, ...] = get_args(InputKind)
LAYERS: tuple[LayerKind, ...] = get_args(LayerKind)
BORDERS: tuple[Border, ...] = get_args(Border)

ONE_LINE: tuple[Cell, ...] = ("1t1r", "2t2r")
TWO_LINES: tuple[Cell, ...] = ("complementary",)
UNSPLIT: tuple[LayerKind, ...] = ("hidden", "scores")
INSIDE: tuple[Border, ...] = ("inside",)
PADDED: tuple[Border, ...] = ("padded",)


@dataclass(frozen=True)
class Legal:
    """How a legal combination is read: ``drive`` and ``driven`` of a layer plan."""

    drive: Drive
    driven: bool


@dataclass(frozen=True)
class Row:
    """One row of the table: the combinations it speaks of, and what holds for them.

    Parameters
    ----------
    readouts, cells, inputs, layers, borders : tuple of str
    verdict : Legal or str
        How to read it, or the reason why it cannot be.
    """

    readouts: tuple[Readout, ...]
    cells: tuple[Cell, ...]
    inputs: tuple[InputKind, ...]
    layers: tuple[LayerKind, ...]
    verdict: Legal | str
    borders: tuple[Border, ...] = BORDERS


BIPOLAR = Legal("bipolar", driven=False)
UNIPOLAR = Legal("unipolar", driven=False)
COUNTED = Legal("unipolar", driven=True)
MASKED = Legal("bipolar", driven=True)

COUNTS = "every group would need its own count of driven lines, and one count travels"
OFF = "what an input that is off adds depends on its weight, and those at a border differ"

TABLE: tuple[Row, ...] = (
    Row(("sa",), TWO_LINES, ("signs",), ("hidden", "split"), BIPOLAR),
    Row(("sa",), ONE_LINE, ("signs",), ("hidden", "split"), UNIPOLAR, INSIDE),
    Row(("sa",), ONE_LINE, ("signs",), ("hidden", "split"), OFF, PADDED),
    Row(
        ("sa",),
        CELLS,
        ("signs",),
        ("scores",),
        "a sense amplifier gives one bit, and scores are integers",
    ),
    Row(
        ("sa",),
        CELLS,
        ("planes",),
        LAYERS,
        "a sense amplifier gives one bit, and bit planes have to be added up",
    ),
    Row(("adc",), TWO_LINES, ("signs",), LAYERS, BIPOLAR, INSIDE),
    Row(("adc",), TWO_LINES, ("signs",), UNSPLIT, MASKED, PADDED),
    Row(("adc",), TWO_LINES, ("signs",), ("split",), COUNTS, PADDED),
    Row(("adc",), ONE_LINE, ("signs",), UNSPLIT, COUNTED, INSIDE),
    Row(("adc",), ONE_LINE, ("signs",), UNSPLIT, OFF, PADDED),
    Row(("adc",), ONE_LINE, ("signs",), ("split",), COUNTS),
    Row(("adc",), CELLS, ("planes",), UNSPLIT, COUNTED),
    Row(
        ("adc",),
        CELLS,
        ("planes",),
        ("split",),
        "every group would need its own sum of inputs, and one sum travels",
    ),
    Row(("pcsa",), CELLS, ("signs",), UNSPLIT, BIPOLAR, INSIDE),
    Row(("pcsa",), CELLS, ("signs",), UNSPLIT, MASKED, PADDED),
    Row(("pcsa",), CELLS, ("planes",), UNSPLIT, COUNTED),
    Row(
        ("pcsa",),
        CELLS,
        INPUTS,
        ("split",),
        "pcsa accumulates any fan-in exactly; a vote of groups needs sa or adc",
    ),
)
"""Every combination is in exactly one row."""


def row(
    readout: Readout,
    cell: Cell,
    inputs: InputKind,
    layer: LayerKind,
    border: Border = "inside",
) -> Row:
    """The row of the table that holds for a combination."""
    (found,) = (
        row
        for row in TABLE
        if readout in row.readouts
        and cell in row.cells
        and inputs in row.inputs
        and layer in row.layers
        and border in row.borders
    )
    return found


def legal(
    readout: Readout,
    cell: Cell,
    inputs: InputKind,
    layer: LayerKind,
    border: Border = "inside",
) -> Legal | None:
    """How a combination is read; None if it cannot be, see :func:`reason`."""
    verdict = row(readout, cell, inputs, layer, border).verdict
    return verdict if isinstance(verdict, Legal) else None


def reason(
    readout: Readout,
    cell: Cell,
    inputs: InputKind,
    layer: LayerKind,
    border: Border = "inside",
) -> str | None:
    """Why a combination cannot be built; None if it can."""
    verdict = row(readout, cell, inputs, layer, border).verdict
    return verdict if isinstance(verdict, str) else None


def kinds(network: Network, index: int) -> tuple[InputKind, LayerKind]:
    """What ``network.layers[index]`` takes and what it is."""
    layer = network.layers[index]
    inputs: InputKind = "signs" if index or network.input.bipolar else "planes"
    if not isinstance(layer, Dense):
        return inputs, "scores"
    return inputs, "split" if layer.groups > 1 else "hidden"


def border(network: Network, index: int) -> Border:
    """Where the windows of ``network.layers[index]`` end."""
    layer = network.layers[index]
    return "padded" if isinstance(layer, Conv) and any(layer.padding) else "inside"


def table_markdown() -> str:
    """The table as Markdown: one line a row, each ending in a newline."""
    named = {
        "signs": "-1/+1",
        "planes": "bit planes",
        "hidden": "hidden",
        "split": "split hidden",
        "scores": "scores",
        "inside": "inside",
        "padded": "padded",
    }

    def names(values: tuple[str, ...], everything: tuple[str, ...]) -> str:
        return "any" if values == everything else ", ".join(named.get(v, f"`{v}`") for v in values)

    lines = [
        "| readout | cell | input | layer | border | drive | count travels | reason against it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in TABLE:
        what = [
            names(row.readouts, READOUTS),
            names(row.cells, CELLS),
            names(row.inputs, INPUTS),
            names(row.layers, LAYERS),
            names(row.borders, BORDERS),
        ]
        if isinstance(row.verdict, Legal):
            what += [row.verdict.drive, "yes" if row.verdict.driven else "no", ""]
        else:
            what += ["", "", row.verdict]
        lines.append(f"| {' | '.join(what)} |")
    return "\n".join(lines) + "\n"
