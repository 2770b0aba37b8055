"""From a serial line to bytes."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int

__all__ = ["UartReceiver"]


class UartReceiver(wiring.Component):
    """Take bytes from a line: a start bit 0, eight bits, the lowest first, a stop bit 1.

    A bit is looked at once, in its middle. After a stop bit that is 0 the line must rise before
    another start is seen. A start bit that is over by its middle was a spike, and is forgotten.

    A byte is there ``9 * divisor + divisor // 2 + 2`` cycles after the line fell, of which two are
    for the synchroniser. Bytes may follow each other without a gap, and the line may be 2 % faster
    or slower.

    Parameters
    ----------
    divisor : int
        Clock cycles of a bit. At least 4.

    Members
    -------
    rx : In(1)
        Asynchronous; idle is 1.
    byte : Out(8)
    received : Out(1)
        High for one cycle: ``byte`` is one.
    error : Out(1)
        High for one cycle: a stop bit was missing.
    """

    def __init__(self, divisor: int) -> None:
        require_int("divisor", divisor, least=4)
        self.divisor = divisor
        super().__init__({
            "rx": In(1),
            "byte": Out(8),
            "received": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        line = Signal(2, init=3)
        level = line[1]
        m.d.sync += line.eq(Cat(self.rx, line))

        timer = Signal(range(self.divisor))
        bit = Signal(range(10))
        sampled = Signal()
        m.d.comb += sampled.eq(timer == 0)
        m.d.sync += timer.eq(timer - 1)
        with m.If(sampled):
            m.d.sync += timer.eq(self.divisor - 1)

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [bit.eq(0), timer.eq(self.divisor // 2 - 1)]
                with m.If(~level):
                    m.next = "BITS"
            with m.State("BITS"), m.If(sampled):
                m.d.sync += bit.eq(bit + 1)
                with m.If(bit == 9):
                    m.d.comb += [self.received.eq(level), self.error.eq(~level)]
                    with m.If(level):
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "RISE"
                with m.Elif(bit != 0):
                    m.d.sync += self.byte.eq(Cat(self.byte[1:], level))
                with m.Elif(level):
                    m.next = "IDLE"
            with m.State("RISE"), m.If(level):
                m.next = "IDLE"

        return m
