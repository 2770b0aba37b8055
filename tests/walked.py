"""What walks along a vector, together with that vector."""

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from binohm.hdl.arithmetic.chunk_select import ChunkSelect


class Walked(wiring.Component):
    """``walk`` with a whole vector at ``i``: its rows one behind the other, each of all chunks.

    Parameters
    ----------
    walk : SenseColumns or ColumnSums
    rows : int
        Parts of a chunk, each of a row of arrays.
    """

    def __init__(self, walk: Any, rows: int) -> None:
        self.walk = walk
        self.rows = rows
        self.width = len(walk.i.payload) // rows
        whole = rows * walk.steps * self.width
        others = {name: member for name, member in walk.signature.members.items() if name != "step"}
        super().__init__({**others, "i": In(stream.Signature(whole))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walk = walk = self.walk
        parts = []
        for row in range(self.rows):
            m.submodules[f"select_{row}"] = select = ChunkSelect(self.width, steps=walk.steps)
            held = self.i.payload.word_select(row, walk.steps * self.width)
            m.d.comb += [select.i.eq(held), select.step.eq(walk.step)]
            parts.append(select.o)
        m.d.comb += [
            walk.i.payload.eq(Cat(parts)),
            walk.i.valid.eq(self.i.valid),
            self.i.ready.eq(walk.i.ready),
        ]
        wiring.connect(m, walk.o, wiring.flipped(self.o))
        if hasattr(walk, "rom_addr"):
            m.d.comb += [self.rom_addr.eq(walk.rom_addr), walk.rom_data.eq(self.rom_data)]
        return m
