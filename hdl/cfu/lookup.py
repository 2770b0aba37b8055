"""From kernel numbers to comparisons of stored kernels with windows."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.cfu.functions import WORD, UnitSpec

__all__ = ["Lookup", "comparison", "present"]


def comparison(spec: UnitSpec) -> data.StructLayout:
    """A comparison: the row of the macro, and the inputs of its columns."""
    return data.StructLayout({
        "row": range(max(spec.slots, 2)),
        "col_x": spec.width,
        "col_en": spec.width,
    })


def present(spec: UnitSpec, rows: Value, columns: Value, position: int) -> Value:
    """Which elements of the window at ``position`` are inside the image."""
    return Cat(
        rows[r] & columns[c + position] for r in range(spec.rows) for c in range(spec.columns)
    )


class Lookup(wiring.Component):
    """Take words of kernel numbers apart and compare each kernel with the windows of its channel.

    The numbers of a word belong to consecutive channels, the lowest bits to the first. A number
    below ``codes`` is a hit: ``positions`` comparisons leave, position 0 first. ``codes`` itself
    says that the kernel follows in full, in the next ``kernel_fields`` fields, which may be those
    of the next word: a miss, for which comparisons leave, too, with ``spelt`` high and the result
    in ``matches``. All ones is none and anything else a miss without more: no comparison leaves.
    Each goes on to the next channel. Beyond the last window whatever is not none is said to be
    ``beyond``, and no comparison leaves.

    Throughput is 1 comparison per cycle, also from word to word; a field that brings no comparison
    takes 1 cycle. Latency is 2 cycles from a word to its first comparison. One word waits behind
    the one at work.

    Parameters
    ----------
    spec : UnitSpec

    Members
    -------
    words : In(stream.Signature(32))
    comparisons : Out(stream.Signature(comparison(spec)))
    spelt : Out(1)
        The comparison is with a kernel in full, and not for the macro.
    matches : Out(width)
        With ``spelt``: the elements that are there and agree.
    restart : In(1)
        The next channel is 0, or ``channel`` if ``seek``. What came of a kernel in full is dropped.
    seek, channel
        With ``restart``.
    look : In(1)
        In the next cycle ``window`` shows position ``look_position`` of channel ``look_channel``,
        and so on until the next word. Only while not busy.
    window : Out(width)
    address : Out(range(windows))
        Of the patches.
    patch : In(rows * patch_columns)
        At the address of the cycle before, row 0 lowest.
    rows_present, columns_present : In
        Rows of a window, columns of a patch that are inside the image.
    hit, missed, beyond : Out(1)
        Once for each number.
    busy : Out(1)
        A word, or a comparison, has not left. A kernel of which a part came does not count.
    """

    def __init__(self, spec: UnitSpec) -> None:
        self.spec = spec
        channel = range(max(spec.windows, 2))
        super().__init__({
            "words": In(stream.Signature(WORD)),
            "comparisons": Out(stream.Signature(comparison(spec))),
            "spelt": Out(1),
            "matches": Out(spec.width),
            "restart": In(1),
            "seek": In(1),
            "channel": In(channel),
            "look": In(1),
            "look_channel": In(channel),
            "look_position": In(range(max(spec.positions, 2))),
            "window": Out(spec.width),
            "address": Out(channel),
            "patch": In(spec.rows * spec.patch_columns),
            "rows_present": In(spec.rows),
            "columns_present": In(spec.patch_columns),
            "hit": Out(1),
            "missed": Out(1),
            "beyond": Out(1),
            "busy": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        free = Signal()
        m.d.comb += free.eq(~self.comparisons.valid | self.comparisons.ready)

        left = Signal(spec.numbers * spec.number_bits)
        remaining = Signal(range(spec.numbers + 1))
        position = Signal(range(max(spec.positions, 2)))
        channel = Signal(range(spec.windows + 1))
        parts = Signal(range(spec.kernel_fields + 2))  # of a kernel, and 1 while it is compared
        number = left[: spec.number_bits]
        names = ("inside", "none", "full", "is_hit", "offered", "taken", "done", "last")
        inside, none, full, hit, offered, taken, done, last = (Signal(name=n) for n in names)
        m.d.comb += [
            inside.eq(channel < spec.windows),
            none.eq(number.all()),
            full.eq(number == spec.codes),
            hit.eq((number < spec.codes) & inside),
            offered.eq(Mux(parts == 0, (remaining != 0) & hit, (parts == 1) & inside)),
            last.eq(~offered | (position == spec.positions - 1)),
            taken.eq((remaining != 0) & (parts != 1) & free & last),
            done.eq(Mux(parts == 0, taken & ~full, (parts == 1) & free & last)),
            self.hit.eq(taken & (parts == 0) & hit),
            self.missed.eq(taken & (parts == 0) & inside & ~hit & ~none),
            self.beyond.eq(taken & (parts == 0) & ~inside & ~none),
        ]
        with m.If(offered & free):
            m.d.sync += position.eq(Mux(last, 0, position + 1))
        with m.If(taken):
            m.d.sync += [left.eq(left >> spec.number_bits), remaining.eq(remaining - 1)]
        with m.If(done & inside):
            m.d.sync += channel.eq(channel + 1)
        with m.If(self.restart):
            m.d.sync += channel.eq(Mux(self.seek, self.channel, 0))

        kernel = Signal(spec.kernel_fields * spec.number_bits)
        with m.If(self.restart | (done & (parts == 1))):
            m.d.sync += parts.eq(0)
        with m.Elif(taken & (parts == 0) & full):
            m.d.sync += parts.eq(spec.kernel_fields + 1)
        with m.Elif(taken & (parts != 0)):
            m.d.sync += [parts.eq(parts - 1), kernel.eq(Cat(kernel, number)[spec.number_bits :])]

        self._queue(m, left, remaining, taken)
        m.d.comb += self.busy.eq((remaining != 0) | (parts == 1) | self.comparisons.valid)
        self._compare(m, free, offered, number, position, channel)
        with m.If(free):
            m.d.sync += self.spelt.eq(parts == 1)
        agree = ~(kernel[: spec.width] ^ self.window)
        m.d.comb += self.matches.eq(agree & self.comparisons.p.col_en)
        return m

    def _queue(self, m: Module, left: Signal, remaining: Signal, done: Signal) -> None:
        """The word that waits."""
        word, waiting, empty = Signal.like(left, name="word"), Signal(), Signal()
        m.d.comb += [
            empty.eq((remaining == 0) | (done & (remaining == 1))),
            self.words.ready.eq(~waiting | empty),
        ]
        with m.If(empty & (waiting | self.words.valid)):
            m.d.sync += [
                left.eq(Mux(waiting, word, self.words.payload)),
                remaining.eq(self.spec.numbers),
            ]
        with m.If(self.words.ready):
            m.d.sync += [
                word.eq(self.words.payload),
                waiting.eq(self.words.valid & (waiting | ~empty)),
            ]

    def _compare(
        self, m: Module, free: Signal, offered: Value, number: Value, place: Signal, at: Signal
    ) -> None:
        """Fetch the patch, cut the window out of it, and ask."""
        spec = self.spec
        slot = number[1:] if spec.complement else number
        position, invert = Signal.like(place, name="window_position"), Signal()
        channel = Signal.like(self.address, name="window_channel")
        fetch = Signal()
        m.d.comb += fetch.eq(free & (offered | self.look))
        with m.If(free):
            m.d.sync += self.comparisons.valid.eq(offered)
        with m.If(fetch):
            m.d.comb += self.address.eq(Mux(self.look, self.look_channel, at))
            m.d.sync += [
                self.comparisons.p.row.eq(slot),
                position.eq(Mux(self.look, self.look_position, place)),
                channel.eq(self.address),
            ]
            if spec.complement:
                m.d.sync += invert.eq(number[0])
        with m.Else():
            m.d.comb += self.address.eq(channel)
        enabled = Signal(spec.width)
        with m.Switch(position):
            for p in range(spec.positions):
                with m.Default() if p == spec.positions - 1 else m.Case(p):
                    m.d.comb += [
                        self.window.eq(self._cut(p)),
                        enabled.eq(present(spec, self.rows_present, self.columns_present, p)),
                    ]
        m.d.comb += [
            self.comparisons.p.col_x.eq(self.window ^ invert.replicate(spec.width)),
            self.comparisons.p.col_en.eq(enabled),
        ]

    def _cut(self, position: int) -> Value:
        """The window at ``position`` of the patch."""
        spec, step = self.spec, self.spec.patch_columns
        return Cat(
            self.patch[r * step + position : r * step + position + spec.columns]
            for r in range(spec.rows)
        )
