"""What a build costs: as data (``report.json``), as a page (``report.html``), as a picture.

Everything here follows from the network, the plan and the predicted cycles. The data hold no dates
and no paths, so that equal builds give equal bytes. Results of ``binohm check`` and ``binohm run``
are kept apart, in ``results/`` of the build directory, and join the page when there are any.

Where arrays are copied, ``copies`` of a layer says so: how often for its bit planes and how often
for its windows, with the cells and the interval that the same arrays would have once.

Words: a *cell* is one binary weight (or one bias) in an array, whatever number of devices it is
made of; a cell is *used* when a weight of the network, or the bias of a used column, sits in it. An
*activation* is one read request to all arrays of a layer. *ROM bits* are what the memory images
under ``mem/`` hold: ``cells`` stand for the arrays, the rest is digital memory. ``fpga`` estimates
what the digital view and the periphery take there.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from binohm.gen.cycles import Prediction, alone
from binohm.gen.fpga.estimate import estimate
from binohm.gen.network import Network
from binohm.gen.plan import Array, LayerPlan, Plan, Tile
from binohm.gen.reporting.floorplan import pipeline_bars, place

__all__ = ["SCHEMA", "render_html", "render_svg", "report_data"]

SCHEMA = 1

DEVICES = {"1t1r": 1, "2t2r": 2, "complementary": 2}
"""RRAM devices in one cell."""


def report_data(
    network: Network, plan: Plan, predicted: Prediction, *, config: Mapping[str, Any]
) -> dict[str, Any]:
    """The figures of a build, ready for JSON.

    Parameters
    ----------
    config : mapping
        What the user asked for, in full; it is repeated as it is.
    """
    layers = [_layer(plan, layer, predicted) for layer in plan.layers]
    totals = {
        key: sum(layer[key] for layer in layers)
        for key in ("weights", "macros", "cells", "cells_used", "devices", "activations")
    }
    return {
        "schema": SCHEMA,
        "name": plan.name,
        "input": {
            "shape": list(network.input.shape),
            "elements": network.input.elements,
            "bits": network.input.bits,
            "bipolar": network.input.bipolar,
        },
        "classes": network.scores.outputs,
        "host": {
            **asdict(plan.host),
            "input_beats": plan.host.input_beats(network.input.elements),
            "output_beats": plan.host.output_beats(network.scores.outputs),
        },
        "cycles": {
            "latency": predicted.latency,
            "interval": predicted.interval,
            "bottleneck": predicted.bottleneck,
            "alone": dict(predicted.alone),
        },
        "arrays": [_array(plan, array) for array in plan.arrays],
        "layers": layers,
        "rom_bits": _rom_bits(plan),
        "fpga": estimate(network, plan),
        "programming": _programming(plan) if plan.host.programming else None,
        "config": dict(config),
        "totals": {**totals, "utilisation": _share(totals["cells_used"], totals["cells"])},
    }


def render_html(data: Mapping[str, Any], results: Mapping[str, Any] | None = None) -> str:
    """The page: one file, no scripts, nothing loaded from elsewhere.

    Parameters
    ----------
    data : mapping
        From :func:`report_data`.
    results : mapping, optional
        ``check`` and ``run``, as those commands print them with ``--json``.
    """
    return _render("report.html.j2", data, results or {})


def render_svg(data: Mapping[str, Any]) -> str:
    """The map of the arrays and the pipeline as one SVG picture."""
    return _render("picture.svg.j2", data, {})


def _render(template: str, data: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("binohm.gen", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["thousands"] = _thousands
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    page = environment.get_template(template).render(
        data=data, results=results, map=place(data), bars=pipeline_bars(data)
    )
    return page + "\n"


def _thousands(number: float) -> str:
    """1234567 as 1 234 567, with narrow spaces that do not break."""
    return f"{number:,}".replace(",", "\u202f")


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6)


def _array(plan: Plan, array: Array) -> dict[str, Any]:
    users = [layer for layer in plan.layers if layer.array == array]
    return {
        "name": array.name,
        **asdict(array),
        "layers": [layer.name for layer in users],
        "macros": sum(len(layer.tiles) for layer in users),
    }


def _layer(plan: Plan, layer: LayerPlan, predicted: Prediction) -> dict[str, Any]:
    array = layer.array
    tiles = [_tile(layer, tile) for tile in layer.tiles]
    cells = array.lines * array.columns * len(tiles)
    used = sum(tile["cells_used"] for tile in tiles)
    own = (image for image in plan.images if image.layer == layer.name)
    return {
        "name": layer.name,
        "kind": "scores" if layer.scores else "conv" if layer.sweep else "dense",
        "inputs": layer.inputs,
        "outputs": layer.outputs,
        "groups": layer.groups,
        "planes": list(layer.planes),
        "drive": layer.drive,
        "array": array.name,
        "chunk": layer.chunk,
        "weights": layer.inputs * layer.outputs,
        "macros": len(tiles),
        "cells": cells,
        "cells_used": used,
        "cells_idle": cells - used,
        "utilisation": _share(used, cells),
        "devices": cells * DEVICES[array.cell],
        **({"windows": layer.windows, "sweep": asdict(layer.sweep)} if layer.sweep else {}),
        "activations": predicted.activations[layer.name],
        "interval": predicted.alone[layer.name],
        **({"copies": _copies(layer)} if layer.copies > 1 else {}),
        "rom_bits": sum(image.depth * image.width for image in own if image.kind != "cells"),
        "tiles": tiles,
    }


def _copies(layer: LayerPlan) -> dict[str, Any]:
    """How often the arrays are there, and what the same arrays once, planes in series, would be."""
    once = replace(layer, parallel_planes=False, replicas=1)
    return {
        "planes": layer.copies // layer.replicas,
        "replicas": layer.replicas,
        "cells_once": layer.array.lines * layer.array.columns * len(layer.originals),
        "interval_once": alone(once),
        "speedup": round(alone(once) / alone(layer), 3),
    }


def _tile(layer: LayerPlan, tile: Tile) -> dict[str, Any]:
    output, _ = layer.cells(tile)
    per_row = (output >= 0).sum(axis=1)
    columns = int(per_row.max())
    return {
        "name": tile.name,
        "id": tile.id,
        "group": tile.group,
        "inputs": list(tile.inputs),
        "outputs": list(tile.outputs),
        "slice": tile.slice,
        "copy": tile.copy_of,
        "cells_used": int(per_row.sum()) + layer.array.bias_rows * columns,
        "used": _blocks(layer, per_row),
        "bias_columns": columns if layer.array.bias_rows else 0,
    }


def _blocks(layer: LayerPlan, per_row: np.ndarray[Any, Any]) -> list[list[int]]:
    """Used cells as [first row, rows, distance, repetitions, columns from the left].

    ``pcsa`` keeps an output in ``reads_per_output`` rows, the last of which may be short, so its
    pattern repeats output by output; elsewhere the used cells are one rectangle.
    """
    period = layer.reads_per_output if layer.array.readout == "pcsa" else layer.array.rows
    repetitions = int(np.count_nonzero(per_row[::period]))
    blocks = []
    row = 0
    for columns, run in groupby(per_row[:period].tolist()):
        rows = len(list(run))
        if columns:
            blocks.append([row, rows, period, repetitions, columns])
        row += rows
    return blocks


def _programming(plan: Plan) -> dict[str, int]:
    """What it takes to program the arrays: memory for wear, registers for a line, spare cells."""
    lines = sum(layer.array.lines * len(layer.tiles) for layer in plan.layers)
    columns = max(array.columns for array in plan.arrays)
    spares = (
        layer.array.lines * layer.array.spare_columns * len(layer.tiles) for layer in plan.layers
    )
    return {
        "lines": lines,
        "wear_bits": 32 * lines,
        "line_bits": 4 * columns + 32 * -(-columns // 32),
        "spare_cells": sum(spares),
    }


def _rom_bits(plan: Plan) -> dict[str, int]:
    kinds = ("cells", "reference", "flip", "threshold", "pool", "affine", "table")
    bits = dict.fromkeys(kinds, 0)
    for image in plan.images:
        bits[image.kind] += image.depth * image.width
    return bits
