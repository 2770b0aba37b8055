"""Reading the arrays of a layer, or of one of its replicas: from vectors to answers.

Sockets are not placed here: what they are to be connected to is among what comes back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import data, stream

from binohm.hdl.arithmetic.bdpe import Bdpe
from binohm.hdl.arrays.row_drive import RowDrive
from binohm.hdl.arrays.word_sequencer import WordSequencer
from binohm.hdl.layers.layer_spec import LayerSpec, TileSpec
from binohm.hdl.library import Library
from binohm.hdl.streams.fork import Fork
from binohm.hdl.streams.join import Join

__all__ = ["Pins", "Reads", "columns", "memory_word", "words"]

Pins = dict[str, Value]
"""What each pin of a socket is connected to."""


@dataclass(frozen=True)
class Reads:
    """What reading gives.

    Parameters
    ----------
    answers : list of Value, or stream interface
        From :func:`columns`: the responses of each row of tiles, as long as ``taken`` is valid.
        From :func:`words`: sums.
    taken : handshake
        Accepts the responses; that of the sums for :func:`words`.
    driven : stream interface or None
        The sum that came with the vector, where one does.
    connections : list of dict of str to Value
        Pins of each tile's socket, in the order of the tiles.
    activated : Value
        A request is accepted in this cycle.
    """

    answers: Any
    taken: Any
    driven: Any
    connections: list[Pins]
    activated: Value


def columns(m: Module, library: Library, spec: LayerSpec, vectors: Any) -> Reads:
    """All rows at once. Planes that are read in parallel lie side by side, like inputs."""
    drive = library.place(
        m,
        "drive",
        RowDrive,
        spec.inputs * spec.side,
        planes=len(spec.series),
        bipolar=spec.bipolar,
        sum_range=spec.sum_range,
        masked=spec.masked,
    )
    m.d.comb += [
        drive.i.payload.eq(vectors.payload),
        drive.i.valid.eq(vectors.valid),
        vectors.ready.eq(drive.i.ready),
    ]
    rows, bias = spec.pins.rows, spec.pins.bias_rows
    codes = {
        tile.name: _codes(m, library, spec, tile) for tile in spec.tiles if tile.reference_image
    }

    def request(tile: TileSpec) -> Pins:
        start, stop = (tile.plane * spec.inputs + end for end in tile.inputs)
        idle = Const(0, rows - (stop - start))
        return {
            "x_p": Cat(drive.o.p.x_p[start:stop], idle, Const((1 << bias) - 1, bias)),
            "x_n": Cat(drive.o.p.x_n[start:stop], idle, Const(0, bias)),
            **({"ref_code": codes[tile.name]} if codes else {}),
        }

    q, taken, connections, activated = _sockets(m, library, spec, drive.o, request)
    driven = drive.driven if spec.sum_range else None
    return Reads(_by_row_tile(spec, q), taken, driven, connections, activated)


def words(m: Module, library: Library, spec: LayerSpec, vectors: Any) -> Reads:
    """Word by word: every engine reads one output's weights, or a part of them, at a time.

    Planes that are read in parallel are slices side by side, each of which is counted for itself:
    plane ``p`` of engine ``e`` is element ``e * planes + p`` of the sums.
    """
    width, lanes, side = spec.pins.columns, spec.slices_per_read, spec.side
    reads = spec.reads_per_output
    sequencer = library.place(
        m,
        "sequencer",
        WordSequencer,
        reads * side * lanes * width if side > 1 else spec.inputs,
        planes=len(spec.series),
        columns=width,
        slices_per_read=lanes * side,
        steps=spec.steps,
        bipolar=spec.bipolar,
        sum_range=spec.sum_range,
        masked=spec.masked,
    )
    bits = vectors.p.bits
    m.d.comb += [
        sequencer.i.p.bits.eq(_side_by_side(spec, bits) if side > 1 else bits),
        *(sequencer.i.p[name].eq(vectors.p[name]) for name in _beside(spec)),
        sequencer.i.valid.eq(vectors.valid),
        vectors.ready.eq(sequencer.i.ready),
    ]

    def request(tile: TileSpec) -> Pins:
        lane = tile.plane * lanes + spec.tiles.index(tile) % lanes
        part = slice(lane * width, (lane + 1) * width)
        return {
            "row": sequencer.o.p.row,
            "col_x": sequencer.o.p.col_x[part],
            "col_en": sequencer.o.p.col_en[part],
        }

    q, taken, connections, activated = _sockets(m, library, spec, sequencer.o, request)
    words = [Cat(*q[at : at + lanes]) for at in range(0, len(q), lanes)]  # by plane, then engine
    by_engine = [words[p * spec.chunk + e] for e in range(spec.chunk) for p in range(side)]
    sums = _counted(m, library, spec, by_engine, taken)
    driven = sequencer.driven if spec.sum_range else None
    return Reads(sums, sums, driven, connections, activated)


def _beside(spec: LayerSpec) -> list[str]:
    """What travels with the bits of a vector."""
    return ["sum"] * (spec.sum_range is not None) + ["on"] * spec.masked


def _side_by_side(spec: LayerSpec, bits: Value) -> Value:
    """The planes of every read one after another, each padded."""
    width = spec.slices_per_read * spec.pins.columns
    parts: list[Value] = []
    for read in range(spec.reads_per_output):
        stop = min(spec.inputs, (read + 1) * width)
        for plane in range(spec.side):
            part = bits[plane * spec.inputs + read * width : plane * spec.inputs + stop]
            parts += [part, Const(0, width - len(part))]
    return Cat(*parts)


def _counted(
    m: Module, library: Library, spec: LayerSpec, answers: Sequence[Value], taken: Any
) -> stream.Interface:
    """An engine for each of ``answers``, in step."""
    fork = library.place(m, "to_engines", Fork, len(answers))
    join = library.place(m, "from_engines", Join, len(answers))
    m.d.comb += [fork.i.valid.eq(taken.valid), taken.ready.eq(fork.i.ready)]
    engines = []
    for e, answer in enumerate(answers):
        engine = library.place(
            m,
            f"bdpe_{e}",
            Bdpe,
            spec.slices_per_read * spec.pins.columns,
            planes=spec.series,
            reads_per_output=spec.reads_per_output,
        )
        offer, result = getattr(fork, f"o{e}"), getattr(join, f"i{e}")
        m.d.comb += [
            engine.i.payload.eq(answer),
            engine.i.valid.eq(offer.valid),
            offer.ready.eq(engine.i.ready),
            result.valid.eq(engine.o.valid),
            engine.o.ready.eq(result.ready),
        ]
        engines.append(engine)
    layout = data.ArrayLayout(engines[0].o.payload.shape(), len(answers))
    sums = stream.Signature(layout).create(path=("sums",))
    m.d.comb += [
        sums.valid.eq(join.o.valid),
        join.o.ready.eq(sums.ready),
        *(sums.payload[e].eq(engine.o.payload) for e, engine in enumerate(engines)),
    ]
    return sums


def _sockets(
    m: Module,
    library: Library,
    spec: LayerSpec,
    requests: Any,
    request: Callable[[TileSpec], Pins],
) -> tuple[list[Value], Any, list[Pins], Value]:
    """Pins of one socket per tile, between a fork of the requests and a join of the responses."""
    fork = library.place(m, "to_arrays", Fork, len(spec.tiles))
    join = library.place(m, "from_arrays", Join, len(spec.tiles))
    activated = Signal(name="read")
    m.d.comb += [
        fork.i.valid.eq(requests.valid),
        requests.ready.eq(fork.i.ready),
        activated.eq(fork.i.valid & fork.i.ready),
    ]
    responses: list[Value] = [
        Signal(spec.pins.q_bits, name=f"{tile.name}_q") for tile in spec.tiles
    ]
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
    return responses, join.o, connections, activated


def _by_row_tile(spec: LayerSpec, q: Sequence[Value]) -> list[Value]:
    """Responses of each row of tiles, side by side and padded to whole chunks."""
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


def _codes(m: Module, library: Library, spec: LayerSpec, tile: TileSpec) -> Signal:
    """The reference codes of one tile."""
    codes = Signal(spec.pins.ref_bits, name=f"{tile.name}_codes")
    word = memory_word(m, library, f"{tile.name}_reference", tile.reference_image, len(codes))
    m.d.comb += codes.eq(word)
    return codes


def memory_word(m: Module, library: Library, name: str, image: str, width: int) -> Signal:
    """The only word of a file, there from the first clock edge on."""
    word = Signal(width, name=f"{name}_word")
    m.submodules[name] = Instance(
        f"{library.prefix}_rom",
        p_WIDTH=width,
        p_DEPTH=1,
        p_INIT=image,
        i_clk=ClockSignal(),
        i_addr=Const(0, 1),
        o_data=word,
    )
    return word
