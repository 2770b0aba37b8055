"""What an accelerator will take on an FPGA, from its plan: before anything is synthesised.

Flip-flops and LUTs are sums of what can be counted in the plan, each with a coefficient that
``python bench/fpga.py fit`` found on builds of its own; docs/fpga.md has the errors on others.
Block RAMs follow from the memory images. Convolutions and programmable arrays are not estimated.
"""

import tomllib
from functools import cache
from importlib import resources
from math import ceil
from typing import Any

from binohm.gen.network import Network
from binohm.gen.plan import LayerPlan, Plan, Tile

__all__ = ["FAMILIES", "FEW", "counts", "estimate"]

FAMILIES = {"ice40": (16, 256), "ecp5": (36, 512)}
"""Families with a model: width and depth of a block RAM where it is widest."""

FEW = 16
"""Read-only memories of at least so many words go to block RAM, others to LUTs."""

SCORE_BITS = 32

Counts = dict[str, dict[str, float]]


def estimate(network: Network, plan: Plan) -> dict[str, dict[str, int]] | None:
    """``lut``, ``ff`` and ``bram`` by family; None for what is not estimated."""
    found = counts(network, plan)
    if found is None:
        return None
    return {
        family: {
            **{
                kind: round(sum(_model()[family][kind][name] * n for name, n in numbers.items()))
                for kind, numbers in found.items()
            },
            "bram": _block_rams(plan, family),
        }
        for family in FAMILIES
        if family in _model()
    }


def counts(network: Network, plan: Plan) -> Counts | None:
    """What the coefficients belong to: under ``ff`` and ``lut``, by name."""
    if plan.host.programming or any(layer.sweep for layer in plan.layers):
        return None
    parts = [_layer(layer) for layer in plan.layers]
    classes, bits = network.scores.outputs, network.input.bits
    elements, width = network.input.elements, plan.host.input_bytes
    frame = 8 * plan.host.output_bytes * plan.host.output_beats(classes)
    padded = width * plan.host.input_beats(elements)
    looked_up = width * bits if any(image.kind == "table" for image in plan.images) else 0
    few = sum(image.width for image in plan.images if image.depth < FEW and image.kind != "table")
    return {
        "ff": {
            "fixed": 1,
            "registers": padded * bits - width * bits + elements * bits + frame
            + sum(part["registers"] for part in parts),
            "scores": sum(part["scores"] for part in parts),
        },
        "lut": {
            "fixed": 1,
            "matched": sum(part["matched"] for part in parts),
            "chosen": sum(part["chosen"] for part in parts),
            "added": sum(part["added"] for part in parts),
            "results": frame + sum(part["scores"] for part in parts),
            "looked_up": looked_up + few / 16,
        },
    }  # fmt: skip


def _layer(layer: LayerPlan) -> dict[str, float]:
    """Bits of a layer: registers, matches counted a cycle, bits chosen from, bits added up."""
    array, tiles, planes = layer.array, len(layer.tiles), layer.series
    if array.readout == "pcsa":
        columns = [_columns(layer, tile) for tile in layer.tiles]
        read = sum(columns) // layer.chunk
        total = max(layer.u_range).bit_length() + 2
        registers = sum(columns) + 2 * tiles + layer.chunk * total
        matched: float = sum(columns)
        words = planes * layer.reads_per_output
        chosen = words * read if words > 1 else 0
        added = layer.chunk * total
    else:
        registers, matched, chosen, added = 0, 0, 0, 0
        for tile in layer.tiles:
            rows = tile.inputs[1] - tile.inputs[0]
            columns = tile.outputs[1] - tile.outputs[0]
            field = max(1, array.adc_bits)
            steps = array.depth
            lines = rows * (2 if layer.drive == "bipolar" else 1)
            answers = columns * field
            registers += lines + answers + (steps - 1) * array.per_cycle * field
            registers += array.ref_codes * array.ref_bits
            matched += array.per_cycle * (rows + 2 * array.bias_rows)
            chosen += answers if layer.chunks > 1 else 0
            added += layer.chunk * field / max(1, len({t.outputs for t in layer.tiles}))
        chosen += planes * layer.inputs if planes > 1 else 0
        if array.readout == "adc":
            total = max(layer.u_range).bit_length() + 2
            words = layer.chunks * layer.chunk * total if len(layer.planes) > 1 else 0
            registers += layer.chunk * total + words
            added += layer.chunk * total
    driven = 0
    if layer.driven:
        driven = (array.outstanding + 4) * max(1, max(layer.u_range).bit_length())
    scores = 0
    if layer.scores:
        scores = SCORE_BITS * (layer.chunks * layer.chunk + layer.outputs)
    else:
        registers += layer.chunk + (layer.chunks - 1) * layer.chunk + layer.outputs
    return {
        "registers": registers + driven,
        "matched": matched,
        "chosen": chosen,
        "added": added,
        "scores": scores,
    }


def _columns(layer: LayerPlan, tile: Tile) -> int:
    """``pcsa``: columns of a tile that ever hold a weight."""
    return min(layer.array.columns, layer.inputs - tile.slice * layer.array.columns)


def _block_rams(plan: Plan, family: str) -> int:
    """Block RAMs of all memories that are deep enough."""
    width, depth = FAMILIES[family]

    def blocks(words: int, bits: int) -> int:
        return ceil(bits / width) * ceil(words / depth) if words >= FEW else 0

    cells = 0
    for layer in plan.layers:
        array = layer.array
        for tile in layer.tiles:
            bits = array.per_cycle * (tile.inputs[1] - tile.inputs[0] + 2 * array.bias_rows)
            bits = _columns(layer, tile) if array.readout == "pcsa" else bits
            cells += blocks(array.depth, bits)
    periphery = ("flip", "threshold", "affine")
    return cells + sum(blocks(i.depth, i.width) for i in plan.images if i.kind in periphery)


@cache
def _model() -> dict[str, Any]:
    text = (resources.files("binohm.gen") / "data" / "fpga.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
