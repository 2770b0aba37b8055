"""Geometry of the report's pictures, from report data to rectangles in pixels.

The map draws every macro to one scale, its first row on top: for ``sa`` and ``adc`` the macros of a
layer stand as their parts of the weight matrix do (inputs downwards, outputs to the right), for
``pcsa`` each engine is a column of macros; copies stand to the right. Layers follow each other from
left to right, in rows. Macros that look alike are one *stamp*, drawn once and placed many times, so
that a thousand macros stay a small picture.
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

__all__ = ["WIDTH", "pipeline_bars", "place"]

WIDTH = 960
"""Pixels from the left to the right end of a picture."""

HEIGHT = 560
"""Pixels downwards, unless the smallest scale needs more."""

SCALES = (3.0, 2.0, 1.5, 1.0, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125, 0.09375, 0.0625)
"""Pixels a cell; the largest that fits is used."""

LABEL = 58
"""Pixels above the macros of a layer, for three lines of text."""

NARROWEST = 150
"""Pixels that the text of a layer needs."""

BETWEEN = 30
"""Pixels between layers, both ways."""

COLOURS = 8
"""The style sheet has this many layer colours; further layers start over."""

Facts = Mapping[str, Any]


def place(data: Facts) -> dict[str, Any]:
    """Where each macro goes.

    Returns
    -------
    dict
        ``scale`` in pixels a cell, ``width``, ``height``; ``layers`` with name, colour, x, y, text
        and the macros' positions; ``stamps`` with what a macro looks like.
    """
    arrays = {array["name"]: array for array in data["arrays"]}
    for scale in SCALES:
        layers = [
            {"colour": rank % COLOURS, **_layer(layer, arrays[layer["array"]], scale)}
            for rank, layer in enumerate(data["layers"])
        ]
        height = _shelve(layers)
        if height <= HEIGHT and max(layer["width"] for layer in layers) <= WIDTH:
            break
    stamps: dict[tuple[Any, ...], dict[str, Any]] = {}
    for layer, facts in zip(layers, data["layers"], strict=True):
        array = arrays[facts["array"]]
        for macro, tile in zip(layer["macros"], facts["tiles"], strict=True):
            key = (layer["colour"], array["name"], repr(tile["used"]), tile["bias_columns"])
            if key not in stamps:
                stamps[key] = _stamp(f"m{len(stamps)}", layer["colour"], array, tile, scale)
            macro["stamp"] = stamps[key]["id"]
    return {
        "scale": scale,
        "width": WIDTH,
        "height": height,
        "layers": layers,
        "stamps": list(stamps.values()),
    }


def _shelve(layers: list[dict[str, Any]]) -> float:
    """Set ``x`` and ``y`` of the layers, from left to right in as many rows as it takes."""
    x = y = tallest = 0.0
    for layer in layers:
        if x and x + layer["width"] > WIDTH:
            x, y, tallest = 0.0, y + tallest + BETWEEN, 0.0
        layer["x"], layer["y"] = round(x, 2), round(y, 2)
        x += layer["width"] + BETWEEN
        tallest = max(tallest, layer["height"])
    return round(y + tallest, 2)


def _layer(layer: Facts, array: Facts, scale: float) -> dict[str, Any]:
    """Macros of one layer in a grid, which wraps where it is wider than the picture."""
    gap = 4.0 if scale >= 0.25 else 2.0
    wide = array["columns"] * scale + gap
    tall = (array["rows"] + array["bias_rows"]) * scale + gap
    down_key = "slice" if array["readout"] == "pcsa" else "inputs"
    originals = sum(not tile["copy"] for tile in layer["tiles"])
    spots = [
        (_first(tile[down_key]), (number // originals, _first(tile["outputs"])))
        for number, tile in enumerate(layer["tiles"])
    ]
    down = {key: rank for rank, key in enumerate(sorted({row for row, _ in spots}))}
    right = {key: rank for rank, key in enumerate(sorted({column for _, column in spots}))}
    band = max(1, int((WIDTH + gap) // wide))  # macros side by side
    macros = []
    for (row, column), tile in zip(spots, layer["tiles"], strict=True):
        wrapped, across = divmod(right[column], band)
        macros.append({
            "x": round(across * wide, 2),
            "y": round(LABEL + (wrapped * len(down) + down[row]) * tall, 2),
            "title": _title(tile, array),
        })
    return {
        "name": layer["name"],
        "macros": macros,
        "width": max(NARROWEST, min(band, len(right)) * wide - gap),
        "height": LABEL + -(-len(right) // band) * len(down) * tall - gap,
    }


def _first(where: int | list[int]) -> int:
    return where if isinstance(where, int) else where[0]


def _title(tile: Facts, array: Facts) -> str:
    cells = (array["rows"] + array["bias_rows"]) * array["columns"]
    first, stop, step = tile["outputs"]
    outputs = f"outputs {first} to {stop - 1}" + (f" in steps of {step}" if step > 1 else "")
    if array["readout"] == "pcsa":
        inputs = f"slice {tile['slice']} of the inputs"
    else:
        inputs = f"inputs {tile['inputs'][0]} to {tile['inputs'][1] - 1}"
    own = f", a copy of {tile['copy']}" if tile["copy"] else ""
    return f"{tile['name']}{own}: {inputs}, {outputs}; {tile['cells_used']} of {cells} cells used"


def _stamp(name: str, colour: int, array: Facts, tile: Facts, scale: float) -> dict[str, Any]:
    """One macro: its outline, its used cells, its bias cells."""
    boxes = []
    for first, rows, distance, repetitions, columns in tile["used"]:
        if rows == distance:  # output follows output without a hole
            spans = [(first, rows * repetitions)]
        else:
            starts = accumulate([distance] * (repetitions - 1), initial=first)
            spans = [(start, rows) for start in starts]
        boxes += [
            {
                "y": round(start * scale, 3),
                "width": round(columns * scale, 3),
                "height": round(count * scale, 3),
            }
            for start, count in spans
        ]
    return {
        "id": name,
        "colour": colour,
        "width": round(array["columns"] * scale, 3),
        "height": round((array["rows"] + array["bias_rows"]) * scale, 3),
        "boxes": boxes,
        "bias": {
            "y": round(array["rows"] * scale, 3),
            "width": round(tile["bias_columns"] * scale, 3),
            "height": round(array["bias_rows"] * scale, 3),
        },
    }


def pipeline_bars(data: Facts) -> list[dict[str, Any]]:
    """How long each stage is busy with one image, as bars of up to 100 percent of the longest."""
    alone = data["cycles"]["alone"]
    longest = max(alone.values())
    colours = {layer["name"]: rank % COLOURS for rank, layer in enumerate(data["layers"])}
    return [
        {
            "name": name,
            "cycles": cycles,
            "percent": round(100 * cycles / longest, 2),
            "colour": colours.get(name),  # the streams at the top have none
            "bottleneck": name == data["cycles"]["bottleneck"],
        }
        for name, cycles in alone.items()
    ]
