"""A picture of a sweep: one figure of its designs over another, or over what varies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from binohm.gen.errors import ConfigError, ToolError
from binohm.gen.exploration.sweep import Sweep
from binohm.gen.exploration.table import FIGURES, PERCENT, Row, beats

__all__ = ["choose", "plot"]

MARKS = "os^Dv<>Pp*X"
COLOURS = ("#1f5fa8", "#c2571a", "#0b6e4f", "#8a5fa8", "#b8860b", "#8a8a8a")

DECADE = 10
"""A scale on which the largest number is more than so many times the smallest is logarithmic."""

TAKEN = ("interval", "energy_pj", "latency", "lut")
"""What is drawn over cells, if nobody chooses: the first in which designs differ."""


def choose(sweep: Sweep, table: Sequence[Row], x: str | None, y: str | None) -> tuple[str, str]:
    """What to draw over what: cycles or energy over cells, or accuracy over a key of the devices.

    Raises
    ------
    ConfigError
        If no design has such a number.
    """
    numbers = [key for key in (*sweep.axes, *FIGURES) if _has(table, key)]
    of_devices = [key for key in sweep.axes if key.startswith("device.") and key in numbers]
    x = x or (of_devices[0] if of_devices and "accuracy" in numbers else "cells")
    differ = [key for key in TAKEN if len({row[key] for row in table if key in row}) > 1]
    y = y or ("accuracy" if x in of_devices else [*differ, "interval"][0])
    for option, key in (("--x", x), ("--y", y)):
        if key not in numbers:
            raise ConfigError(f"{option} {key}: must be one of {', '.join(numbers)}")
    return x, y


def plot(path: Path, sweep: Sweep, table: Sequence[Row], x: str, y: str) -> None:
    """Draw an SVG.

    Designs that differ in ``x`` alone are one line, where it is an axis; else each is a point with
    its values, and a line joins those that no other is better than in both.

    Raises
    ------
    ToolError
        If Matplotlib is missing.
    """
    try:
        from matplotlib import pyplot as plt
    except ModuleNotFoundError as error:
        raise ToolError(
            "pictures take Matplotlib, which is missing: pip install '.[explore]' in the repository"
        ) from error
    plt.switch_backend("agg")
    style = {"svg.hashsalt": "binohm", "svg.fonttype": "none"}  # the same bytes every time
    with plt.rc_context(style):
        figure, axes = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
        shown = [
            _in_percent(row) for row in table if row.get(x) is not None and row.get(y) is not None
        ]
        if x in sweep.axes:
            _lines(axes, sweep, shown, x, y)
        else:
            _points(axes, sweep, shown, x, y)
        axes.set(xlabel=_name(x), ylabel=_name(y))
        axes.grid(color="#e4e4e4", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _in_percent(row: Row) -> Row:
    return {key: 100 * value if key in PERCENT else value for key, value in row.items()}


def _text(value: object) -> str:
    """Of a value, None where a grid leaves a key as it is."""
    return "default" if value is None else str(value)


def _name(key: str) -> str:
    unit = ", cycles" if key in ("latency", "interval") else ""
    return FIGURES.get(key, key) + unit


def _has(table: Sequence[Row], key: str) -> bool:
    """Whether designs have such a number."""
    values = [row[key] for row in table if row.get(key) is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _lines(axes: Any, sweep: Sweep, shown: Sequence[Row], x: str, y: str) -> None:
    """A line for each combination of the other axes."""
    series: dict[str, list[Row]] = {}
    for row in shown:
        others = [f"{sweep.labels[key]} {_text(row[key])}" for key in sweep.axes if key != x]
        series.setdefault(", ".join(others), []).append(row)
    for number, (label, found) in enumerate(series.items()):
        found.sort(key=lambda row: row[x])
        axes.errorbar(
            [row[x] for row in found], [row[y] for row in found],
            yerr=[row.get("accuracy_sd", 0) for row in found] if y == "accuracy" else None,
            label=label, marker=MARKS[number % len(MARKS)], color=COLOURS[number % len(COLOURS)],
            markersize=4.5, linewidth=1.6, capsize=3,
        )  # fmt: skip
    if len(series) > 1:
        axes.legend(frameon=False, fontsize="small")


def _points(axes: Any, sweep: Sweep, shown: Sequence[Row], x: str, y: str) -> None:
    """A point for each design: one axis is its colour, the others are written beside it."""
    kinds = {key: list(dict.fromkeys(_text(row[key]) for row in shown)) for key in sweep.axes}
    several = [key for key in sweep.axes if len(kinds[key]) > 1]
    coloured = min(several, key=lambda key: len(kinds[key]), default=None)
    texts: dict[tuple[float, float], list[str]] = {}
    for number, kind in enumerate(kinds[coloured] if coloured else [""]):
        found = [row for row in shown if not coloured or _text(row[coloured]) == kind]
        label = f"{sweep.labels[coloured]} {kind}" if coloured else None
        axes.plot(
            [row[x] for row in found], [row[y] for row in found], MARKS[number % len(MARKS)],
            color=COLOURS[number % len(COLOURS)], markersize=5, label=label,
        )  # fmt: skip
        for row in found:
            others = [row[key] for key in several if key != coloured and row[key] is not None]
            text = ", ".join(map(_text, others))
            if text not in (beside := texts.setdefault((row[x], row[y]), [])):
                beside.append(text)
    for number, place in enumerate(sorted(texts)):
        axes.annotate(
            "; ".join(texts[place]), place, textcoords="offset points", fontsize="x-small",
            xytext=(5, -10 if number % 2 else 4),  # neighbours would write over each other
        )  # fmt: skip
    best = sorted(
        (row[x], row[y]) for row in shown if not any(beats(one, row, (x, y)) for one in shown)
    )
    axes.plot(*zip(*best, strict=True), color="#b0b0b0", linewidth=1.2, zorder=0)
    axes.margins(0.12)
    if coloured:
        axes.legend(frameon=False, fontsize="small")
    for key, scale in ((x, axes.set_xscale), (y, axes.set_yscale)):
        values = [row[key] for row in shown]
        if min(values) > 0 and max(values) > DECADE * min(values):
            scale("log")
