"""From the answers of sense amplifiers to activations."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.majority import majority
from binohm.hdl.checks import require_int
from binohm.hdl.streams.walk import rom_address, rom_address_shape, walk

__all__ = ["SenseColumns"]


class SenseColumns(wiring.Component):
    """Walk along the sensed columns, flip them, and let the groups of a split layer vote.

    Latency is 1 cycle from the cycle in which a chunk of ``i`` is looked at, and throughput is 1
    chunk per cycle. ``i`` is held for ``steps`` chunks and accepted with the last one. When ``o``
    is stalled, the walk is stalled in the same cycle.

    Parameters
    ----------
    chunk : int
        Outputs per cycle. At least 1.
    steps : int
        Chunks in a vector. At least 1.
    groups : int
        Votes for an output. At least 1.

    Members
    -------
    i : In(stream.Signature(groups * chunk))
        Of a vector, the chunk that ``step`` says: group ``g`` of its output ``s`` is bit
        ``g * chunk + s``.
    step : Out(range(steps))
        The chunk of the vector that is looked at in this cycle. One bit if ``steps`` is 1.
    o : Out(stream.Signature(chunk))
        Chunk ``t`` holds outputs ``t * chunk`` and up: the majority over the groups of
        ``bit ^ flip``, where a tie gives 1.
    rom_addr : Out(range(steps))
        Chunk whose flips are wanted in the next cycle; 0 during reset. One bit if ``steps`` is 1.
    rom_data : In(chunk * groups)
        The flips of the current chunk: group ``g`` of output ``s`` of the chunk is bit
        ``s * groups + g``.
    """

    def __init__(self, chunk: int, *, steps: int, groups: int) -> None:
        require_int("chunk", chunk)
        require_int("steps", steps)
        require_int("groups", groups)
        self.chunk = chunk
        self.steps = steps
        self.groups = groups
        super().__init__({
            "i": In(stream.Signature(groups * chunk)),
            "step": Out(rom_address_shape(steps)),
            "o": Out(stream.Signature(chunk)),
            "rom_addr": Out(rom_address_shape(steps)),
            "rom_data": In(chunk * groups),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        free = Signal()
        moved = Signal()
        step, last, following = walk(m, self.steps, moved)
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            moved.eq(free & self.i.valid),
            self.i.ready.eq(free & last),
            self.rom_addr.eq(rom_address(following)),
            self.step.eq(step),
        ]

        votes = Signal(self.chunk * self.groups)
        by_output = Cat(
            self.i.payload[g * self.chunk + s]
            for s in range(self.chunk)
            for g in range(self.groups)
        )
        m.d.comb += votes.eq(by_output ^ self.rom_data)

        with m.If(free):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(moved):
            m.d.sync += self.o.payload.eq(
                Cat(
                    majority(votes[s * self.groups : (s + 1) * self.groups])
                    for s in range(self.chunk)
                )
            )

        return m
