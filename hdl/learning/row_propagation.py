"""Products with the signs of a layer, read from the pairs row by row: what papers compare with."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import add_up
from binohm.hdl.checks import require_int
from binohm.hdl.learning.lanes import with_lane
from binohm.hdl.learning.pairs import PairCommand, pair_request
from binohm.hdl.learning.propagation import Shapes

__all__ = ["RowPropagation"]


class RowPropagation(wiring.Component):
    """Read the signs of one row of pairs after the other, and add up in digital logic.

    Forward, the input of the row is added to or taken from the sum of every column; backward, the
    errors of all columns, with these signs, are the sum of the row. The products are those of
    :class:`~binohm.hdl.learning.propagation.Propagation`; nothing has to be calibrated.

    A row takes the latency of the array and a cycle. ``i`` is taken when the products leave.

    Parameters
    ----------
    shapes : Shapes
    level_bits : int
        Of a column in ``q``.

    Members
    -------
    i : In(stream.Signature(shapes.request))
    o : Out(stream.Signature(shapes.sums))
    pairs : Out(stream.Signature(pair_request(shapes)))
        Taken when the response is in ``q``.
    q : In(ArrayLayout(level_bits, shapes.lanes))
    """

    def __init__(self, shapes: Shapes, *, level_bits: int) -> None:
        require_int("level_bits", level_bits)
        self.shapes, self.level_bits = shapes, level_bits
        super().__init__({
            "i": In(stream.Signature(shapes.request)),
            "o": Out(stream.Signature(shapes.sums)),
            "pairs": Out(stream.Signature(pair_request(shapes))),
            "q": In(data.ArrayLayout(level_bits, shapes.lanes)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shapes, i = self.shapes, self.i.payload
        row = Signal(range(max(2, shapes.rows)))
        last = Array([Const(rows - 1, len(row)) for rows, _ in shapes.shapes])[i.layer]
        columns = Array([(1 << columns) - 1 for _, columns in shapes.shapes])[i.layer]
        signs = Signal(shapes.lanes)
        m.d.comb += signs.eq(Cat(self.q[k][0] for k in range(shapes.lanes)))

        # The input of this row, and the sum of the errors with its signs.
        level = Signal(shapes.pixel_bits + 1)
        m.d.comb += level.eq(Cat(plane.bit_select(row, 1) for plane in i.x))
        a = Mux(i.layer == 0, level.as_signed(), Mux(level[0], 1, -1))
        enabled = Signal(shapes.lanes)
        m.d.comb += enabled.eq(columns)
        errors = []
        for k in range(shapes.lanes):
            signed_error = Mux(signs[k], i.d[k], -i.d[k])
            errors.append(Mux(enabled[k], signed_error, 0))
        error = Signal.like(self.o.payload[0])
        m.d.comb += error.eq(add_up(errors))

        acc = Signal(shapes.sums)
        added = Signal.like(acc)
        m.d.comb += [
            added[k].eq(Mux(signs[k], acc[k] + a, acc[k] - a)) for k in range(shapes.lanes)
        ]
        placed = with_lane(acc.as_value(), row, error)
        m.d.comb += [
            self.o.payload.eq(acc),
            self.pairs.p.layer.eq(i.layer),
            self.pairs.p.row.eq(row),
            self.pairs.p.cmd.eq(PairCommand.SIGN),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [acc.as_value().eq(0), row.eq(0)]
                with m.If(self.i.valid):
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += self.pairs.valid.eq(1)
                with m.If(self.pairs.ready):
                    m.d.sync += acc.eq(Mux(i.backward, placed, added))
                    m.d.sync += row.eq(row + 1)
                    with m.If(row == last):
                        m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += [self.o.valid.eq(1), self.i.ready.eq(self.o.ready)]
                with m.If(self.o.ready):
                    m.next = "IDLE"
        return m
