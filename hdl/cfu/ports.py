"""The unit behind the two buses that small RISC-V cores have for it."""

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Module,
    ResetSignal,
    Signal,
)

from binohm.hdl.cfu.functions import OPCODE, WORD, UnitSpec
from binohm.hdl.cfu.kernel_store import KernelStore
from binohm.hdl.library import Library

__all__ = ["Cfu", "Pcpi"]


class Cfu(Elaboratable):
    """The unit on the CFU bus of CFU-Playground and VexRiscv.

    Ports: ``clk``, ``reset`` (synchronous), a command with ``cmd_valid`` and ``cmd_ready``, a
    response with ``rsp_valid`` and ``rsp_ready``: streams, in order. Latency and throughput are
    those of :class:`~binohm.hdl.cfu.kernel_store.KernelStore`.

    Parameters
    ----------
    library : Library
    spec : UnitSpec
    **store
        Of the kernel store.

    Attributes
    ----------
    ports : list of Signal
    """

    def __init__(self, library: Library, spec: UnitSpec, **store: str) -> None:
        self.library = library
        self.spec = spec
        self.store = store
        self.clk = Signal()
        self.reset = Signal()
        self.cmd_valid = Signal()
        self.cmd_ready = Signal()
        self.cmd_payload_function_id = Signal(10)
        self.cmd_payload_inputs_0 = Signal(WORD)
        self.cmd_payload_inputs_1 = Signal(WORD)
        self.rsp_valid = Signal()
        self.rsp_ready = Signal()
        self.rsp_payload_outputs_0 = Signal(WORD)
        self.ports = [value for value in vars(self).values() if isinstance(value, Signal)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.clk), ResetSignal().eq(self.reset)]
        store = self.library.place(m, "store", KernelStore, self.spec, **self.store)
        m.d.comb += [
            store.commands.valid.eq(self.cmd_valid),
            store.commands.p.function_id.eq(self.cmd_payload_function_id),
            store.commands.p.inputs_0.eq(self.cmd_payload_inputs_0),
            store.commands.p.inputs_1.eq(self.cmd_payload_inputs_1),
            self.cmd_ready.eq(store.commands.ready),
            self.rsp_valid.eq(store.answers.valid),
            self.rsp_payload_outputs_0.eq(store.answers.payload),
            store.answers.ready.eq(self.rsp_ready),
        ]
        return m


class Pcpi(Elaboratable):
    """The unit on the co-processor port of PicoRV32.

    Ports: ``clk``, ``resetn`` (synchronous, active low) and the core's ``pcpi_*``. Instructions of
    opcode custom-0 are taken, all of them; ``pcpi_wait`` is high with them, so that the core waits
    however long it takes. ``pcpi_ready`` comes 1 cycle after the instruction is accepted, and
    always writes ``pcpi_rd``.

    Parameters
    ----------
    library : Library
    spec : UnitSpec
    **store
        Of the kernel store.

    Attributes
    ----------
    ports : list of Signal
    """

    def __init__(self, library: Library, spec: UnitSpec, **store: str) -> None:
        self.library = library
        self.spec = spec
        self.store = store
        self.clk = Signal()
        self.resetn = Signal()
        self.pcpi_valid = Signal()
        self.pcpi_insn = Signal(WORD)
        self.pcpi_rs1 = Signal(WORD)
        self.pcpi_rs2 = Signal(WORD)
        self.pcpi_wr = Signal()
        self.pcpi_rd = Signal(WORD)
        self.pcpi_wait = Signal()
        self.pcpi_ready = Signal()
        self.ports = [value for value in vars(self).values() if isinstance(value, Signal)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.clk), ResetSignal().eq(~self.resetn)]
        store = self.library.place(m, "store", KernelStore, self.spec, **self.store)
        asked = Signal()  # of the instruction that is on the port
        m.d.comb += [
            self.pcpi_wait.eq(self.pcpi_valid & (self.pcpi_insn[:7] == OPCODE)),
            store.commands.valid.eq(self.pcpi_wait & ~asked),
            store.commands.p.function_id.eq(Cat(self.pcpi_insn[12:15], self.pcpi_insn[25:])),
            store.commands.p.inputs_0.eq(self.pcpi_rs1),
            store.commands.p.inputs_1.eq(self.pcpi_rs2),
            store.answers.ready.eq(1),
            self.pcpi_ready.eq(store.answers.valid),
            self.pcpi_wr.eq(store.answers.valid),
            self.pcpi_rd.eq(store.answers.payload),
        ]
        with m.If(store.commands.valid & store.commands.ready):
            m.d.sync += asked.eq(1)
        with m.Elif(store.answers.valid):
            m.d.sync += asked.eq(0)
        return m
