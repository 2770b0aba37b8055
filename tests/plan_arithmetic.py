"""What arrays and periphery compute from a plan and its images, after :mod:`binohm.gen.plan` alone.

Slow and literal: images are read digit by digit, cells one by one. No network is needed, so that
equality with golden proves tiles, cells, thresholds, flips and affines together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Input
from binohm.gen.plan import Array, Image, LayerPlan, Plan, Tile

Ints = NDArray[np.int64]


def words(text: str, image: Image) -> list[list[int]]:
    """Bits of every word, the lowest first; checks the shape of the text."""
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert len(lines) == image.depth
    result = []
    for line in lines:
        assert len(line) == -(-image.width // 4)
        assert set(line) <= set("0123456789abcdef")
        value = int(line, 16)
        assert value < 1 << image.width
        result.append([value >> bit & 1 for bit in range(image.width)])
    return result


def signed(bits: Sequence[int]) -> int:
    value = sum(bit << k for k, bit in enumerate(bits))
    return value - (bits[-1] << len(bits))


@dataclass
class Cells:
    """Contents of one macro: ``signs[row, column]`` is -1 or +1, ``bias[column]`` a sum."""

    signs: Ints
    bias: Ints


def cells(memory: list[list[int]], array: Array) -> Cells:
    """Contents of a macro from its image; checks that what is unused is 0."""
    shape = (array.rows, array.columns)
    if array.readout == "pcsa":
        return Cells(2 * np.array(memory, np.int64) - 1, np.zeros(array.columns, np.int64))
    signs, bias = np.zeros(shape, np.int64), np.zeros(array.columns, np.int64)
    for address, word in enumerate(memory):
        for lane in range(array.per_cycle):
            column = address * array.per_cycle + lane
            bits = word[lane * array.column_bits : (lane + 1) * array.column_bits]
            if column >= array.columns:
                assert not any(bits)
                continue
            signs[:, column] = 2 * np.array(bits[: array.rows]) - 1
            plus = bits[array.rows : array.rows + array.bias_rows]
            minus = bits[array.rows + array.bias_rows :]
            assert not any(p and m for p, m in zip(plus, minus, strict=True))
            bias[column] = sum(plus) - sum(minus)
    return Cells(signs, bias)


def simulate(plan: Plan, texts: dict[str, str], source: Input, values: Ints) -> list[Ints]:
    """Outputs of every layer for input ``values`` (N, elements): bits, and at last scores."""
    images = {image.name: words(texts[image.name], image) for image in plan.images}
    first = plan.layers[0]
    planes = [values > 0] if source.bipolar else [values >> b & 1 for b in range(source.bits)]
    assert len(planes) == len(first.planes)
    stages: list[Ints] = []
    for layer in plan.layers:
        stages.append(_layer(layer, plan, images, [plane.astype(np.int64) for plane in planes]))
        planes = [stages[-1]]
    return stages


def _layer(
    layer: LayerPlan, plan: Plan, images: dict[str, list[list[int]]], planes: list[Ints]
) -> Ints:
    count = len(planes[0])
    contents = {tile.name: cells(images[tile.name], layer.array) for tile in layer.tiles}
    if layer.array.ref_bits:
        for tile in layer.tiles:
            (word,) = images[f"{tile.name}_reference"]
            codes = np.array_split(word, layer.array.ref_codes)
            contents[tile.name].bias[:] = [signed(code.tolist()) for code in codes]
    (beside,) = (
        image
        for image in plan.images
        if image.layer == layer.name and image.kind not in ("cells", "reference")
    )
    lanes = [lane for word in images[beside.name] for lane in np.array_split(word, layer.chunk)]
    assert not any(bit for lane in lanes[layer.outputs :] for bit in lane)
    if layer.array.readout == "sa":
        votes = np.zeros((count, layer.outputs, layer.groups), np.int64)
        for tile in layer.tiles:
            sums, _ = _read(layer, tile, contents[tile.name], planes[0])
            width = tile.outputs[1] - tile.outputs[0]
            for column in range(width):
                bit = sums[:, column] + contents[tile.name].bias[column] >= 0
                votes[:, tile.outputs[0] + column, tile.group] = bit
        flips = np.array(lanes[: layer.outputs])
        return _majority(votes ^ flips)
    matches = np.zeros((count, layer.outputs, layer.groups), np.int64)
    driven = np.zeros(count, np.int64)
    for weight, plane in zip(layer.planes, planes, strict=True):
        driven += weight * plane.sum(axis=1)
        for tile in layer.tiles:
            _accumulate(layer, tile, contents[tile.name], plane, weight, matches)
    u = 2 * matches - driven[:, None, None] if layer.driven else matches
    assert layer.u_range[0] <= u.min() and u.max() <= layer.u_range[1]
    if layer.scores:
        cut = beside.fields[0]
        scale = np.array([signed(lane[:cut].tolist()) for lane in lanes[: layer.outputs]])
        offset = np.array([signed(lane[cut:].tolist()) for lane in lanes[: layer.outputs]])
        return u[:, :, 0] * scale + offset
    votes = np.zeros((count, layer.outputs, layer.groups), np.int64)
    for output in range(layer.outputs):
        for group, bits in enumerate(np.array_split(lanes[output], layer.groups)):
            theta, flip = signed(bits[:-1].tolist()), bits[-1]
            votes[:, output, group] = (u[:, output, group] >= theta) ^ flip
    return _majority(votes)


def _accumulate(
    layer: LayerPlan, tile: Tile, content: Cells, plane: Ints, weight: int, matches: Ints
) -> None:
    """Add the matches of one tile in one plane, output by output."""
    array = layer.array
    if array.readout == "adc":
        _, counts = _read(layer, tile, content, plane)
        for column in range(tile.outputs[1] - tile.outputs[0]):
            clipped = np.minimum(counts[:, column], 2**array.adc_bits - 1)
            matches[:, tile.outputs[0] + column, tile.group] += weight * clipped
        return
    used = 0
    for chunk in range(layer.chunks):
        output = chunk * layer.chunk + tile.outputs[0]
        if output >= layer.outputs:
            continue
        for j in range(layer.reads_per_output):
            row = chunk * layer.reads_per_output + j
            start = (j * layer.slices_per_read + tile.slice) * array.columns
            x = plane[:, start : start + array.columns]
            word = content.signs[row, : x.shape[1]]
            drive = 2 * x - 1 if layer.drive == "bipolar" else x
            matches[:, output, 0] += weight * (drive == word).sum(axis=1)
            used += x.shape[1]
    assert used == (layer.cells(tile)[0] >= 0).sum()


def _read(layer: LayerPlan, tile: Tile, content: Cells, plane: Ints) -> tuple[Ints, Ints]:
    """Column sums and matches with all rows of a tile driven by their inputs."""
    x = plane[:, slice(*tile.inputs)]
    drive = 2 * x - 1 if layer.drive == "bipolar" else x
    signs = content.signs[: drive.shape[1]]
    matches = np.stack([(drive == signs[:, c]).sum(axis=1) for c in range(signs.shape[1])], axis=1)
    sums = np.stack([(drive * signs[:, c]).sum(axis=1) for c in range(signs.shape[1])], axis=1)
    assert (sums == 2 * matches - np.abs(drive).sum(axis=1)[:, None]).all()
    return sums, matches


def _majority(votes: Ints) -> Ints:
    """Majority over the last axis, a tie gives 1."""
    return (2 * votes.sum(axis=-1) >= votes.shape[-1]).astype(np.int64)
