"""Registers and a programmer, wired as the top level does it, for tests."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arrays.program_port import ProgramSpec
from binohm.hdl.arrays.programmer import Programmer, program_request
from binohm.hdl.host.program_registers import ProgramRegisters
from binohm.hdl.host.registers import Registers, connect_programmer

__all__ = ["Programmed"]

REMAP = ("remap", "remap_used", "remap_spare", "remap_column")


class Programmed(wiring.Component):
    """All that lies between AXI4-Lite and the requests to arrays."""

    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec
        self.registers = Registers(
            1, build_id=0, elements=1, classes=1, programming=True, spares=spec.spares
        )
        self.host = ProgramRegisters(
            spec.tile_lines, columns=spec.columns, spares=spec.spares, memory="binohm_ram"
        )
        tiles = len(spec.tile_lines)
        self.programmer = Programmer(tiles, lines=spec.lines, columns=spec.columns)
        inner = {
            name: member
            for name, member in self.registers.signature.members.items()
            if name not in ("program", "busy")
        }
        remap = {name: self.host.signature.members[name] for name in REMAP if spec.spares}
        request = program_request(tiles, spec.lines, spec.columns)
        super().__init__({
            **inner,
            **remap,
            "request": Out(stream.Signature(request)),
            "response": In(stream.Signature(spec.columns)),
            "active": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        registers, host, programmer = self.registers, self.host, self.programmer
        m.submodules += [registers, host, programmer]
        for name, member in self.signature.members.items():
            if name in registers.signature.members:
                ours, inner = getattr(self, name), getattr(registers, name)
                m.d.comb += inner.eq(ours) if member.flow == In else ours.eq(inner)
        connect_programmer(m, registers, host, programmer)
        m.d.comb += [
            getattr(self, name).eq(getattr(host, name)) for name in REMAP if self.spec.spares
        ]
        m.d.comb += [
            self.active.eq(programmer.active),
            self.request.payload.eq(programmer.request.payload),
            self.request.valid.eq(programmer.request.valid),
            programmer.request.ready.eq(self.request.ready),
            programmer.response.payload.eq(self.response.payload),
            programmer.response.valid.eq(self.response.valid),
            self.response.ready.eq(programmer.response.ready),
        ]
        return m
