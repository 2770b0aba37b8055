"""All that a layer has from its vectors to its results, but the arrays: once in each replica."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arrays.macro import MacroPins
from binohm.hdl.layers.decision import decide, walked
from binohm.hdl.layers.layer_spec import LayerSpec
from binohm.hdl.layers.reads import Pins, columns, words
from binohm.hdl.library import Library
from binohm.hdl.streams.activations import activations_layout

__all__ = ["Replica", "Results", "vectors_layout", "work"]

ANSWERED = ("req_ready", "q", "q_valid")
"""Pins that an array drives."""


@dataclass(frozen=True)
class Results:
    """What comes of vectors.

    Parameters
    ----------
    values : list of Value
        The layer's result; before a pool that takes what sense amplifiers say, the responses of
        each row of tiles. As long as ``taken`` is valid.
    taken : handshake
    connections : list of dict of str to Value
        Pins of each tile's socket.
    activated : Value
        A read request is accepted in this cycle.
    """

    values: list[Value]
    taken: Any
    connections: list[Pins]
    activated: Value


def vectors_layout(spec: LayerSpec) -> data.StructLayout:
    """Layout of the vectors that a layer multiplies with its weights."""
    return activations_layout(spec.inputs, len(spec.planes), spec.sum_range, masked=spec.masked)


def work(m: Module, library: Library, spec: LayerSpec, vectors: Any) -> Results:
    """Read the arrays of ``spec.tiles`` for each of the stream ``vectors``, and decide."""
    read = words if spec.readout == "pcsa" else columns
    found = read(m, library, spec, vectors)
    if spec.early_pool:
        return Results(found.answers, found.taken, found.connections, found.activated)
    chunks = found.answers
    if spec.readout != "pcsa":
        chunks = walked(m, library, spec, chunks, found.taken)
    result = decide(m, library, spec, chunks, found.driven)
    return Results([Value.cast(result.payload)], result, found.connections, found.activated)


class Replica(wiring.Component):
    """What :func:`work` makes, as a component of its own: all replicas of a layer are one module.

    Parameters
    ----------
    library : Library
        Takes the shared components.
    spec : LayerSpec
        With the tiles of one replica.

    Members
    -------
    i : In(stream.Signature(vectors_layout(spec)))
    o : Out(stream.Signature(StructLayout({"value_0": ...})))
        The values of :class:`Results`.
    activated : Out(1)
    tile_0, tile_1, ... : Out(Signature)
        Pins of each tile's socket.
    """

    def __init__(self, library: Library, spec: LayerSpec) -> None:
        self.library = library
        self.spec = spec
        if spec.early_pool:
            rows = sum(tile.outputs[0] == 0 for tile in spec.tiles)
            widths = [spec.steps * spec.chunk * (spec.pins.q_bits // spec.pins.columns)] * rows
        else:
            widths = [spec.outputs]
        values = data.StructLayout({f"value_{n}": width for n, width in enumerate(widths)})
        pins = _pins(spec.pins, spec)
        super().__init__({
            "i": In(stream.Signature(vectors_layout(spec))),
            "o": Out(stream.Signature(values)),
            "activated": Out(1),
            **{f"tile_{n}": Out(pins) for n in range(len(spec.tiles))},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        found = work(m, self.library, self.spec, self.i)
        for n, value in enumerate(found.values):
            m.d.comb += self.o.p[f"value_{n}"].eq(value)
        m.d.comb += [
            self.o.valid.eq(found.taken.valid),
            found.taken.ready.eq(self.o.ready),
            self.activated.eq(found.activated),
        ]
        for n, pins in enumerate(found.connections):
            port = getattr(self, f"tile_{n}")
            for name, value in pins.items():
                mine = getattr(port, name)
                m.d.comb += value.eq(mine) if name in ANSWERED else mine.eq(value)

        return m

    @staticmethod
    def results(spec: LayerSpec, part: Any) -> Results:
        """The same of a placed replica."""
        names = list(_pins(spec.pins, spec).members)
        connections = [
            {name: getattr(getattr(part, f"tile_{n}"), name) for name in names}
            for n in range(len(spec.tiles))
        ]
        values = [part.o.p[name] for name in part.o.payload.shape().members]
        return Results(values, part.o, connections, part.activated)


def _pins(pins: MacroPins, spec: LayerSpec) -> wiring.Signature:
    """Pins of a socket that a layer uses."""
    asked = ["row", "col_x", "col_en"] if spec.readout == "pcsa" else ["x_p", "x_n"]
    asked += ["ref_code"] if pins.ref_bits else []
    used = [*asked, "req_valid", "req_ready", "q", "q_valid", "q_ready"]
    widths = {pin.name: pin.width for pin in pins.ports}
    return wiring.Signature({
        name: In(widths[name]) if name in ANSWERED else Out(widths[name]) for name in used
    })
