"""The states of a trainer in which images go forward and errors backward."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed

from binohm.hdl.learning.lanes import with_lane
from binohm.hdl.learning.trainer_parts import FRACTION, TrainerParts
from binohm.hdl.learning.update import Phase

__all__ = ["TrainerPasses", "rsh"]


class TrainerPasses(TrainerParts):
    """First weights; then every image, until a batch is whole: state ``FOLLOW`` is next."""

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
            up = self._clip(rsh(g, rates.error_shift), most)
            down = self._clip(rsh(-g, rates.error_shift), most)
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
        shifted = Array([rsh(e, shift) for shift in rates.esh])[below]
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


def rsh(value: Value, shift: int) -> Value:
    """Shift right with rounding, halves up."""
    return (value + (1 << shift >> 1)) >> shift if shift else value
