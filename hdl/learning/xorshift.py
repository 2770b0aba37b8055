"""Random words."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Xorshift"]


class Xorshift(wiring.Component):
    """xorshift32 [1]_: ``x ^= x << 13; x ^= x >> 17; x ^= x << 5``.

    Members
    -------
    seed : In(32)
        The state while ``load`` is high; not 0.
    load : In(1)
    word : Out(32)
        The state after the next step.
    step : In(1)
        Takes that step.

    References
    ----------
    .. [1] Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8, 2003.
    """

    seed: In(32)
    load: In(1)
    word: Out(32)
    step: In(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state = Signal(32, init=1)
        one, two = Signal(32), Signal(32)
        m.d.comb += [
            one.eq(state ^ (state << 13)),
            two.eq(one ^ (one >> 17)),
            self.word.eq(two ^ (two << 5)),
        ]
        with m.If(self.load):
            m.d.sync += state.eq(self.seed)
        with m.Elif(self.step):
            m.d.sync += state.eq(self.word)
        return m
