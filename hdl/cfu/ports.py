"""The unit behind the two buses that small RISC-V cores have for it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Module,
    ResetSignal,
    Signal,
    Value,
)

from binohm.hdl.cfu.functions import OPCODE, WORD, UnitSpec
from binohm.hdl.cfu.kernel_store import KernelStore
from binohm.hdl.library import Library

__all__ = ["Cfu", "Pcpi"]


class _Port(Elaboratable):
    """A kernel store behind a bus.

    Parameters
    ----------
    library : Library
    spec : UnitSpec
    **store
        Of the kernel store.

    Attributes
    ----------
    ports : dict of str to Signal
        By name; the clock is ``clk``.
    """

    WIDTHS: ClassVar[Mapping[str, int]]

    def __init__(self, library: Library, spec: UnitSpec, **store: str) -> None:
        self.library = library
        self.spec = spec
        self.store = store
        self.ports = {name: Signal(width, name=name) for name, width in self.WIDTHS.items()}

    def _place(self, m: Module, reset: Value) -> Any:
        """The store, in the clock domain of the port."""
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.ports["clk"]), ResetSignal().eq(reset)]
        return self.library.place(m, "store", KernelStore, self.spec, **self.store)


class Cfu(_Port):
    """The unit on the CFU bus of CFU-Playground and VexRiscv.

    Ports: ``clk``, ``reset`` (synchronous), a command with ``cmd_valid`` and ``cmd_ready``, a
    response with ``rsp_valid`` and ``rsp_ready``: streams, in order. Latency and throughput are
    those of :class:`~binohm.hdl.cfu.kernel_store.KernelStore`.
    """

    WIDTHS: ClassVar = {
        "clk": 1,
        "reset": 1,
        "cmd_valid": 1,
        "cmd_ready": 1,
        "cmd_payload_function_id": 10,
        "cmd_payload_inputs_0": WORD,
        "cmd_payload_inputs_1": WORD,
        "rsp_valid": 1,
        "rsp_ready": 1,
        "rsp_payload_outputs_0": WORD,
    }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports = self.ports
        store = self._place(m, ports["reset"])
        m.d.comb += [
            store.commands.valid.eq(ports["cmd_valid"]),
            store.commands.p.function_id.eq(ports["cmd_payload_function_id"]),
            store.commands.p.inputs_0.eq(ports["cmd_payload_inputs_0"]),
            store.commands.p.inputs_1.eq(ports["cmd_payload_inputs_1"]),
            ports["cmd_ready"].eq(store.commands.ready),
            ports["rsp_valid"].eq(store.answers.valid),
            ports["rsp_payload_outputs_0"].eq(store.answers.payload),
            store.answers.ready.eq(ports["rsp_ready"]),
        ]
        return m


class Pcpi(_Port):
    """The unit on the co-processor port of PicoRV32.

    Ports: ``clk``, ``resetn`` (synchronous, active low) and the core's ``pcpi_*``. Instructions of
    opcode custom-0 are taken, all of them; ``pcpi_wait`` is high with them, so that the core waits
    however long it takes. ``pcpi_ready`` comes 1 cycle after the instruction is accepted, and
    always writes ``pcpi_rd``.
    """

    WIDTHS: ClassVar = {
        "clk": 1,
        "resetn": 1,
        "pcpi_valid": 1,
        "pcpi_insn": WORD,
        "pcpi_rs1": WORD,
        "pcpi_rs2": WORD,
        "pcpi_wr": 1,
        "pcpi_rd": WORD,
        "pcpi_wait": 1,
        "pcpi_ready": 1,
    }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports = self.ports
        store = self._place(m, ~ports["resetn"])
        instruction = ports["pcpi_insn"]
        asked = Signal()  # of the instruction that is on the port
        m.d.comb += [
            ports["pcpi_wait"].eq(ports["pcpi_valid"] & (instruction[:7] == OPCODE)),
            store.commands.valid.eq(ports["pcpi_wait"] & ~asked),
            store.commands.p.function_id.eq(Cat(instruction[12:15], instruction[25:])),
            store.commands.p.inputs_0.eq(ports["pcpi_rs1"]),
            store.commands.p.inputs_1.eq(ports["pcpi_rs2"]),
            store.answers.ready.eq(1),
            ports["pcpi_ready"].eq(store.answers.valid),
            ports["pcpi_wr"].eq(store.answers.valid),
            ports["pcpi_rd"].eq(store.answers.payload),
        ]
        with m.If(store.commands.valid & store.commands.ready):
            m.d.sync += asked.eq(1)
        with m.Elif(store.answers.valid):
            m.d.sync += asked.eq(0)
        return m
