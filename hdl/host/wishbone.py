"""The registers behind Wishbone B4, with the names of Caravel."""

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Instance,
    Module,
    Mux,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int
from binohm.hdl.host.axi_lite import AXI_LITE
from binohm.hdl.library import Library

__all__ = ["WISHBONE", "WishboneBridge", "WishboneTop"]

WISHBONE = {  # signal: (width, driven by the host)
    "stb_i": (1, True),
    "cyc_i": (1, True),
    "we_i": (1, True),
    "sel_i": (4, True),
    "dat_i": (32, True),
    "adr_i": (32, True),
    "ack_o": (1, False),
    "dat_o": (32, False),
}

WINDOW = 12
"""Bits of the address within the registers."""


class WishboneBridge(wiring.Component):
    """Make of each access on Wishbone one on AXI4-Lite, and acknowledge it.

    Classic cycles, 32 bits: an access is on offer while ``cyc_i`` and ``stb_i`` are high, and over
    in the cycle with ``ack_o``. Addresses outside the 4 KiB from ``base`` on are somebody else's:
    they are never acknowledged, and ``dat_o`` is 0 unless ``ack_o`` is high, so that the outputs of
    several slaves may be joined by OR. ``sel_i`` becomes the strobes of a write; reads ignore it.
    Wishbone as Caravel has it knows no errors: an access that AXI4-Lite answers with SLVERR is
    acknowledged, a read with 0. A host that ends an access early loses its answer and nothing else.

    The registers must accept at once and answer in the next cycle, as
    :class:`~binohm.hdl.host.registers.Registers` do. Latency is then 1 cycle from the access to
    ``ack_o``, and throughput 1 access in 2 cycles.

    Parameters
    ----------
    base : int
        Byte address of the first register, 0 to 0xfffff000, a multiple of 4096.

    Members
    -------
    stb_i, cyc_i, we_i, sel_i, dat_i, adr_i, ack_o, dat_o
        Wishbone, as its slave.
    awaddr, awvalid, ...
        AXI4-Lite, as its master.

    References
    ----------
    .. [1] OpenCores, "WISHBONE System-on-Chip Interconnection Architecture", revision B4, 2010.
    """

    def __init__(self, base: int) -> None:
        require_int("base", base, least=0)
        if base % (1 << WINDOW) or base >> 32:
            raise ValueError(f"base must be 0 to 0xfffff000, a multiple of 4096, not {base:#x}")
        self.base = base
        super().__init__({
            **{
                name: In(width) if driven else Out(width)
                for name, (width, driven) in WISHBONE.items()
            },
            **{
                name: Out(width) if driven else In(width)
                for name, (width, driven) in AXI_LITE.items()
            },
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        offered, taken, pending = (Signal(name=n) for n in ("offered", "taken", "pending"))
        m.d.comb += [
            offered.eq(self.cyc_i & self.stb_i & (self.adr_i[WINDOW:] == self.base >> WINDOW)),
            taken.eq(offered & ~pending),
            self.awvalid.eq(taken & self.we_i),
            self.wvalid.eq(taken & self.we_i),
            self.arvalid.eq(taken & ~self.we_i),
            self.awaddr.eq(self.adr_i[:WINDOW]),
            self.araddr.eq(self.adr_i[:WINDOW]),
            self.wdata.eq(self.dat_i),
            self.wstrb.eq(self.sel_i),
            self.bready.eq(1),
            self.rready.eq(1),
        ]
        m.d.sync += pending.eq(taken)
        m.d.comb += [
            self.ack_o.eq(offered & pending & (self.bvalid | self.rvalid)),
            self.dat_o.eq(Mux(self.ack_o & self.rvalid, self.rdata, 0)),
        ]
        return m


class WishboneTop(Elaboratable):
    """The whole accelerator with its registers on Wishbone.

    Ports: ``wb_clk_i``, ``wb_rst_i`` (synchronous, active high), ``wbs_*``, and the streams and the
    interrupt of :class:`~binohm.hdl.pipeline.Pipeline`, which is the submodule ``accelerator``. All
    is synchronous to ``wb_clk_i``.

    Parameters
    ----------
    library : Library
    top : str
        Module of the accelerator.
    base : int
        See :class:`WishboneBridge`.
    streams : dict of str to (int, bool)
        Width of each port that goes straight through, and whether it is an input.
    """

    def __init__(
        self, library: Library, top: str, *, base: int, streams: dict[str, tuple[int, bool]]
    ) -> None:
        self.library = library
        self.top = top
        self.base = base
        self.streams = streams
        self.wb_clk_i = Signal()
        self.wb_rst_i = Signal()
        self.wbs = {
            name: Signal(width, name=f"wbs_{name}") for name, (width, _) in WISHBONE.items()
        }
        self.through = {name: Signal(width, name=name) for name, (width, _) in streams.items()}

    @property
    def ports(self) -> list[Signal]:
        """All ports, clock and reset first."""
        return [self.wb_clk_i, self.wb_rst_i, *self.wbs.values(), *self.through.values()]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.wb_clk_i), ResetSignal().eq(self.wb_rst_i)]
        bridge = self.library.place(m, "bridge", WishboneBridge, self.base)
        for name, (_, driven) in WISHBONE.items():
            port, inner = self.wbs[name], getattr(bridge, name)
            m.d.comb += inner.eq(port) if driven else port.eq(inner)
        ports: dict[str, Value] = {"i_aclk": self.wb_clk_i, "i_aresetn": ~self.wb_rst_i}
        for name, (_, driven) in self.streams.items():
            ports[f"{'i' if driven else 'o'}_{name}"] = self.through[name]
        for name, (_, driven) in AXI_LITE.items():
            ports[f"{'i' if driven else 'o'}_s_axi_{name}"] = getattr(bridge, name)
        m.submodules.accelerator = Instance(self.top, **ports)
        return m
