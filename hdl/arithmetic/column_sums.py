"""From the answers of converters to sums over row tiles and bit planes."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import add_up
from binohm.hdl.checks import range_shape, require_int, require_planes
from binohm.hdl.streams.walk import rom_address_shape, walk

__all__ = ["ColumnSums"]


class ColumnSums(wiring.Component):
    """Walk along the converted columns and add up row tiles and bit planes, exactly.

    A vector is one transfer of ``i`` for each bit plane, plane 0 first. Sums leave with the last
    plane: ``M``, the sum over the planes of plane weight times the counts of the group's tiles.

    Latency is 1 cycle from the cycle in which a chunk of the last plane is looked at, and
    throughput is 1 chunk per cycle. ``i`` is held for ``steps`` chunks and accepted with the last
    one. When ``o`` is stalled, the walk is stalled in the same cycle, whatever the plane.

    Between planes, the sums circulate in a shift register of ``steps`` words: smaller than a
    register file, since the walk never goes back. A word takes part in one addition per plane,
    from plane 0 on, and moves down by a bit each time, as in a serial multiplier.

    Parameters
    ----------
    chunk : int
        Outputs per cycle. At least 1.
    steps : int
        Chunks in a vector. At least 1.
    tiles_per_group : tuple of int
        Row tiles of each group. At least 1 each.
    bits : int
        Of a count. At least 1.
    planes : tuple of int
        Weights: 1, 2, 4 and so on, of which the last may be negative.

    Attributes
    ----------
    sum_range : (low, high)
        All values that counts of ``bits`` bits can lead to.

    Members
    -------
    i : In(stream.Signature(tiles * chunk * bits))
        Of a vector, the chunk that ``step`` says: tile ``r``, counted through all groups, has its
        output ``s`` from bit ``(r * chunk + s) * bits`` on.
    step : Out(range(steps))
        The chunk of the vector that is looked at in this cycle. One bit if ``steps`` is 1.
    o : Out(stream.Signature(ArrayLayout(range(low, high + 1), chunk * groups)))
        Chunk ``t`` holds outputs ``t * chunk`` and up: group ``g`` of output ``s`` of the chunk is
        element ``s * groups + g``.
    """

    def __init__(
        self,
        chunk: int,
        *,
        steps: int,
        tiles_per_group: tuple[int, ...],
        bits: int,
        planes: tuple[int, ...],
    ) -> None:
        require_int("chunk", chunk)
        require_int("steps", steps)
        if not isinstance(tiles_per_group, tuple) or not tiles_per_group:
            raise TypeError(f"tiles_per_group must be a tuple of ints, not {tiles_per_group!r}")
        for tiles in tiles_per_group:
            require_int("an element of tiles_per_group", tiles)
        require_int("bits", bits)
        require_planes(planes)
        self.chunk = chunk
        self.steps = steps
        self.tiles_per_group = tiles_per_group
        self.bits = bits
        self.planes = planes
        total = range_shape(self.sum_range)
        super().__init__({
            "i": In(stream.Signature(sum(tiles_per_group) * chunk * bits)),
            "step": Out(rom_address_shape(steps)),
            "o": Out(stream.Signature(data.ArrayLayout(total, chunk * len(tiles_per_group)))),
        })

    @property
    def sum_range(self) -> tuple[int, int]:
        """All values that counts of ``bits`` bits can lead to."""
        ends = [self._largest * plane for plane in self.planes]
        return sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)

    @property
    def _largest(self) -> int:
        """Largest count of a group in one plane."""
        return max(self.tiles_per_group) * ((1 << self.bits) - 1)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        free = Signal()
        moved = Signal()
        step, last, _ = walk(m, self.steps, moved)
        plane, last_plane, _ = walk(m, len(self.planes), moved & last, name="plane")
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            moved.eq(free & self.i.valid),
            self.i.ready.eq(free & last),
            self.step.eq(step),
        ]

        counts = self._counts(m)
        if len(self.planes) == 1:
            sums = counts if self.planes[0] > 0 else [-count for count in counts]
        else:
            first_plane = Signal(name="plane_is_first")
            m.d.comb += first_plane.eq(~plane.any())
            sums = self._sums(m, counts, moved, first_plane, last_plane)

        with m.If(free):
            m.d.sync += self.o.valid.eq(self.i.valid & last_plane)
        with m.If(moved):
            m.d.sync += [self.o.payload[n].eq(total) for n, total in enumerate(sums)]

        return m

    def _counts(self, m: Module) -> list[Signal]:
        """Counts of this plane and chunk: the groups of output 0, of output 1, and so on."""
        # A signal for each tile: a part of a wide value is that whole value, as often as one is
        # taken.
        columns = [
            Signal(self.chunk * self.bits, name=f"tile_{r}")
            for r in range(sum(self.tiles_per_group))
        ]
        m.d.comb += Cat(columns).eq(self.i.payload)
        counts = []
        for s in range(self.chunk):
            tiles = iter(columns)
            for g, number in enumerate(self.tiles_per_group):
                count = Signal(range(self._largest + 1), name=f"count_{s}_{g}")
                terms = [next(tiles)[s * self.bits : (s + 1) * self.bits] for _ in range(number)]
                m.d.comb += count.eq(add_up(terms))
                counts.append(count)
        return counts

    def _sums(
        self, m: Module, counts: list[Signal], moved: Value, first: Value, last: Value
    ) -> list[Value]:
        """Sums up to this plane; they are ``M`` in the last one.

        A word is ``high`` above ``low``: before plane ``p``, the sum over the planes before is
        ``high * 2**p`` and what the ``p`` upper bits of ``low`` say.
        """
        size, below = len(counts[0]), len(self.planes) - 1
        word = below + size
        words = Signal(self.steps * len(counts) * word, reset_less=True)
        sums, following = [], []
        for n, count in enumerate(counts):
            low = words[n * word : n * word + below]
            high = Signal(size, name=f"high_{n}")
            m.d.comb += high.eq(Mux(first, 0, words[n * word + below : (n + 1) * word]))
            if self.planes[-1] > 0:
                total = Signal(size + 1, name=f"total_{n}")
                m.d.comb += total.eq(high + count)
            else:
                total = Signal(Shape(size + 1, signed=True), name=f"total_{n}")
                m.d.comb += total.eq(Mux(last, high - count, high + count))
            sums.append(Cat(low, total).as_signed() if self.planes[-1] < 0 else Cat(low, total))
            following.append(Cat(low[1:], total))
        with m.If(moved):
            m.d.sync += words.eq(Cat(words[len(counts) * word :], following))
        return sums
