"""The whole accelerator: pixels in, layers one behind the other, class and scores out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Instance,
    Module,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import wiring

from binohm.hdl.arrays.program_port import ProgramSpec, any_of, program_port
from binohm.hdl.arrays.programmer import Programmer
from binohm.hdl.host.axi_lite import AXI_LITE
from binohm.hdl.host.frame_memory import FrameMemory
from binohm.hdl.host.frame_output import FrameOutput
from binohm.hdl.host.frame_rules import FAULTS
from binohm.hdl.host.pixel_input import PixelInput
from binohm.hdl.host.positions import Positions
from binohm.hdl.host.program_registers import ProgramRegisters
from binohm.hdl.host.registers import Registers, connect_programmer
from binohm.hdl.layers.layer import Layer
from binohm.hdl.library import Library

__all__ = ["Pipeline", "PixelSpec"]

FORWARD = ("tdata", "tkeep", "tlast", "tvalid")


@dataclass(frozen=True)
class PixelSpec:
    """How bytes become activations: the arguments of :class:`PixelInput`.

    With ``channels``, an image goes on position by position, through :class:`FrameMemory` and
    :class:`Positions`.
    """

    elements: int
    input_bytes: int
    bits: int
    form: str
    threshold: int
    inverted: bool
    sum_range: tuple[int, int] | None
    table_image: str
    channels: int = 0


class Pipeline(Elaboratable):
    """Top level with flat AXI names.

    Ports: ``aclk``, ``aresetn`` (synchronous, active low), ``s_axis_*`` (pixels, one frame an
    image), ``m_axis_*`` (results, one frame an image), ``s_axi_*`` (registers), ``irq``
    (level, active high). Each layer is a module of its own; between them, the streams
    ``pixels__o`` and ``layer_<name>__o`` are the taps that a bench may watch.

    Parameters
    ----------
    library : Library
    layers : sequence of (name, Layer)
        Their modules are ``<prefix>_layer_<name>``.
    pixels : PixelSpec
    output_bytes : int
    scores : bool
        Whether results hold the scores.
    classes : int
    build_id : int
        32 bits that tell builds apart.
    program : ProgramSpec, optional
        What the host can program; the layers have the same.
    """

    def __init__(
        self,
        library: Library,
        layers: Sequence[tuple[str, Layer]],
        *,
        pixels: PixelSpec,
        output_bytes: int,
        scores: bool,
        classes: int,
        build_id: int,
        program: ProgramSpec | None = None,
    ) -> None:
        self.library = library
        self.layers = tuple(layers)
        self.pixels = pixels
        self.output_bytes = output_bytes
        self.scores = scores
        self.classes = classes
        self.build_id = build_id
        self.program = program
        self.aclk = Signal()
        self.aresetn = Signal()
        self.s_axis = _axis("s_axis", pixels.input_bytes)
        self.m_axis = _axis("m_axis", output_bytes)
        self.irq = Signal()
        self.s_axi = {
            name: Signal(width, name=f"s_axi_{name}") for name, (width, _) in AXI_LITE.items()
        }

    @property
    def ports(self) -> list[Signal]:
        """All ports, clock and reset first."""
        groups = (self.s_axis, self.m_axis, self.s_axi)
        streams = [port for group in groups for port in group.values()]
        return [self.aclk, self.aresetn, *streams, self.irq]

    @property
    def streams(self) -> dict[str, tuple[int, bool]]:
        """Width of each port of the streams and the interrupt, and whether it is an input."""
        groups = ((self.s_axis, FORWARD), (self.m_axis, ("tready",)))
        ports = {
            port.name: (len(port), name in inputs)
            for group, inputs in groups
            for name, port in group.items()
        }
        return {**ports, self.irq.name: (1, False)}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        source, values = self._input(m)
        last, activated, buses = self._chain(m, values)
        sink = self.library.place(
            m,
            "output",
            FrameOutput,
            self.classes,
            output_bytes=self.output_bytes,
            scores=self.scores,
        )
        wiring.connect(m, last, sink.i)
        m.d.comb += [
            *(
                self.m_axis[name].eq(getattr(sink, name))
                for name in self.m_axis
                if name != "tready"
            ),
            sink.tready.eq(self.m_axis["tready"]),
        ]
        registers = self._registers(m, source, sink, activated)
        if self.program:
            busy = self._programmer(m, self.program, registers, buses)
            m.d.comb += source.enable.eq(registers.enable & ~busy)
        else:
            m.d.comb += source.enable.eq(registers.enable)
        return m

    def _input(self, m: Module) -> tuple[Any, Any]:
        """What takes frames, and what gives values."""
        pixels = self.pixels
        form = {
            "bits": pixels.bits,
            "form": pixels.form,
            "threshold": pixels.threshold,
            "inverted": pixels.inverted,
        }
        width = pixels.input_bytes
        if pixels.channels:
            source = self.library.place(
                m, "frames", FrameMemory, pixels.elements, input_bytes=width
            )
            values = self.library.place(
                m,
                "pixels",
                Positions,
                pixels.channels,
                positions=pixels.elements // pixels.channels,
                input_bytes=width,
                **form,
            )
            wiring.connect(m, source.o, values.i)
        else:
            source = values = self.library.place(
                m,
                "pixels",
                PixelInput,
                pixels.elements,
                input_bytes=width,
                sum_range=pixels.sum_range,
                **form,
            )
        m.d.comb += [
            *(
                getattr(source, name).eq(self.s_axis[name])
                for name in self.s_axis
                if name != "tready"
            ),
            self.s_axis["tready"].eq(source.tready),
        ]
        if pixels.form == "table":
            for lane in range(pixels.channels or width):
                m.submodules[f"table_{lane}"] = Instance(
                    f"{self.library.prefix}_table",
                    p_WIDTH=pixels.bits,
                    p_INIT=pixels.table_image,
                    i_addr=getattr(values, f"table_addr_{lane}"),
                    o_data=getattr(values, f"table_data_{lane}"),
                )
        return source, values

    def _chain(self, m: Module, source: Any) -> tuple[Any, Value, list[Any]]:
        """The layers, each an instance of its own module; their activation pulses and buses."""
        upstream = _kept(source.o)
        pulses, buses = [], []
        for name, layer in self.layers:
            inside = layer.signature.create(path=(f"layer_{name}",))
            ports: dict[str, Value] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
            for path, member, value in layer.signature.flatten(inside):
                direction = "i" if member.flow == wiring.In else "o"
                ports[f"{direction}_{'__'.join(path)}"] = Value.cast(value)
            # The stream is wired straight through, under the name that its producer gave it.
            ports |= {
                "i_i__payload": Value.cast(upstream.payload),
                "i_i__valid": upstream.valid,
                "o_i__ready": upstream.ready,
            }
            m.submodules[f"layer_{name}"] = Instance(f"{self.library.prefix}_layer_{name}", **ports)
            upstream = _kept(inside.o)
            pulses.append(inside.activated)
            if self.program:
                buses.append(inside.program)
        return upstream, Cat(*pulses), buses

    def _registers(self, m: Module, source: Any, sink: Any, activated: Value) -> Any:
        registers = self.library.place(
            m,
            "registers",
            Registers,
            len(self.layers),
            build_id=self.build_id,
            elements=self.pixels.elements,
            classes=self.classes,
            at_once=tuple(layer.spec.replicas for _, layer in self.layers),
            **({"programming": True, "spares": self.program.spares} if self.program else {}),
        )
        for name, (_, driven) in AXI_LITE.items():
            port, inner = self.s_axi[name], getattr(registers, name)
            m.d.comb += inner.eq(port) if driven else port.eq(inner)
        m.d.comb += [
            registers.started.eq(source.started),
            registers.accepted.eq(source.accepted),
            registers.error.eq(source.error),
            *(getattr(registers, fault).eq(getattr(source, fault)) for fault in FAULTS),
            self.irq.eq(registers.irq),
            registers.done.eq(sink.done),
            registers.activated.eq(activated),
        ]
        return registers

    def _programmer(
        self, m: Module, spec: ProgramSpec, registers: Any, buses: Sequence[Any]
    ) -> Value:
        """What programs the arrays; whether it is busy."""
        host = self.library.place(
            m,
            "program_registers",
            ProgramRegisters,
            spec.tile_lines,
            columns=spec.columns,
            spares=spec.spares,
            memory=f"{self.library.prefix}_ram",
        )
        programmer = self.library.place(
            m,
            "programmer",
            Programmer,
            len(spec.tile_lines),
            lines=spec.lines,
            columns=spec.columns,
        )
        connect_programmer(m, registers, host, programmer)
        m.d.comb += [
            programmer.request.ready.eq(Cat(bus.request.ready for bus in buses).any()),
            programmer.response.valid.eq(Cat(bus.response.valid for bus in buses).any()),
            programmer.response.payload.eq(any_of([bus.response.payload for bus in buses])),
        ]
        said = {"active": programmer.active} | {
            name: getattr(host, name) for name in program_port(spec).members if "remap" in name
        }
        for bus in buses:
            m.d.comb += [
                *(getattr(bus, name).eq(value) for name, value in said.items()),
                bus.request.payload.eq(programmer.request.payload),
                bus.request.valid.eq(programmer.request.valid),
                bus.response.ready.eq(programmer.response.ready),
            ]
        return host.busy


def _axis(prefix: str, width: int) -> dict[str, Signal]:
    widths = {"tdata": 8 * width, "tkeep": width, "tlast": 1, "tvalid": 1, "tready": 1}
    return {name: Signal(bits, name=f"{prefix}_{name}") for name, bits in widths.items()}


def _kept(tap: Any) -> Any:
    """The stream itself; conversion will not drop its names, which benches watch."""
    for _, _, value in tap.signature.flatten(tap):
        Value.cast(value).attrs["keep"] = 1
    return tap
