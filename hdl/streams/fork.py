"""One request for many receivers."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int
from binohm.hdl.streams.handshake import HANDSHAKE

__all__ = ["Fork"]


class Fork(wiring.Component):
    """Offer each transfer to all branches, which may accept it in different cycles.

    A branch that has accepted is offered nothing more until all have; ``i`` is accepted in the
    cycle in which the last branch accepts. The payload does not pass through: it is wired from
    the source to all branches, and the source holds it until ``i`` is accepted.

    Latency is 0 cycles and throughput 1 transfer per cycle. The way from ``ready`` to ``ready`` is
    combinational, and so is the way from ``valid`` to ``valid``.

    Parameters
    ----------
    branches : int
        At least 1.

    Members
    -------
    i : In(HANDSHAKE)
    o0, o1, ... : Out(HANDSHAKE)
        One for each branch.
    """

    def __init__(self, branches: int) -> None:
        require_int("branches", branches)
        self.branches = branches
        super().__init__({
            "i": In(HANDSHAKE),
            **{f"o{b}": Out(HANDSHAKE) for b in range(branches)},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        outputs = [getattr(self, f"o{b}") for b in range(self.branches)]
        done = Signal(self.branches)
        accepted = Signal(self.branches)
        m.d.comb += [
            Cat(o.valid for o in outputs).eq(~done & self.i.valid.replicate(self.branches)),
            accepted.eq(done | Cat(o.ready for o in outputs)),
            self.i.ready.eq(accepted.all()),
        ]
        with m.If(self.i.valid):
            m.d.sync += done.eq(Mux(self.i.ready, 0, accepted))

        return m
