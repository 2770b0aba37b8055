"""What a row of 2T2R pairs is given: pulses, refreshes, and its signs read and copied."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import popcount
from binohm.hdl.checks import require_bool, require_int
from binohm.hdl.learning.pairs import PairCommand, pair_request
from binohm.hdl.learning.propagation import Shapes

__all__ = ["Phase", "RowUpdate"]


class Phase(enum.Enum, shape=3):
    """What an array activation belongs to."""

    INIT = 0
    FORWARD = 1
    BACKWARD = 2
    UPDATE = 3
    REFRESH = 4
    READOUT = 5
    COPY = 6


class RowUpdate(wiring.Component):
    """Pulse one row of pairs, refresh what is full, copy the signs that changed [1]_ [2]_.

    A weight is the difference between the pulses of two branches. It moves by potentiation pulses
    to one branch or the other, never by the opposite polarity; one activation pulses all columns
    that have pulses left. A pair is refreshed if one branch reads at least ``full`` and the other
    at least ``gain``: both are reset, and the difference is given again. With ``exchange`` all
    pairs are, and their branches exchange their roles after the reset.

    Commands to a row, each taking the latency of the array and a cycle:

    - ``start``: reset both branches, pulses, sign read, all signs copied;
    - else, if a column has pulses: sign read, pulses; with ``scan``: level of branch 1, level of
      branch 2, and if a pair is full: sign read, if none was yet, reset of branch 1, reset of
      branch 2, pulses of the differences; then, if the row was pulsed or refreshed: sign read, and
      a set and a reset of the cells in the propagation array that changed, or of all.

    ``by_row`` leaves out signs and copies: propagation then reads the pairs themselves.

    Parameters
    ----------
    shapes : Shapes
    level_bits : int
        Of a level.
    pulse_bits : int
        Of the pulses of a column, signed.
    full, gain : int
    most : int
        Pulses that a branch takes: one that reads so many is saturated.
    copy_all, by_row : bool

    Members
    -------
    i : In(stream.Signature(layer, row, start, scan, exchange, pulses))
        Positive pulses are for branch 1; ``exchange`` comes with ``scan``. Taken when the row is
        finished.
    pairs : Out(stream.Signature(pair_request(shapes)))
        Taken when the response is in ``q``.
    q : In(ArrayLayout(level_bits, shapes.lanes))
    copy : Out(stream.Signature(layer, row, way, columns))
    turned : Out(1)
        The branches of this row have exchanged their roles since the row came.
    phase : Out(Phase)
        Of the command that is being made; the cycles between commands belong to an update.
    events : Out(saturations, refreshes, refresh_pulses, sign_changes, copies)
        What happens in this cycle.

    References
    ----------
    .. [1] Zhou et al., "A new hardware implementation approach of BNNs based on nonlinear 2T2R
       synaptic cell", IEDM 2018. When to refresh is ours.
    .. [2] Zhang et al., SNW 2019, on the copy of the signs.
    """

    def __init__(
        self, shapes: Shapes, *, level_bits: int, pulse_bits: int, full: int, gain: int, most: int,
        copy_all: bool, by_row: bool,
    ) -> None:  # fmt: skip
        require_int("level_bits", level_bits)
        require_int("pulse_bits", pulse_bits, least=2)
        require_int("most", most)
        for name, value in (("full", full), ("gain", gain)):
            require_int(name, value)
            if value > most:
                raise ValueError(f"{name} must be at most most = {most}, not {value}")
        require_bool("copy_all", copy_all)
        require_bool("by_row", by_row)
        self.shapes = shapes
        self.level_bits, self.pulse_bits = level_bits, pulse_bits
        self.full, self.gain, self.most = full, gain, most
        self.copy_all, self.by_row = copy_all, by_row
        place = {
            "layer": range(max(2, len(shapes.shapes))),
            "row": range(max(2, shapes.rows)),
        }
        pulses = data.ArrayLayout(signed(pulse_bits), shapes.lanes)
        count = range(2 * shapes.lanes + 1)
        names = ("saturations", "refreshes", "refresh_pulses", "sign_changes", "copies")
        super().__init__({
            "i": In(
                stream.Signature(
                    data.StructLayout({
                        **place,
                        "start": 1,
                        "scan": 1,
                        "exchange": 1,
                        "pulses": pulses,
                    })
                )
            ),
            "pairs": Out(stream.Signature(pair_request(shapes))),
            "q": In(data.ArrayLayout(level_bits, shapes.lanes)),
            "copy": Out(
                stream.Signature(data.StructLayout({**place, "way": 1, "columns": shapes.lanes}))
            ),
            "turned": Out(1),
            "phase": Out(Phase),
            "events": Out(data.StructLayout(dict.fromkeys(names, count))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, lanes = self.i.payload, range(self.shapes.lanes)

        # Of every column: pulses that are left, and for which branch.
        bits = max(self.level_bits, self.pulse_bits)
        left = Signal(data.ArrayLayout(bits, len(lanes)))
        first = Signal(len(lanes))
        going = Signal(len(lanes))
        m.d.comb += [going[k].eq(left[k] != 0) for k in lanes]

        valid = Signal(len(lanes))  # columns that the layer has
        m.d.comb += valid.eq(
            Array((1 << columns) - 1 for _, columns in self.shapes.shapes)[i.layer]
        )

        # Levels of branch 1, those of branch 2 as they come, and what follows.
        level = Signal.like(self.q)
        full, saturated, differs = Signal(len(lanes)), Signal(len(lanes)), Signal(len(lanes))
        larger, negative, again = Signal(len(lanes)), Signal(len(lanes)), Signal(len(lanes))
        asked, fewer, difference = Signal.like(left), Signal.like(left), Signal.like(left)
        for k in lanes:
            a, b = level[k], self.q[k]
            m.d.comb += [
                full[k].eq(
                    ((a >= self.full) & (b >= self.gain))
                    | ((b >= self.full) & (a >= self.gain))
                    | (i.exchange & valid[k])
                ),
                saturated[k].eq(self.q[k] >= self.most),
                larger[k].eq(a >= b),
                difference[k].eq(Mux(full[k], Mux(larger[k], a - b, b - a), 0)),
                fewer[k].eq(left[k] - going[k]),
                negative[k].eq(i.pulses[k] < 0),
                asked[k].eq(Mux(negative[k], -i.pulses[k], i.pulses[k])),
            ]

        signs = Signal(len(lanes))  # before the first pulse, or after the last
        known = Signal()  # a sign read was made
        now = Signal(len(lanes))
        m.d.comb += [now.eq(Cat(self.q[k][0] for k in lanes)), differs.eq(signs ^ now)]
        to_set, to_reset = Signal(len(lanes)), Signal(len(lanes))

        # One counter of events serves all.
        chosen = Signal(len(lanes))
        number = Signal(range(len(lanes) + 1))
        m.d.comb += number.eq(popcount(chosen))

        pairs, done = self.pairs.payload, Signal()
        m.d.comb += [
            self.phase.eq(Mux(i.start, Phase.INIT, Phase.UPDATE)),
            pairs.layer.eq(i.layer), pairs.row.eq(i.row), done.eq(self.pairs.ready),
            self.copy.p.layer.eq(i.layer), self.copy.p.row.eq(i.row),
        ]  # fmt: skip

        def command(cmd: PairCommand, branch: Value | int, enabled: Value | int) -> None:
            m.d.comb += [
                self.pairs.valid.eq(1), pairs.cmd.eq(cmd), pairs.branch.eq(branch),
                pairs.enabled.eq(enabled),
            ]  # fmt: skip

        every = (1 << len(lanes)) - 1
        pulse_phase = Mux(again.any(), Phase.REFRESH, Mux(i.start, Phase.INIT, Phase.UPDATE))
        wants = Signal(len(lanes))
        m.d.comb += [wants[k].eq(i.pulses[k] != 0) for k in lanes]

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [left.eq(asked), first.eq(~negative)]
                m.d.sync += [known.eq(0), again.eq(0)]
                with m.If(self.i.valid):
                    with m.If(i.start):
                        m.next = "EMPTY_1"
                    with m.Elif(wants.any()):
                        m.next = "PULSE" if self.by_row else "BEFORE"
                    with m.Elif(i.scan):
                        m.next = "LEVEL_1"
                    with m.Else():
                        m.next = "END"
            with m.State("BEFORE"):
                command(PairCommand.SIGN, 0, 0)
                m.d.comb += self.phase.eq(Phase.READOUT)
                with m.If(done):
                    m.d.sync += [signs.eq(now), known.eq(1)]
                    m.next = "EMPTY_1"
                    with m.If(~again.any()):
                        m.next = "PULSE"
            with m.State("PULSE"):
                m.d.comb += self.phase.eq(pulse_phase)
                with m.If(going.any()):
                    command(PairCommand.PULSE, first, going)
                    m.d.comb += chosen.eq(going)
                    with m.If(done):
                        m.d.comb += self.events.refresh_pulses.eq(Mux(again.any(), number, 0))
                        m.d.sync += left.eq(fewer)
                with m.Elif(i.scan & ~again.any() & ~i.start):
                    m.next = "LEVEL_1"
                with m.Else():
                    m.next = "END" if self.by_row else "AFTER"
            with m.State("LEVEL_1"):
                command(PairCommand.LEVEL, every, 0)
                m.d.comb += [self.phase.eq(Phase.REFRESH), chosen.eq(saturated)]
                with m.If(done):
                    m.d.sync += level.eq(self.q)
                    m.d.comb += self.events.saturations.eq(number)
                    m.next = "LEVEL_2"
            with m.State("LEVEL_2"):
                command(PairCommand.LEVEL, 0, 0)
                m.d.comb += [self.phase.eq(Phase.REFRESH), chosen.eq(saturated)]
                with m.If(done):
                    m.d.comb += self.events.saturations.eq(number)
                    m.d.sync += again.eq(full)
                    m.d.sync += [left.eq(difference), first.eq(larger)]
                    with m.If(full.any()):
                        m.next = "EMPTY_1"
                        if not self.by_row:
                            with m.If(~known):
                                m.next = "BEFORE"
                    with m.Elif(known):
                        m.next = "AFTER"
                    with m.Else():
                        m.next = "END"
            with m.State("EMPTY_1"):
                command(PairCommand.RESET, every, Mux(i.start, valid, again))
                m.d.comb += [
                    self.phase.eq(Mux(i.start, Phase.INIT, Phase.REFRESH)),
                    chosen.eq(again),
                ]
                with m.If(done):
                    m.d.comb += self.events.refreshes.eq(number)
                    m.next = "EMPTY_2"
            with m.State("EMPTY_2"):
                command(PairCommand.RESET, 0, Mux(i.start, valid, again))
                m.d.comb += self.phase.eq(Mux(i.start, Phase.INIT, Phase.REFRESH))
                with m.If(done):
                    m.d.sync += self.turned.eq(i.exchange)
                    m.next = "PULSE"
            with m.State("AFTER"):
                command(PairCommand.SIGN, 0, 0)
                m.d.comb += self.phase.eq(Mux(i.start, Phase.INIT, Phase.READOUT))
                write = Mux(i.start | int(self.copy_all), valid, differs)
                m.d.comb += chosen.eq(differs)
                with m.If(done):
                    m.d.comb += self.events.sign_changes.eq(Mux(i.start, 0, number))
                    m.d.sync += [to_set.eq(write & now), to_reset.eq(write & ~now)]
                    m.next = "SET"
            for state, cells, way, following in (
                ("SET", to_set, 1, "RESET"), ("RESET", to_reset, 0, "END"),
            ):  # fmt: skip
                with m.State(state):
                    m.d.comb += [
                        self.copy.valid.eq(cells.any() | i.start | int(self.copy_all)),
                        self.copy.p.way.eq(way), self.copy.p.columns.eq(cells), chosen.eq(cells),
                        self.phase.eq(Mux(i.start, Phase.INIT, Phase.COPY)),
                    ]  # fmt: skip
                    with m.If(self.copy.ready | ~self.copy.valid):
                        m.d.comb += self.events.copies.eq(Mux(i.start, 0, number))
                        m.next = following
            with m.State("END"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += self.turned.eq(0)
                m.next = "IDLE"

        return m
