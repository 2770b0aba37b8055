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
    below ``codes`` is a hit: ``positions`` comparisons leave, position 0 first. All ones is none
    and anything else a miss: no comparison leaves. Each goes on to the next channel. Beyond the
    last window whatever is not none is said to be ``beyond``, and no comparison leaves.

    Throughput is 1 comparison per cycle, also from word to word; a number that is no hit takes 1
    cycle. Latency is 2 cycles from a word to its first comparison. One word waits behind the one
    at work.

    Parameters
    ----------
    spec : UnitSpec

    Members
    -------
    words : In(stream.Signature(32))
    comparisons : Out(stream.Signature(comparison(spec)))
    restart : In(1)
        The next channel is 0, or ``channel`` if ``seek``.
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
        A word, or a comparison, has not left.
    """

    def __init__(self, spec: UnitSpec) -> None:
        self.spec = spec
        channel = range(max(spec.windows, 2))
        super().__init__({
            "words": In(stream.Signature(WORD)),
            "comparisons": Out(stream.Signature(comparison(spec))),
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
        number = left[: spec.number_bits]
        inside, none, hit, done = (Signal(name=n) for n in ("inside", "none", "is_hit", "done"))
        m.d.comb += [
            inside.eq(channel < spec.windows),
            none.eq(number.all()),
            hit.eq((number < spec.codes) & inside),
            done.eq((remaining != 0) & free & (~hit | (position == spec.positions - 1))),
            self.hit.eq(done & hit),
            self.missed.eq(done & inside & ~hit & ~none),
            self.beyond.eq(done & ~inside & ~none),
        ]
        with m.If(done):
            m.d.sync += [position.eq(0), left.eq(left >> spec.number_bits)]
            m.d.sync += remaining.eq(remaining - 1)
            with m.If(inside):
                m.d.sync += channel.eq(channel + 1)
        with m.Elif((remaining != 0) & free):
            m.d.sync += position.eq(position + 1)
        with m.If(self.restart):
            m.d.sync += channel.eq(Mux(self.seek, self.channel, 0))

        self._queue(m, left, remaining, done)
        self._compare(m, free, (remaining != 0) & hit, number, position, channel)
        return m

    def _queue(self, m: Module, left: Signal, remaining: Signal, done: Signal) -> None:
        """The word that waits."""
        word, waiting, empty = Signal.like(left, name="word"), Signal(), Signal()
        m.d.comb += [
            empty.eq((remaining == 0) | (done & (remaining == 1))),
            self.words.ready.eq(~waiting | empty),
            self.busy.eq((remaining != 0) | waiting | self.comparisons.valid),
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
