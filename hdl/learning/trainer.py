"""A fully connected network that learns on its arrays."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from binohm.hdl.learning.trainer_parts import EVENTS, FRACTION
from binohm.hdl.learning.trainer_passes import TrainerPasses, rsh
from binohm.hdl.learning.update import Phase

__all__ = ["EVENTS", "FRACTION", "Trainer"]


class Trainer(TrainerPasses):
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
        centre = rsh(known.errors << 2, rates.batch_bits) if rates.batch_bits >= 2 else Const(0)
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
        exchange = self._due(rates.exchange_bits, self.slower)
        with m.State("ROW"):
            m.d.comb += [
                self.phase.eq(self.rows.phase), self.busy.eq(1), self.rows.i.valid.eq(1),
                self.rows.i.p.scan.eq(self._due(rates.refresh_bits)),
                self.rows.i.p.exchange.eq(exchange),
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
                        m.d.sync += self.exchanged.eq(self.exchanged ^ exchange)
                        m.d.sync += self.calibrated.eq(0)
                    self._next_layer(m, "LOAD")

    def _due(self, bits: int, more: Value | int = 0) -> Value:
        """Whether this batch does what ``2^(bits + more)`` batches do once; never with -1."""
        if bits < 0:
            return Const(0)
        every = (Const(1) << bits << more) - 1
        return (self.events.batches & every) == every
