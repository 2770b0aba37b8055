"""The memory images of a plan: which bit stands where is defined by :class:`binohm.gen.plan.Image`.

Every image is first a matrix of bits, a row per memory word, the lowest bit first; then text. All
of it is NumPy on whole matrices: networks of many million weights take seconds.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from binohm.gen.combinations import kinds
from binohm.gen.network import Dense, Network, Scores
from binohm.gen.periphery import affine, bias, thresholds
from binohm.gen.plan import Array, LayerPlan, Plan, Tile

__all__ = ["render"]

Bits = NDArray[np.uint8]
Ints = NDArray[np.int64]

DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def render(network: Network, plan: Plan) -> dict[str, str]:
    """Text of every image of a plan, by image name, in the order of ``plan.images``.

    Each is ``depth`` lines of ``ceil(width / 4)`` lower-case hexadecimal digits.
    """
    images = {image.name: image for image in plan.images}
    texts = dict.fromkeys(images, "")
    if "input_table" in images:
        table = network.input.table[:, np.newaxis]
        texts["input_table"] = _text(_fields(table, images["input_table"].width)[:, 0])
    for index, layer in enumerate(plan.layers):
        for name, bits in _layer(network, index, layer, images[_periphery(layer)].fields):
            assert bits.shape == (images[name].depth, images[name].width)
            texts[name] = _text(bits)
    return texts


def _periphery(layer: LayerPlan) -> str:
    """Name of the image that a layer has beside its tiles."""
    if layer.scores:
        return f"{layer.name}_affine"
    return f"{layer.name}_flip" if layer.array.readout == "sa" else f"{layer.name}_threshold"


def _layer(
    network: Network, index: int, plan: LayerPlan, fields: tuple[int, ...]
) -> Iterator[tuple[str, Bits]]:
    """Name and bits of every image of a layer."""
    layer = network.layers[index]
    biases = None
    if isinstance(layer, Dense) and plan.array.readout == "sa":
        biases = bias(layer, plan.drive)
    codes = plan.array.ref_bits > 0
    yield _periphery(plan), _chunks(_parameters(network, index, plan, fields), plan)
    if plan.late_pool:
        assert isinstance(layer, Dense)
        yield f"{plan.name}_pool", layer.flip.astype(np.uint8)
    for tile in plan.originals:
        if plan.array.readout == "pcsa":
            yield tile.name, _words(layer.weights, plan, tile)
        else:
            yield tile.name, _columns(layer.weights, None if codes else biases, plan, tile)
        if codes:
            assert biases is not None
            yield f"{tile.name}_reference", _codes(biases, plan.array, tile)


def _parameters(network: Network, index: int, plan: LayerPlan, fields: tuple[int, ...]) -> Bits:
    """What the periphery needs to know of each output, a row of bits an output."""
    layer = network.layers[index]
    inputs, _ = kinds(network, index)
    if isinstance(layer, Scores):
        scale, offset = affine(layer, inputs, plan.drive)
        return np.concatenate([_fields(scale, fields[0]), _fields(offset, fields[1])], axis=-1)
    flip = layer.flip.T.astype(np.uint8)
    if plan.array.readout == "sa":
        return flip
    theta = thresholds(layer, inputs, plan.drive, plan.u_range, driven=plan.driven)
    return np.concatenate([_fields(theta.T, fields[0]), flip[..., np.newaxis]], axis=-1).reshape(
        plan.outputs, -1
    )


def _chunks(rows: Bits, plan: LayerPlan) -> Bits:
    """``chunk`` outputs to a word, the last word padded."""
    bits = np.zeros((plan.chunks * plan.chunk, rows.shape[1]), np.uint8)
    bits[: plan.outputs] = rows
    return bits.reshape(plan.chunks, -1)


def _columns(weights: NDArray[np.int8], biases: Ints | None, plan: LayerPlan, tile: Tile) -> Bits:
    """``sa``, ``adc``: ``per_cycle`` columns to a word."""
    array = plan.array
    block = weights[slice(*tile.outputs), slice(*tile.inputs)] > 0
    bits = np.zeros((array.depth * array.per_cycle, array.column_bits), np.uint8)
    bits[: block.shape[0], : block.shape[1]] = block
    if biases is not None:
        own = biases[tile.group, slice(*tile.outputs), np.newaxis]
        rows = np.arange(array.bias_rows)
        bits[: block.shape[0], array.rows :] = np.concatenate([rows < own, rows < -own], axis=1)
    return bits.reshape(array.depth, array.word_bits)


def _codes(biases: Ints, array: Array, tile: Tile) -> Bits:
    """The word of a tile's reference codes."""
    own = biases[tile.group, slice(*tile.outputs)][: array.ref_codes]
    codes = np.zeros(array.ref_codes, np.int64)
    codes[: own.size] = own
    return _fields(codes, array.ref_bits).reshape(1, -1)


def _words(weights: NDArray[np.int8], plan: LayerPlan, tile: Tile) -> Bits:
    """``pcsa``: a row to a word."""
    width = plan.array.columns
    slices = np.arange(plan.reads_per_output) * plan.slices_per_read + tile.slice
    source = (slices[:, np.newaxis] * width + np.arange(width)).ravel()
    own = weights[slice(*tile.outputs)]
    block = (own[:, np.minimum(source, plan.inputs - 1)] > 0) & (source < plan.inputs)
    bits = np.zeros((plan.array.rows, width), np.uint8)
    block = block.reshape(-1, width)
    bits[: block.shape[0]] = block
    return bits


def _fields(values: Ints, width: int) -> Bits:
    """Two's complement bits along a new last axis."""
    return ((values[..., np.newaxis] >> np.arange(width)) & 1).astype(np.uint8)


def _text(bits: Bits) -> str:
    """A line of hexadecimal digits for each row of bits, whose first bit is the lowest."""
    count = -(-bits.shape[1] // 4)
    octets = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    digits = DIGITS[np.stack([octets >> 4, octets & 15], axis=-1)].reshape(len(bits), -1)
    lines = np.full((len(bits), count + 1), ord("\n"), np.uint8)
    lines[:, :count] = digits[:, -count:]
    return lines.tobytes().decode("ascii")
