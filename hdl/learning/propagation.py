"""Products with the signs of a layer, forward and backward, from the same cells."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import popcount
from binohm.hdl.arrays.macro import Command, MacroPins, macro
from binohm.hdl.checks import require_int

__all__ = ["Propagation", "Shapes"]


class Shapes:
    """Numbers of a fully connected network that learns, and the widths that follow.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden layers, classes. At least two, each at least 1.
    pixel_bits : int
        Of an input, unsigned. At least 1.
    error_bits : int
        Of an error, two's complement, without the lowest value. At least 2.

    Attributes
    ----------
    shapes : list of (rows, columns)
        Of the arrays of each layer.
    rows : int
        Most rows of an array.
    lanes : int
        Most columns of an array; also at least the rows of all arrays but the first.
    sum_bits : int
        Of a product, signed.
    """

    def __init__(self, sizes: Sequence[int], *, pixel_bits: int, error_bits: int) -> None:
        if len(sizes) < 2:
            raise ValueError(f"sizes must be two or more, not {len(sizes)}")
        for size in sizes:
            require_int("sizes", size)
        require_int("pixel_bits", pixel_bits)
        require_int("error_bits", error_bits, least=2)
        self.sizes = tuple(sizes)
        self.pixel_bits, self.error_bits = pixel_bits, error_bits
        self.shapes = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        self.rows, self.lanes = max(self.sizes[:-1]), max(self.sizes[1:])
        self.sum_bits = 1 + max(
            (self.sizes[0] * ((1 << pixel_bits) - 1)).bit_length(),
            max(self.sizes).bit_length(),
            (self.lanes * ((1 << error_bits - 1) - 1)).bit_length(),
        )

    @property
    def request(self) -> data.StructLayout:
        """What is asked of the arrays.

        ``layer`` counts from 0. ``x`` holds the bit planes of the inputs, the lowest first; bits
        are in the lowest, where 0 is -1. ``d`` are errors. ``calibrate`` asks for no product.
        """
        return data.StructLayout({
            "layer": range(max(2, len(self.shapes))),
            "calibrate": 1,
            "backward": 1,
            "x": data.ArrayLayout(self.rows, self.pixel_bits),
            "d": data.ArrayLayout(signed(self.error_bits), self.lanes),
        })

    @property
    def sums(self) -> data.ArrayLayout:
        """Products: of columns or, backward, of rows; those beyond the layer mean nothing."""
        return data.ArrayLayout(signed(self.sum_bits), self.lanes)


class Propagation(wiring.Component):
    """Read the arrays of signs of all layers, in full parallel, forward or backward [1]_.

    A row of ``1t1r`` cells is driven with +1 or left off; with the count ``m`` of its converter,
    ``2 m - driven`` is the sum of the weights of a column over its driven rows. Then

    - forward, layer 0: bit planes of unsigned inputs, the highest first;
    - forward, other layers: ``s = 2 (2 m - driven) - (2 N - rows)`` for inputs -1 and +1, with what
      a ``calibrate`` request has read of the columns with all rows on;
    - backward: for each bit of the magnitude, the highest first, the columns with a positive error
      are on in one read, those with a negative error in the next.

    A read takes a cycle to prepare, the latency of the array, and a cycle. ``i`` is taken when the
    products leave, or when a calibration is done. ``copy`` writes cells while no request is there.

    Parameters
    ----------
    shapes : Shapes
    modules : sequence of str
        The socket of each layer's array: ``adc``, ``1t1r``, read both ways.
    code_bits : sequence of int
        Of a converter of each layer.

    Members
    -------
    i : In(stream.Signature(shapes.request))
    o : Out(stream.Signature(shapes.sums))
    copy : In(stream.Signature(layer, row, way, columns))
        Sets the cells of ``columns`` in a row where ``way`` is 1, resets them where it is 0.
    read : Out(1)
        High for a cycle when an array accepts a read.

    References
    ----------
    .. [1] Zhang et al., "An improved RRAM-based binarized neural network with high variation-
       tolerated forward/backward propagation module", SNW 2019. Planes and references are ours.
    """

    def __init__(self, shapes: Shapes, modules: Sequence[str], code_bits: Sequence[int]) -> None:
        if not len(modules) == len(code_bits) == len(shapes.shapes):
            raise ValueError(
                f"{len(shapes.shapes)} layers need as many modules and code_bits, "
                f"not {len(modules)} and {len(code_bits)}"
            )
        self.shapes = shapes
        self.modules, self.code_bits = list(modules), list(code_bits)
        writes = data.StructLayout({
            "layer": range(max(2, len(shapes.shapes))),
            "row": range(max(2, shapes.rows)),
            "way": 1,
            "columns": shapes.lanes,
        })
        super().__init__({
            "i": In(stream.Signature(shapes.request)),
            "o": Out(stream.Signature(shapes.sums)),
            "copy": In(stream.Signature(writes)),
            "read": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shapes, i = self.shapes, self.i.payload
        bits = Signal(range(max(2, shapes.pixel_bits, shapes.error_bits - 1)))  # the plane
        negative = Signal()
        drive = Signal(max(shapes.rows, shapes.lanes))
        driven = Signal(range(len(drive) + 1))
        m.d.comb += driven.eq(popcount(drive))

        # The arrays: a request goes to that of the layer, and one is under way at a time.
        ask, sent, done = Signal(), Signal(), Signal()
        taken, writes = Signal(), Signal()
        lanes = Signal(data.ArrayLayout(max(self.code_bits), shapes.lanes))
        self._arrays(m, drive, ask & ~sent, writes, taken, done, lanes)
        with m.If(taken):
            m.d.sync += sent.eq(1)
        with m.If(done):
            m.d.sync += sent.eq(0)
        m.d.comb += self.read.eq(taken & ~writes)

        # acc = 2 acc + term, or without the factor.
        acc = Signal(shapes.sums)
        base = memory.Memory(shape=shapes.sums.size, depth=len(shapes.shapes), init=[])
        m.submodules.base = base
        stored, known = base.write_port(), base.read_port()
        m.d.comb += [stored.addr.eq(i.layer), known.addr.eq(i.layer), stored.data.eq(acc)]
        m.d.comb += self.o.payload.eq(acc)
        bipolar = Signal()
        m.d.comb += bipolar.eq(~i.backward & (i.layer != 0))

        # All lanes at once, outside of the states: a state of its own for every lane would be a
        # tree of multiplexers for each.
        read, whole = Signal.like(acc), Signal.like(acc)
        minus = Signal()
        m.d.comb += minus.eq(negative | i.calibrate)
        columns = data.View(shapes.sums, known.data)
        for lane in range(shapes.lanes):
            term = Signal(signed(shapes.sum_bits), name=f"term_{lane}")
            m.d.comb += term.eq((lanes[lane] << 1) - driven)
            doubled = Mux(negative, acc[lane], acc[lane] << 1)
            m.d.comb += read[lane].eq(Mux(minus, doubled - term, doubled + term))
            m.d.comb += whole[lane].eq((acc[lane] << 1) + columns[lane])

        with m.FSM():
            with m.State("IDLE"):
                highest = Mux(
                    i.backward, shapes.error_bits - 2, Mux(bipolar, 0, shapes.pixel_bits - 1)
                )
                m.d.sync += [acc.as_value().eq(0), negative.eq(0), bits.eq(highest)]
                with m.If(self.i.valid):
                    m.next = "DRIVE"
                with m.Elif(self.copy.valid):
                    m.next = "COPY"
            with m.State("DRIVE"):
                m.d.sync += drive.eq(self._drive(m, bits, negative))
                m.next = "READ"
            with m.State("READ"):
                m.d.comb += ask.eq(1)
                with m.If(done):
                    m.d.sync += acc.eq(read)
                    m.d.sync += negative.eq(i.backward & ~negative)
                    m.next = "DRIVE"
                    with m.If(~i.backward | negative):
                        m.d.sync += bits.eq(bits - 1)
                        with m.If(bits == 0):
                            m.next = "ADD"
            with m.State("ADD"):
                with m.If(i.calibrate):
                    m.d.comb += [stored.en.eq(1), self.i.ready.eq(1)]
                    m.next = "IDLE"
                with m.Else():
                    with m.If(bipolar):
                        m.d.sync += acc.eq(whole)
                    m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += [self.o.valid.eq(1), self.i.ready.eq(self.o.ready)]
                with m.If(self.o.ready):
                    m.next = "IDLE"
            with m.State("COPY"):
                m.d.comb += [ask.eq(1), writes.eq(1), self.copy.ready.eq(done)]
                with m.If(done):
                    m.next = "IDLE"

        return m

    def _drive(self, m: Module, bits: Value, negative: Value) -> Value:
        """Which rows are driven in this read or, backward, which columns."""
        i = self.i.payload
        errors = []
        for lane in range(self.shapes.lanes):
            size = Signal(self.shapes.error_bits, name=f"size_{lane}")
            m.d.comb += size.eq(Mux(i.d[lane] < 0, -i.d[lane], i.d[lane]))
            errors.append(size.bit_select(bits, 1) & ((i.d[lane] < 0) == negative))
        rows = Array([(1 << n) - 1 for n, _ in self.shapes.shapes])[i.layer]
        columns = Array([(1 << n) - 1 for _, n in self.shapes.shapes])[i.layer]
        planes = Array(i.x[p] for p in range(self.shapes.pixel_bits))[bits]
        every = Const((1 << self.shapes.rows) - 1, self.shapes.rows)
        return Mux(i.backward, Cat(*errors) & columns, Mux(i.calibrate, every, planes) & rows)

    def _arrays(
        self, m: Module, drive: Value, ask: Value, writes: Value, taken: Value, done: Value,
        lanes: data.View,
    ) -> None:  # fmt: skip
        """The macros; what they answer is zero while they are not asked."""
        i, copy = self.i.payload, self.copy.payload
        layer = Mux(writes, copy.layer, i.layer)
        read = Mux(i.backward, Command.TRANSPOSED_READ, Command.READ)
        write = Mux(copy.way, Command.SET, Command.RESET)
        ready, valid = Signal(len(self.modules)), Signal(len(self.modules))
        for n, (rows, columns) in enumerate(self.shapes.shapes):
            fields = max(rows, columns)
            pins = MacroPins(rows, 0, columns, fields * self.code_bits[n])
            q = Signal(data.ArrayLayout(unsigned(self.code_bits[n]), fields), name=f"q_{n}")
            m.submodules[f"array_{n}"] = macro(
                self.modules[n], pins, init="", id=n,
                cmd=Mux(writes, write, read),
                row=copy.row[: pins.row_bits],
                x_p=drive[:rows],
                col_x=Mux(writes, copy.columns[:columns], drive[:columns]),
                req_valid=ask & (layer == n), req_ready=ready[n],
                q=q.as_value(), q_valid=valid[n], q_ready=1,
            )  # fmt: skip
            padded = Signal.like(lanes, name=f"padded_{n}")
            m.d.comb += [padded[k].eq(q[k]) for k in range(min(self.shapes.lanes, fields))]
            with m.If(layer == n):
                m.d.comb += [taken.eq(ask & ready[n]), done.eq(valid[n]), lanes.eq(padded)]
