"""What a host sees and sets: AXI4-Lite registers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arrays.programmer import Programmer
from binohm.hdl.checks import require_bool, require_int
from binohm.hdl.host.frame_rules import FAULTS
from binohm.hdl.host.program_registers import (
    FIRST_PROGRAM,
    HOST_ACCESS,
    ProgramRegisters,
    program_map,
)
from binohm.hdl.host.register import Field, Register

__all__ = ["ID", "VERSION", "Registers", "connect_programmer", "register_map"]

ID = 0x424E4F48
"""``BNOH``, the first letter in the highest byte."""

VERSION = 2
"""Of the register map. Version 1 had no interrupts, and did not tell malformed frames apart."""

OKAY, SLVERR = 0, 2
FIRST_ACTIVATIONS = 0x40
INTERRUPTS = (
    Field("DONE", 0, "the last beat of a result was taken."),
    Field("ERROR", 1, "a frame was dropped."),
    Field("REFUSED", 2, "an access to the registers was refused."),
)
"""What can interrupt the host. An event sets its bit, even while that is cleared."""

MOST_LAYERS = (0x1000 - FIRST_ACTIVATIONS) // 4
MOST_LAYERS_PROGRAMMED = (FIRST_PROGRAM - FIRST_ACTIVATIONS) // 4


def register_map(
    layers: int, *, programming: bool = False, spares: int = 0
) -> tuple[Register, ...]:
    """All registers of a design of ``layers`` layers, by offset."""
    return (
        Register("ID", 0x00, "ro", f'0x{ID:08x}, which is "BNOH".'),
        Register("VERSION", 0x04, "ro", f"{VERSION}, the version of this map."),
        Register(
            "CONTROL",
            0x08,
            "rw",
            "",
            (
                Field("ENABLE", 0, "1 after reset; 0 lets no new frame begin."),
                Field("CLEAR", 1, "written 1, clears the counters and the errors; reads 0."),
            ),
        ),
        Register(
            "STATUS",
            0x0C,
            "ro",
            "Errors are of frames dropped since the last clear.",
            (
                Field("BUSY", 0, "a frame is inside."),
                Field("DROPPED", 1, "a frame was dropped."),
                Field("TOO_SHORT", 2, "one ended before its last beat."),
                Field("TOO_LONG", 3, "one did not end with it."),
                Field("BADLY_KEPT", 4, "one had a wrong TKEEP."),
            ),
        ),
        Register(
            "CYCLES_LO",
            0x10,
            "ro",
            "Cycles in which a frame was inside, low half. Reading it freezes CYCLES_HI.",
        ),
        Register(
            "CYCLES_HI", 0x14, "ro", "High half of the cycles, of the last read of CYCLES_LO."
        ),
        Register("FRAMES_IN", 0x18, "ro", "Frames accepted at the input."),
        Register("FRAMES_OUT", 0x1C, "ro", "Results sent at the output."),
        Register("FRAME_ERRORS", 0x20, "ro", "Frames dropped: too short, too long or wrong TKEEP."),
        Register("BUILD_ID", 0x24, "ro", "Checksum of the plan this design was built from."),
        Register("ELEMENTS", 0x28, "ro", "Pixels of an image, a byte each."),
        Register("CLASSES", 0x2C, "ro", "Classes, and scores in a result."),
        Register(
            "INTERRUPT_ENABLE",
            0x30,
            "rw",
            "Which bits of INTERRUPT_STATUS raise the interrupt; 0 after reset.",
            INTERRUPTS,
        ),
        Register(
            "INTERRUPT_STATUS",
            0x34,
            "w1c",
            "What happened; a one written clears a bit, and the interrupt stays while one is left.",
            INTERRUPTS,
        ),
        *(
            Register(
                f"ACTIVATIONS_{layer}",
                FIRST_ACTIVATIONS + 4 * layer,
                "ro",
                f"Array reads of layer {layer}.",
            )
            for layer in range(layers)
        ),
        *(program_map(spares) if programming else ()),
    )


class Registers(wiring.Component):
    """Identity, control and counters behind AXI4-Lite.

    Counters are 32 bits wide and wrap, cycles 64. A read or write anywhere else, a write to what is
    read only and a read of what is write only are answered with SLVERR. The two low address bits
    are ignored; CONTROL and both interrupt registers are written only if byte 0 is strobed.

    Latency is 1 cycle from address (and data) to response. Throughput is 1 read and 1 write per
    cycle. A write is accepted when both its address and its data are there, in one cycle.

    Parameters
    ----------
    layers : int
        1 to 1008, or 944 with programming.
    build_id : int
        32 bits.
    elements, classes : int
        At least 1.
    programming : bool
        Whether there are the registers of :mod:`binohm.hdl.host.program_registers`; ``program`` is
        their access. A write that they do not accept, or of less than a word, is answered with
        SLVERR.
    spares : int
        Most spare columns of an array.
    at_once : tuple of int
        Array reads that each layer can begin in a cycle; 1 each if it is empty.

    Members
    -------
    awaddr, awvalid, awready, wdata, wstrb, wvalid, wready, bresp, bvalid, bready,
    araddr, arvalid, arready, rdata, rresp, rvalid, rready
        AXI4-Lite, 12 bits of address.
    started, accepted, error, done : In(1)
        Events of the frames: first beat; last beat of a good one, of a dropped one; last beat of a
        result. All four may come in one cycle.
    too_short, too_long, badly_kept : In(1)
        What is wrong with a dropped frame, with ``error``.
    activated : In(StructLayout({"layer_0": range(at_once[0] + 1), ...}))
        Array reads of each layer that begin in this cycle.
    enable : Out(1)
    irq : Out(1)
        An enabled bit of INTERRUPT_STATUS is set.
    program : Out(HOST_ACCESS)
    busy : Out(1)
        A frame is inside. Both only with programming.
    """

    def __init__(
        self,
        layers: int,
        *,
        build_id: int,
        elements: int,
        classes: int,
        programming: bool = False,
        spares: int = 0,
        at_once: tuple[int, ...] = (),
    ) -> None:
        require_int("layers", layers)
        require_int("build_id", build_id, least=0)
        require_int("elements", elements)
        require_int("classes", classes)
        require_bool("programming", programming)
        require_int("spares", spares, least=0)
        most = MOST_LAYERS_PROGRAMMED if programming else MOST_LAYERS
        if layers > most:
            raise ValueError(f"layers must be 1 to {most}, not {layers}")
        if build_id >= 1 << 32:
            raise ValueError(f"build_id must be 0 to 2**32 - 1, not {build_id}")
        at_once = at_once or (1,) * layers
        for reads in at_once:
            require_int("an element of at_once", reads)
        if len(at_once) != layers:
            raise ValueError(f"at_once must have {layers} elements, not {len(at_once)}")
        self.layers = layers
        self.build_id = build_id
        self.elements = elements
        self.classes = classes
        self.programming = programming
        self.map = register_map(layers, programming=programming, spares=spares)
        activated = data.StructLayout({
            f"layer_{layer}": range(reads + 1) for layer, reads in enumerate(at_once)
        })
        super().__init__({
            "awaddr": In(12),
            "awvalid": In(1),
            "awready": Out(1),
            "wdata": In(32),
            "wstrb": In(4),
            "wvalid": In(1),
            "wready": Out(1),
            "bresp": Out(2),
            "bvalid": Out(1),
            "bready": In(1),
            "araddr": In(12),
            "arvalid": In(1),
            "arready": Out(1),
            "rdata": Out(32),
            "rresp": Out(2),
            "rvalid": Out(1),
            "rready": In(1),
            "started": In(1),
            "accepted": In(1),
            "error": In(1),
            **{fault: In(1) for fault in FAULTS},
            "done": In(1),
            "activated": In(activated),
            "enable": Out(1, init=1),
            "irq": Out(1),
            **({"program": Out(HOST_ACCESS), "busy": Out(1)} if programming else {}),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        written, refused = self._write(m)
        values = self._count(m, written["CONTROL"] & self.wdata[1])
        values |= self._interrupts(m, written, refused)
        m.d.comb += refused[1].eq(self._read(m, values))
        return m

    def _write(self, m: Module) -> tuple[dict[str, Value], Signal]:
        """The enable; returns which register is written now, and accesses refused now."""
        moved, refused = Signal(name="write"), Signal(2, name="refused")
        hits = {
            register.name: Signal(name=f"to_{register.name.lower()}")
            for register in self.map
            if register.access in ("rw", "w1c") and register.offset < FIRST_ACTIVATIONS
        }
        m.d.comb += [
            moved.eq(self.awvalid & self.wvalid & (~self.bvalid | self.bready)),
            self.awready.eq(moved),
            self.wready.eq(moved),
            *(
                hits[register.name].eq(self.awaddr[2:] == register.offset >> 2)
                for register in self.map
                if register.name in hits
            ),
        ]
        done: Value = Cat(hits.values()).any()
        if self.programming:
            m.d.comb += [
                self.program.write.eq(
                    moved & (self.awaddr[7:] == FIRST_PROGRAM >> 7) & self.wstrb.all()
                ),
                self.program.write_word.eq(self.awaddr[2:7]),
                self.program.write_data.eq(self.wdata),
            ]
            done = done | (self.program.write & self.program.accepted)
        with m.If(self.bready):
            m.d.sync += self.bvalid.eq(0)
        with m.If(moved):
            m.d.sync += [self.bvalid.eq(1), self.bresp.eq(Mux(done, OKAY, SLVERR))]
        written = {name: moved & hit & self.wstrb[0] for name, hit in hits.items()}
        with m.If(written["CONTROL"]):
            m.d.sync += self.enable.eq(self.wdata[0])
        m.d.comb += refused[0].eq(moved & ~done)
        return written, refused

    def _interrupts(
        self, m: Module, written: dict[str, Value], refused: Signal
    ) -> dict[str, Value]:
        """Both registers of interrupts, and the interrupt."""
        enabled = Signal(len(INTERRUPTS), name="interrupt_enable")
        status = Signal(len(INTERRUPTS), name="interrupt_status")
        events = Cat(self.done, self.error, refused.any())
        cleared = Mux(written["INTERRUPT_STATUS"], self.wdata[: len(INTERRUPTS)], 0)
        m.d.sync += status.eq((status & ~cleared) | events)
        with m.If(written["INTERRUPT_ENABLE"]):
            m.d.sync += enabled.eq(self.wdata)
        m.d.comb += self.irq.eq((enabled & status).any())
        return {"INTERRUPT_ENABLE": enabled, "INTERRUPT_STATUS": status}

    def _count(self, m: Module, clear: Value) -> dict[str, Value]:
        """What each register reads, by name."""
        inside = Signal(16)
        busy = Signal()
        m.d.sync += inside.eq(inside + self.started - self.error - self.done)
        m.d.comb += busy.eq(self.started | inside.any())
        if self.programming:
            m.d.comb += self.busy.eq(busy)

        events = {
            "CYCLES": busy,
            "FRAMES_IN": self.accepted,
            "FRAMES_OUT": self.done,
            "FRAME_ERRORS": self.error,
            **{
                f"ACTIVATIONS_{layer}": self.activated[f"layer_{layer}"]
                for layer in range(self.layers)
            },
        }
        counters = {
            name: Signal(64 if name == "CYCLES" else 32, name=name.lower()) for name in events
        }
        dropped = Signal(1 + len(FAULTS))
        now = Cat(self.error, *(getattr(self, fault) for fault in FAULTS))
        m.d.sync += dropped.eq(dropped | now)
        for name, counter in counters.items():
            m.d.sync += counter.eq(counter + events[name])
        with m.If(clear):
            m.d.sync += [dropped.eq(0), *(counter.eq(0) for counter in counters.values())]

        cycles = counters.pop("CYCLES")
        programmed: dict[str, Value] = {}
        if self.programming:
            programmed = {
                register.name: self.program.read_data
                for register in self.map
                if register.offset >= FIRST_PROGRAM
            }
        return {
            "ID": Const(ID, 32),
            "VERSION": Const(VERSION, 32),
            "CONTROL": self.enable,
            "STATUS": Cat(busy, dropped),
            "CYCLES_LO": cycles[:32],
            "CYCLES_HI": cycles[32:],
            "BUILD_ID": Const(self.build_id, 32),
            "ELEMENTS": Const(self.elements, 32),
            "CLASSES": Const(self.classes, 32),
            **counters,
            **programmed,
        }

    def _read(self, m: Module, values: dict[str, Value]) -> Value:
        """Answer reads; returns whether one is refused now."""
        frozen = Signal(32)
        unknown = Signal(name="unknown")
        moved = Signal(name="read")
        m.d.comb += [
            self.arready.eq(~self.rvalid | self.rready),
            moved.eq(self.arvalid & self.arready),
        ]
        if self.programming:
            m.d.comb += self.program.read_word.eq(self.araddr[2:7])
        with m.If(self.rready):
            m.d.sync += self.rvalid.eq(0)
        with m.If(moved):
            m.d.sync += [self.rvalid.eq(1), self.rresp.eq(OKAY)]
            with m.Switch(self.araddr[2:]):
                for register in self.map:
                    if register.access == "wo":
                        continue
                    with m.Case(register.offset >> 2):
                        if register.name == "CYCLES_HI":
                            m.d.sync += self.rdata.eq(frozen)
                        else:
                            m.d.sync += self.rdata.eq(values[register.name])
                        if register.name == "CYCLES_LO":
                            m.d.sync += frozen.eq(values["CYCLES_HI"])
                with m.Default():
                    m.d.comb += unknown.eq(1)
                    m.d.sync += [self.rdata.eq(0), self.rresp.eq(SLVERR)]
        return unknown


def connect_programmer(
    m: Module, registers: Registers, host: ProgramRegisters, programmer: Programmer
) -> None:
    """Wire the registers of the design, those of programming, and the programmer."""
    wiring.connect(m, registers.program, host.host)
    for name in ("fail_a", "fail_b", "counted", "pulsed", "failed", "setting"):
        m.d.comb += getattr(host, name).eq(getattr(programmer, name))
    m.d.comb += [
        programmer.command.payload.eq(host.command.payload),
        programmer.command.valid.eq(host.command.valid),
        host.command.ready.eq(programmer.command.ready),
        programmer.stop.eq(host.stop),
        programmer.empty.eq(~registers.busy),
    ]
