"""One stream of what many givers have, in turn."""

from amaranth.hdl import Cat, Module, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arrays.program_port import any_of
from binohm.hdl.checks import require_int
from binohm.hdl.streams.dispatch import turns

__all__ = ["Merge"]


class Merge(wiring.Component):
    """Take transfers in turn, as :class:`~binohm.hdl.streams.dispatch.Dispatch` dealt them.

    Transfer ``n`` of each series of ``items`` comes from branch ``n % branches``. Whoever is early
    waits.

    Latency is 0 cycles and throughput 1 transfer per cycle. The way from ``ready`` to ``ready`` is
    combinational, and so is the way from ``valid`` to ``valid``.

    Parameters
    ----------
    shape : ShapeLike
        Of a transfer.
    branches : int
        At least 1.
    items : int
        Transfers of a series. At least 1.

    Members
    -------
    i0, i1, ... : In(stream.Signature(shape))
        One for each branch.
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape: ShapeLike, *, branches: int, items: int) -> None:
        require_int("branches", branches)
        require_int("items", items)
        self.shape = shape
        self.branches = branches
        self.items = items
        super().__init__({
            **{f"i{b}": In(stream.Signature(shape)) for b in range(branches)},
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        inputs = [getattr(self, f"i{b}") for b in range(self.branches)]
        moved = Signal()
        turn = turns(m, self.branches, self.items, moved)
        payload = Value.cast(self.o.payload)
        chosen = [
            Value.cast(i.payload) & turn[b].replicate(len(payload)) for b, i in enumerate(inputs)
        ]
        m.d.comb += [
            self.o.valid.eq((Cat(i.valid for i in inputs) & turn).any()),
            moved.eq(self.o.valid & self.o.ready),
            Cat(i.ready for i in inputs).eq(turn & self.o.ready.replicate(self.branches)),
            payload.eq(any_of(chosen)),
        ]

        return m
