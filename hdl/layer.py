"""One layer of a network: its arrays and the periphery around them."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.activations import activations_layout
from binohm.hdl.bdpe import Bdpe
from binohm.hdl.chunk_select import ChunkSelect
from binohm.hdl.column_sums import ColumnSums
from binohm.hdl.conv import ConvSpec, windows
from binohm.hdl.fork import Fork
from binohm.hdl.gather import Gather
from binohm.hdl.join import Join
from binohm.hdl.library import Library
from binohm.hdl.macro import MacroPins, macro
from binohm.hdl.pool import Pool
from binohm.hdl.program_port import ProgramSpec, attach, program_port, replaced
from binohm.hdl.queue import Queue
from binohm.hdl.row_drive import RowDrive
from binohm.hdl.scores import Scores, scores_layout
from binohm.hdl.sense import SenseColumns
from binohm.hdl.threshold import Threshold
from binohm.hdl.word_sequencer import WordSequencer

__all__ = ["Layer", "LayerSpec", "TileSpec"]


@dataclass(frozen=True)
class TileSpec:
    """One macro: instance name, image, identity, and which part of the layer it serves.

    ``reference_image`` holds the reference codes of an array that has them, ``map`` names its
    device map if there is one.
    """

    name: str
    image: str
    id: int
    group: int
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    reference_image: str = ""
    map: str = ""


@dataclass(frozen=True)
class LayerSpec:
    """What a :class:`Layer` is made from; the words are those of the plan.

    Parameters
    ----------
    readout : str
        ``sa``, ``adc`` or ``pcsa``.
    inputs, outputs, groups, chunk, slices_per_read : int
    planes : tuple of int
        Weights of the bit planes.
    bipolar : bool
        A bit drives +1 or -1; otherwise +1 or off.
    sum_range : (low, high) or None
        Range of the data-dependent sum that travels with the activations, if one does.
    count : bool
        Whether the next layer wants the number of ones.
    socket : str
        Module name of the macro's socket.
    pins : MacroPins
        Its geometry.
    outstanding : int
        Requests a macro may hold.
    adc_bits : int
    tiles : tuple of TileSpec
    rom_image : str
        File of flips, thresholds or affines.
    fields : tuple of int
        Their widths: () for flips, (theta,) for thresholds, (scale, offset) for affines.
    program : ProgramSpec, optional
        What a programmer of the whole design can reach.
    spares : int
        Spare columns of a macro, its last ones.
    conv : ConvSpec, optional
        The layer looks at every window of an image that comes position by position.
    part : int
        Elements of which the layer's vectors are put together; 0 if they come whole.
    """

    readout: str
    inputs: int
    outputs: int
    groups: int
    chunk: int
    slices_per_read: int
    planes: tuple[int, ...]
    bipolar: bool
    sum_range: tuple[int, int] | None
    count: bool
    socket: str
    pins: MacroPins
    outstanding: int
    adc_bits: int
    tiles: tuple[TileSpec, ...]
    rom_image: str
    fields: tuple[int, ...]
    program: ProgramSpec | None = None
    spares: int = 0
    conv: ConvSpec | None = None
    part: int = 0

    @property
    def masked(self) -> bool:
        """Whether inputs can be absent, and would else drive their lines."""
        return self.bipolar and self.conv is not None and self.conv.padded

    @property
    def scores(self) -> bool:
        """The last layer."""
        return len(self.fields) == 2

    @property
    def steps(self) -> int:
        """Chunks of one image."""
        return -(-self.outputs // self.chunk)


class Layer(wiring.Component):
    """Multiply an activation vector with the weights in the arrays, and decide.

    The arrays are sockets beside shared periphery: all that knows an image file is here, so that
    equal periphery is one module for all layers. Requests fork to all macros, responses are joined
    again; nothing but valid and ready is assumed of a macro.

    Latency and throughput depend on the macro's datasheet; :mod:`binohm.gen.cycles` states both.

    Parameters
    ----------
    library : Library
        Takes the shared components.
    spec : LayerSpec

    Members
    -------
    i : In(stream.Signature(activations_layout(...)))
        One transfer is one image, or one position of it, or one part.
    o : Out(stream)
        The next layer's activations, or the scores.
    activated : Out(1)
        High for a cycle with each read request: one array activation.
    program : In(program_port(spec.program))
        Only with a programmer; the layer must be empty while it is active.
    """

    def __init__(self, library: Library, spec: LayerSpec) -> None:
        self.library = library
        self.spec = spec
        if spec.scores:
            result = scores_layout(spec.outputs)
        else:
            result = activations_layout(spec.outputs, 1, (0, spec.outputs) if spec.count else None)
        arriving = activations_layout(spec.inputs, len(spec.planes), spec.sum_range)
        if spec.conv:
            arriving = activations_layout(spec.conv.channels, len(spec.planes))
        elif spec.part:
            arriving = activations_layout(spec.part)
        super().__init__({
            "i": In(stream.Signature(arriving)),
            "o": Out(stream.Signature(result)),
            "activated": Out(1),
            **({"program": In(program_port(spec.program))} if spec.program else {}),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        vectors = self._arrive(m)
        pcsa = self.spec.readout == "pcsa"
        chunks = self._words(m, vectors) if pcsa else self._columns(m, vectors)
        self._finish(m, chunks)
        return m

    def _arrive(self, m: Module) -> stream.Interface:
        """What comes, as vectors."""
        spec = self.spec
        if spec.conv:
            return windows(
                m, self.library, self.i, spec.conv, planes=spec.planes, bipolar=spec.bipolar,
                sum_range=spec.sum_range,
            )  # fmt: skip
        if not spec.part:
            return wiring.flipped(self.i)
        gather = self.library.place(
            m, "arrive", Gather, spec.inputs, chunk=spec.part, count=spec.sum_range is not None
        )
        m.d.comb += [
            gather.i.payload.eq(self.i.p.bits),
            gather.i.valid.eq(self.i.valid),
            self.i.ready.eq(gather.i.ready),
        ]
        return gather.o

    def _columns(self, m: Module, vectors: stream.Interface) -> stream.Interface:
        """All rows at once: drive, arrays, and a walk along the columns."""
        spec, library = self.spec, self.library
        drive = library.place(
            m,
            "drive",
            RowDrive,
            spec.inputs,
            planes=len(spec.planes),
            bipolar=spec.bipolar,
            sum_range=spec.sum_range,
            masked=spec.masked,
        )
        wiring.connect(m, vectors, drive.i)
        rows, bias = spec.pins.rows, spec.pins.bias_rows

        codes = {tile.name: self._codes(m, tile) for tile in spec.tiles if tile.reference_image}

        def request(tile: TileSpec) -> dict[str, Value]:
            start, stop = tile.inputs
            idle = Const(0, rows - (stop - start))
            return {
                "x_p": Cat(drive.o.p.x_p[start:stop], idle, Const((1 << bias) - 1, bias)),
                "x_n": Cat(drive.o.p.x_n[start:stop], idle, Const(0, bias)),
                **({"ref_code": codes[tile.name]} if codes else {}),
            }

        q, taken = self._sockets(m, drive.o, request)
        if spec.readout == "sa":
            walk = library.place(
                m, "sense", SenseColumns, spec.chunk, steps=spec.steps, groups=spec.groups
            )
            self._rom(m, walk)
        else:
            groups = [tile.group for tile in spec.tiles if tile.outputs[0] == 0]
            walk = library.place(
                m,
                "sums",
                ColumnSums,
                spec.chunk,
                steps=spec.steps,
                tiles_per_group=tuple(groups.count(g) for g in range(spec.groups)),
                bits=spec.adc_bits,
                planes=spec.planes,
            )
        rows = self._by_row_tile(q)
        if spec.conv and spec.conv.pool and spec.conv.pool.early:
            # All of them do the same at the same time: the handshake of one is that of all.
            pools = [self._pool(m, f"pool_{n}", row, taken) for n, row in enumerate(rows)]
            rows, taken = [bits for bits, _ in pools], pools[0][1]
        m.d.comb += [
            walk.i.payload.eq(Cat(self._chunk(m, n, row, walk) for n, row in enumerate(rows))),
            walk.i.valid.eq(taken.valid),
            taken.ready.eq(walk.i.ready),
        ]
        self._driven = drive.driven if spec.sum_range else None
        return walk.o

    def _by_row_tile(self, q: Sequence[Value]) -> list[Value]:
        """Responses of each row of tiles, side by side and padded to whole chunks."""
        spec = self.spec
        bits = spec.pins.q_bits // spec.pins.columns
        rows: list[Value] = []
        parts: list[Value] = []
        for tile, response in zip(spec.tiles, q, strict=True):
            start, stop = tile.outputs
            parts.append(response[: (stop - start) * bits])
            if stop == spec.outputs:
                parts.append(Const(0, (spec.steps * spec.chunk - stop) * bits))
                rows.append(Cat(*parts))
                parts = []
        return rows

    def _chunk(self, m: Module, number: int, row: Value, walk) -> Value:
        """Of a row of tiles, what ``walk`` looks at."""
        steps = self.spec.steps
        if steps == 1:
            return row
        name, width = f"select_{number}", len(row) // steps
        select = self.library.place(m, name, ChunkSelect, width, steps=steps)
        m.d.comb += [select.i.eq(row), select.step.eq(walk.step)]
        return select.o

    def _pool(self, m: Module, name: str, bits: Value, control) -> tuple[Value, object]:
        """Join the bits of several windows, and the handshake that belongs to them."""
        pool = self.spec.conv.pool
        part = self.library.place(
            m, name, Pool, len(bits), image=pool.image, kernel=pool.kernel, stride=pool.stride
        )
        m.d.comb += [
            part.i.payload.eq(bits),
            part.i.valid.eq(control.valid),
            control.ready.eq(part.i.ready),
        ]
        if pool.lowest_image:
            lowest = self._word(m, "lowest", pool.lowest_image, len(bits))
            m.d.comb += part.lowest.eq(lowest)
        else:
            m.d.comb += part.lowest.eq(0)
        return part.o.payload, part.o

    def _words(self, m: Module, vectors: stream.Interface) -> stream.Interface:
        """Word by word: every engine reads one output's weights, or a part of them, at a time."""
        spec, library = self.spec, self.library
        sequencer = library.place(
            m,
            "sequencer",
            WordSequencer,
            spec.inputs,
            planes=len(spec.planes),
            columns=spec.pins.columns,
            slices_per_read=spec.slices_per_read,
            steps=spec.steps,
            bipolar=spec.bipolar,
            sum_range=spec.sum_range,
            masked=spec.masked,
        )
        wiring.connect(m, vectors, sequencer.i)
        columns, lanes = spec.pins.columns, spec.slices_per_read

        def request(tile: TileSpec) -> dict[str, Value]:
            lane = spec.tiles.index(tile) % lanes
            part = slice(lane * columns, (lane + 1) * columns)
            return {
                "row": sequencer.o.p.row,
                "col_x": sequencer.o.p.col_x[part],
                "col_en": sequencer.o.p.col_en[part],
            }

        q, taken = self._sockets(m, sequencer.o, request)
        fork = library.place(m, "to_engines", Fork, spec.chunk)
        join = library.place(m, "from_engines", Join, spec.chunk)
        wiring.connect(m, taken, fork.i)
        slices = -(-spec.inputs // columns)
        engines = []
        for e in range(spec.chunk):
            engine = library.place(
                m,
                f"bdpe_{e}",
                Bdpe,
                lanes * columns,
                planes=spec.planes,
                reads_per_output=-(-slices // lanes),
            )
            offer, result = getattr(fork, f"o{e}"), getattr(join, f"i{e}")
            m.d.comb += [
                engine.i.payload.eq(Cat(*q[e * lanes : (e + 1) * lanes])),
                engine.i.valid.eq(offer.valid),
                offer.ready.eq(engine.i.ready),
                result.valid.eq(engine.o.valid),
                engine.o.ready.eq(result.ready),
            ]
            engines.append(engine)
        layout = data.ArrayLayout(engines[0].o.payload.shape(), spec.chunk)
        sums = stream.Signature(layout).create(path=("sums",))
        m.d.comb += [
            sums.valid.eq(join.o.valid),
            join.o.ready.eq(sums.ready),
            *(sums.payload[e].eq(engine.o.payload) for e, engine in enumerate(engines)),
        ]
        self._driven = sequencer.driven if spec.sum_range else None
        return sums

    def _sockets(self, m: Module, requests, request) -> tuple[list[Value], object]:
        """One socket per tile, between a fork of the requests and a join of the responses."""
        spec, library = self.spec, self.library
        fork = library.place(m, "to_arrays", Fork, len(spec.tiles))
        join = library.place(m, "from_arrays", Join, len(spec.tiles))
        m.d.comb += [
            fork.i.valid.eq(requests.valid),
            requests.ready.eq(fork.i.ready),
            self.activated.eq(fork.i.valid & fork.i.ready),
        ]
        responses = [Signal(spec.pins.q_bits, name=f"{tile.name}_q") for tile in spec.tiles]
        connections = []
        for number, tile in enumerate(spec.tiles):
            offer, answer = getattr(fork, f"o{number}"), getattr(join, f"i{number}")
            connections.append({
                "req_valid": offer.valid,
                "req_ready": offer.ready,
                "q": responses[number],
                "q_valid": answer.valid,
                "q_ready": answer.ready,
                **request(tile),
            })
        names = [(tile.name, tile.id) for tile in spec.tiles]
        if spec.program:
            connections = attach(m, self.program, spec.pins, names, connections)
        for tile, pins in zip(spec.tiles, connections, strict=True):
            m.submodules[tile.name] = macro(
                spec.socket, spec.pins, init=tile.image, map=tile.map, id=tile.id, **pins
            )
        if spec.spares:
            responses = [
                replaced(m, self.program, spec.pins, spec.spares, name, q)
                for name, q in zip(names, responses, strict=True)
            ]
        return responses, join.o

    def _finish(self, m: Module, chunks: stream.Interface) -> None:
        """From chunks of bits or sums to the layer's output."""
        spec, library = self.spec, self.library
        if spec.readout != "sa":
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
            self._rom(m, last)
            if self._driven is not None:
                queue = library.place(
                    m, "driven", Queue, self._driven.payload.shape(), depth=spec.outstanding + 2
                )
                wiring.connect(m, self._driven, queue.i)
                wiring.connect(m, queue.o, last.driven)
            chunks = last.o
        if not spec.scores:
            gather = library.place(
                m, "gather", Gather, spec.outputs, chunk=spec.chunk, count=spec.count
            )
            wiring.connect(m, chunks, gather.i)
            chunks = gather.o
        if spec.conv and spec.conv.pool and not spec.conv.pool.early:
            bits, pooled = self._pool(m, "pool", chunks.p.bits, chunks)
            m.d.comb += [
                self.o.p.bits.eq(bits),
                self.o.valid.eq(pooled.valid),
                pooled.ready.eq(self.o.ready),
            ]
            return
        wiring.connect(m, chunks, wiring.flipped(self.o))

    def _codes(self, m: Module, tile: TileSpec) -> Signal:
        """The reference codes of one tile."""
        codes = Signal(self.spec.pins.ref_bits, name=f"{tile.name}_codes")
        m.d.comb += codes.eq(
            self._word(m, f"{tile.name}_reference", tile.reference_image, len(codes))
        )
        return codes

    def _word(self, m: Module, name: str, image: str, width: int) -> Signal:
        """The only word of a file, there from the first clock edge on."""
        word = Signal(width, name=f"{name}_word")
        m.submodules[name] = Instance(
            f"{self.library.prefix}_rom",
            p_WIDTH=width,
            p_DEPTH=1,
            p_INIT=image,
            i_clk=ClockSignal(),
            i_addr=Const(0, 1),
            o_data=word,
        )
        return word

    def _rom(self, m: Module, reader) -> None:
        """The memory of flips, thresholds or affines that ``reader`` walks through."""
        m.submodules.rom = Instance(
            f"{self.library.prefix}_rom",
            p_WIDTH=len(reader.rom_data),
            p_DEPTH=self.spec.steps,
            p_INIT=self.spec.rom_image,
            i_clk=ClockSignal(),
            i_addr=reader.rom_addr,
            o_data=reader.rom_data,
        )


def _whole_range(shape: Shape) -> tuple[int, int]:
    """All that ``shape`` can hold."""
    values = 1 << shape.width
    return (-values // 2, values // 2 - 1) if shape.signed else (0, values - 1)
