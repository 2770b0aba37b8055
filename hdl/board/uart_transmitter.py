"""From bytes to a serial line."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int

__all__ = ["UartTransmitter"]


class UartTransmitter(wiring.Component):
    """Send bytes on a line: a start bit 0, eight bits, the lowest first, a stop bit 1.

    Latency is 1 cycle to the start bit. Throughput is a byte in ``10 * divisor`` cycles.

    Parameters
    ----------
    divisor : int
        Clock cycles of a bit. At least 4.

    Members
    -------
    i : In(stream.Signature(8))
    tx : Out(1)
        Registered; idle is 1.
    """

    def __init__(self, divisor: int) -> None:
        require_int("divisor", divisor, least=4)
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        timer = Signal(range(self.divisor))
        rest = Signal(range(10))  # bits behind the one on the line
        later = Signal(9)
        over = Signal()
        m.d.comb += [over.eq(timer == 0), self.i.ready.eq(over & (rest == 0))]
        with m.If(~over):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(rest != 0):
            m.d.sync += [
                self.tx.eq(later[0]),
                later.eq(Cat(later[1:], Const(1, 1))),
                rest.eq(rest - 1),
                timer.eq(self.divisor - 1),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += [
                self.tx.eq(0),
                later.eq(Cat(self.i.payload, Const(1, 1))),
                rest.eq(9),
                timer.eq(self.divisor - 1),
            ]

        return m
