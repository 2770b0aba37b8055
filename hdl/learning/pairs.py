"""The update arrays of all layers behind one port."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arrays.macro import MacroPins, macro
from binohm.hdl.checks import require_int
from binohm.hdl.learning.propagation import Shapes

__all__ = ["PairArrays", "PairCommand", "pair_request"]


class PairCommand(enum.Enum, shape=3):
    """What a request asks of a row of 2T2R pairs; pin ``cmd``.

    ``SIGN`` compares the devices: 1 in the lowest bit of a column where the first has at least as
    much as the second. ``LEVEL`` converts one device. ``PULSE`` gives one potentiation pulse to a
    device, ``RESET`` empties it, in the enabled columns; the response is zeros. The device is the
    first where ``col_x`` is 1, the second where it is 0.
    """

    SIGN = 0
    LEVEL = 1
    PULSE = 2
    RESET = 3


def pair_request(shapes: Shapes) -> data.StructLayout:
    """A command to one row of the array of a layer, which counts from 0.

    Branch 1 is the first device of a pair, or, if exchanged, the second.
    """
    return data.StructLayout({
        "layer": range(max(2, len(shapes.shapes))),
        "row": range(max(2, shapes.rows)),
        "cmd": PairCommand,
        "branch": shapes.lanes,
        "enabled": shapes.lanes,
    })


class PairArrays(wiring.Component):
    """Give a command to the array of its layer, one command at a time.

    ``i`` is taken in the cycle in which the response is there.

    Parameters
    ----------
    shapes : Shapes
    modules : sequence of str
        The socket of each layer's array.
    level_bits : int
        Of a column in a response.
    maps : sequence of str, optional
        The device map of each layer's array; a digital view has none.

    Members
    -------
    i : In(stream.Signature(pair_request(shapes)))
    exchanged : In(1)
        The second device of a pair is branch 1; constant from a command to its response.
    q : Out(ArrayLayout(level_bits, shapes.lanes))
        The response, while ``i`` is taken; zeros beyond the columns of the layer.
    accepted : Out(1)
        High for a cycle when an array accepts a command.
    """

    def __init__(
        self, shapes: Shapes, modules: Sequence[str], level_bits: int, maps: Sequence[str] = ()
    ) -> None:
        for name, given in (("modules", modules), ("maps", maps or modules)):
            if len(given) != len(shapes.shapes):
                raise ValueError(
                    f"{len(shapes.shapes)} layers need as many {name}, not {len(given)}"
                )
        require_int("level_bits", level_bits)
        self.maps = list(maps) or [""] * len(modules)
        self.shapes, self.modules, self.level_bits = shapes, list(modules), level_bits
        super().__init__({
            "i": In(stream.Signature(pair_request(shapes))),
            "exchanged": In(1),
            "q": Out(data.ArrayLayout(level_bits, shapes.lanes)),
            "accepted": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i = self.i.payload
        sent = Signal()
        branch = Signal.like(i.branch)
        m.d.comb += branch.eq(i.branch ^ self.exchanged.replicate(self.shapes.lanes))
        ready, valid = Signal(len(self.modules)), Signal(len(self.modules))
        for n, (rows, columns) in enumerate(self.shapes.shapes):
            pins = MacroPins(rows, 0, columns, columns * self.level_bits)
            q = Signal(columns * self.level_bits, name=f"q_{n}")
            m.submodules[f"array_{n}"] = macro(
                self.modules[n], pins, init="", map=self.maps[n], id=n,
                cmd=i.cmd, row=i.row[: pins.row_bits],
                col_x=branch[:columns], col_en=i.enabled[:columns],
                req_valid=self.i.valid & ~sent & (i.layer == n), req_ready=ready[n],
                q=q, q_valid=valid[n], q_ready=1,
            )  # fmt: skip
            signs = sum(1 << k * self.level_bits for k in range(columns))
            opposite = Mux(self.exchanged & (i.cmd == PairCommand.SIGN), signs, 0)
            with m.If(i.layer == n):
                m.d.comb += [
                    self.accepted.eq(self.i.valid & ~sent & ready[n]),
                    self.i.ready.eq(sent & valid[n]),
                    self.q.as_value().eq(q ^ opposite),
                ]
        with m.If(self.accepted):
            m.d.sync += sent.eq(1)
        with m.If(self.i.ready):
            m.d.sync += sent.eq(0)
        return m
