"""A layer and an image of bits as tables of C for ``sim/firmware``: ``tables.h``.

The same tables serve the layer with and without the unit. Without it, an image and the kernels are
*packed words*: 32 channels of a pixel in a word or, where there are fewer, several pixels; output
``o`` is +1 before its flip where at most ``limits`` bits differ. With it, an image is *words of
pixels*: bit ``x`` of word ``row * channels + channel`` is column ``x``; kernels are numbers of a
:class:`~binohm.gen.soc.kernels.Store`, and those it lacks stand in a list behind the numbers of
their output.

Beyond the border an input is 0. In packed words it has the bit 0, as -1 has, so that limits there
differ: there is a set of them for each way in which a window can cross the border.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError
from binohm.gen.network import Conv, Ints
from binohm.gen.soc.kernels import TAPS, Store, kernels_of

__all__ = ["Tables", "check", "pixels_of", "rows_of", "tables"]

WORD = 32
PER_LINE = 8
PULSES = 200
"""Most pulses for a device, where the program writes the store."""


@dataclass(frozen=True)
class Tables:
    """What the firmware is compiled with.

    Parameters
    ----------
    text : str
        ``tables.h``.
    hits, misses : int
        Kernels of the layer that the store holds, and those that it does not; 0 without a store.
    shared : bool
        Whether there are equal kernels that are compared once.
    """

    text: str
    hits: int
    misses: int
    shared: bool


def check(layer: Conv) -> None:
    """Raise ModelError unless the firmware can compute the layer; it says what to do."""
    columns = layer.image[1]
    if layer.groups != 1:
        raise ModelError(
            f"layer {layer.name} is split into {layer.groups} groups; take a network without splits"
        )
    if layer.stride != (1, 1):
        raise ModelError(f"layer {layer.name}: stride {layer.stride}: must be (1, 1)")
    if layer.inputs >= 1 << 15:
        raise ModelError(f"layer {layer.name}: {layer.inputs} inputs: must be fewer than {1 << 15}")
    if columns > WORD or layer.windows[1] > WORD:
        raise ModelError(
            f"layer {layer.name}: {columns} columns: must be at most {WORD}; cut the image"
        )
    if layer.kernel[0] * layer.kernel[1] > TAPS:
        raise ModelError(
            f"layer {layer.name}: kernel {layer.kernel}: must have at most {TAPS} elements"
        )


def tables(
    layer: Conv,
    image: NDArray[np.int8],
    store: Store | None = None,
    positions: int = 4,
    cache: int | None = None,
) -> Tables:
    """The tables of a layer whose input is ``image``.

    Parameters
    ----------
    layer : Conv
        Its pool is no part of this: results are those of all windows.
    image : int8 array of -1 and +1, shape (rows, columns, channels)
    store : Store, optional
        What the unit holds; without it the firmware has no way to use the unit.
    positions : int
        Windows beside one another in the unit, 1 to 8.
    cache : int, optional
        Bytes of a data cache, three quarters of which lists of numbers may take; without one,
        outputs need not come in tiles.

    Raises
    ------
    ModelError
        See :func:`check`.
    """
    check(layer)
    if image.shape != layer.image:
        raise ValueError(f"the image must have shape {layer.image}, not {image.shape}")
    bits = image > 0
    names, arrays = _software(layer, bits)
    hits = misses = 0
    if store is not None:
        more, lists = _unit(layer, bits, store, positions, cache)
        names |= more
        arrays |= lists
        hits = int((store.find(kernels_of(layer)) >= 0).sum())
        misses = layer.outputs * layer.image[2] - hits
    lines = ["/* Made by binohm from a layer and an image. */", "#ifndef TABLES_H"]
    lines += ["#define TABLES_H", "", "#include <stdint.h>", ""]
    lines += [f"#define {name} {value}" for name, value in names.items()]
    if names.get("MISSES"):
        ones = ", ".join(str(value.bit_count()) for value in range(1 << names["TAPS"]))
        lines.append(f"#define ONES {{{ones}}}")
    for name, values in arrays.items():
        lines += ["", *_array(name, values)]
    lines += ["", "#endif", ""]
    return Tables("\n".join(lines), hits, misses, bool(names["SHARED"]))


def pixels_of(words: NDArray[np.uint32], layer: Conv) -> NDArray[np.int8]:
    """Results without the unit, a word of outputs a pixel: shape (rows, columns, outputs)."""
    parts = words.reshape(*layer.windows, -1)
    output = np.arange(layer.outputs)
    return _signs(parts[:, :, output // WORD] >> (output % WORD).astype(np.uint32) & 1)


def rows_of(words: NDArray[np.uint32], layer: Conv) -> NDArray[np.int8]:
    """Results with the unit, a word of pixels a row of each output: the same shape."""
    parts = words.reshape(layer.windows[0], 1, layer.outputs)
    return _signs(parts >> np.arange(layer.windows[1], dtype=np.uint32)[:, None] & 1)


def _signs(bits: NDArray[np.integer]) -> NDArray[np.int8]:
    return np.where(bits > 0, 1, -1).astype(np.int8)


Names = dict[str, int]
Arrays = dict[str, NDArray[np.integer]]


def _software(layer: Conv, bits: NDArray[np.bool_]) -> tuple[Names, Arrays]:
    """What both ways need, and what the way without the unit needs."""
    rows, columns, channels = layer.image
    pixel_words = -(-channels // WORD)
    a_word = max(1, WORD // channels)
    taps = layer.kernel[0] * layer.kernel[1]
    around = [(layer.padding[k], layer.padding[k]) for k in range(2)]
    padded = np.pad(bits, [*around, (0, 0)])
    weights = (layer.weights > 0).reshape(layer.outputs, channels, taps).transpose(0, 2, 1)
    kernels = _packed(weights, channels, a_word)
    row_class, column_class, limits = _limits(layer)
    start, size, index, unique = _shared(kernels)
    shared = sum(size) < layer.outputs
    names = {
        "IMAGE_ROWS": rows, "IMAGE_COLUMNS": columns, "CHANNELS": channels,
        "PADDED_COLUMNS": padded.shape[1],
        "PIXEL_WORDS": pixel_words, "PIXELS_A_WORD": a_word, "CHANNELS_A_WORD": channels % WORD,
        "WORDS": kernels.shape[1], "TAPS": taps,
        "KERNEL_ROWS": layer.kernel[0], "KERNEL_COLUMNS": layer.kernel[1],
        "STRIDE_ROWS": layer.stride[0], "STRIDE_COLUMNS": layer.stride[1],
        "PADDING_ROWS": layer.padding[0], "PADDING_COLUMNS": layer.padding[1],
        "RESULT_ROWS": layer.windows[0], "RESULT_COLUMNS": layer.windows[1],
        "OUTPUTS": layer.outputs, "RESULT_WORDS": -(-layer.outputs // WORD),
        "COLUMN_CLASSES": int(column_class.max()) + 1, "SHARED": int(shared),
    }  # fmt: skip
    arrays: Arrays = {
        "pixels": _words(padded.reshape(-1, channels)).ravel(),
        "kernels": (unique if shared else kernels).ravel(),
        "limits": limits.astype(np.int16).ravel(),
        "row_class": row_class,
        "column_class": column_class,
        "flips": _words(layer.flip).ravel(),
    }
    if shared:
        arrays |= {"group_start": start, "group_size": size, "kernel_of": index}
    return names, arrays


def _unit(
    layer: Conv, bits: NDArray[np.bool_], store: Store, positions: int, cache: int | None
) -> tuple[Names, Arrays]:
    """What the way with the unit needs beside."""
    if store.shape != layer.kernel:
        raise ModelError(
            f"layer {layer.name}: its kernels are {layer.kernel}, but those of the store "
            f"{store.shape}"
        )
    found = store.find(kernels_of(layer))
    missing = bool((found < 0).any())
    columns = layer.windows[1]
    groups = -(-columns // positions)
    present = _present(layer, 1, positions * groups)
    taps = _taps_present(layer, positions * groups)
    everything = (1 << columns) - 1
    words = -(-layer.image[2] // store.a_word)
    lists = [list(part) for part in _lists(layer, found, store, positions)]
    starts = np.cumsum([0, *map(len, lists)])
    tile = _tile(starts, cache)
    names = {
        "NUMBERS": store.a_word, "NUMBER_WORDS": words, "MISSES": int(missing),
        "POSITIONS": positions, "COLUMN_GROUPS": groups, "COLUMN_MASK": everything,
        "TILE": tile, "SLOTS": len(store.kernels), "STORE_PARTS": 1, "PULSES": PULSES,
    }  # fmt: skip
    arrays: Arrays = {
        "rows": _words(bits.transpose(0, 2, 1).reshape(-1, layer.image[1])).ravel(),
        "numbers": np.array([word for part in lists for word in part], np.uint32),
        "tile_start": starts[:-1:tile].astype(np.uint32),
        "thetas": layer.theta[0].clip(-(1 << 15), (1 << 15) - 1).astype(np.int16),
        "flip_rows": np.where(layer.flip[0], everything, 0).astype(np.uint32),
        "column_masks": _column_masks(layer, present, positions),
        "store": np.array(store.kernels, np.uint32),
    }
    if missing:
        arrays["tap_masks"] = taps
    return names, arrays


def _tile(starts: Ints, cache: int | None) -> int:
    """Outputs of a tile: the most whose lists fit, in a half, a quarter ... of all of them."""
    outputs = len(starts) - 1
    tile = outputs
    while cache is not None and tile > 1:
        ends = starts[np.minimum(np.arange(tile, outputs + tile, tile), outputs)]
        if 4 * int((ends - starts[:-1:tile]).max()) <= 3 * cache // 4:
            break
        tile = -(-tile // 2)
    return tile


def _lists(layer: Conv, found: Ints, store: Store, positions: int) -> Iterable[Iterable[int]]:
    """For each output: how many misses (if the layer has any), its numbers, then the misses.

    A miss is, in the upper half of a word, where the windows of its channel stand, a word each, and
    its kernel in the lower.
    """
    missing = bool((found < 0).any())
    shifts = store.number_bits * np.arange(store.a_word)
    none = (1 << store.number_bits) - 1
    for numbers, mine in zip(found, kernels_of(layer), strict=True):
        lacks = np.flatnonzero(numbers < 0)
        filled = np.full(-(-len(numbers) // store.a_word) * store.a_word, none)
        filled[: len(numbers)] = np.where(numbers < 0, store.codes, numbers)
        yield [
            *([len(lacks)] if missing else []),
            *(filled.reshape(-1, store.a_word) << shifts).sum(axis=1).tolist(),
            *(4 * positions * c << 16 | int(mine[c]) for c in lacks.tolist()),
        ]


def _present(layer: Conv, axis: int, count: int) -> NDArray[np.bool_]:
    """Whether each element of a kernel, along one axis, is inside, for ``count`` windows."""
    at = np.arange(count)[:, None] * layer.stride[axis] - layer.padding[axis]
    at = at + np.arange(layer.kernel[axis])
    return (at >= 0) & (at < layer.image[axis])


def _classes(layer: Conv, axis: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Which way each window crosses the border, and what is present in each way."""
    ways, index = np.unique(_present(layer, axis, layer.windows[axis]), axis=0, return_inverse=True)
    return index.reshape(-1).astype(np.uint8), ways


def _limits(layer: Conv) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Ints]:
    """Classes of rows and of columns, and limits of shape (row classes, column classes, outputs).

    With D bits differing of N, and a bit 0 beyond the border, where the sum has nothing instead of
    -w: ``N - 2 D + beyond >= theta``.
    """
    row_class, rows = _classes(layer, 0)
    column_class, columns = _classes(layer, 1)
    inside = rows[:, None, :, None] & columns[None, :, None, :]
    weights = layer.weights.reshape(layer.outputs, layer.image[2], *layer.kernel).sum(1)
    beyond = (~inside[:, :, None] * weights).sum(axis=(-2, -1), dtype=np.int64)
    limits = (layer.inputs + beyond - layer.theta[0]) // 2
    return row_class, column_class, limits.clip(-1, layer.inputs)


def _taps_present(layer: Conv, count: int) -> NDArray[np.uint16]:
    """Masks of a kernel's elements inside, by class of row and by column."""
    _, rows = _classes(layer, 0)
    columns = _present(layer, 1, count)
    inside = rows[:, None, :, None] & columns[None, :, None, :]
    flat = inside.reshape(-1, layer.kernel[0] * layer.kernel[1])
    return (flat @ (1 << np.arange(flat.shape[1]))).astype(np.uint16)


def _column_masks(layer: Conv, present: NDArray[np.bool_], positions: int) -> NDArray[np.uint32]:
    """For each group of positions, which columns of a patch are inside."""
    width = layer.kernel[1] + positions - 1
    starts = np.arange(0, len(present), positions) - layer.padding[1]
    at = starts[:, None] + np.arange(width)
    return _words((at >= 0) & (at < layer.image[1])).ravel()


def _packed(bits: NDArray[np.bool_], channels: int, a_word: int) -> NDArray[np.uint32]:
    """Windows or kernels, shape (n, taps, channels), as words: shape (n, words)."""
    count, taps, _ = bits.shape
    if channels >= WORD:
        return _words(bits.reshape(-1, channels)).reshape(count, -1)
    whole = np.zeros((count, -(-taps // a_word) * a_word, channels), bool)
    whole[:, :taps] = bits
    return _words(whole.reshape(-1, a_word * channels)).reshape(count, -1)


def _words(bits: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Rows of bits as words, element 0 lowest: shape (n, words)."""
    whole = np.zeros((len(bits), -(-bits.shape[1] // WORD) * WORD), np.uint8)
    whole[:, : bits.shape[1]] = bits
    return np.packbits(whole, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def _shared(
    kernels: NDArray[np.uint32],
) -> tuple[NDArray[np.uint16], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint32]]:
    """Different kernels of every 32 outputs: where they start, how many, which is whose, they."""
    start: list[int] = []
    size: list[int] = []
    index: list[int] = []
    unique: list[NDArray[np.uint32]] = []
    for first in range(0, len(kernels), WORD):
        group = kernels[first : first + WORD]
        _, rows, inverse = np.unique(group, axis=0, return_index=True, return_inverse=True)
        start.append(sum(size))
        size.append(len(rows))
        index += inverse.reshape(-1).tolist()
        unique.append(group[rows])
    return (
        np.array(start, np.uint16), np.array(size, np.uint8), np.array(index, np.uint8),
        np.concatenate(unique),
    )  # fmt: skip


TYPES: Mapping[str, str] = {
    "uint8": "uint8_t", "uint16": "uint16_t", "int16": "int16_t", "uint32": "uint32_t",
}  # fmt: skip


def _array(name: str, values: NDArray[np.integer]) -> Iterable[str]:
    kind = TYPES[values.dtype.name]
    digits = 2 + values.dtype.itemsize * 2
    signed = values.dtype.kind == "i"
    texts = [str(v) if signed else f"{v:#0{digits}x}" for v in values.tolist()]
    yield f"__attribute__((unused)) static const {kind} {name}[{len(texts)}] = {{"
    for first in range(0, len(texts), PER_LINE):
        yield f"    {', '.join(texts[first : first + PER_LINE])},"
    yield "};"
