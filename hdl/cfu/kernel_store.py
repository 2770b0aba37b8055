"""Kernels in an RRAM macro, compared with windows by number: a BDPE as a function unit."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arrays.macro import Command, MacroPins, macro
from binohm.hdl.arrays.programmer import Programmer
from binohm.hdl.cfu.functions import WORD, Function, Get, Set, UnitSpec, command_layout
from binohm.hdl.cfu.lookup import Lookup
from binohm.hdl.cfu.patches import Patches
from binohm.hdl.cfu.sums import Sums

__all__ = ["KernelStore"]

LIMIT_BITS = 11
"""That hold the largest limit of an operand."""


class KernelStore(wiring.Component):
    """Serve the instructions of docs/soc.md, each with one answer.

    ``DOT`` is accepted when a word may wait behind the one at work, ``GET`` and whatever is
    refused at once; everything else, once no comparison is under way. While a slot is programmed
    only ``GET`` and what is refused is accepted. Latency is 1 cycle from acceptance to the answer;
    throughput is 1 command per cycle. When ``answers`` is stalled, so is ``commands``, in the same
    cycle.

    Parameters
    ----------
    spec : UnitSpec
    socket : str
        Module of the macro: ``pcsa``, ``slots`` rows of ``width`` columns.
    memory : str
        Module of the memories of :class:`~binohm.hdl.cfu.patches.Patches`.
    init, map : str
        Image of the macro's cells, its device map; empty for none.

    Members
    -------
    commands : In(stream.Signature(command_layout()))
    answers : Out(stream.Signature(32))
    """

    def __init__(
        self, spec: UnitSpec, *, socket: str, memory: str, init: str = "", map: str = ""
    ) -> None:
        self.spec = spec
        self.socket = socket
        self.memory = memory
        self.init = init
        self.map = map
        super().__init__({
            "commands": In(stream.Signature(command_layout())),
            "answers": Out(stream.Signature(WORD)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, p = self.spec, self.commands.p
        m.submodules.lookup = lookup = Lookup(spec)
        m.submodules.patches = patches = Patches(spec, memory=self.memory)
        m.submodules.sums = sums = Sums(spec)
        m.submodules.programmer = writer = Programmer(1, lines=spec.slots, columns=spec.width)
        programming = Signal()
        m.d.comb += programming.eq(writer.command.valid)
        self._array(m, lookup, sums, writer)

        refused, accepted, idle, free = (
            Signal(name=n) for n in ("refused", "accepted", "idle", "free")
        )
        at_once = refused | (p.function_id[:3] == Function.GET.value)
        dot = ~refused & (p.function_id[:3] == Function.DOT.value)
        m.d.comb += [
            idle.eq(~lookup.busy & ~sums.busy & ~programming),
            free.eq(~self.answers.valid | self.answers.ready),
            self.commands.ready.eq(
                free & (at_once | Mux(dot, lookup.words.ready & ~programming, idle))
            ),
            accepted.eq(self.commands.valid & self.commands.ready),
        ]
        does = {function: Signal(name=f"does_{function.name.lower()}") for function in Function}
        m.d.comb += [
            does[function].eq(accepted & ~refused & (p.function_id[:3] == function.value))
            for function in Function
        ]
        sets = {register: Signal(name=f"sets_{register.name.lower()}") for register in Set}
        m.d.comb += [
            sets[register].eq(does[Function.SET] & (p.inputs_1[:4] == register.value))
            for register in Set
        ]
        m.d.comb += refused.eq(self._refused(patches))

        self._windows(m, lookup, patches, sums, sets)
        self._operate(m, lookup, patches, sums, does, sets)
        self._program(m, writer, sets)
        registers = self._counts(m, lookup, writer, accepted & refused, idle, sets)
        self._answer(m, lookup, sums, does, registers)
        return m

    def _refused(self, patches: Patches) -> Value:
        """Whether the command cannot be done, whatever the state of the unit but one pointer."""
        spec, p = self.spec, self.commands.p
        limits = {
            Set.CHANNEL: spec.windows,
            Set.WINDOW: spec.windows,
            Set.SHIFT: WORD + spec.columns - 1,
            Set.SLOT: spec.slots,
            Set.PROGRAM: 256,
        }
        wrong = {
            Function.ROW: patches.full,
            Function.SUM: _exceeds(p.inputs_0, spec.positions),
            Function.ADD: _exceeds(p.inputs_1, spec.positions),
            Function.WINDOW: _exceeds(p.inputs_0, spec.windows)
            | (p.inputs_1[:8] >= spec.positions)
            | _exceeds(p.inputs_1[8:], spec.parts),
            Function.SET: _exceeds(p.inputs_1, len(Set))
            | Cat(
                (p.inputs_1[:4] == register.value) & _exceeds(p.inputs_0, limit)
                for register, limit in limits.items()
            ).any(),
            Function.GET: _exceeds(p.inputs_1, len(Get)),
        }
        bad = [(p.function_id[:3] == function.value) & value for function, value in wrong.items()]
        return (p.function_id[3:] != 0) | Cat(*bad).any()

    def _windows(
        self, m: Module, lookup: Lookup, patches: Patches, sums: Sums, sets: dict[Set, Signal]
    ) -> None:
        """What the windows are cut with."""
        spec, value = self.spec, self.commands.p.inputs_0
        shift = Signal.like(patches.shift, init=spec.columns - 1)
        rows = Signal(spec.rows, init=(1 << spec.rows) - 1)
        columns = Signal(spec.patch_columns, init=(1 << spec.patch_columns) - 1)
        for register, signal in (
            (Set.SHIFT, shift),
            (Set.ROWS_PRESENT, rows),
            (Set.COLUMNS_PRESENT, columns),
        ):
            with m.If(sets[register]):
                m.d.sync += signal.eq(value)
        m.d.comb += [
            patches.shift.eq(shift),
            *(part.rows_present.eq(rows) for part in (lookup, sums)),
            *(part.columns_present.eq(columns) for part in (lookup, sums)),
        ]

    def _operate(
        self,
        m: Module,
        lookup: Lookup,
        patches: Patches,
        sums: Sums,
        does: dict[Function, Signal],
        sets: dict[Set, Signal],
    ) -> None:
        """Tell the parts what a command asks of them."""
        p = self.commands.p
        clear = Signal()
        m.d.comb += [
            clear.eq(
                does[Function.SIGN] | (does[Function.SUM] & p.inputs_1[0]) | sets[Set.CHANNEL]
            ),
            lookup.words.valid.eq(does[Function.DOT]),
            lookup.words.payload.eq(p.inputs_0),
            lookup.restart.eq(clear),
            lookup.seek.eq(sets[Set.CHANNEL]),
            lookup.channel.eq(p.inputs_0),
            lookup.look.eq(does[Function.WINDOW]),
            lookup.look_channel.eq(p.inputs_0),
            lookup.look_position.eq(p.inputs_1[:8]),
            lookup.patch.eq(patches.patch),
            patches.address.eq(lookup.address),
            patches.write.eq(does[Function.ROW]),
            patches.pixels.eq(p.inputs_0),
            patches.seek.eq(sets[Set.WINDOW]),
            patches.window.eq(p.inputs_0),
            sums.clear.eq(clear),
            sums.add.eq(does[Function.ADD]),
            sums.value.eq(p.inputs_0),
            sums.position.eq(Mux(p.function_id[:3] == Function.SUM.value, p.inputs_0, p.inputs_1)),
        ]

    def _program(self, m: Module, writer: Programmer, sets: dict[Set, Signal]) -> None:
        """The slot and what it must become."""
        spec, value, line = self.spec, self.commands.p.inputs_0, writer.command.p
        slot, kernel = Signal(range(max(spec.slots, 2))), Signal(spec.parts * WORD)
        part = Signal(range(max(spec.parts, 2)))
        limit, valid = Signal(8), Signal(name="commanded")
        with m.If(sets[Set.SLOT]):
            m.d.sync += [slot.eq(value), part.eq(0)]
        with m.If(sets[Set.KERNEL]):
            m.d.sync += kernel.word_select(part, WORD).eq(value)
            m.d.sync += part.eq(Mux(part == spec.parts - 1, 0, part + 1))
        with m.If(sets[Set.PROGRAM]):
            m.d.sync += [limit.eq(value), valid.eq(1)]
        with m.Elif(writer.command.ready):
            m.d.sync += valid.eq(0)
        m.d.comb += [
            writer.command.valid.eq(valid),
            line.row.eq(slot),
            line.limit.eq(limit),
            line.a.eq(kernel[: spec.width]),
            line.b.eq(~kernel[: spec.width]),
            writer.empty.eq(1),
        ]

    def _array(self, m: Module, lookup: Lookup, sums: Sums, writer: Programmer) -> None:
        """The macro, between those who compare and those who write."""
        spec = self.spec
        pins = MacroPins(spec.slots, 0, spec.width, spec.width)
        request, asked, writes = writer.request, lookup.comparisons, writer.active
        ready, given, q = (
            Signal(name="array_ready"),
            Signal(name="array_q_valid"),
            Signal(spec.width, name="array_q"),
        )
        spelt = Signal()
        m.submodules.array = macro(
            self.socket,
            pins,
            init=self.init,
            map=self.map,
            id=0,
            cmd=Mux(writes, request.p.cmd, Command.READ),
            row=Mux(writes, request.p.row, asked.p.row),
            col_x=Mux(writes, request.p.col_x, asked.p.col_x),
            col_en=Mux(writes, request.p.col_en, asked.p.col_en),
            req_valid=Mux(writes, request.valid, asked.valid & ~lookup.spelt & sums.room),
            req_ready=ready,
            q=q,
            q_valid=given,
            q_ready=Mux(writes, writer.response.ready, sums.matches.ready),
        )
        m.d.comb += [
            request.ready.eq(ready & writes),
            spelt.eq(asked.valid & lookup.spelt & ~sums.busy),  # after what the macro has to say
            asked.ready.eq(Mux(lookup.spelt, spelt, ready & sums.room & ~writes)),
            sums.asked.eq(asked.valid & asked.ready),
            sums.matches.valid.eq((given & ~writes) | spelt),
            sums.matches.payload.eq(Mux(spelt, lookup.matches, q)),
            writer.response.valid.eq(given & writes),
            writer.response.payload.eq(q),
        ]

    def _counts(
        self,
        m: Module,
        lookup: Lookup,
        writer: Programmer,
        refused: Value,
        idle: Value,
        sets: dict[Set, Signal],
    ) -> dict[Get, Value]:
        """What happened since the last clear; the registers of ``GET``."""
        spec = self.spec
        error, failed = Signal(name="error"), Signal(name="some_failed")
        hits, misses, pulses = (Signal(WORD, name=n) for n in ("hits", "misses", "pulses"))
        failing = Signal(range(2 * spec.width + 1))
        m.d.sync += [hits.eq(hits + lookup.hit), misses.eq(misses + lookup.missed)]
        with m.If(writer.pulsed):
            m.d.sync += pulses.eq(pulses + writer.counted)
        with m.If(sets[Set.PROGRAM]):
            m.d.sync += failing.eq(0)
        with m.If(writer.failed):
            m.d.sync += [failing.eq(failing + writer.counted), failed.eq(1)]
        with m.If(sets[Set.CLEAR]):
            m.d.sync += [signal.eq(0) for signal in (hits, misses, pulses, error, failed)]
        with m.If(refused | lookup.beyond):
            m.d.sync += error.eq(1)
        shape = (spec.rows, spec.columns, spec.positions, spec.numbers)
        return {
            Get.STATUS: Cat(error, failed, writer.command.valid, ~idle & ~writer.command.valid),
            Get.HITS: hits,
            Get.MISSES: misses,
            Get.PULSES: pulses,
            Get.FAILED: failing,
            Get.SHAPE: Cat(Const(value, 8) for value in shape),
            Get.SIZE: Cat(Const(value, 16) for value in (spec.slots, spec.windows)),
        }

    def _answer(
        self,
        m: Module,
        lookup: Lookup,
        sums: Sums,
        does: dict[Function, Signal],
        registers: dict[Get, Value],
    ) -> None:
        """The result, in a register, except for a window, which comes from the memory."""
        spec, p = self.spec, self.commands.p
        result, kept, looked = Signal(WORD), Signal(WORD), Signal()
        part = Signal(range(max(spec.parts, 2)))
        with m.If(does[Function.SIGN]):
            m.d.comb += result.eq(sums.bits ^ p.inputs_1[0].replicate(spec.positions))
        with m.Elif(does[Function.SUM]):
            m.d.comb += result.eq(sums.sum)
        with m.Elif(does[Function.GET]), m.Switch(p.inputs_1[:3]):
            for register, value in registers.items():
                with m.Case(register.value):
                    m.d.comb += result.eq(value)
        with m.If(self.commands.ready):
            m.d.sync += self.answers.valid.eq(self.commands.valid)
            with m.If(self.commands.valid):
                m.d.sync += [
                    kept.eq(result),
                    looked.eq(does[Function.WINDOW]),
                    part.eq(p.inputs_1[8:]),
                ]
        with m.Elif(self.answers.ready):
            m.d.sync += self.answers.valid.eq(0)
        m.d.comb += self.answers.payload.eq(
            Mux(looked, lookup.window.word_select(part, WORD), kept)
        )


def _exceeds(value: Value, limit: int) -> Value:
    """Whether ``value`` is ``limit`` or more; what is above the largest limit is shared."""
    return value[LIMIT_BITS:].any() | (value[:LIMIT_BITS] >= limit)
