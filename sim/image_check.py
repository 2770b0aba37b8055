"""Whether the memory images of a build hold what the plan says: every word, bit for bit.

The images are decoded here from :mod:`binohm.gen.plan` alone. What they must hold is not folded
by a formula but looked for: a threshold is the smallest ``u`` at which the network's own decision
turns true, found by bisection; bias cells likewise; an affine is read off two scores.

An image of 14 million cells takes seconds, so this comes before any simulation.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import OutputError
from binohm.gen.network import Conv, Dense, Ints, Network, Scores
from binohm.gen.plan import Image, LayerPlan, Plan, Sweep, Tile
from binohm.sim.divergence import Divergence

__all__ = ["check_images"]

Bits = NDArray[np.uint8]

HEX = np.full(256, 255, np.uint8)
HEX[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def check_images(directory: Path, network: Network, plan: Plan) -> list[Divergence]:
    """Compare every file of ``directory/mem`` with ``network`` as ``plan`` lays it out.

    Returns
    -------
    list of Divergence
        The first of each file, in the plan's order; what follows in the same file is counted. Then
        weights that no cell holds, and files that the plan does not name. Empty if all is right.

    Raises
    ------
    OutputError
        If the plan belongs to another network.
    """
    check_plan(network, plan)
    found: list[Divergence] = []
    homes = {layer.name: np.zeros((layer.outputs, layer.inputs), np.uint8) for layer in plan.layers}
    for image in plan.images:
        try:
            bits = _read(directory / "mem" / f"{image.name}.hex", image)
        except _Unreadable as error:
            text = f"mem/{image.name}.hex{error}"
            found.append(Divergence(text, {"file": f"mem/{image.name}.hex", "layer": image.layer}))
            continue
        differences = list(_compare(image, bits, network, plan, homes))
        if differences:
            first, count = differences[0]
            also = f" (and {count - 1} more in this file)" if count > 1 else ""
            found.append(Divergence(f"{first.text}{also}", {**first.facts, "count": count}))
    found += _homeless(plan, homes) if not found else []
    names = {f"{image.name}.hex" for image in plan.images}
    for path in sorted((directory / "mem").glob("*")):
        if path.name not in names:
            file = f"mem/{path.name}"
            found.append(Divergence(f"{file}: the plan has no such image", {"file": file}))
    return found


def check_plan(network: Network, plan: Plan) -> None:
    """Raise OutputError unless ``plan`` has the layers of ``network``."""
    planned = [(part.name, part.outputs, part.inputs, part.groups) for part in plan.layers]
    wanted = [(part.name, part.outputs, part.inputs, part.groups) for part in network.layers]
    swept = all(
        _geometry(layer) == _geometry(part.sweep)
        for layer, part in zip(network.layers, plan.layers, strict=False)
    )
    if planned == wanted and not swept:
        raise OutputError("plan.json has other convolutions than model.npz; build again")
    if planned != wanted:
        raise OutputError(
            f"plan.json has layers {planned}, but model.npz has {wanted}; build again"
        )


def _geometry(layer: Dense | Scores | Sweep | None) -> tuple[object, ...]:
    """What a convolution goes over and how; empty if it is none."""
    if not isinstance(layer, Conv | Sweep):
        return ()
    return (layer.image, layer.kernel, layer.stride, layer.padding, layer.pool)


class _Unreadable(Exception):
    pass


def _read(path: Path, image: Image) -> Bits:
    """Bits of a file, shape (depth, width), bit 0 first."""
    try:
        raw = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise _Unreadable(f": {(error.strerror or 'unreadable').lower()}") from error
    digits = -(-image.width // 4)
    ends = np.flatnonzero(raw == ord("\n"))
    lengths = np.diff(ends, prepend=-1) - 1
    if raw.size and raw[-1] != ord("\n"):
        lengths = np.append(lengths, raw.size - 1 - (ends[-1] if ends.size else -1))
    if len(lengths) != image.depth:
        raise _Unreadable(f": {len(lengths)} words instead of {image.depth}")
    wrong = np.flatnonzero(lengths != digits)
    if wrong.size:
        line = int(wrong[0])
        raise _Unreadable(f" line {line + 1}: {lengths[line]} digits instead of {digits}")
    if raw[-1] != ord("\n"):
        raise _Unreadable(f" line {image.depth}: no line end")
    nibbles = HEX[raw.reshape(image.depth, digits + 1)[:, :-1]]
    strange = np.argwhere(nibbles > 15)
    if strange.size:
        line, column = (int(k) for k in strange[0])
        character = chr(raw[line * (digits + 1) + column])
        raise _Unreadable(f" line {line + 1}: {character!r} is not a lower-case hex digit")
    bits: Bits = nibbles[:, ::-1, None] >> np.arange(4, dtype=np.uint8) & np.uint8(1)
    bits = bits.reshape(image.depth, -1)
    above = np.argwhere(bits[:, image.width :])
    if above.size:
        line, bit = (int(k) for k in above[0])
        raise _Unreadable(
            f" line {line + 1}: bit {image.width + bit} is set, but words have {image.width} bits"
        )
    return bits[:, : image.width]


Differences = Iterator[tuple[Divergence, int]]
"""First difference of a kind, and how many of its kind there are."""


def _compare(
    image: Image, bits: Bits, network: Network, plan: Plan, homes: dict[str, Bits]
) -> Differences:
    if image.kind == "table":
        yield from _compare_table(image, bits, network)
        return
    index = [layer.name for layer in plan.layers].index(image.layer)
    layer, part = network.layers[index], plan.layers[index]
    if image.kind == "cells":
        tile = next(tile for tile in part.tiles if tile.name == image.name)
        yield from _compare_cells(bits, tile, layer, part, homes[image.layer])
        return
    if image.kind == "reference":
        assert isinstance(layer, Dense)
        tile = next(tile for tile in part.tiles if f"{tile.name}_reference" == image.name)
        yield from _compare_codes(bits[0], tile, layer, part)
        return
    if image.kind == "pool":
        assert isinstance(layer, Dense)
        yield from _compare_pool(image, bits[0], layer, part)
        return
    lanes = bits.reshape(part.chunks * part.chunk, -1)
    used, unused = lanes[: part.outputs], lanes[part.outputs :]
    if image.kind == "affine":
        assert isinstance(layer, Scores)
        yield from _compare_affines(image, used, layer, part, network)
    else:
        assert isinstance(layer, Dense)
        groups = used.reshape(part.outputs, part.groups, -1)
        if image.kind == "threshold":
            yield from _compare_thresholds(image, groups[:, :, :-1], layer, part, network)
        flips = layer.flip.T.astype(np.int64)
        yield from _words(image, part, groups[:, :, -1].astype(np.int64), flips, "flip")
    if unused.any():
        lane = int(np.argwhere(unused)[0][0]) + part.outputs
        text = f"{image.name} word {lane // part.chunk} lane {lane % part.chunk}: "
        facts: dict[str, int | str] = {
            "file": f"mem/{image.name}.hex",
            "layer": image.layer,
            "word": lane // part.chunk,
        }
        yield Divergence(text + "image has bits in an unused lane, the plan none", facts), 1


def _compare_cells(
    bits: Bits, tile: Tile, layer: Dense | Scores, part: LayerPlan, home: Bits
) -> Differences:
    array = part.array
    if array.readout == "pcsa":
        cells, bias, beyond = bits, bits[:0], bits[:0]
    else:
        columns = bits.reshape(-1, array.column_bits)
        cells, bias = columns[: array.columns, : array.rows].T, columns[: array.columns].T
        bias, beyond = bias[array.rows :], columns[array.columns :]
    output, source = part.cells(tile)
    used = output >= 0
    home[output[used], source[used]] += 1
    expected = np.zeros(cells.shape, np.uint8)
    expected[used] = layer.weights[output[used], source[used]] > 0
    wrong = np.argwhere(cells != expected)
    if wrong.size:
        row, column = (int(k) for k in wrong[0])
        yield (
            _cell(
                tile,
                part,
                row,
                column,
                (output[row, column], source[row, column]),
                (int(expected[row, column]), int(cells[row, column])),
            ),
            len(wrong),
        )
    if array.bias_rows:
        yield from _compare_bias(bias, tile, layer, part)
    if beyond.any():
        column = int(np.argwhere(beyond)[0][0]) + array.columns
        text = f"{tile.name} column {column}: image has bits beyond the last column"
        yield Divergence(text, _facts(tile, part, column=column)), 1


def _cell(
    tile: Tile,
    part: LayerPlan,
    row: int,
    column: int,
    where: tuple[int, int],
    values: tuple[int, int],
) -> Divergence:
    output, source = (int(k) for k in where)
    expected, found = (2 * value - 1 for value in values)
    head = f"{tile.name} row {row} column {column}: "
    if output < 0:
        text = f"{head}image has +1 in an unused cell, the plan -1"
        return Divergence(text, _facts(tile, part, row=row, column=column, expected=-1, found=1))
    text = f"{head}image has {found:+d}, the plan {expected:+d} (output {output}, input {source})"
    return Divergence(
        text,
        _facts(
            tile, part, row=row, column=column, output=output, input=source,
            expected=expected, found=found,
        ),
    )  # fmt: skip


def _facts(tile: Tile, part: LayerPlan, **more: int) -> dict[str, int | str]:
    return {"file": f"mem/{tile.name}.hex", "layer": part.name, "tile": tile.name, **more}


def _compare_bias(bits: Bits, tile: Tile, layer: Dense | Scores, part: LayerPlan) -> Differences:
    """Bias cells, whose sum ``b`` must make ``v + b >= 0`` the network's decision on column sums.

    The first ``|b|`` bias rows hold the sign of ``b``, the others are off.
    """
    assert isinstance(layer, Dense)
    start, stop, _ = tile.outputs
    bias = np.zeros(part.array.columns, np.int64)
    bias[: stop - start] = -_decisive(tile, layer, part)
    rows = np.arange(part.array.bias_rows)[:, None]
    expected = np.where(rows < np.abs(bias), np.sign(bias), 0)
    plus, minus = np.split(bits.astype(np.int64), 2)
    wrong = np.argwhere((plus - minus != expected) | (plus & minus > 0))
    if not wrong.size:
        return
    row, column = (int(k) for k in wrong[0])
    wanted = f"{expected[row, column]:+d}"
    found = (
        "both +1 and -1"
        if plus[row, column] & minus[row, column]
        else (f"{plus[row, column] - minus[row, column]:+d}")
    )
    text = f"{tile.name} bias row {row} column {column}: image has {found}, the plan {wanted}"
    facts = _facts(tile, part, row=part.array.rows + row, column=column)
    if column < stop - start:
        text += f" (output {start + column}, bias {bias[column]:+d})"
        facts["output"] = start + column
    yield Divergence(text, {**facts, "expected": wanted, "found": found}), len(wrong)


def _compare_codes(bits: Bits, tile: Tile, layer: Dense, part: LayerPlan) -> Differences:
    """Reference codes ``c`` of the columns: ``v + c >= 0`` must be the network's decision."""
    start, stop, _ = tile.outputs
    found = _integers(bits.reshape(-1, part.array.ref_bits))
    found = np.broadcast_to(found, part.array.columns) if found.size == 1 else found
    used = np.arange(part.array.columns) < stop - start
    expected = np.zeros(part.array.columns, np.int64)
    expected[used] = -_decisive(tile, layer, part)
    wrong = np.flatnonzero((found != expected) & (used | part.array.ref_per_column))
    if not wrong.size:
        return
    column = int(wrong[0])
    got, wanted = int(found[column]), int(expected[column])
    where = f" (output {start + column})" if column < stop - start else ""
    text = f"{tile.name} column {column}: image has reference code {got}, the plan {wanted}{where}"
    facts = _facts(tile, part, column=column, expected=wanted, found=got)
    facts["file"] = f"mem/{tile.name}_reference.hex"
    yield Divergence(text, facts), len(wrong) if part.array.ref_per_column else 1


def _decisive(tile: Tile, layer: Dense, part: LayerPlan) -> Ints:
    """Smallest sum of each used column at which the network decides for 1."""
    start, stop, _ = tile.outputs
    cells = layer.weights[start:stop, tile.inputs[0] : tile.inputs[1]].astype(np.int64)
    theta, total = layer.theta[tile.group, start:stop], cells.sum(axis=1)
    if part.drive == "bipolar":
        reach = np.full(len(theta), cells.shape[1])
        return _first(lambda v: v >= theta, -reach, reach)
    low, high = -(cells < 0).sum(axis=1), (cells > 0).sum(axis=1)
    return _first(lambda v: 2 * v - total >= theta, low, high)


def _compare_thresholds(
    image: Image, fields: Bits, layer: Dense, part: LayerPlan, network: Network
) -> Differences:
    low, high = (np.full((part.outputs, part.groups), end) for end in part.u_range)
    expected = _first(lambda u: _sum_at(u, layer, part, network) >= layer.theta.T, low, high)
    yield from _words(image, part, _integers(fields), expected, "theta")


def _compare_pool(image: Image, bits: Bits, layer: Dense, part: LayerPlan) -> Differences:
    """Where the layer's bit falls as its sum rises, the largest sum makes the smallest bit."""
    expected = layer.flip[0].astype(np.int64)
    yield from _words(image, part, bits[:, None].astype(np.int64), expected[:, None], "smallest")


def _compare_affines(
    image: Image, lanes: Bits, layer: Scores, part: LayerPlan, network: Network
) -> Differences:
    def score(u: int) -> Ints:
        sums = _sum_at(np.full((part.outputs, 1), u), layer, part, network)[:, 0]
        return layer.scale * sums + layer.offset

    cut = image.fields[0]
    scale, offset = _integers(lanes[:, :cut]), _integers(lanes[:, cut:])
    yield from _words(image, part, scale[:, None], (score(1) - score(0))[:, None], "scale")
    yield from _words(image, part, offset[:, None], score(0)[:, None], "offset")


def _compare_table(image: Image, bits: Bits, network: Network) -> Differences:
    source = network.input
    if source.bipolar:
        found = 2 * bits[:, 0].astype(np.int64) - 1
    else:
        found = _integers(bits) if source.signed else bits @ (1 << np.arange(image.width))
    wrong = np.flatnonzero(found != source.table)
    if wrong.size:
        pixel = int(wrong[0])
        expected, got = int(source.table[pixel]), int(found[pixel])
        text = f"{image.name} word {pixel}: image has {got}, the plan {expected}"
        facts: dict[str, int | str] = {
            "file": f"mem/{image.name}.hex", "layer": "input", "word": pixel,
            "expected": expected, "found": got,
        }  # fmt: skip
        yield Divergence(text, facts), len(wrong)


def _sum_at(u: Ints, layer: Dense | Scores, part: LayerPlan, network: Network) -> Ints:
    """The network's sum ``s`` where the hardware has ``u``; shape (outputs, groups)."""
    if layer is network.layers[0] and not network.input.bipolar:
        return u
    if part.drive == "bipolar" and part.driven:
        return u
    bounds = layer.bounds if isinstance(layer, Dense) else (0, layer.inputs)
    if part.drive == "bipolar":
        return 2 * u - np.diff(bounds)
    return 2 * u - np.add.reduceat(layer.weights, bounds[:-1], axis=1, dtype=np.int64)


def _first(decides: Callable[[Ints], NDArray[np.bool_]], low: Ints, high: Ints) -> Ints:
    """Smallest integer from ``low`` to ``high`` with ``decides`` true, ``high + 1`` if none is.

    ``decides`` never turns false again as its argument grows, so halving the interval finds it.
    """
    low, above = low.copy(), high + 1
    while (low < above).any():
        middle = (low + above) // 2
        true = decides(middle)
        above = np.where(true, middle, above)
        low = np.where(true | (low >= above), low, middle + 1)
    return above


def _integers(bits: Bits) -> Ints:
    """Two's complement along the last axis, bit 0 first."""
    weights = np.left_shift(np.int64(1), np.arange(bits.shape[-1], dtype=np.int64))
    weights[-1] = -weights[-1]
    return np.asarray(bits.astype(np.int64) @ weights)


def _words(image: Image, part: LayerPlan, found: Ints, expected: Ints, field: str) -> Differences:
    """Compare one field of every output and group, shape (outputs, groups)."""
    wrong = np.argwhere(found != expected)
    if not wrong.size:
        return
    output, group = (int(k) for k in wrong[0])
    wanted, got = int(expected[output, group]), int(found[output, group])
    word, lane = divmod(output, part.chunk)
    of_group = f" group {group}" if part.groups > 1 else ""
    text = (
        f"{image.name} word {word} lane {lane}{of_group}: image has {field} {got}, "
        f"the plan {wanted} (output {output})"
    )
    facts: dict[str, int | str] = {
        "file": f"mem/{image.name}.hex", "layer": part.name, "word": word, "lane": lane,
        "group": group, "field": field, "output": output, "expected": wanted, "found": got,
    }  # fmt: skip
    yield Divergence(text, facts), len(wrong)


def _homeless(plan: Plan, homes: dict[str, Bits]) -> list[Divergence]:
    """Weights that lie in no cell, or in several."""
    found = []
    for layer in plan.layers:
        wrong = np.argwhere(homes[layer.name] != 1)
        if wrong.size:
            output, source = (int(k) for k in wrong[0])
            cells = int(homes[layer.name][output, source])
            text = f"{layer.name} output {output} input {source}: the plan has {cells} cells for it"
            facts: dict[str, int | str] = {"layer": layer.name, "output": output, "input": source}
            found.append(Divergence(text, {**facts, "expected": 1, "found": cells}))
    return found
