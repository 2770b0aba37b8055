"""A fully connected network that learns on its arrays."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_bool
from binohm.hdl.learning.lanes import with_lane
from binohm.hdl.learning.pairs import PairArrays
from binohm.hdl.learning.propagation import Propagation, Shapes
from binohm.hdl.learning.rates import Rates
from binohm.hdl.learning.row_propagation import RowPropagation
from binohm.hdl.learning.update import Phase, RowUpdate
from binohm.hdl.learning.xorshift import Xorshift

__all__ = ["EVENTS", "Trainer"]

FRACTION = 12
"""Fraction bits of the running mean of the sums and of the learned offset."""

COUNTER_BITS = 48

EVENTS = (
    "batches", "pulses_1", "pulses_2", "clipped", "rows", "saturations", "refreshes",
    "refresh_pulses", "sign_changes", "copies",
)  # fmt: skip


class Trainer(wiring.Component):
    """Forward, error, backward, update, refresh, readout and copy, as docs/learning.md says.

    ``start`` gives all pairs their first pulses. Then every image that is taken from ``i`` goes
    forward and backward; after the last of a batch the thresholds and the weights change, a row of
    pairs after the other. Array reads are fully parallel, or of a row at a time with ``by_row``,
    which gives the same weights without the arrays of signs.

    Beside the arrays, a sum or an error takes a cycle a neuron, and a row of weights a cycle an
    image and a cycle a column: its gradient is never stored for more than this row.

    Parameters
    ----------
    shapes : Shapes
    rates : Rates
    modules, pair_modules : sequence of str
        The sockets of each layer: arrays of signs, and of pairs.
    code_bits : sequence of int
        Of a converter of each layer's array of signs.
    pair_maps : sequence of str, optional
        The device map of each layer's pairs.
    by_row : bool

    Members
    -------
    start : In(1)
        Begins with the first weights, in a cycle in which nothing is under way.
    seed : In(32)
        Of all random words, not 0; read at ``start``.
    slower : In(4)
        Halvings of the rate; constant within a batch.
    i : In(stream.Signature(levels, label, learn))
        Images: ``levels`` holds ``pixel_bits`` an input, input 0 lowest. Without ``learn`` an image
        goes forward only, belongs to no batch, and its class is given; its label does not matter.
    o : Out(stream.Signature(range(classes)))
        The class of an image that is not learned: that of the best score, the lowest of equals.
    idle : Out(1)
        High while the first image of a batch is awaited, and before ``start``.
    steps : Out(StructLayout)
        Array activations of each phase since reset.
    cycles : Out(StructLayout)
        Clock cycles spent in each phase; waiting for images is in none.
    events : Out(StructLayout)
        What happened, see docs/learning.md.
    """

    def __init__(
        self, shapes: Shapes, rates: Rates, *, modules: Sequence[str],
        pair_modules: Sequence[str], code_bits: Sequence[int], pair_maps: Sequence[str] = (),
        by_row: bool = False,
    ) -> None:  # fmt: skip
        require_bool("by_row", by_row)
        layers = len(shapes.shapes)
        for name in ("k", "win", "esh"):
            if len(getattr(rates, name)) != layers:
                raise ValueError(
                    f"{name} must have {layers} numbers, not {len(getattr(rates, name))}"
                )
        self.shapes, self.rates, self.by_row = shapes, rates, by_row
        self.modules, self.pair_modules = list(modules), list(pair_modules)
        self.code_bits, self.pair_maps = list(code_bits), list(pair_maps)
        self.level_bits = rates.pulses.bit_length()
        self.pulse_bits = 1 + max(rates.most.bit_length(), rates.start_bits)
        phases = data.StructLayout({phase.name.lower(): COUNTER_BITS for phase in Phase})
        super().__init__({
            "start": In(1),
            "seed": In(32),
            "slower": In(4),
            "i": In(
                stream.Signature(
                    data.StructLayout({
                        "levels": data.ArrayLayout(shapes.pixel_bits, shapes.sizes[0]),
                        "label": range(max(2, shapes.sizes[-1])),
                        "learn": 1,
                    })
                )
            ),
            "o": Out(stream.Signature(range(max(2, shapes.sizes[-1])))),
            "idle": Out(1),
            "steps": Out(phases),
            "cycles": Out(phases),
            "events": Out(data.StructLayout(dict.fromkeys(EVENTS, COUNTER_BITS))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._registers()
        self._parts(m)
        self._memories(m)
        self._count(m)
        with m.FSM():
            self._start(m)
            self._load(m)
            self._forward(m)
            self._decide(m)
            self._backward(m)
            self._follow(m)
            self._update(m)
        return m

    # ------------------------------------------------------------------------------- structure

    def _registers(self) -> None:
        """What states share."""
        shapes, rates = self.shapes, self.rates
        self.layer = Signal(range(max(2, len(shapes.shapes))))
        self.row = Signal(range(max(2, shapes.rows)))
        self.lane, self.next_lane = (Signal(range(max(2, shapes.lanes))) for _ in range(2))
        images = range(max(2, 1 << rates.batch_bits))
        self.image, self.next_image = Signal(images), Signal(images)
        self.bits, self.new_bits = Signal(shapes.lanes), Signal(shapes.lanes)
        self.new_window = Signal(shapes.lanes)
        self._names = count()
        errors = data.ArrayLayout(signed(shapes.error_bits), shapes.lanes)
        self.d, self.new_d = Signal(errors), Signal(errors)
        self.pulses = Signal(data.ArrayLayout(signed(self.pulse_bits), shapes.lanes))
        self.phase, self.busy = Signal(Phase), Signal()
        self.calibrated = Signal()  # since the signs changed
        # The score of the label, and the best of all others, of which the first is kept.
        self.label, self.learning = Signal.like(self.i.p.label), Signal()
        self.own, self.best = (
            Signal(signed(shapes.sum_bits), name=name) for name in ("own", "best")
        )
        self.rival, self.found = Signal.like(self.label), Signal()
        self.counted = {
            "batches": Signal(), "pulses_1": Signal(self.pulse_bits),
            "pulses_2": Signal(self.pulse_bits), "clipped": Signal(), "rows": Signal(),
        }  # fmt: skip

    def _parts(self, m: Module) -> None:
        """Arrays, and what drives them."""
        shapes, rates = self.shapes, self.rates
        m.submodules.random = self.random = Xorshift()
        m.d.comb += self.random.seed.eq(self.seed)
        m.submodules.pairs = pairs = PairArrays(
            shapes, self.pair_modules, self.level_bits, self.pair_maps
        )
        m.submodules.rows = self.rows = rows = RowUpdate(
            shapes, level_bits=self.level_bits, pulse_bits=self.pulse_bits, full=rates.full,
            gain=rates.gain, most=rates.pulses, copy_all=rates.copy_all, by_row=self.by_row,
        )  # fmt: skip
        m.d.comb += [
            rows.q.eq(pairs.q),
            rows.i.p.layer.eq(self.layer),
            rows.i.p.row.eq(self.row),
            rows.i.p.pulses.eq(self.pulses),
        ]
        self.activated = Signal()
        if self.by_row:
            m.submodules.propagation = self.propagation = read = RowPropagation(
                shapes, level_bits=self.level_bits
            )
            m.d.comb += [read.q.eq(pairs.q), self.activated.eq(pairs.accepted)]
            for user, chosen in ((rows.pairs, rows.i.valid), (read.pairs, ~rows.i.valid)):
                with m.If(chosen):
                    m.d.comb += [
                        pairs.i.payload.eq(user.payload),
                        pairs.i.valid.eq(user.valid),
                        user.ready.eq(pairs.i.ready),
                    ]
        else:
            m.submodules.propagation = self.propagation = Propagation(
                shapes, self.modules, self.code_bits
            )
            wiring.connect(m, pairs.i, rows.pairs)
            wiring.connect(m, self.propagation.copy, rows.copy)
            copied = rows.copy.valid & rows.copy.ready
            m.d.comb += self.activated.eq(pairs.accepted | self.propagation.read | copied)

    def _memories(self, m: Module) -> None:
        """Inputs and errors of all layers and images, and what each hidden neuron keeps."""
        shapes, depth = self.shapes, max(2, 1 << self.rates.batch_bits)
        self.store_inputs, self.inputs = [], []
        self.store_errors, self.errors = [], []
        for n, (rows, columns) in enumerate(shapes.shapes):
            width = rows * shapes.pixel_bits if n == 0 else rows
            for kind, bits, stores, reads in (
                ("inputs", width, self.store_inputs, self.inputs),
                ("errors", columns * shapes.error_bits, self.store_errors, self.errors),
            ):
                m.submodules[f"{kind}_{n}"] = ram = memory.Memory(shape=bits, depth=depth, init=[])
                stores.append(store := ram.write_port())
                read = ram.read_port()
                reads.append(read.data)
                m.d.comb += [store.addr.eq(self.image), read.addr.eq(self.next_image)]
        neuron = data.StructLayout({
            "mean": signed(shapes.sum_bits + FRACTION),
            "offset": signed(max(self.rates.win) + 3 + FRACTION),
            "sums": signed(shapes.sum_bits + self.rates.batch_bits),
            "errors": signed(shapes.error_bits + self.rates.batch_bits),
        })
        hidden = shapes.sizes[1:-1]
        starts = [sum(hidden[:n]) for n in range(len(hidden) + 1)]
        m.submodules.neurons = ram = memory.Memory(shape=neuron, depth=max(2, sum(hidden)), init=[])
        self.keep, known = ram.write_port(), ram.read_port()
        self.neuron, self.kept = known.data, self.keep.data
        self.hidden = Signal(range(len(starts) + 1))  # the hidden layer at work
        first = Array([Const(start, len(known.addr)) for start in starts])[self.hidden]
        m.d.comb += [
            self.hidden.eq(self.layer),
            known.addr.eq(first + self.next_lane),
            self.keep.addr.eq(first + self.lane),
            self.kept.eq(self.neuron),
            self.next_lane.eq(self.lane),
            self.next_image.eq(self.image),
        ]
        m.d.sync += [self.lane.eq(self.next_lane), self.image.eq(self.next_image)]
        self.windows = [Signal(n, name=f"window_{k}") for k, n in enumerate(hidden)]

    def _count(self, m: Module) -> None:
        """Activations, cycles and events."""
        for phase in Phase:
            name = phase.name.lower()
            here = self.phase == phase
            m.d.sync += [
                self.steps[name].eq(self.steps[name] + (here & self.activated)),
                self.cycles[name].eq(self.cycles[name] + (here & self.busy)),
            ]
        for name in EVENTS:
            new = self.counted[name] if name in self.counted else self.rows.events[name]
            m.d.sync += self.events[name].eq(self.events[name] + new)

    # ------------------------------------------------------------------------------ small parts

    def _of_layer(self, values: Sequence[int], index: Value | None = None) -> Value:
        """The number of the layer at work."""
        bits = max(max(values), 1).bit_length()
        return Array([Const(value, bits) for value in values])[
            self.layer if index is None else index
        ]

    def _write(self, m: Module, lanes: data.View | Value, value: Value) -> None:
        """Into the lane at work."""
        word = Value.cast(lanes)
        field = Signal(len(word) // self.shapes.lanes, name=f"field_{next(self._names)}")
        m.d.comb += field.eq(value)
        m.d.sync += word.eq(with_lane(word, self.lane, field))

    @contextmanager
    def _state(self, m: Module, name: str, phase: Phase) -> Iterator[None]:
        with m.State(name):
            m.d.comb += [self.phase.eq(phase), self.busy.eq(1)]
            yield

    @contextmanager
    def _lanes(self, m: Module, count: Value) -> Iterator[None]:
        """On to the next lane; what is inside happens with the last of ``count``."""
        with m.If(self.lane == count - 1):
            m.d.comb += self.next_lane.eq(0)
            yield
        with m.Else():
            m.d.comb += self.next_lane.eq(self.lane + 1)

    def _clip(self, value: Value, most: Value | int) -> Value:
        return Mux(value > most, most, Mux(value < -most, -most, value))

    def _sum(self) -> Value:
        """The product of the lane at work."""
        sums = self.propagation.o.payload
        return sums.as_value().word_select(self.lane, self.shapes.sum_bits).as_signed()

    # ----------------------------------------------------------------------------------- states

    def _start(self, m: Module) -> None:
        """First weights, and zeros for all neurons."""
        columns = self._of_layer(self.shapes.sizes[1:])
        rows = self._of_layer(self.shapes.sizes[:-1])
        with m.State("IDLE"):
            m.d.comb += self.idle.eq(1)
            with m.If(self.start):
                m.d.comb += self.random.load.eq(1)
                m.d.sync += self.pulses.as_value().eq(0)
                m.next = "DRAW"
        with self._state(m, "DRAW", Phase.INIT):
            bits = self.rates.start_bits + 1
            drawn = self.random.word[8 : 8 + bits]
            m.d.comb += self.random.step.eq(1)
            self._write(m, self.pulses, Cat(drawn[:-1], ~drawn[-1]).as_signed())
            with self._lanes(m, columns):
                m.next = "FIRST"
        with self._state(m, "FIRST", Phase.INIT):
            m.d.comb += [self.rows.i.valid.eq(1), self.rows.i.p.start.eq(1)]
            with m.If(self.rows.i.ready):
                m.d.sync += self.row.eq(self.row + 1)
                m.next = "DRAW"
                with m.If(self.row == rows - 1):
                    m.d.sync += [self.row.eq(0), self.pulses.as_value().eq(0)]
                    self._next_layer(m, "ZERO")
        with self._state(m, "ZERO", Phase.INIT):
            m.d.comb += [self.keep.en.eq(1), self.kept.as_value().eq(0)]
            with self._lanes(m, columns):
                self._next_layer(m, "LOAD", hidden=True)

    def _next_layer(self, m: Module, done: str, *, hidden: bool = False) -> None:
        """On to the next layer, or to state ``done`` after the last, or the last but one."""
        last = max(0, len(self.shapes.shapes) - (2 if hidden else 1))
        with m.If(self.layer == last):
            m.d.sync += self.layer.eq(0)
            m.next = done
        with m.Else():
            m.d.sync += self.layer.eq(self.layer + 1)

    def _load(self, m: Module) -> None:
        """An image comes in; sums of all columns are read where signs have changed."""
        shapes, reads = self.shapes, self.propagation
        last = len(shapes.shapes) - 1
        levels = [
            Cat(self.i.p.levels[k][p] for k in range(shapes.sizes[0]))
            for p in range(shapes.pixel_bits)
        ]
        m.d.comb += self.store_inputs[0].data.eq(Cat(*levels))
        m.d.comb += [reads.i.p.layer.eq(self.layer), reads.i.p.d.eq(self.d)]
        for p in range(shapes.pixel_bits):
            plane = self.inputs[0].word_select(p, shapes.sizes[0])
            m.d.comb += reads.i.p.x[p].eq(Mux(self.layer == 0, plane, self.bits if p == 0 else 0))
        with m.State("LOAD"):
            m.d.comb += [
                self.i.ready.eq(1), self.store_inputs[0].en.eq(self.i.valid),
                self.idle.eq(self.image == 0),
            ]  # fmt: skip
            with m.If(self.i.valid):
                m.d.sync += [self.label.eq(self.i.p.label), self.learning.eq(self.i.p.learn)]
                m.next = "FORWARD"
                if not self.by_row and last:
                    with m.If(~self.calibrated):
                        m.d.sync += [self.layer.eq(1), self.calibrated.eq(1)]
                        m.next = "CALIBRATE"
        if not self.by_row and last:
            with self._state(m, "CALIBRATE", Phase.FORWARD):
                m.d.comb += [reads.i.valid.eq(1), reads.i.p.calibrate.eq(1)]
                with m.If(reads.i.ready):
                    self._next_layer(m, "FORWARD")

    def _forward(self, m: Module) -> None:
        """An image goes through all layers."""
        shapes, reads, last = self.shapes, self.propagation, len(self.shapes.shapes) - 1
        s = Signal(signed(shapes.sum_bits))
        m.d.comb += s.eq(self._sum())
        u = Signal(signed(max(shapes.sum_bits, max(self.rates.win) + 2) + 3))
        mean, offset = self.neuron.mean, self.neuron.offset
        m.d.comb += u.eq(s - ((mean >> FRACTION) - (offset >> FRACTION)))
        window = Signal(range((1 << max(self.rates.win)) + 1))
        m.d.comb += window.eq(self._of_layer([1 << win for win in self.rates.win]))
        with self._state(m, "FORWARD", Phase.FORWARD):
            m.d.comb += reads.i.valid.eq(1)
            with m.If(reads.o.valid):
                with m.If(self.layer == last):
                    with m.If(self.lane == self.label):
                        m.d.sync += self.own.eq(s)
                    with m.Elif(~self.found | (s > self.best)):
                        m.d.sync += [self.best.eq(s), self.rival.eq(self.lane), self.found.eq(1)]
                with m.Else():
                    self._write(m, self.new_bits, u >= 0)
                    self._write(m, self.new_window, (u <= window) & (u >= -window))
                    m.d.comb += self.keep.en.eq(self.learning)
                    m.d.comb += self.kept.sums.eq(self.neuron.sums + s)
                with self._lanes(m, self._of_layer(shapes.sizes[1:])):
                    m.d.comb += reads.o.ready.eq(1)
                    m.next = "PASSED"
                    with m.If(self.layer == last):
                        m.next = "ERROR"
                        with m.If(~self.learning):
                            m.next = "CLASS"
        with self._state(m, "PASSED", Phase.FORWARD):
            for n in range(1, len(shapes.shapes)):
                m.d.comb += [
                    self.store_inputs[n].data.eq(self.new_bits),
                    self.store_inputs[n].en.eq(self.layer == n - 1),
                ]
            for n, windows in enumerate(self.windows):
                with m.If(self.layer == n):
                    m.d.sync += windows.eq(self.new_window)
            m.d.sync += [self.bits.eq(self.new_bits), self.layer.eq(self.layer + 1)]
            m.next = "FORWARD"

    def _decide(self, m: Module) -> None:
        """The class of an image, or its error at the output."""
        shapes, rates = self.shapes, self.rates
        own, best, label, rival = self.own, self.best, self.label, self.rival
        wins = (own > best) | ((own == best) & (label < rival))
        m.d.comb += self.o.payload.eq(Mux(wins, label, rival))
        with m.State("CLASS"):
            m.d.comb += self.o.valid.eq(1)
            with m.If(self.o.ready):
                m.d.sync += [self.layer.eq(0), self.found.eq(0)]
                m.next = "LOAD"
        gap = Signal(signed(shapes.sum_bits + rates.margin.bit_length() + 2))
        m.d.comb += gap.eq(rates.margin - (own - best))
        most = (1 << shapes.error_bits - 1) - 1
        ends = [Signal(signed(shapes.error_bits), name=f"error_{end}") for end in ("up", "down")]
        with self._state(m, "ERROR", Phase.FORWARD):
            g = Mux(gap > 0, gap, 0)
            up = self._clip(_rsh(g, rates.error_shift), most)
            down = self._clip(_rsh(-g, rates.error_shift), most)
            m.d.comb += [ends[0].eq(up), ends[1].eq(down)]
            no_error = Const(0, len(self.new_d.as_value()))
            other = with_lane(no_error, rival, ends[1])
            m.d.sync += self.new_d.as_value().eq(with_lane(other, label, ends[0]))
            m.d.sync += self.found.eq(0)
            m.next = "STORE"

    def _backward(self, m: Module) -> None:
        """Errors go down from layer to layer."""
        shapes, reads, rates = self.shapes, self.propagation, self.rates
        rows = self._of_layer(shapes.sizes[:-1])
        most = (1 << shapes.error_bits - 1) - 1
        below = Signal.like(self.hidden)
        m.d.comb += below.eq(self.layer - 1)
        e = Signal(signed(shapes.sum_bits))
        shifted = Array([_rsh(e, shift) for shift in rates.esh])[below]
        d = Signal(signed(shapes.error_bits))
        m.d.comb += d.eq(self._clip(shifted, most))
        passes = Array(
            [windows.bit_select(self.lane, 1) for windows in self.windows] or [Const(0)]
        )[below]
        with self._state(m, "STORE", Phase.BACKWARD):
            for n, store in enumerate(self.store_errors):
                m.d.comb += [store.data.eq(self.new_d), store.en.eq(self.layer == n)]
            m.d.sync += self.d.eq(self.new_d)
            m.next = "BACKWARD"
            with m.If(self.layer == 0):
                m.d.comb += self.next_image.eq(self.image + 1)
                m.next = "LOAD"
                with m.If(self.image == (1 << rates.batch_bits) - 1):
                    m.d.comb += self.next_image.eq(0)
                    m.next = "FOLLOW"
        with self._state(m, "BACKWARD", Phase.BACKWARD):
            m.d.comb += [
                reads.i.valid.eq(1), reads.i.p.backward.eq(1), self.hidden.eq(below),
                e.eq(Mux(passes, self._sum(), 0)),
            ]  # fmt: skip
            with m.If(reads.o.valid):
                self._write(m, self.new_d, d)
                m.d.comb += [self.keep.en.eq(1), self.kept.errors.eq(self.neuron.errors + d)]
                with self._lanes(m, rows):
                    m.d.comb += reads.o.ready.eq(1)
                    m.d.sync += self.layer.eq(self.layer - 1)
                    m.next = "STORE"

    def _follow(self, m: Module) -> None:
        """Thresholds follow the batch, errors are centred, and a random word a column is drawn."""
        shapes, rates, lanes = self.shapes, self.rates, self.shapes.lanes
        self.centre = Signal(data.ArrayLayout(signed(shapes.error_bits + 3), lanes))
        self.rho = Signal(data.ArrayLayout(16, lanes))
        is_hidden = self.layer != len(shapes.shapes) - 1
        known = self.neuron
        wanted = known.sums << (FRACTION - rates.batch_bits)
        mean = known.mean + ((wanted - known.mean) >> rates.mean_shift)
        limit = Signal(range((1 << max(rates.win) + 1 + FRACTION) + 1))
        m.d.comb += limit.eq(self._of_layer([1 << win + 1 + FRACTION for win in rates.win]))
        slope = Signal(range(16 + rates.offset_shift))
        m.d.comb += slope.eq(self.slower + rates.offset_shift)
        offset = self._clip(known.offset + ((known.errors << FRACTION) >> slope), limit)
        centre = _rsh(known.errors << 2, rates.batch_bits) if rates.batch_bits >= 2 else Const(0)
        with self._state(m, "FOLLOW", Phase.UPDATE):
            m.d.comb += self.random.step.eq(1)
            self._write(m, self.rho, self.random.word[8:24])
            self._write(m, self.centre, Mux(is_hidden, centre, 0))
            m.d.comb += [
                self.keep.en.eq(is_hidden), self.kept.mean.eq(mean), self.kept.offset.eq(offset),
                self.kept.sums.eq(0), self.kept.errors.eq(0),
            ]  # fmt: skip
            with self._lanes(m, self._of_layer(shapes.sizes[1:])):
                m.next = "GAMMA"

    def _update(self, m: Module) -> None:
        """The gradient of a row of weights, image by image; its pulses; the row."""
        shapes, rates, lanes = self.shapes, self.rates, self.shapes.lanes
        columns = self._of_layer(shapes.sizes[1:])
        is_hidden = self.layer != len(shapes.shapes) - 1
        gamma = Signal(16)
        level = Signal(shapes.pixel_bits + 1)
        planes = [
            self.inputs[0].word_select(p, shapes.sizes[0]).bit_select(self.row, 1)
            for p in range(shapes.pixel_bits)
        ]
        bit = Array([word.bit_select(self.row, 1) for word in self.inputs])[self.layer]
        a = Signal(signed(shapes.pixel_bits + 1))
        m.d.comb += [
            level.eq(Cat(planes)),
            a.eq(Mux(self.layer == 0, level.as_signed(), Mux(bit, 1, -1))),
        ]
        errors = Signal(data.ArrayLayout(signed(shapes.error_bits), lanes))
        m.d.comb += errors.as_value().eq(Array(self.errors)[self.layer])

        width = shapes.error_bits + 3 + rates.batch_bits + shapes.pixel_bits + 1
        gradient = Signal(data.ArrayLayout(signed(width), lanes))
        added = Signal.like(gradient)
        for k in range(lanes):
            error = Signal(signed(shapes.error_bits + 4), name=f"error_{k}")
            fine = (errors[k] << 2) - self.centre[k]
            m.d.comb += error.eq(Mux(is_hidden, fine, errors[k]))
            m.d.comb += added[k].eq(gradient[k] + error * a)
        with self._state(m, "GAMMA", Phase.UPDATE):
            m.d.comb += self.random.step.eq(1)
            m.d.sync += [gamma.eq(self.random.word[8:24]), gradient.as_value().eq(0)]
            m.next = "GRADIENT"
        with self._state(m, "GRADIENT", Phase.UPDATE):
            m.d.sync += gradient.eq(added)
            m.d.comb += self.next_image.eq(self.image + 1)
            m.d.sync += self.pulses.as_value().eq(0)
            with m.If(self.image == (1 << rates.batch_bits) - 1):
                m.d.comb += self.next_image.eq(0)
                m.next = "PULSES"

        shift = Signal(range(64))
        m.d.comb += shift.eq(self._of_layer(rates.k) + self.slower + Mux(is_hidden, 2, 0))
        mask, noise = Signal(17), Signal(17)
        rho = self.rho.as_value().word_select(self.lane, 16)
        m.d.comb += [mask.eq((Const(1, 1) << shift) - 1), noise.eq((rho + gamma) & mask)]
        g = Signal(signed(width + 17))
        moved, p = Signal(signed(width + 17)), Signal(signed(self.pulse_bits))
        m.d.comb += [
            g.eq(gradient.as_value().word_select(self.lane, width).as_signed()),
            moved.eq((g + noise) >> shift),
            p.eq(self._clip(moved, rates.most)),
        ]
        with self._state(m, "PULSES", Phase.UPDATE):
            self._write(m, self.pulses, p)
            m.d.comb += [
                self.counted["pulses_1"].eq(Mux(p > 0, p, 0)),
                self.counted["pulses_2"].eq(Mux(p < 0, -p, 0)),
                self.counted["clipped"].eq(moved != p),
            ]
            with self._lanes(m, columns):
                m.next = "ROW"
        every = (1 << max(0, rates.refresh_bits)) - 1
        due = (self.events.batches & every) == every if rates.refresh_bits >= 0 else Const(0)
        with m.State("ROW"):
            m.d.comb += [
                self.phase.eq(self.rows.phase), self.busy.eq(1), self.rows.i.valid.eq(1),
                self.rows.i.p.scan.eq(due),
            ]  # fmt: skip
            with m.If(self.rows.i.ready):
                m.d.comb += self.counted["rows"].eq(self.pulses.as_value().any())
                m.d.sync += self.row.eq(self.row + 1)
                m.next = "GAMMA"
                with m.If(self.row == self._of_layer(shapes.sizes[:-1]) - 1):
                    m.d.sync += self.row.eq(0)
                    m.d.comb += self.hidden.eq(self.layer + 1)  # fetched one cycle ahead
                    m.next = "FOLLOW"
                    with m.If(self.layer == len(shapes.shapes) - 1):
                        m.d.comb += self.counted["batches"].eq(1)
                        m.d.sync += self.calibrated.eq(0)
                    self._next_layer(m, "LOAD")


def _rsh(value: Value, shift: int) -> Value:
    """Shift right with rounding, halves up."""
    return (value + (1 << shift >> 1)) >> shift if shift else value
