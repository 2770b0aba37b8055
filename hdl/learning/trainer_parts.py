"""What a trainer is made of: its ports, its arrays and memories, and what its states share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed
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

__all__ = ["EVENTS", "FRACTION", "TrainerParts"]

FRACTION = 12
"""Fraction bits of the running mean of the sums and of the learned offset."""

COUNTER_BITS = 48

EVENTS = (
    "batches", "pulses_1", "pulses_2", "clipped", "rows", "saturations", "refreshes",
    "refresh_pulses", "sign_changes", "copies",
)  # fmt: skip


class TrainerParts(wiring.Component):
    """Structure of :class:`binohm.hdl.learning.trainer.Trainer`, which has its contract."""

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
        self.exchanged = Signal()  # for the rows that are not ahead of the others
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
            pairs.exchanged.eq(self.exchanged ^ rows.turned),
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
