"""The designs of a sweep as rows: what varies, what it takes, what it gives."""

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from binohm.gen.exploration.sweep import Point, Sweep

__all__ = ["FIGURES", "PERCENT", "Row", "as_csv", "beats", "rows"]

FIGURES = {
    "arrays": "arrays",
    "cells": "cells",
    "utilisation": "used, %",
    "amplifiers": "amplifiers",
    "converters": "converters",
    "latency": "latency",
    "interval": "interval",
    "lut": "LUT",
    "ff": "FF",
    "energy_pj": "energy, pJ",
    "readout_pj": "readout, pJ",
    "energy_converters_pj": "energy by converters, pJ",
    "readout_converters_pj": "readout by converters, pJ",
    "accuracy": "accuracy, %",
    "accuracy_sd": "deviation, %",
    "accuracy_min": "worst, %",
}
"""Figures of a design and their names: times in cycles, energies of an image, by a model."""

PERCENT = ("utilisation", "accuracy", "accuracy_sd", "accuracy_min")
"""Shares of 1 that are shown in percent."""

JUDGED = ("cells", "interval", "energy_pj", "accuracy")
"""Figures by which designs are on the front."""

MORE_IS_BETTER = ("accuracy", "accuracy_min", "utilisation")
"""Of all others less is."""

Row = dict[str, Any]
Figures = Mapping[str, Any]


def rows(sweep: Sweep, found: Sequence[Figures]) -> list[Row]:
    """A row for each design, of the figures of each point.

    A row has ``model``, the axes, and either ``refused``, the reason, or :data:`FIGURES` as far as
    there are any, and ``front``: no other design has less cells, cycles between images and energy
    and more accuracy, or some of them and the others equal. Accuracy is the mean of all chips.
    """
    made: list[Row] = []
    pairs = zip(sweep.points, found, strict=True)
    for _, chips in groupby(pairs, key=lambda pair: _design(pair[0])):
        points, figures = zip(*chips, strict=True)
        row = {"model": points[0].model, **points[0].values}
        refused = [one["refused"] for one in figures if "refused" in one]
        made.append({**row, "refused": refused[0]} if refused else {**row, **_joined(figures)})
    for row in made:
        if "refused" not in row:
            row["front"] = not any(beats(other, row) for other in made if "refused" not in other)
    return made


def _design(point: Point) -> tuple[Any, ...]:
    return point.model, repr(point.values)


def _joined(chips: Sequence[Figures]) -> Row:
    """Figures of a design; accuracies of its chips put together."""
    row = dict(chips[0])
    if len(chips) > 1 and "accuracy" in row:
        each = [chip["accuracy"] for chip in chips]
        row |= {"accuracy": fmean(each), "accuracy_sd": stdev(each), "accuracy_min": min(each)}
    return row


def beats(one: Row, other: Row, keys: Sequence[str] = JUDGED) -> bool:
    """Whether one is nowhere worse, and somewhere better, by those figures that it has."""
    apart: list[float] = [
        (-1 if key in MORE_IS_BETTER else 1) * (one[key] - other[key]) for key in keys if key in one
    ]
    return max(apart) <= 0 and min(apart) < 0


def as_csv(sweep: Sweep, table: Sequence[Row]) -> str:
    """The rows as CSV, a heading first; a design that was refused has the reason."""
    present = [key for key in FIGURES if any(key in row for row in table)]
    heads = list(dict.fromkeys(["model", *sweep.axes, *present, "front", "refused"]))
    text = io.StringIO()
    writer = csv.DictWriter(text, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()
