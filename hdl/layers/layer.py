"""One layer of a network: its arrays and the periphery around them."""

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.pool import Pool
from binohm.hdl.arithmetic.popcount import popcount
from binohm.hdl.arithmetic.scores import scores_layout
from binohm.hdl.arrays.macro import macro
from binohm.hdl.arrays.program_port import attach, program_port, replaced
from binohm.hdl.layers.conv import windows
from binohm.hdl.layers.decision import decide, walked
from binohm.hdl.layers.layer_spec import LayerSpec, TileSpec
from binohm.hdl.layers.reads import Pins, memory_word
from binohm.hdl.layers.replica import Replica, Results, work
from binohm.hdl.library import Library
from binohm.hdl.streams.activations import activations_layout
from binohm.hdl.streams.dispatch import Dispatch
from binohm.hdl.streams.gather import Gather
from binohm.hdl.streams.merge import Merge

__all__ = ["Layer"]


class Layer(wiring.Component):
    """Multiply an activation vector with the weights in the arrays, and decide.

    The arrays are sockets beside shared periphery: all that knows an image file is here, so that
    equal periphery is one module for all layers. Requests fork to all macros, responses are joined
    again; nothing but valid and ready is assumed of a macro. Replicas of both, up to the layer's
    pool, take windows in turn and give their results in turn.

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
    activated : Out(range(spec.replicas + 1))
        Read requests that are accepted in this cycle, at most one a replica: array activations.
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
            "activated": Out(range(spec.replicas + 1)),
            **({"program": In(program_port(spec.program))} if spec.program else {}),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        parts = self._parts(m, self._arrive(m))
        values, taken = self._merge(m, parts)
        if spec.conv and spec.conv.pool:
            values, taken = self._pool(m, values, taken)
        if spec.early_pool:
            chunks = walked(m, self.library, self._one, values, taken)
            taken = decide(m, self.library, self._one, chunks, None)
            values = [Value.cast(taken.payload)]
        m.d.comb += [
            Value.cast(self.o.payload).eq(values[0]),
            self.o.valid.eq(taken.valid),
            taken.ready.eq(self.o.ready),
            self.activated.eq(popcount(Cat(part.activated for part in parts))),
        ]
        self._sockets(m, [pins for part in parts for pins in part.connections])
        return m

    @property
    def _one(self) -> LayerSpec:
        """The layer with one replica."""
        own = tuple(tile for tile in self.spec.tiles if not tile.replica)
        return replace(self.spec, tiles=own, replicas=1, program=None)

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

    def _parts(self, m: Module, vectors: Any) -> list[Results]:
        """What each replica makes of its vectors."""
        spec, one = self.spec, self._one
        if spec.replicas == 1:
            return [work(m, self.library, one, vectors)]
        dealt = self.library.place(
            m,
            "dispatch",
            Dispatch,
            len(Value.cast(vectors.payload)),
            branches=spec.replicas,
            items=spec.conv.windows,
        )
        m.d.comb += [
            dealt.i.payload.eq(vectors.payload),
            dealt.i.valid.eq(vectors.valid),
            vectors.ready.eq(dealt.i.ready),
        ]
        parts = []
        for number in range(spec.replicas):
            part = self.library.place(m, f"replica_{number}", Replica, self.library, one)
            own = getattr(dealt, f"o{number}")
            m.d.comb += [
                part.i.payload.eq(own.payload),
                part.i.valid.eq(own.valid),
                own.ready.eq(part.i.ready),
            ]
            parts.append(Replica.results(one, part))
        return parts

    def _merge(self, m: Module, parts: list[Results]) -> tuple[list[Value], Any]:
        """Results of all replicas, in the order of their windows: values, and the handshake."""
        spec = self.spec
        if spec.replicas == 1:
            return parts[0].values, parts[0].taken
        merges = []
        for n, value in enumerate(parts[0].values):
            part = self.library.place(
                m,
                f"merge_{n}",
                Merge,
                len(value),
                branches=spec.replicas,
                items=spec.conv.windows,
            )
            for number, given in enumerate(parts):
                branch = getattr(part, f"i{number}")
                m.d.comb += [branch.payload.eq(given.values[n]), branch.valid.eq(given.taken.valid)]
                if n == 0:
                    m.d.comb += given.taken.ready.eq(branch.ready)
            merges.append(part)
        return _in_step(m, merges)

    def _pool(self, m: Module, values: list[Value], taken: Any) -> tuple[list[Value], Any]:
        """The same of several windows joined."""
        pool = self.spec.conv.pool
        pools = []
        for n, value in enumerate(values):
            part = self.library.place(
                m,
                f"pool_{n}",
                Pool,
                len(value),
                image=pool.image,
                kernel=pool.kernel,
                stride=pool.stride,
            )
            m.d.comb += [part.i.payload.eq(value), part.i.valid.eq(taken.valid)]
            if pool.lowest_image:
                lowest = memory_word(m, self.library, "lowest", pool.lowest_image, len(value))
                m.d.comb += part.lowest.eq(lowest)
            else:
                m.d.comb += part.lowest.eq(0)
            pools.append(part)
        m.d.comb += taken.ready.eq(pools[0].i.ready)
        return _in_step(m, pools)

    def _sockets(self, m: Module, connections: list[Pins]) -> None:
        """One socket per tile, behind the programmer if there is one."""
        spec = self.spec
        if spec.spares:
            connections = [
                self._repaired(m, tile, pins)
                for tile, pins in zip(spec.tiles, connections, strict=True)
            ]
        if spec.program:
            names = [(tile.name, tile.id) for tile in spec.tiles]
            connections = attach(m, self.program, spec.pins, names, connections)
        for tile, pins in zip(spec.tiles, connections, strict=True):
            m.submodules[tile.name] = macro(
                spec.socket, spec.pins, init=tile.image, map=tile.map, id=tile.id, **pins
            )

    def _repaired(self, m: Module, tile: TileSpec, pins: Pins) -> Pins:
        """Pins of a tile whose spare columns stand for bad ones."""
        spec = self.spec
        q = Signal(spec.pins.q_bits, name=f"{tile.name}_all")
        good = replaced(m, self.program, spec.pins, spec.spares, (tile.name, tile.id), q)
        m.d.comb += pins["q"].eq(good)
        return {**pins, "q": q}


def _in_step(m: Module, parts: list[Any]) -> tuple[list[Value], Any]:
    """Outputs of components that do the same at the same time: one handshake is that of all."""
    first = parts[0].o
    for part in parts[1:]:
        m.d.comb += part.o.ready.eq(first.ready)
    return [part.o.payload for part in parts], first
