"""How often everything that costs energy happens, counted from what golden computed.

Golden's trace says which bit of which layer is 1 in which image; the plan says which line that
drives and which cells hang on it. What follows are integers, over all images, nothing guessed:
:func:`measure` reads a trace, :func:`count` turns it into events, layer by layer. Energies are in
:mod:`binohm.gen.reporting.energy`. The names of the events, and what one of each is, are in
:data:`EVENTS`.

What a read does, physically:

- A driven row is one line: of a ``complementary`` row, one of its two. All columns of the array
  conduct, used or not: a spare column costs as much as one that is in use.
- Of the two devices of a ``complementary`` cell the one on the driven line conducts, and it is in
  the low resistance state (LRS) if input and weight match. A ``1t1r`` cell conducts with its one
  device; so both have ``m`` LRS devices, of ``m`` matches. In a ``2t2r`` cell both devices conduct.
- Where a column is compared with reference columns (single-ended cells, and every ``adc``), each
  driven line also has two reference devices that conduct, one LRS and one HRS.
- A bias row is a differential pair in every array: two devices a column, one of them LRS if the
  cell is +1 or -1, none if it is 0.
- ``pcsa`` drives one word line and senses the enabled columns: the two devices of a cell, or for
  ``1t1r`` its one and, on the line, a reference pair.

A convolution reads its arrays once a window and plane, whichever copy of them it is: so what a read
does is counted on the originals, for all copies. A line beyond the border is off. Its streams
move once a position. Line buffers and pools are not among the events.

A stream's register toggles where a vector differs from the one before; the first one comes after
reset, all zeros. Logic inside a layer is counted by the width of its operands, whatever they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from binohm.gen.network import Dense, Ints, Network, Scores
from binohm.gen.plan import LayerPlan, Plan, Sweep, Tile
from binohm.sim.golden import Trace, forward

__all__ = ["EVENTS", "Activity", "LayerEvents", "count", "measure", "total"]

Images = NDArray[np.uint8]
Bits = NDArray[np.bool_]
Counts = dict[str, int]

CHUNK = 500
"""Images that are computed at once."""

SCORE_BITS = 32

MEMORIES = ("flip", "threshold", "affine")
"""Memory images that are read once an image, from end to end."""

EVENTS = {
    "activations": "read requests to a layer, what the register ACTIVATIONS counts",
    "macro_reads": "reads of single macros: each request goes to all macros of a replica",
    "line_drives": "lines driven, bias rows included",
    "gates": "access transistors on the driven lines",
    "lrs": "devices in the low resistance state that conduct during a read",
    "hrs": "devices in the high resistance state that conduct during a read",
    "bias_lrs": "the same, of bias rows",
    "bias_hrs": "the same, of bias rows",
    "bitline_devices": "devices on the bit lines of the columns that are read",
    "sense_strobes": "decisions of sense amplifiers",
    "conversions": "conversions of column converters, each of `adc_bits`",
    "popcount_bits": "bits that enter a popcount",
    "adder_bits": "operand bits that enter an adder",
    "compare_bits": "operand bits that enter a comparison with a threshold, or of scores",
    "comparisons": "these comparisons",
    "rom_bits": "bits read from digital memory: thresholds, flips, scales, pixel table",
    "transfers": "vectors that leave the layer",
    "stream_bits": "bits of these vectors",
    "stream_toggles": "bits of the layer's output register that change",
    "set_pulses": "write pulses towards the low resistance state",
    "reset_pulses": "write pulses towards the high resistance state",
    "verifies": "devices read to verify a write",
}
"""Every event, and what one is."""


@dataclass(frozen=True)
class Activity:
    """What the images made of the bits between the layers.

    Parameters
    ----------
    images : int
    ones : tuple of int64 arrays, shape (planes, inputs)
        For each layer: in how many images, or windows of images, each bit of its input is 1.
    toggles : dict of str to int
        For ``input`` and each layer: bits of its output that changed from image to image.
    """

    images: int
    ones: tuple[Ints, ...]
    toggles: Mapping[str, int]


@dataclass(frozen=True)
class LayerEvents:
    """Events of one layer, over all images.

    Parameters
    ----------
    name : str
        Of the layer, or ``input``: what turns pixels into the first layer's input.
    cell : str
        Of its arrays; empty for ``input``.
    adc_bits : int
        Of its converters; 0 without.
    converters : int
        Sense amplifiers or converters there are: one a column.
    counts : dict of str to int
        By the names of :data:`EVENTS`, all of them.
    """

    name: str
    cell: str
    adc_bits: int
    converters: int
    counts: Mapping[str, int]

    def written(self, *, set_pulses: int, reset_pulses: int, verifies: int) -> "LayerEvents":
        """The same with write pulses and verified devices, as whoever wrote has counted them."""
        more = {"set_pulses": set_pulses, "reset_pulses": reset_pulses, "verifies": verifies}
        return replace(self, counts={**self.counts, **more})


def measure(network: Network, plan: Plan, images: Images) -> Activity:
    """Follow images through golden.

    Parameters
    ----------
    images : uint8 array, shape (N, *network.input.shape)
        N is at least 1.
    """
    ones = [np.zeros((len(layer.planes), layer.inputs), np.int64) for layer in plan.layers]
    toggles = dict.fromkeys(_widths(network, plan), 0)
    before: dict[str, Bits] = {}
    for start in range(0, len(images), CHUNK):
        trace = forward(network, images[start : start + CHUNK], plan.layers)
        inputs = _inputs(network, trace)
        for sums, bits, part in zip(ones, inputs, plan.layers, strict=True):
            sums += _ones(part, bits)
        for name, payload in _payloads(network, plan, trace, inputs).items():
            last = before.get(name, np.zeros((1, payload.shape[1]), np.bool_))
            changed = np.concatenate([last, payload[:-1]]) != payload
            toggles[name] += int(np.count_nonzero(changed))
            before[name] = payload[-1:]
    return Activity(len(images), tuple(ones), toggles)


def count(network: Network, plan: Plan, activity: Activity) -> tuple[LayerEvents, ...]:
    """Events of ``activity`` on a plan of ``network``: first ``input``, then the layers.

    The plan may be another than the activity was measured on, as long as the layers take vectors
    of the same shape: so two mappings are compared on the same data.

    Raises
    ------
    ValueError
        If the activity belongs to another network.
    """
    shapes = [ones.shape for ones in activity.ones]
    wanted = [(len(layer.planes), layer.inputs) for layer in plan.layers]
    if shapes != wanted:
        raise ValueError(f"the activity has inputs of {shapes}, but the plan of {wanted}")
    found = [_input_events(network, plan, activity)]
    wants = [*(part.driven and not part.sweep for part in plan.layers[1:]), False]
    for layer, part, ones, counted in zip(
        network.layers, plan.layers, activity.ones, wants, strict=True
    ):
        counts = dict.fromkeys(EVENTS, 0)
        counts["activations"] = part.activations * activity.images
        counts["macro_reads"] = counts["activations"] * len(part.tiles) // part.replicas
        array = _words if part.array.readout == "pcsa" else _columns
        _add(counts, array(layer, part, ones, activity.images))
        _add(counts, _digital(plan, part, activity.images, counted=counted))
        _add(counts, _window_sums(part, activity.images))
        _add(counts, _stream(network, plan, part.name, activity))
        converters = part.array.columns * len(part.tiles)  # of all copies
        found.append(
            LayerEvents(part.name, part.array.cell, part.array.adc_bits, converters, counts)
        )
    return tuple(found)


def total(events: Sequence[LayerEvents]) -> Counts:
    """All layers together."""
    return {name: sum(layer.counts[name] for layer in events) for name in EVENTS}


def _add(counts: Counts, more: Counts) -> None:
    for name, number in more.items():
        counts[name] += number


def _inputs(network: Network, trace: Trace) -> list[Bits]:
    """Input bits of every layer, shape (N, planes, inputs)."""
    source = network.input
    planes = np.arange(source.bits)[:, None]
    first = trace.input[:, None]
    bits = first > 0 if source.bipolar else (first >> planes & 1) > 0
    return [bits, *(signs[:, None] > 0 for signs in trace.hidden)]


def _ones(part: LayerPlan, bits: Bits) -> Ints:
    """How often each input is 1, shape (planes, inputs), of bits of shape (N, planes, elements)."""
    if part.sweep is None:
        total: Ints = bits.sum(axis=0, dtype=np.int64)
        return total
    images = bits.sum(axis=0, dtype=np.int64).reshape(-1, *part.sweep.image)
    return np.stack([_under_taps(part.sweep, image) for image in images])


def _there(part: LayerPlan) -> Ints:
    """In how many windows of an image each input lies within it, shape (inputs,)."""
    if part.sweep is None:
        return np.ones(part.inputs, np.int64)
    return _under_taps(part.sweep, np.ones(part.sweep.image, np.int64))


def _under_taps(sweep: Sweep, image: Ints) -> Ints:
    """Sum of what stands under each tap in all windows, in the order of a window's elements."""
    rows, columns = sweep.padding
    padded = np.pad(image, ((rows, rows), (columns, columns), (0, 0)))
    every = sliding_window_view(padded, sweep.kernel, axis=(0, 1))
    chosen = every[:: sweep.stride[0], :: sweep.stride[1]]
    return np.asarray(chosen.sum(axis=(0, 1)).ravel())


def _by_position(bits: Bits, channels: int) -> Bits:
    """Payloads of a stream of positions, of bits of shape (N, planes, elements)."""
    count, planes, elements = bits.shape
    moved = bits.reshape(count, planes, elements // channels, channels).swapaxes(1, 2)
    return moved.reshape(-1, planes * channels)


def _payloads(
    network: Network, plan: Plan, trace: Trace, inputs: Sequence[Bits]
) -> dict[str, Bits]:
    """Vectors of every stream, shape (N, bits): its bits, and the sum or the count after them."""
    images = len(trace.input)
    widths = _widths(network, plan)
    names = ["input", *(layer.name for layer in plan.layers[:-1])]
    made: dict[str, Bits] = {}
    for name, bits, layer in zip(names, inputs, plan.layers, strict=True):
        if channels := _channels(plan, name):
            made[name] = _by_position(bits, channels)
            continue
        flat = bits.reshape(images, -1)
        whole = trace.input if name == "input" and not network.input.bipolar else flat
        extra = _binary(whole.sum(axis=1, dtype=np.int64), widths[name] - flat.shape[1])
        made[name] = np.concatenate([flat, extra], axis=1) if layer.driven else flat
    last = plan.layers[-1].name
    classes = trace.scores.shape[1]
    best = _binary(trace.predictions, widths[last] - SCORE_BITS * classes)
    scores = _binary(trace.scores, SCORE_BITS).reshape(images, -1)
    made[last] = np.concatenate([best, scores], axis=1)
    return made


def _channels(plan: Plan, name: str) -> int:
    """Elements of a position of the stream ``name``; 0 if it is of vectors."""
    if name == "input":
        first = plan.layers[0].sweep
        return first.image[2] if first else 0
    (layer,) = (layer for layer in plan.layers if layer.name == name)
    return layer.outputs if layer.sweep else 0


def _transfers(plan: Plan, name: str) -> int:
    """Transfers of an image on the stream ``name``."""
    if name == "input":
        first = plan.layers[0].sweep
        return first.positions if first else 1
    (layer,) = (layer for layer in plan.layers if layer.name == name)
    return layer.results


def _binary(values: Ints, width: int) -> Bits:
    """Two's complement: a new last axis, lowest bit first."""
    return (values[..., None] >> np.arange(width) & 1) > 0


def _widths(network: Network, plan: Plan) -> Counts:
    """Bits of a vector of every stream."""
    source = network.input
    low, high = int(source.table.min()), int(source.table.max())
    if source.bipolar:
        low, high = 0, 1
    reach = (min(0, low) * source.elements, max(0, high) * source.elements)
    widths = {"input": source.bits * source.elements + plan.layers[0].driven * _width(*reach)}
    for layer, after in pairwise(plan.layers):
        widths[layer.name] = layer.outputs + after.driven * _width(0, layer.outputs)
    for name in widths:
        if channels := _channels(plan, name):
            widths[name] = channels * (source.bits if name == "input" else 1)
    classes = network.scores.outputs
    widths[plan.layers[-1].name] = (classes - 1).bit_length() + SCORE_BITS * classes
    return widths


def _width(low: int, high: int) -> int:
    """Bits of the integers from ``low`` to ``high``."""
    if low < 0:
        return max((-low - 1).bit_length(), high.bit_length()) + 1
    return high.bit_length()


def _stream(network: Network, plan: Plan, name: str, activity: Activity) -> Counts:
    transfers = activity.images * _transfers(plan, name)
    return {
        "transfers": transfers,
        "stream_bits": _widths(network, plan)[name] * transfers,
        "stream_toggles": activity.toggles[name],
    }


def _input_events(network: Network, plan: Plan, activity: Activity) -> LayerEvents:
    """The pixel table, and the sum that travels with the image."""
    source, images = network.input, activity.images
    counts = dict.fromkeys(EVENTS, 0)
    counts["rom_bits"] = (
        images
        * source.elements
        * sum(image.width for image in plan.images if image.kind == "table")
    )
    if plan.layers[0].driven and not plan.layers[0].sweep:
        counts["adder_bits"] = images * source.elements * source.bits
    _add(counts, _stream(network, plan, "input", activity))
    return LayerEvents("input", "", 0, 0, counts)


def _columns(layer: Dense | Scores, part: LayerPlan, ones: Ints, images: int) -> Counts:
    """``sa`` and ``adc``: all rows at once."""
    array = part.array
    reads = images * part.windows * len(part.planes)
    there = images * len(part.planes) * _there(part)
    devices = 2 if array.cell == "2t2r" else 1
    referenced = array.cell != "2t2r" or array.readout == "adc"
    pairs = array.bias_rows * array.columns * reads  # of one macro
    counts = dict.fromkeys(EVENTS, 0)
    for tile in part.originals:
        rows, columns = slice(*tile.inputs), slice(*tile.outputs)
        on: Ints = ones[:, rows].sum(axis=0)
        off = there[rows] - on if part.drive == "bipolar" else np.zeros_like(on)
        plus = (layer.weights[columns, rows] > 0).sum(axis=0)  # unused cells are -1
        matches = int((on * plus + off * (array.columns - plus)).sum())
        driven = int((on + off).sum())
        conducting = driven * array.columns * devices
        low = matches if devices == 1 else driven * array.columns
        counts["line_drives"] += driven + array.bias_rows * reads
        counts["gates"] += conducting + 2 * (referenced * driven + pairs)
        counts["lrs"] += low + referenced * driven
        counts["hrs"] += conducting - low + referenced * driven
    if array.bias_rows:
        assert isinstance(layer, Dense)
        counts["bias_lrs"] = reads * sum(_bias_cells(layer, part, tile) for tile in part.originals)
        counts["bias_hrs"] = 2 * pairs * len(part.originals) - counts["bias_lrs"]
    macros = reads * len(part.originals)
    hanging = array.rows * (1 if array.cell == "1t1r" else 2) + 2 * array.bias_rows
    counts["bitline_devices"] = array.columns * hanging * macros
    counts["conversions" if array.readout == "adc" else "sense_strobes"] = array.columns * macros
    return counts


def _bias_cells(layer: Dense, part: LayerPlan, tile: Tile) -> int:
    """Bias cells of a tile that are not 0: the sum of ``|b|`` over its columns.

    With ``v`` the sum of the driven cells a column must decide ``v >= theta`` (bipolar drive) or
    ``2 * v - sum(w) >= theta``, so ``b`` is minus the least such ``v``; out of reach, the nearest
    value that always or never decides.
    """
    outputs = slice(*tile.outputs)
    start, stop = layer.bounds[tile.group : tile.group + 2]
    theta = layer.theta[tile.group, outputs]
    sums = layer.weights[outputs, start:stop].sum(axis=1, dtype=np.int64)
    size = stop - start
    if part.drive == "bipolar":
        least, low, high = theta, np.full_like(theta, -size), np.full_like(theta, size)
    else:
        least, low, high = (theta + sums + 1) // 2, (sums - size) // 2, (sums + size) // 2
    return int(np.abs(np.clip(least, low, high + 1)).sum())


def _words(layer: Dense | Scores, part: LayerPlan, ones: Ints, images: int) -> Counts:
    """``pcsa``: one word a read; of the columns those that are enabled."""
    array = part.array
    single = array.cell == "1t1r"
    words = part.chunks * part.chunk  # an engine reads, whether it has an output left or not
    enabled = images * int(_there(part).sum()) * len(part.planes)
    if part.drive != "bipolar":
        enabled = int(ones.sum())
    sensed = words * enabled
    reads = images * part.activations * len(part.tiles) // part.replicas
    low = high = sensed
    if single:
        low = _word_matches(layer, part, ones, images)
        high = sensed - low
    return {
        "line_drives": reads,
        "gates": reads * (array.columns * (1 if single else 2) + 2 * single),
        "lrs": low + single * reads,
        "hrs": high + single * reads,
        "bitline_devices": sensed * array.rows * (1 if single else 2),
        "sense_strobes": sensed,
        "popcount_bits": sensed,
    }


def _word_matches(layer: Dense | Scores, part: LayerPlan, ones: Ints, images: int) -> int:
    """Cells of enabled columns that hold +1: their one device is LRS."""
    plus = (layer.weights > 0).sum(axis=0)
    if part.drive == "bipolar":
        return int((_there(part) * plus).sum()) * images * len(part.planes)
    return int((ones * plus).sum())


def _digital(plan: Plan, part: LayerPlan, images: int, *, counted: bool) -> Counts:
    """From what the arrays answer to the layer's output; ``counted``: its ones are counted."""
    array, outputs = part.array, part.outputs
    lanes = outputs * part.groups
    memories = {
        image.kind: image
        for image in plan.images
        if image.layer == part.name and image.kind in MEMORIES
    }
    counts = dict.fromkeys(EVENTS, 0)
    counts["rom_bits"] = sum(image.depth * image.width for image in memories.values())
    # A reference code comes with each read, to each macro.
    codes = array.ref_codes * array.ref_bits * len(part.originals) * part.activations
    wide = _width(*part.u_range)
    if array.readout == "adc":
        terms = outputs * sum(tile.outputs[0] == 0 for tile in part.originals) * len(part.planes)
        counts["adder_bits"] += terms * array.adc_bits if terms > lanes else 0
    elif array.readout == "pcsa" and part.reads_per_output * len(part.planes) > 1:
        width = (array.columns * part.slices_per_read).bit_length()
        words = part.chunks * part.chunk * len(part.planes)
        counts["adder_bits"] += words * part.reads_per_output * width
        if part.parallel_planes and part.reads_per_output > 1:  # and once more, plane by plane
            counts["adder_bits"] += words * width
    if part.driven:
        counts["adder_bits"] += lanes * wide
    if part.scores:
        scale, offset = memories["affine"].fields
        counts["adder_bits"] += outputs * (scale * wide + offset)
        counts["comparisons"] += outputs
        counts["compare_bits"] += outputs * SCORE_BITS
    elif array.readout != "sa":
        counts["comparisons"] += lanes
        counts["compare_bits"] += lanes * memories["threshold"].fields[0]
    if part.groups > 1:
        counts["popcount_bits"] += lanes
        counts["comparisons"] += outputs
        counts["compare_bits"] += outputs * part.groups.bit_length()
    vectors = part.results if part.early_pool else part.windows
    made = {name: number * images * vectors for name, number in counts.items()}
    made["rom_bits"] += codes * images
    made["popcount_bits"] += outputs * counted * images * part.results
    return made


def _window_sums(part: LayerPlan, images: int) -> Counts:
    """What adds up ``D`` of a window: position by position, then tap by tap, or the taps alone."""
    sweep = part.sweep
    if sweep is None or not part.driven:
        return {}
    taps, windows = sweep.kernel[0] * sweep.kernel[1], part.windows * images
    if part.drive == "bipolar":
        return {"popcount_bits": taps * windows}
    channels, positions = sweep.image[2], sweep.positions * images
    low, high = min(0, part.planes[-1]), sum(plane for plane in part.planes if plane > 0)
    added = taps * _width(low * channels, high * channels) * windows
    if part.planes == (1,):
        return {"popcount_bits": channels * positions, "adder_bits": added}
    return {"adder_bits": channels * len(part.planes) * positions + added}
