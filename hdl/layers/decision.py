"""From what the arrays of a layer, or of one of its replicas, answer to its results."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Shape, Value
from amaranth.lib import wiring

from binohm.hdl.arithmetic.chunk_select import ChunkSelect
from binohm.hdl.arithmetic.column_sums import ColumnSums
from binohm.hdl.arithmetic.plane_sums import PlaneSums
from binohm.hdl.arithmetic.scores import Scores
from binohm.hdl.arithmetic.sense import SenseColumns
from binohm.hdl.arithmetic.threshold import Threshold
from binohm.hdl.layers.layer_spec import LayerSpec
from binohm.hdl.library import Library
from binohm.hdl.streams.gather import Gather
from binohm.hdl.streams.queue import Queue
from binohm.hdl.streams.skid_buffer import SkidBuffer

__all__ = ["decide", "walked"]


def walked(m: Module, library: Library, spec: LayerSpec, rows: Sequence[Value], taken: Any) -> Any:
    """``sa``, ``adc``: bits or sums, chunk by chunk, of what each row of tiles answers."""
    if spec.readout == "sa":
        walk = library.place(
            m, "sense", SenseColumns, spec.chunk, steps=spec.steps, groups=spec.groups
        )
        _rom(m, library, spec, walk)
    else:
        walk = library.place(
            m,
            "sums",
            ColumnSums,
            spec.chunk,
            steps=spec.steps,
            tiles_per_group=_rows_per_group(spec),
            bits=spec.adc_bits,
            planes=spec.series,
        )
    m.d.comb += [
        walk.i.payload.eq(
            Cat(_chunk(m, library, spec, n, row, walk) for n, row in enumerate(rows))
        ),
        walk.i.valid.eq(taken.valid),
        taken.ready.eq(walk.i.ready),
    ]
    return walk.o


def decide(m: Module, library: Library, spec: LayerSpec, chunks: Any, driven: Any) -> Any:
    """From chunks of bits or sums to results; ``driven`` is the sum that came with the vector.

    Chunks stop at a skid buffer, before the result: ``ready`` goes no further in one cycle than
    through one layer.
    """
    if spec.parallel_planes:
        element = chunks.payload.shape().elem_shape
        sums = library.place(
            m,
            "planes",
            PlaneSums,
            spec.chunk,
            planes=spec.planes,
            count_range=_whole_range(element),
        )
        wiring.connect(m, chunks, sums.i)
        chunks = sums.o
    if spec.scores:
        chunks = _stopped(m, library, chunks)
    if spec.readout != "sa":
        chunks = _compared(m, library, spec, chunks, driven)
    if not spec.scores:
        chunks = _stopped(m, library, chunks)
        gather = library.place(
            m, "gather", Gather, spec.outputs, chunk=spec.chunk, count=spec.count
        )
        wiring.connect(m, chunks, gather.i)
        chunks = gather.o
    return chunks


def _stopped(m: Module, library: Library, chunks: Any) -> Any:
    """The same chunks, whose ``ready`` is registered."""
    skid = library.place(m, "skid", SkidBuffer, chunks.payload.shape())
    wiring.connect(m, chunks, skid.i)
    return skid.o


def _rows_per_group(spec: LayerSpec) -> tuple[int, ...]:
    """Rows of tiles that are added up: of each group, or of each plane read in parallel."""
    first = [
        tile.plane if spec.parallel_planes else tile.group
        for tile in spec.tiles
        if tile.outputs[0] == 0
    ]
    return tuple(first.count(g) for g in range(spec.groups * spec.side))


def _chunk(
    m: Module, library: Library, spec: LayerSpec, number: int, row: Value, walk: Any
) -> Value:
    """Of a row of tiles, what ``walk`` looks at."""
    if spec.steps == 1:
        return row
    name, width = f"select_{number}", len(row) // spec.steps
    select = library.place(m, name, ChunkSelect, width, steps=spec.steps)
    m.d.comb += [select.i.eq(row), select.step.eq(walk.step)]
    found: Value = select.o
    return found


def _compared(m: Module, library: Library, spec: LayerSpec, chunks: Any, driven: Any) -> Any:
    """Bits or scores of sums."""
    element = chunks.payload.shape().elem_shape
    common = {"sum_range": _whole_range(element), "driven_range": spec.sum_range}
    if spec.scores:
        last = library.place(
            m,
            "scores",
            Scores,
            spec.outputs,
            chunk=spec.chunk,
            scale_bits=spec.fields[0],
            offset_bits=spec.fields[1],
            **common,
        )
    else:
        last = library.place(
            m,
            "threshold",
            Threshold,
            spec.chunk,
            groups=spec.groups,
            steps=spec.steps,
            theta_bits=spec.fields[0],
            **common,
        )
    wiring.connect(m, chunks, last.i)
    _rom(m, library, spec, last)
    if driven is not None:
        # As many vectors as the arrays hold, one in each register and buffer up to here, one that
        # comes.
        depth = spec.outstanding + 2 + spec.parallel_planes + spec.scores
        queue = library.place(m, "driven", Queue, driven.payload.shape(), depth=depth)
        wiring.connect(m, driven, queue.i)
        wiring.connect(m, queue.o, last.driven)
    return last.o


def _rom(m: Module, library: Library, spec: LayerSpec, reader: Any) -> None:
    """The memory of flips, thresholds or affines that ``reader`` walks through."""
    m.submodules.rom = Instance(
        f"{library.prefix}_rom",
        p_WIDTH=len(reader.rom_data),
        p_DEPTH=spec.steps,
        p_INIT=spec.rom_image,
        i_clk=ClockSignal(),
        i_addr=reader.rom_addr,
        o_data=reader.rom_data,
    )


def _whole_range(shape: Shape) -> tuple[int, int]:
    """All that ``shape`` can hold."""
    values = 1 << shape.width
    return (-values // 2, values // 2 - 1) if shape.signed else (0, values - 1)
