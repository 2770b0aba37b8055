"""The pixels that the windows of a unit are cut out of."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.cfu.functions import WORD, UnitSpec

__all__ = ["Patches"]


class Patches(wiring.Component):
    """A memory of patches that is written row by row with pixels cut out of words.

    Bit ``j`` of a row is pixel ``shift + j - (columns - 1)`` of the word, or 0 outside of it. The
    row after the last of a window is the first of the next; beyond the last window nothing is
    written. A row is written in its cycle, and seen by a read in the next.

    Parameters
    ----------
    spec : UnitSpec
    memory : str
        Module of a memory of ``patch_columns`` x ``windows`` bits, one for each row of a patch.

    Members
    -------
    write : In(1)
        Writes the next row with what ``pixels`` and ``shift`` say.
    pixels : In(32)
    shift : In(range(32 + columns - 1))
    seek : In(1)
        The next row is the first of ``window``.
    window : In(range(windows))
    full : Out(1)
        The next row is beyond the last window.
    address : In(range(windows))
        While nothing is written.
    patch : Out(rows * patch_columns)
        That at the address of the cycle before, row 0 lowest.
    """

    def __init__(self, spec: UnitSpec, *, memory: str) -> None:
        self.spec = spec
        self.memory = memory
        super().__init__({
            "write": In(1),
            "pixels": In(WORD),
            "shift": In(range(WORD + spec.columns - 1)),
            "seek": In(1),
            "window": In(range(max(spec.windows, 2))),
            "full": Out(1),
            "address": In(range(max(spec.windows, 2))),
            "patch": Out(spec.rows * spec.patch_columns),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        row, window = Signal(range(max(spec.rows, 2))), Signal(range(spec.windows + 1))
        m.d.comb += self.full.eq(window == spec.windows)
        with m.If(self.seek):
            m.d.sync += [row.eq(0), window.eq(self.window)]
        with m.Elif(self.write & ~self.full):
            m.d.sync += row.eq(row + 1)
            with m.If(row == spec.rows - 1):
                m.d.sync += [row.eq(0), window.eq(window + 1)]

        pixels = Signal(spec.patch_columns)
        m.d.comb += pixels.eq(Cat(Const(0, spec.columns - 1), self.pixels) >> self.shift)
        address = Signal.like(self.address, name="place")
        m.d.comb += address.eq(Mux(self.write, window, self.address))
        for r in range(spec.rows):
            m.submodules[f"row_{r}"] = Instance(
                self.memory,
                p_WIDTH=spec.patch_columns,
                p_DEPTH=spec.windows,
                i_clk=ClockSignal(),
                i_addr=address,
                i_write=self.write & ~self.full & (row == r),
                i_wdata=pixels,
                o_rdata=self.patch.word_select(r, spec.patch_columns),
            )
        return m
