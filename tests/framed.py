"""The byte stream of a component as one stream of a bench, and the tables behind its ports."""

from typing import Any

from amaranth.hdl import Cat, Instance, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.host.frame_rules import FAULTS

__all__ = ["FrameStream", "with_tables"]


class FrameStream(wiring.Component):
    """``inner`` with TDATA, above it TKEEP, above it TLAST as the stream ``i``."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        beat = data.StructLayout({
            "tdata": 8 * inner.input_bytes,
            "tkeep": inner.input_bytes,
            "tlast": 1,
        })
        super().__init__({
            "i": In(stream.Signature(beat)),
            "o": Out(inner.o.signature),
            "enable": In(1),
            "started": Out(1),
            "accepted": Out(1),
            "error": Out(1),
            "fault": Out(len(FAULTS)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = inner = self.inner
        wiring.connect(m, inner.o, wiring.flipped(self.o))
        m.d.comb += [
            inner.tdata.eq(self.i.p.tdata),
            inner.tkeep.eq(self.i.p.tkeep),
            inner.tlast.eq(self.i.p.tlast),
            inner.tvalid.eq(self.i.valid),
            self.i.ready.eq(inner.tready),
            inner.enable.eq(self.enable),
            self.started.eq(inner.started),
            self.accepted.eq(inner.accepted),
            self.error.eq(inner.error),
            self.fault.eq(Cat(getattr(inner, fault) for fault in FAULTS)),
        ]
        if getattr(inner, "form", "") == "table":
            with_tables(m, inner, inner.input_bytes)
        return m


def with_tables(m: Module, inner: Any, lanes: int) -> None:
    """Put tables behind the ports of ``inner``."""
    for k in range(lanes):
        m.submodules[f"table_{k}"] = Instance(
            "binohm_t_table",
            p_WIDTH=inner.bits,
            p_INIT="table.hex",
            i_addr=getattr(inner, f"table_addr_{k}"),
            o_data=getattr(inner, f"table_data_{k}"),
        )
