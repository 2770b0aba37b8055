"""What an accelerator will take on an FPGA, from plan and network: before it is synthesised.

Flip-flops and LUTs are sums of what can be counted in them, each with a coefficient that
``python bench/fpga.py fit`` found on builds of its own; docs/fpga.md has the errors on others.
Block RAMs follow from the memory images. Convolutions and programmable arrays are not estimated.
"""

import tomllib
from functools import cache
from importlib import resources
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Dense, Network, Scores
from binohm.gen.periphery import bias
from binohm.gen.plan import LayerPlan, Plan, Tile

__all__ = ["FAMILIES", "FEW", "counts", "estimate"]

FAMILIES = {"ice40": (16, 256), "ecp5": (36, 512)}
"""Families of devices: width and depth of a block RAM where it is widest."""

FEW = 16
"""Read-only memories of at least so many words go to block RAM, others to LUTs."""

ROMS = ("flip", "threshold", "affine")
"""Kinds of image that are read-only memories in every view."""

COUNTED = ("words", "sensed", "converted", "gated", "chosen", "shifted")
"""What the LUTs of a layer are counted by, see :func:`_layer`."""

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
    return {**sums, "bram": {family: _block_rams(network, plan, family) for family in FAMILIES}}


def counts(network: Network, plan: Plan) -> Counts | None:
    """What the coefficients belong to: under ``ff`` and ``lut``, by name."""
    if plan.host.programming or any(layer.sweep for layer in plan.layers):
        return None
    parts = [_layer(*pair) for pair in zip(network.layers, plan.layers, strict=True)]
    classes, bits = network.scores.outputs, network.input.bits
    elements, width = network.input.elements, plan.host.input_bytes
    frame = 8 * plan.host.output_bytes * plan.host.output_beats(classes)
    padded = width * plan.host.input_beats(elements)
    tabled = any(image.kind == "table" for image in plan.images)
    looked_up = width * _table_luts(network.input.table, bits) if tabled else 0
    stored = sum(part["stored"] for part in parts)
    stored += sum(_stored(image.depth, image.width) for image in plan.images if image.kind in ROMS)
    return {
        "ff": {
            "fixed": 1,
            "registers": padded * bits - width * bits + elements * bits + frame
            + sum(part["registers"] for part in parts) + stored,
        },
        "lut": {
            "fixed": 1,
            **{kind: sum(part[kind] for part in parts) for kind in COUNTED},
            "results": frame,
            "looked_up": looked_up,
            "stored": stored,
        },
    }  # fmt: skip


def _layer(layer: Dense | Scores, plan: LayerPlan) -> dict[str, float]:
    """Bits of a layer.

    ``registers``; ``stored``, of memories in LUTs; ``words``, ``sensed`` and ``converted``, of
    what is matched in a cycle, by readout, and ``gated`` where lines are +1 or off; ``chosen``,
    from which others are selected; ``shifted``, by the weights of planes. A popcount takes more the
    more bits a count has: ``words`` and ``gated`` are bits matched times bits of a count.
    """
    found = dict.fromkeys(("registers", "stored", *COUNTED), 0.0)
    found |= _words(plan) if plan.array.readout == "pcsa" else _walk(layer, plan)
    if plan.driven:
        found["registers"] += (plan.array.outstanding + 4 + plan.scores) * _sum_bits(plan)
    if plan.scores:
        found["registers"] += plan.chunk * _sum_bits(plan)
    else:
        found["registers"] += plan.chunk * (plan.chunks + 1) + plan.outputs
    return found


def _sum_bits(plan: LayerPlan) -> int:
    return max(plan.u_range).bit_length() + 2


def _words(plan: LayerPlan) -> dict[str, float]:
    """Of arrays that are read word by word: inputs that wait, popcounts, accumulators."""
    held = sum(_columns(plan, tile) for tile in plan.tiles)
    parts = plan.series * plan.reads_per_output
    side = len(plan.planes) // plan.series
    count_bits = (held // (plan.chunk * side)).bit_length()
    signed = plan.planes[-1] < 0
    return {
        "registers": held + 2 * len(plan.tiles) + plan.chunk * _sum_bits(plan),
        "words" if plan.drive == "bipolar" else "gated": held * count_bits,
        "chosen": parts * held / plan.chunk if parts > 1 else 0,
        "shifted": plan.chunk * count_bits * plan.series * (1 + signed) if plan.series > 1 else 0,
    }


def _walk(layer: Dense | Scores, plan: LayerPlan) -> dict[str, float]:
    """Of arrays whose columns are walked along: lines, answers, sums. Codes are constants."""
    array = plan.array
    field = max(1, array.adc_bits)
    found = dict.fromkeys(("registers", "stored", "matched", "gated", "chosen"), 0.0)
    for tile in plan.tiles:
        rows = tile.inputs[1] - tile.inputs[0]
        bits = _column_bits(layer, plan, tile)
        answers = (tile.outputs[1] - tile.outputs[0]) * field
        found["registers"] += rows * (2 if plan.drive == "bipolar" else 1)
        found["registers"] += answers + (array.depth - 1) * array.per_cycle * field
        found["stored"] += _stored(array.depth, array.per_cycle * bits)
        found["matched"] += array.per_cycle * bits
        found["matched"] += rows if array.readout == "sa" else 0  # of which, how many are driven
        found["gated"] += array.per_cycle * bits * bits.bit_length()
        found["chosen"] += answers if plan.chunks > 1 else 0
    found["chosen"] += plan.series * plan.inputs if plan.series > 1 else 0
    if array.readout == "adc":
        sums = plan.chunk * _sum_bits(plan)
        found["registers"] += sums + (sums * plan.chunks if plan.series > 1 else 0)
    matched, gated = found.pop("matched"), found.pop("gated")
    if plan.drive == "unipolar":
        return {**found, "gated": gated}
    return {**found, "sensed" if array.readout == "sa" else "converted": matched}


def _table_luts(table: NDArray[np.int64], bits: int) -> int:
    """LUTs for the sixteenths of a table: alike ones of a bit are one, constant ones none."""
    sixteenths = ((table >> np.arange(bits)[:, np.newaxis]) & 1).reshape(bits, 16, 16)
    return sum(
        len({part.tobytes() for part in parts if part.any() and not part.all()})
        for parts in sixteenths
    )


def _stored(depth: int, width: int) -> float:
    """Bits of a word in LUTs, if it is there: of those that are alike in all words one is kept."""
    kinds = 2.0**depth
    return kinds * (1 - (1 - 1 / kinds) ** width) if 1 < depth < FEW else 0.0


def _columns(plan: LayerPlan, tile: Tile) -> int:
    """``pcsa``: columns of a tile that ever hold a weight."""
    return min(plan.array.columns, plan.inputs - tile.slice * plan.array.columns)


def _column_bits(layer: Dense | Scores, plan: LayerPlan, tile: Tile) -> int:
    """``sa``, ``adc``: bits of a column that are not 0 in all columns of a tile."""
    rows = tile.inputs[1] - tile.inputs[0]
    if isinstance(layer, Scores) or not plan.array.bias_rows:
        return rows
    own = bias(layer, plan.drive)[tile.group, slice(*tile.outputs)]
    return rows + max(0, int(own.max())) + max(0, int(-own.min()))


def _block_rams(network: Network, plan: Plan, family: str) -> int:
    """Block RAMs of all memories that are deep enough."""
    width, depth = FAMILIES[family]

    def blocks(words: int, bits: int) -> int:
        return ceil(bits / width) * ceil(words / depth) if words >= FEW else 0

    cells = 0
    for layer, how in zip(network.layers, plan.layers, strict=True):
        for tile in how.tiles:
            if how.array.readout == "pcsa":
                bits = _columns(how, tile)
            else:
                bits = how.array.per_cycle * _column_bits(layer, how, tile)
            cells += blocks(how.array.depth, bits)
    return cells + sum(blocks(i.depth, i.width) for i in plan.images if i.kind in ROMS)


@cache
def _model() -> dict[str, Any]:
    text = (resources.files("binohm.gen") / "data" / "fpga.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
