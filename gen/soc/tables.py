"""A layer and an image of bits as tables of C for ``sim/firmware``: ``tables.h``.

The same tables serve the layer with and without the unit. Without it, an image and the kernels are
*packed words*: 32 channels of a pixel in a word or, where there are fewer, several pixels; output
``o`` is +1 before its flip where at most ``limits`` bits differ. With it, an image is *words of
pixels*: bit ``x`` of word ``row * channels + channel`` is column ``x``; kernels are numbers of a
:class:`~binohm.gen.soc.kernels.Store`. A kernel that it lacks has the number of the nearest, and a
list says in which *places* they differ: ``sum(x * w)`` is that of the nearest and, for each place,
``2 * x * w`` with the weight ``w`` that is wanted. With M of n places agreeing that is
``4 * M - 2 * n``; n goes into the threshold, and what lies beyond the border is no place.

Beyond the border an input is 0. In packed words it has the bit 0, as -1 has, so that limits there
differ: there is a set of them for each way in which a window can cross the border.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ConfigError, ModelError
from binohm.gen.network import Conv, Ints
from binohm.gen.soc.kernels import TAPS, Store, kernels_of

__all__ = ["Tables", "check", "pixels_of", "rows_of", "tables"]

WORD = 32
PER_LINE = 8
POSITIONS = (1, 2, 4, 8)

MOST = 255
"""Most places in which the kernels of an output may differ from those of the unit."""

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
    places : int
        Weights in which those that it does not hold differ from the nearest.
    tiles : int
        Into which outputs are cut for the unit.
    shared : bool
        Whether there are equal kernels that are compared once.
    """

    text: str
    hits: int
    misses: int
    places: int
    tiles: int
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
    *,
    in_full: bool = False,
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
        Windows beside one another in the unit: 1, 2, 4 or 8.
    cache : int, optional
        Bytes of a data cache, three quarters of which lists of numbers may take; without one,
        outputs need not come in tiles.
    in_full : bool
        Kernels that the store lacks stand among the numbers, for the gates of the unit, and nothing
        is left to the processor.

    Raises
    ------
    ModelError
        See :func:`check`.
    """
    check(layer)
    if store is not None and positions not in POSITIONS:
        raise ConfigError(f"positions = {positions}: must be one of {POSITIONS}")
    if image.shape != layer.image:
        raise ValueError(f"the image must have shape {layer.image}, not {image.shape}")
    bits = image > 0
    names, arrays = _software(layer, bits)
    hits = misses = places = tiles = 0
    if store is not None:
        more, lists = _unit(layer, bits, store, positions, cache, in_full=in_full)
        names |= more
        arrays |= lists
        hits = int((store.find(kernels_of(layer)) >= 0).sum())
        misses = layer.outputs * layer.image[2] - hits
        if not in_full:
            places = sum(sum(map(len, columns)) for columns in _nearest(layer, store)[1])
        tiles = -(-layer.outputs // names["TILE"])
    lines = ["/* Made by binohm from a layer and an image. */", "#ifndef TABLES_H"]
    lines += ["#define TABLES_H", "", "#include <stdint.h>", ""]
    lines += [f"#define {name} {value}" for name, value in names.items()]
    for name, values in arrays.items():
        lines += ["", *_array(name, values)]
    lines += ["", "#endif", ""]
    return Tables("\n".join(lines), hits, misses, places, tiles, bool(names["SHARED"]))


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
    layer: Conv,
    bits: NDArray[np.bool_],
    store: Store,
    positions: int,
    cache: int | None,
    *,
    in_full: bool,
) -> tuple[Names, Arrays]:
    """What the way with the unit needs beside."""
    if store.shape != layer.kernel:
        raise ModelError(
            f"layer {layer.name}: its kernels are {layer.kernel}, but those of the store "
            f"{store.shape}"
        )
    everything = (1 << layer.windows[1]) - 1
    groups = -(-layer.windows[1] // positions)
    places: list[list[list[Place]]] = [[[]] for _ in range(layer.outputs)]
    if in_full:
        numbers = _in_full(layer, store)
    else:
        numbers, places = _nearest(layer, store)
    differing = np.array([sum(map(len, columns)) for columns in places])
    lists = _numbers(numbers, store)
    words = lists.shape[1]
    tile = _tile(layer.outputs, 4 * words + (32 if differing.any() else 0), cache)
    edge = (1 << 15) - 1 - 2 * MOST
    thetas = layer.theta[0].clip(-edge, edge) + 2 * differing
    names = {
        "NUMBERS": store.a_word, "NUMBER_WORDS": words, "MISSES": int(differing.any()),
        "POSITIONS": positions, "COLUMN_GROUPS": groups, "COLUMN_MASK": everything,
        "TILE": tile, "SLOTS": len(store.kernels), "STORE_PARTS": 1, "PULSES": PULSES,
    }  # fmt: skip
    arrays: Arrays = {
        "rows": _words(bits.transpose(0, 2, 1).reshape(-1, layer.image[1])).ravel(),
        "numbers": lists.ravel(),
        "thetas": thetas.astype(np.int16),
        "flip_rows": np.where(layer.flip[0], everything, 0).astype(np.uint32),
        "column_masks": _column_masks(layer, groups * positions, positions),
        "store": np.array(store.kernels, np.uint32),
    }
    if differing.any():
        more, others = _places(layer, places, tile, positions)
        names |= more
        arrays |= others
    return names, arrays


def _tile(outputs: int, each: int, cache: int | None) -> int:
    """Outputs of a tile: the most that fit, each with so many bytes, in halves of all of them."""
    tile = outputs
    while cache is not None and tile > 1 and tile * each > 3 * cache // 4:
        tile = -(-tile // 2)
    return tile


Place = tuple[int, int, int]
"""Channel and row in the kernel, and the weight that is wanted there, 0 or 1."""


def _nearest(layer: Conv, store: Store) -> tuple[Ints, list[list[list[Place]]]]:
    """Numbers of the nearest kernels, and where they differ, by output and column of the kernel.

    Of several that are as near, that with the lowest number.
    """
    if not store.kernels:
        raise ConfigError("a store must hold a kernel: give a network that has some")
    kernels = kernels_of(layer)
    held = store.held
    every, index = np.unique(kernels, return_inverse=True)
    apart = np.bitwise_count(every[:, None] ^ held)
    numbers = apart.argmin(axis=1)[index.reshape(kernels.shape)]
    differ = held[numbers] ^ kernels
    height, width = layer.kernel
    places: list[list[list[Place]]] = []
    for output in range(layer.outputs):
        columns: list[list[Place]] = [[] for _ in range(width)]
        for channel in np.flatnonzero(differ[output]).tolist():
            for tap in range(height * width):
                if differ[output, channel] >> tap & 1:
                    row, column = divmod(tap, width)
                    wanted = int(kernels[output, channel]) >> tap & 1
                    columns[column].append((channel, row, wanted))
        places.append(columns)
    return numbers, places


def _in_full(layer: Conv, store: Store) -> Ints:
    """Numbers of kernels, and for those that the store lacks a mark and the kernel in fields.

    Shape (outputs, fields), filled up with none.
    """
    bits, codes = store.number_bits, store.codes
    shifts = range(0, store.taps, bits)
    none = (1 << bits) - 1
    kernels = kernels_of(layer)
    lists = [
        [
            field
            for number, kernel in zip(numbers, mine, strict=True)
            for field in (
                [number] if number >= 0 else [codes, *(kernel >> k & none for k in shifts)]
            )
        ]
        for numbers, mine in zip(store.find(kernels).tolist(), kernels.tolist(), strict=True)
    ]
    filled = np.full((layer.outputs, max(map(len, lists))), none, np.int64)
    for row, fields in zip(filled, lists, strict=True):
        row[: len(fields)] = fields
    return filled


def _numbers(numbers: Ints, store: Store) -> NDArray[np.uint32]:
    """Words of kernel numbers, shape (outputs, words); what is left of the last is none."""
    words = -(-numbers.shape[1] // store.a_word)
    filled = np.full((len(numbers), words * store.a_word), (1 << store.number_bits) - 1, np.int64)
    filled[:, : numbers.shape[1]] = numbers
    shifts = store.number_bits * np.arange(store.a_word)
    fields = filled.reshape(len(numbers), words, -1) << shifts
    return np.asarray(fields.sum(axis=2), np.uint32)


def _places(
    layer: Conv, places: list[list[list[Place]]], tile: int, positions: int
) -> tuple[Names, Arrays]:
    """Lists of places, and how many fewer of them a window at the border has.

    A place is where, in bytes from the first row of a window, the word stands that has its pixels,
    or their complements where -1 is wanted; see ``unit.c``.
    """
    channels = layer.image[2]
    block = 2 * channels + 1
    lists: list[list[int]] = []
    for columns in places:
        mine: list[int] = []
        for column in columns:
            at = [4 * (r * block + (0 if wanted else channels) + c) for c, r, wanted in column]
            at += [4 * 2 * channels] * (len(at) % 2)  # a word that is 0
            mine += [len(at), *at]
        lists.append(mine)
    most = max(sum(map(len, columns)) for columns in places)
    if most > MOST:
        raise ModelError(
            f"layer {layer.name}: kernels of an output differ from those of the unit in {most} "
            f"places: must be at most {MOST}; give the unit more slots"
        )
    starts = np.cumsum([0, *map(len, lists)])
    kinds, fewer = _fewer(layer, places, positions)
    names = {"PLANES": most.bit_length(), "IMAGE_MASK": (1 << layer.image[1]) - 1}
    return names, {
        "places": np.array([at for mine in lists for at in mine], np.uint16),
        "place_start": starts[:-1:tile].astype(np.uint32),
        "fewer_at": kinds,
        "fewer_places": fewer,
    }


def _fewer(
    layer: Conv, places: list[list[list[Place]]], positions: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Kinds of groups at the border, and what each has fewer of.

    The kind, from 1, of (row class, group), 0 where all places are there; and of (kind, output,
    position) how many are beyond the border.
    """
    counts = np.zeros((layer.outputs, *layer.kernel), np.int64)
    for output, columns in enumerate(places):
        for column, mine in enumerate(columns):
            for _, row, _ in mine:
                counts[output, row, column] += 1
    _, rows = _classes(layer, 0)
    groups = -(-layer.windows[1] // positions)
    columns_in = _present(layer, 1, groups * positions)
    columns_in[layer.windows[1] :] = True  # no windows
    found: dict[bytes, int] = {}
    kinds_of: list[NDArray[np.uint8]] = []
    kinds = []
    for row in rows:
        for group in range(groups):
            part = columns_in[group * positions : (group + 1) * positions]
            beyond = ~(row[:, None] & part[:, None, :])
            fewer = (counts[:, None] * beyond).sum(axis=(-2, -1)).astype(np.uint8)
            if not fewer.any():
                kinds.append(0)
                continue
            if fewer.tobytes() not in found:
                kinds_of.append(fewer)
                found[fewer.tobytes()] = len(kinds_of)
            kinds.append(found[fewer.tobytes()])
    flat = np.concatenate(kinds_of).ravel() if kinds_of else np.zeros(1, np.uint8)
    return np.array(kinds, np.uint8), flat


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


def _column_masks(layer: Conv, count: int, positions: int) -> NDArray[np.uint32]:
    """For each group of positions, which columns of a patch are inside."""
    width = layer.kernel[1] + positions - 1
    starts = np.arange(0, count, positions) - layer.padding[1]
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
