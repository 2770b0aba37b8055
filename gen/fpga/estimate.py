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
"""Families of devices: width and depth of a block RAM where it is widest."""

FEW = 16
"""Read-only memories of at least so many words go to block RAM, others to LUTs."""

SCORE_BITS = 32

Counts = dict[str, dict[str, float]]


def estimate(network: Network, plan: Plan) -> dict[str, Any] | None:
    """``lut`` (of four inputs), ``ff``, and ``bram`` by family; None for what is not estimated."""
    found = counts(network, plan)
    if found is None:
        return None
    sums = {
        kind: round(sum(_model()[kind][name] * number for name, number in numbers.items()))
        for kind, numbers in found.items()
    }
    return {**sums, "bram": {family: _block_rams(plan, family) for family in FAMILIES}}


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
    found = _words(layer) if layer.array.readout == "pcsa" else _walk(layer)
    sums = layer.chunk * _sum_bits(layer)
    if layer.driven:
        found["registers"] += (layer.array.outstanding + 4 + layer.scores) * _sum_bits(layer)
    found["scores"] = 0.0
    if layer.scores:
        found["registers"] += sums
        found["scores"] += SCORE_BITS * (layer.chunks * layer.chunk + layer.outputs)
    else:
        found["registers"] += layer.chunk * (layer.chunks + 1) + layer.outputs
    return found


def _sum_bits(layer: LayerPlan) -> int:
    return max(layer.u_range).bit_length() + 2


def _words(layer: LayerPlan) -> dict[str, float]:
    """Of arrays that are read word by word: inputs that wait, popcounts, accumulators."""
    held = sum(_columns(layer, tile) for tile in layer.tiles)
    added = layer.chunk * _sum_bits(layer)
    parts = layer.series * layer.reads_per_output
    return {
        "registers": held + 2 * len(layer.tiles) + added,
        "matched": held,
        "chosen": parts * held / layer.chunk if parts > 1 else 0.0,
        "added": added,
    }


def _walk(layer: LayerPlan) -> dict[str, float]:
    """Of arrays whose columns are walked along: lines, answers, sums."""
    array = layer.array
    field = max(1, array.adc_bits)
    rows_of_tiles = len(layer.tiles) / len({tile.outputs for tile in layer.tiles})
    found = {"registers": 0.0, "matched": 0.0, "chosen": 0.0, "added": 0.0}
    for tile in layer.tiles:
        rows = tile.inputs[1] - tile.inputs[0]
        answers = (tile.outputs[1] - tile.outputs[0]) * field
        found["registers"] += rows * (2 if layer.drive == "bipolar" else 1)
        found["registers"] += answers + (array.depth - 1) * array.per_cycle * field
        found["registers"] += array.ref_codes * array.ref_bits
        found["matched"] += array.per_cycle * (rows + 2 * array.bias_rows)
        found["matched"] += rows if array.readout == "sa" else 0  # of which, how many are driven
        found["chosen"] += answers if layer.chunks > 1 else 0
    found["chosen"] += layer.series * layer.inputs if layer.series > 1 else 0
    found["added"] += rows_of_tiles * layer.chunk * field
    if array.readout == "adc":
        sums = layer.chunk * _sum_bits(layer)
        found["registers"] += sums + (sums * layer.chunks if layer.series > 1 else 0)
        found["added"] += sums
    return found


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
