"""From activations to the reads of an array that compares one stored word at a time."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_drive, require_int
from binohm.hdl.streams.activations import activations_layout
from binohm.hdl.streams.requests import issue
from binohm.hdl.streams.walk import walk

__all__ = ["WordSequencer"]


class WordSequencer(wiring.Component):
    """Read every stored word that an image needs, with the inputs that belong to it.

    An image is cut into slices of ``columns`` inputs, of which ``slices_per_read`` are read at
    once, side by side: slice ``j * slices_per_read + v`` in read ``j`` on lane ``v``. All reads
    of an image are made for each of the ``steps`` outputs that an engine computes. The order is:
    for each step, for each read, for each bit plane; the row is ``step * reads + read``.

    A bit is compared with its weight if ``bipolar``; then exactly the columns that have an input
    are enabled, less those whose element is absent. Otherwise a bit 1 asks whether the weight is
    +1, and a bit 0 disables its column.

    Latency is 0 cycles: requests are offered while the image waits at the input, which is accepted
    with its last request. Throughput is 1 request per cycle.

    Parameters
    ----------
    inputs : int
        Elements of an image. At least 1.
    planes : int
        Bits of an element; 1 if ``bipolar``.
    columns, slices_per_read, steps : int
        At least 1.
    bipolar : bool
    sum_range : (low, high) or None
        Range of the sum that travels with the image, if one does.
    masked : bool
        Whether elements can be absent; only if ``bipolar``, since elsewhere they are 0.

    Members
    -------
    i : In(stream.Signature(activations_layout(inputs, planes, sum_range, masked=masked)))
    o : Out(stream.Signature(StructLayout({"row", "col_x", "col_en"})))
        ``row`` of range(steps * reads), at least one bit; ``col_x`` and ``col_en`` of
        ``slices_per_read * columns`` bits: column ``c`` of lane ``v`` is bit ``v * columns + c``.
    driven : Out(stream.Signature(range(low, high + 1)))
        The sum, offered with the first request of its image. Only with ``sum_range``.
    """

    def __init__(
        self,
        inputs: int,
        *,
        planes: int,
        columns: int,
        slices_per_read: int,
        steps: int,
        bipolar: bool,
        sum_range: tuple[int, int] | None,
        masked: bool = False,
    ) -> None:
        require_drive(inputs, planes, bipolar, masked=masked)
        require_int("columns", columns)
        require_int("slices_per_read", slices_per_read)
        require_int("steps", steps)
        self.inputs = inputs
        self.planes = planes
        self.columns = columns
        self.slices_per_read = slices_per_read
        self.steps = steps
        self.bipolar = bipolar
        self.sum_range = sum_range
        self.masked = masked
        self.width = columns * slices_per_read
        self.reads = -(-inputs // self.width)
        request = data.StructLayout({
            "row": Shape.cast(range(max(steps * self.reads, 2))),
            "col_x": self.width,
            "col_en": self.width,
        })
        members = {
            "i": In(stream.Signature(activations_layout(inputs, planes, sum_range, masked=masked))),
            "o": Out(stream.Signature(request)),
        }
        if sum_range is not None:
            members["driven"] = Out(stream.Signature(range(sum_range[0], sum_range[1] + 1)))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        driven = None
        if self.sum_range is not None:
            driven = self.driven
            m.d.comb += driven.payload.eq(self.i.p.sum)

        # Three counters, one inside the other: planes of a word, words of a step, steps.
        moved, word_moved, first, last = (
            Signal(name=n) for n in ("part_moved", "word_moved", "first", "last")
        )
        part, part_last, _ = walk(m, self.planes * self.reads, moved, name="part")
        _, plane_last, _ = walk(m, self.planes, moved, name="plane")
        row, row_last, _ = walk(m, self.steps * self.reads, word_moved, name="row")
        m.d.comb += [
            moved.eq(issue(m, self.i, self.o, driven, first, last)),
            word_moved.eq(moved & plane_last),
            first.eq((part == 0) & (row == 0)),
            last.eq(plane_last & row_last),
        ]

        # The words of a step in the order in which they are asked for, padded with zeros.
        words = Signal(self.planes * self.reads * self.width)
        here = Signal(self.width)
        m.d.comb += [
            words.eq(Cat(self._word(plane, j) for j in range(self.reads) for plane in self._bits)),
            here.eq(words.word_select(part, self.width)),
            self.o.p.row.eq(row),
        ]
        if self.masked:
            there = Signal(self.reads * self.width)
            m.d.comb += [
                there.eq(Cat(self._word(self.i.p.on, j) for j in range(self.reads))),
                self.o.p.col_x.eq(here),
                self.o.p.col_en.eq(there.word_select(part, self.width)),
            ]
        elif self.bipolar:
            rest = self.inputs - (self.reads - 1) * self.width
            everywhere, somewhere = Const(-1, self.width), Const((1 << rest) - 1, self.width)
            m.d.comb += [
                self.o.p.col_x.eq(here),
                self.o.p.col_en.eq(Mux(part_last, somewhere, everywhere)),
            ]
        else:
            m.d.comb += [
                self.o.p.col_x.eq(Const(-1, self.width)),
                self.o.p.col_en.eq(here),
            ]

        return m

    @property
    def _bits(self) -> list[Value]:
        """Each plane of the image."""
        return [self.i.p.bits[p * self.inputs : (p + 1) * self.inputs] for p in range(self.planes)]

    def _word(self, plane: Value, read: int) -> Value:
        """What ``read`` takes of a plane."""
        part = plane[read * self.width : (read + 1) * self.width]
        return Cat(part, Const(0, self.width - len(part)))
