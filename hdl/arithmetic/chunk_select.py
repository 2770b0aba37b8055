"""The part of a held vector that belongs to a step."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int
from binohm.hdl.streams.walk import rom_address_shape

__all__ = ["ChunkSelect"]


class ChunkSelect(wiring.Component):
    """Pass on one of the equal parts of a vector, in the same cycle.

    A vector of a layer can be wider than one wire may be: each row of arrays has a selector of its
    own, all of them driven by the ``step`` of what walks along the vectors.

    Parameters
    ----------
    width : int
        Bits of a part. At least 1.
    steps : int
        Parts. At least 1.

    Members
    -------
    i : In(steps * width)
    step : In(range(steps))
        One bit if ``steps`` is 1.
    o : Out(width)
        Bits ``step * width`` and up of ``i``.
    """

    def __init__(self, width: int, *, steps: int) -> None:
        require_int("width", width)
        require_int("steps", steps)
        self.width = width
        self.steps = steps
        super().__init__({
            "i": In(steps * width),
            "step": In(rom_address_shape(steps)),
            "o": Out(width),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(self.i.word_select(self.step, self.width))
        return m
