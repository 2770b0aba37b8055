"""From a network and a configuration to a plan: readouts, tiles, parallelism, images.

:func:`map_network` is pure and deterministic. Its choices, layer by layer:

- *Readout*, where it is ``auto``: ``sa`` if :mod:`binohm.gen.combinations` allows it, the inputs of
  every group fit the rows and every threshold the bias rows or the reference codes; else ``adc``.
  ``pcsa`` by request.
- *Tiles*: ``sa`` and ``adc`` cut the inputs of each group at multiples of the rows (``sa`` into one
  part) and the outputs at multiples of the columns. ``pcsa`` gives each engine ``slices_per_read``
  arrays, whose rows hold the words of every ``engines``-th output.
- *Parallelism*, where it is ``auto``: the least hardware with which the layer takes no more cycles
  an image than ``goal.interval``. If nothing is fast enough, which takes an interval shorter than
  the number of planes, everything is done at once.
- *Copies*: one of all tiles for each bit plane where planes are read in parallel, and all of that
  once for each replica; at most one replica a window.
- *Integers*: see :mod:`binohm.gen.periphery`.

What does not fit is refused with the layer, what it needs and what to do:
:class:`~binohm.gen.errors.CapacityError` where a size is at fault,
:class:`~binohm.gen.errors.ConfigError` where a setting is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod
from typing import Literal

import numpy as np

from binohm.gen.combinations import (
    CELLS,
    READOUTS,
    Border,
    InputKind,
    LayerKind,
    Legal,
    border,
    kinds,
    legal,
    reason,
)
from binohm.gen.config import MAX_SIDE, ArrayConfig, Config
from binohm.gen.errors import CapacityError, ConfigError, ModelError
from binohm.gen.network import Conv, Dense, Input, Ints, Network, Scores
from binohm.gen.parallelism import columns, engines
from binohm.gen.periphery import affine, bias, signed_bits, u_range
from binohm.gen.plan import Array, Cell, Host, Image, LayerPlan, Plan, Readout, Storage, Sweep, Tile

__all__ = ["MAX_CELLS", "MAX_TILES", "map_network", "pixel_form"]

MAX_TILES = 1 << 16
MAX_CELLS = 1 << 28
SCORE_LIMIT = 1 << 31
"""Scores are 32-bit integers at the output."""

AUTO: tuple[Readout, ...] = ("sa", "adc")
"""What ``readout = "auto"`` tries, in this order."""

PixelForm = tuple[Literal["identity", "saturate", "step", "table"], int, bool]


def map_network(network: Network, config: Config) -> Plan:
    """Map every layer of a network to arrays.

    Raises
    ------
    CapacityError, ConfigError
        See the module.
    ModelError
        If a layer has the reserved name ``input``.
    """
    config.check_layers([layer.name for layer in network.layers])
    if any(layer.name == "input" for layer in network.layers):
        raise ModelError("layer input: this name stands for the pixels; give the layer another")
    _check_order(network)
    host = Host(
        config.host.input_bytes,
        config.host.output_bytes,
        config.host.scores,
        config.host.programming,
        config.host.bus,
        config.host.wishbone_base if config.host.bus == "wishbone" else 0,
    )
    wish = config.goal.interval
    goal = host.input_beats(network.input.elements) if wish == "input" else wish
    designs = [
        _design(network, index, config.for_layer(layer.name), goal, programming=host.programming)
        for index, layer in enumerate(network.layers)
    ]
    _check_size(designs)
    layers: list[LayerPlan] = []
    for design in designs:
        layers.append(_layer_plan(design, sum(len(layer.tiles) for layer in layers)))
    return Plan(
        name=config.design.name or network.name,
        host=host,
        layers=tuple(layers),
        images=(
            *_input_image(network.input),
            *(
                image
                for design, layer in zip(designs, layers, strict=True)
                for image in _images(design, layer)
            ),
        ),
        taps={"input": "pixels__o", **{layer.name: f"layer_{layer.name}__o" for layer in layers}},
        storage=_storage(config, layers),
    )


def _storage(config: Config, layers: list[LayerPlan]) -> Storage | None:
    """What ``[storage]`` says, which holds words alone."""
    wish = config.storage
    if wish is None:
        return None
    for layer in layers:
        if layer.array.readout != "pcsa":
            raise ConfigError(
                f"storage: layer {layer.name} has readout {layer.array.readout}, and cells read "
                f'one at a time only give words: set layers.{layer.name}.readout to "pcsa"'
            )
    if wish.mode_read == wish.mode_write:
        raise ConfigError(
            f"storage.mode_read = {wish.mode_read}: must differ from storage.mode_write"
        )
    return Storage(
        wish.rows, wish.columns, wish.write_cycles, wish.read_cycles, wish.mode_write,
        wish.mode_read, wish.threshold, wish.cached,
    )  # fmt: skip


def pixel_form(source: Input) -> PixelForm:
    """How a pixel byte ``p`` becomes its value: form, threshold, inverted.

    ``identity``: itself. ``saturate``: ``min(p, 2**bits - 1)``. ``step``: the bit of a -1/+1 value,
    ``(p >= threshold) ^ inverted``. ``table``: anything else, looked up. Threshold and inverted
    are 0 and False unless the form is ``step``.
    """
    pixels = np.arange(256)
    if not source.bipolar:
        if not np.array_equal(source.table, np.minimum(pixels, (1 << source.bits) - 1)):
            return "table", 0, False
        return ("identity" if source.bits == 8 else "saturate"), 0, False
    changes = np.flatnonzero(np.diff(source.table))
    if changes.size != 1:
        return "table", 0, False
    return "step", int(changes[0]) + 1, bool(source.table[0] > 0)


def _check_order(network: Network) -> None:
    """Refuse convolutions behind what gives no image, or another image than they take."""
    before: Dense | Scores | None = None
    for layer in network.layers:
        if isinstance(layer, Conv) and before is not None:
            if not isinstance(before, Conv):
                raise ConfigError(
                    f"layer {layer.name}: a convolution behind layer {before.name}, which is none; "
                    "give a model with all convolutions first"
                )
            if before.outputs != layer.image[2]:
                raise ConfigError(
                    f"layer {layer.name}: an image of {layer.image[2]} channels behind layer "
                    f"{before.name} with {before.outputs}; give a model in which they agree"
                )
        before = layer


@dataclass(frozen=True)
class _Design:
    """The decisions on one layer; its tiles follow from them."""

    layer: Dense | Scores
    inputs: InputKind
    how: Legal
    array: Array
    planes: tuple[int, ...]
    magnitude: int
    chunk: int
    slices_per_read: int
    parts: tuple[tuple[tuple[int, int], ...], ...]
    parallel_planes: bool
    replicas: int

    @property
    def tiles(self) -> int:
        copies = self.replicas * (len(self.planes) if self.parallel_planes else 1)
        if self.array.readout == "pcsa":
            return copies * self.chunk * self.slices_per_read
        across = -(-self.layer.outputs // self.array.own_columns)
        return copies * sum(map(len, self.parts)) * across


def _design(
    network: Network, index: int, config: ArrayConfig, goal: int, *, programming: bool
) -> _Design:
    layer = network.layers[index]
    inputs, kind = kinds(network, index)
    planes = network.input.plane_weights if inputs == "planes" else (1,)
    magnitude = int(np.abs(network.input.table).max()) if inputs == "planes" else 1
    edge = border(network, index)
    readout = _readout(layer, inputs, kind, edge, config)
    how = legal(readout, config.cell, inputs, kind, edge)
    assert how is not None
    _check_pool(layer, readout)
    windows = prod(layer.windows) if isinstance(layer, Conv) else 1
    copies = (config.planes == "parallel" and len(planes) > 1, min(config.replicas, windows))
    passes = (1 if copies[0] else len(planes)) * -(-windows // copies[1])
    _check_spares(layer.name, config, readout, programming=programming)
    if readout == "pcsa":
        chunk, width = engines(layer, config, passes, goal)
        array = Array(
            "pcsa", config.cell, config.rows, config.columns, 0, 0, config.columns, 1, 1, 1
        )
        parts: tuple[tuple[tuple[int, int], ...], ...] = (((0, layer.inputs),),)
        return _Design(layer, inputs, how, array, planes, magnitude, chunk, width, parts, *copies)
    per_cycle, chunk = columns(layer, config, passes, goal)
    there = config.columns + config.spare_columns
    steps = -(-there // per_cycle)
    ref_bits = _reference_bits(config) if readout == "sa" else 0
    array = Array(
        readout=readout,
        cell=config.cell,
        rows=config.rows,
        columns=there,
        bias_rows=config.bias_rows if readout == "sa" and not ref_bits else 0,
        adc_bits=_adc_bits(layer.name, config) if readout == "adc" else 0,
        per_cycle=per_cycle,
        latency=steps + 1,
        interval=steps,
        outstanding=2,
        ref_bits=ref_bits,
        ref_per_column=ref_bits > 0 and config.reference_per_column,
        spare_columns=config.spare_columns,
    )
    parts = tuple(_cut(start, stop, config.rows) for start, stop in pairwise(_bounds(layer)))
    return _Design(layer, inputs, how, array, planes, magnitude, chunk, 1, parts, *copies)


def _bounds(layer: Dense | Scores) -> tuple[int, ...]:
    return layer.bounds if isinstance(layer, Dense) else (0, layer.inputs)


def _cut(start: int, stop: int, size: int) -> tuple[tuple[int, int], ...]:
    return tuple((at, min(at + size, stop)) for at in range(start, stop, size))


def _readout(
    layer: Dense | Scores, inputs: InputKind, kind: LayerKind, edge: Border, config: ArrayConfig
) -> Readout:
    """The readout asked for, or the first that can be; refuses where there is none."""
    tried = AUTO if config.readout == "auto" else (config.readout,)
    obstacles: list[str] = []
    settings: list[str] = []
    for readout in tried:
        why = reason(readout, config.cell, inputs, kind, edge)
        if why is None and readout == "sa":
            assert isinstance(layer, Dense)
            why, setting = _sa_limits(layer, config)
            settings += [setting] if setting else []
        if why is None:
            return readout
        obstacles.append(f"{readout} with cell {config.cell}: {why}")
    sizes = any(legal(readout, config.cell, inputs, kind, edge) for readout in tried)
    settings += _alternatives(inputs, kind, edge, config.cell, tried)
    cures = [f"set {' or '.join(f'layers.{layer.name}.{text}' for text in settings)}"]
    if not settings:
        cures = ["give the model with this layer unsplit"]
    elif sizes and max(np.diff(_bounds(layer))) > config.rows:
        cures.append("or split the layer" if kind == "hidden" else "or split the layer further")
    error = CapacityError if sizes else ConfigError
    raise error(f"layer {layer.name}: {'; '.join(obstacles)}; {', '.join(cures)}")


def _sa_limits(layer: Dense, config: ArrayConfig) -> tuple[str | None, str | None]:
    """Why the sizes of a layer rule out ``sa``, and a setting that would help."""
    sizes = np.diff(_bounds(layer))
    need = int(sizes.max())
    if need > config.rows:
        who = f"group {sizes.argmax()}" if layer.groups > 1 else "the layer"
        setting = f"rows = {need}" if need <= MAX_SIDE else None
        return f"{who} has {need} inputs, but the array has {config.rows} rows", setting
    how = legal("sa", config.cell, "signs", "hidden")
    assert how is not None
    if config.threshold == "reference":
        return _reference_limits(layer, bias(layer, how.drive), config)
    reach = np.abs(bias(layer, how.drive))
    need = int(reach.max())
    if need > config.bias_rows:
        output = int(np.unravel_index(reach.argmax(), reach.shape)[1])
        setting = f"bias_rows = {need}" if need <= MAX_SIDE else None
        return (
            f"the threshold of output {output} needs {need} bias rows, "
            f"but the array has {config.bias_rows}"
        ), setting
    return None, None


def _reference_bits(config: ArrayConfig) -> int:
    """Bits of a reference code, 0 if the thresholds are elsewhere."""
    if config.threshold != "reference":
        return 0
    if config.reference_bits == "auto":
        return signed_bits(-config.rows - 1, config.rows)
    return int(config.reference_bits)


def _reference_limits(
    layer: Dense, codes: Ints, config: ArrayConfig
) -> tuple[str | None, str | None]:
    """Why reference codes of shape (groups, outputs) cannot be had, and what would help."""
    bits = _reference_bits(config)
    ends = int(codes.min()), int(codes.max())
    need = signed_bits(*ends)
    if need > bits:
        far = ends[0] if signed_bits(ends[0], 0) == need else ends[1]
        output = int(np.argwhere(codes == far)[0][1])
        return (
            f"the threshold of output {output} needs {need} bits of reference code, but the array "
            f"has {bits}"
        ), f"reference_bits = {need}"
    if config.reference_per_column:
        return None, None
    across = _cut(0, layer.outputs, config.columns)
    for number, (own, (start, stop)) in enumerate(product(codes, across)):
        other = np.flatnonzero(own[start:stop] != own[start])
        if other.size:
            output = start + int(other[0])
            return (
                f"tile {layer.name}_t{number} has one reference code for all columns, but outputs "
                f"{start} and {output} have thresholds {-own[start]} and {-own[output]}"
            ), f"reference_per_column = true or layers.{layer.name}.threshold = bias"
    return None, None


def _alternatives(
    inputs: InputKind, kind: LayerKind, edge: Border, cell: Cell, tried: Sequence[Readout]
) -> list[str]:
    """Settings under which the table of combinations allows a layer."""

    def can(readout: Readout, cell: Cell) -> bool:
        return legal(readout, cell, inputs, kind, edge) is not None

    readouts = [r for r in READOUTS if r not in tried and can(r, cell)]
    if readouts:
        return [f"readout = {' or '.join(readouts)}"]
    cells = [other for other in CELLS if any(can(r, other) and not can(r, cell) for r in tried)]
    return [f"cell = {' or '.join(cells)}"] if cells else []


def _adc_bits(name: str, config: ArrayConfig) -> int:
    need = int(config.rows).bit_length()
    if config.adc_bits == "auto":
        return need
    if config.adc_bits < need and not config.lossy:
        raise ConfigError(
            f"layer {name}: adc_bits = {config.adc_bits}, but {config.rows} rows need {need}; set "
            f"layers.{name}.adc_bits = {need}, or layers.{name}.lossy = true to let it clip"
        )
    return int(config.adc_bits)


def _check_spares(name: str, config: ArrayConfig, readout: Readout, *, programming: bool) -> None:
    """Refuse spare columns that nothing could use."""
    if not config.spare_columns:
        return
    why, setting = "", f"layers.{name}.spare_columns = 0"
    if not programming:
        why = "only a host that programs the arrays can use them"
        setting = f"host.programming = true or {setting}"
    elif readout == "pcsa":
        why = "the columns of pcsa are inputs, which no spare can take over"
    elif readout == "sa" and config.threshold == "reference" and config.reference_per_column:
        why = "a column's reference code stays where it is"
    if why:
        raise ConfigError(
            f"layer {name}: spare_columns = {config.spare_columns}, but {why}; set {setting}"
        )


def _check_pool(layer: Dense | Scores, readout: Readout) -> None:
    """Refuse a pool of sums that no bits stand for."""
    pooled = isinstance(layer, Conv) and layer.pool is not None and layer.pool.of == "sums"
    if pooled and layer.groups > 1 and readout != "sa":
        raise ConfigError(
            f"layer {layer.name}: a pool of the sums of {layer.groups} groups takes the bits of "
            f"sense amplifiers; set layers.{layer.name}.readout = sa, or pool the signs"
        )


def _check_size(designs: Sequence[_Design]) -> None:
    """Refuse a plan that nobody could build, before its tiles are made."""
    tiles = sum(design.tiles for design in designs)
    cells = sum(design.tiles * design.array.lines * design.array.columns for design in designs)
    largest = max(designs, key=lambda design: design.tiles)
    cure = " or fewer replicas" if largest.replicas > 1 else ""
    if tiles > MAX_TILES:
        raise CapacityError(
            f"layer {largest.layer.name}: {largest.tiles} of {tiles} arrays, more than "
            f"{MAX_TILES}; use larger arrays{cure}"
        )
    if cells > MAX_CELLS:
        raise CapacityError(
            f"layer {largest.layer.name}: {largest.tiles} of {tiles} arrays, which have {cells} "
            f"cells, more than {MAX_CELLS}; use arrays nearer to the layers in size{cure}"
        )


def _layer_plan(design: _Design, first: int) -> LayerPlan:
    layer, array = design.layer, design.array
    sizes = [[stop - start for start, stop in group] for group in design.parts]
    places = [*(_engine_places(design) if array.readout == "pcsa" else _array_places(design))]
    planes = range(len(design.planes) if design.parallel_planes else 1)
    return LayerPlan(
        name=layer.name,
        scores=isinstance(layer, Scores),
        array=array,
        inputs=layer.inputs,
        outputs=layer.outputs,
        groups=layer.groups,
        planes=design.planes,
        drive=design.how.drive,
        driven=design.how.driven,
        chunk=design.chunk,
        slices_per_read=design.slices_per_read,
        u_range=u_range(
            array,
            sizes,
            design.planes,
            design.how.drive,
            design.magnitude,
            driven=design.how.driven,
        ),
        tiles=tuple(
            Tile(
                f"{layer.name}_t{index}",
                first + index,
                *place,
                plane,
                replica,
                f"{layer.name}_t{index % len(places)}" if index >= len(places) else "",
            )
            for index, (replica, plane, place) in enumerate(
                product(range(design.replicas), planes, places)
            )
        ),
        sweep=_sweep(layer),
        parallel_planes=design.parallel_planes,
        replicas=design.replicas,
    )


def _sweep(layer: Dense | Scores) -> Sweep | None:
    if not isinstance(layer, Conv):
        return None
    return Sweep(layer.image, layer.kernel, layer.stride, layer.padding, layer.pool)


Place = tuple[int, tuple[int, int], tuple[int, int, int], int]


def _array_places(design: _Design) -> Iterator[Place]:
    """``sa``, ``adc``: group, inputs, outputs and slice of each tile."""
    across = _cut(0, design.layer.outputs, design.array.own_columns)
    for group, parts in enumerate(design.parts):
        for inputs, outputs in product(parts, across):
            yield group, inputs, (*outputs, 1), 0


def _engine_places(design: _Design) -> Iterator[Place]:
    """``pcsa``: group, inputs, outputs and slice of each tile."""
    inputs, outputs, count = design.layer.inputs, design.layer.outputs, design.chunk
    for engine, position in product(range(count), range(design.slices_per_read)):
        yield 0, (0, inputs), (engine, outputs, count), position


def _images(design: _Design, plan: LayerPlan) -> Iterator[Image]:
    name, array, lanes = plan.name, plan.array, plan.chunk * plan.groups
    bits = array.ref_bits
    for tile in plan.originals:
        yield Image(tile.name, "cells", name, array.depth, array.word_bits)
        if bits:
            yield Image(
                f"{tile.name}_reference", "reference", name, 1, bits * array.ref_codes, (bits,)
            )
    if isinstance(design.layer, Scores):
        fields = _score_bits(design.layer, design.inputs, plan)
        yield Image(f"{name}_affine", "affine", name, plan.chunks, lanes * sum(fields), fields)
    elif array.readout == "sa":
        yield Image(f"{name}_flip", "flip", name, plan.chunks, lanes)
    else:
        low, high = plan.u_range
        bits = signed_bits(low, high + 1)
        yield Image(
            f"{name}_threshold", "threshold", name, plan.chunks, lanes * (bits + 1), (bits,)
        )
    if plan.late_pool:
        yield Image(f"{name}_pool", "pool", name, 1, plan.outputs)


def _score_bits(layer: Scores, inputs: InputKind, plan: LayerPlan) -> tuple[int, int]:
    """Widths of scale and offset; refuses scores that 32 bits do not hold."""
    scale, offset = affine(layer, inputs, plan.drive)
    ends = np.stack([scale * u + offset for u in plan.u_range])
    end, label = np.unravel_index(np.abs(ends).argmax(), ends.shape)
    if not -SCORE_LIMIT <= ends[end, label] < SCORE_LIMIT:
        raise CapacityError(
            f"layer {layer.name}: a score of class {label} can be {ends[end, label]}, beyond 32 "
            "bits; give the model smaller scales and offsets"
        )
    return (
        signed_bits(int(scale.min()), int(scale.max())),
        signed_bits(int(offset.min()), int(offset.max())),
    )


def _input_image(source: Input) -> Iterator[Image]:
    if pixel_form(source)[0] == "table":
        yield Image("input_table", "table", "input", 256, source.bits)
