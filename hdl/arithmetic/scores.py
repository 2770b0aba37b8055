"""From the sums of the last layer to scores and the best class."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.driven import take_sums, u_values
from binohm.hdl.checks import range_shape, require_int, require_range
from binohm.hdl.streams.walk import rom_address_shape, walk

__all__ = ["SCORE_BITS", "Scores", "scores_layout"]

SCORE_BITS = 32
"""Width of a score, two's complement."""


def scores_layout(classes: int) -> data.StructLayout:
    """Layout of the result for one image: ``best``, a class, and ``scores``, one for each class."""
    require_int("classes", classes)
    return data.StructLayout({
        "best": range(classes),
        "scores": data.ArrayLayout(signed(SCORE_BITS), classes),
    })


class Scores(wiring.Component):
    """Scale sums to scores, collect them, and find the largest.

    Latency is 2 cycles from the last chunk, and throughput is 1 chunk per cycle without a bubble
    between images. The first stage scales a chunk; it is stalled with the second in the same
    cycle. The second collects the next image while ``o`` waits, and is stalled only when the last
    chunk arrives there and ``o`` is not taken in the same cycle.

    Parameters
    ----------
    classes : int
        At least 1.
    chunk : int
        Classes per chunk. At least 1. What the last chunk has too many is ignored.
    sum_range : (low, high)
        Of the sums ``M``.
    driven_range : (low, high) or None
        Of the data-dependent sum ``D``, if there is one.
    scale_bits, offset_bits : int
        Of the coefficients, two's complement. At least 1.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(range(low, high + 1), chunk)))
        ``M``: chunk ``t`` holds classes ``t * chunk`` and up.
    o : Out(stream.Signature(scores_layout(classes)))
        ``scores`` are ``scale * u + offset``, modulo ``2**32``, where ``u`` is ``M``, or
        ``2 * M - D`` with ``driven_range``. ``best`` is the lowest class among the largest.
    driven : In(stream.Signature(range(low, high + 1)))
        ``D``, one for each image; taken with the last chunk. Only with ``driven_range``.
    rom_addr : Out(range(steps))
        Chunk whose coefficients are wanted in the next cycle; 0 during reset. One bit if there
        is one chunk.
    rom_data : In(chunk * (scale_bits + offset_bits))
        For each element of ``i``, the first lowest: the scale and, above it, the offset.
    """

    def __init__(
        self,
        classes: int,
        *,
        chunk: int,
        sum_range: tuple[int, int],
        driven_range: tuple[int, int] | None,
        scale_bits: int,
        offset_bits: int,
    ) -> None:
        require_int("classes", classes)
        require_int("chunk", chunk)
        require_range("sum_range", sum_range)
        if driven_range is not None:
            require_range("driven_range", driven_range)
        require_int("scale_bits", scale_bits)
        require_int("offset_bits", offset_bits)
        self.classes = classes
        self.chunk = chunk
        self.sum_range = sum_range
        self.driven_range = driven_range
        self.scale_bits = scale_bits
        self.offset_bits = offset_bits
        members = {
            "i": In(stream.Signature(data.ArrayLayout(range_shape(sum_range), chunk))),
            "o": Out(stream.Signature(scores_layout(classes))),
            "rom_addr": Out(rom_address_shape(self.steps)),
            "rom_data": In(chunk * (scale_bits + offset_bits)),
        }
        if driven_range is not None:
            members["driven"] = In(stream.Signature(range_shape(driven_range)))
        super().__init__(members)

    @property
    def steps(self) -> int:
        """Chunks of an image."""
        return -(-self.classes // self.chunk)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        # The second stage takes a chunk unless it is the last one and the result has no place.
        scaled = Signal()
        free = Signal()
        collected = Signal()
        finished = Signal()
        step, last, _ = walk(m, self.steps, collected, name="collect")
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            collected.eq(scaled & (free | ~last)),
            finished.eq(collected & last),
        ]

        scores = self._scale(m, scaled, collected)
        lane, largest = self._largest(m, scores, last)
        best = Signal(range(self.classes))
        if self.steps == 1:
            m.d.comb += best.eq(lane)
        else:
            self._compare(m, collected, step, best, lane, largest)

        # The chunks before the last one, which goes to the output directly.
        early = Signal((self.steps - 1) * self.chunk * SCORE_BITS, reset_less=True)
        with m.If(collected):
            m.d.sync += early.eq(Cat(early, scores)[self.chunk * SCORE_BITS :])

        with m.If(free):
            m.d.sync += self.o.valid.eq(finished)
        with m.If(finished):
            m.d.sync += [
                self.o.payload.best.eq(best),
                self.o.payload.scores.eq(Cat(early, scores)[: self.classes * SCORE_BITS]),
            ]

        return m

    def _scale(self, m: Module, scaled: Signal, emptied: Value) -> list[Signal]:
        """The first stage: scores of a chunk, valid while ``scaled``."""
        scale_free = Signal()
        m.d.comb += scale_free.eq(~scaled | emptied)
        offered, moved = take_sums(m, self, self.steps, scale_free)
        with m.If(scale_free):
            m.d.sync += scaled.eq(offered)
        scores = []
        for n, u in enumerate(u_values(m, self)):
            word = self.rom_data.word_select(n, self.scale_bits + self.offset_bits)
            scale, offset = word[: self.scale_bits], word[self.scale_bits :]
            scores.append(Signal(signed(SCORE_BITS), name=f"score_{n}", reset_less=True))
            with m.If(moved):
                m.d.sync += scores[n].eq(scale.as_signed() * u + offset.as_signed())
        return scores

    def _largest(self, m: Module, scores: list[Signal], last: Value) -> tuple[Value, Value]:
        """The lane that holds the largest score of a chunk, and the score: a balanced tree.

        The lower lane wins a tie. Lanes that the last chunk does not use lose in it.
        """
        used = self.classes - (self.steps - 1) * self.chunk
        lanes = range(used if self.steps == 1 else self.chunk)
        tree: list[tuple[int, Value, Value]] = [(n, Const(n), scores[n]) for n in lanes]
        level = 0
        while len(tree) > 1:
            level += 1
            above = []
            for (first, lane, value), (other, other_lane, other_value) in zip(
                tree[0::2], tree[1::2], strict=False
            ):
                there = ~last if first < used <= other else 1
                wins = Signal(name=f"wins_{level}_{first}")
                best_lane = Signal(range(self.chunk), name=f"lane_{level}_{first}")
                best_value = Signal(signed(SCORE_BITS), name=f"value_{level}_{first}")
                m.d.comb += [
                    wins.eq((other_value > value) & there),
                    best_lane.eq(Mux(wins, other_lane, lane)),
                    best_value.eq(Mux(wins, other_value, value)),
                ]
                above.append((first, best_lane, best_value))
            tree = above + tree[2 * len(above) :]
        return tree[0][1], tree[0][2]

    def _compare(
        self, m: Module, collected: Value, step: Value, best: Signal, lane: Value, largest: Value
    ) -> None:
        """Set ``best`` to the class of the largest score of this chunk and the ones before."""
        best_before = Signal.like(best, reset_less=True)
        largest_before = Signal.like(largest, name="largest_before", reset_less=True)
        wins = Signal()
        m.d.comb += [
            wins.eq(~step.any() | (largest > largest_before)),
            best.eq(Mux(wins, step * self.chunk + lane, best_before)),
        ]
        with m.If(collected & wins):
            m.d.sync += [best_before.eq(best), largest_before.eq(largest)]
