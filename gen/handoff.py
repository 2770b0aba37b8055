"""What other people's tools read: file lists, constraints, waivers, FuseSoC, OpenLane, Yosys."""

import json
from dataclasses import dataclass

from binohm.gen.plan import Plan

__all__ = ["handoff_files"]

TAP = ("valid", "ready", "payload")

PERIOD_NS = 20.0

LINT = """`verilator_config
// Every line has its reason; the scope is the modules of this build.
{lines}
"""

TAPS = """`verilator_config
// The streams between the layers, which the bench in tb/ watches.
{lines}
"""

WAIVED = {
    "PROCASSINIT": "registers have a start value and a synchronous reset to the same value",
    "UNUSEDSIGNAL": "columns and register bits a layer does not use, carries of counters that wrap",
    "WIDTHEXPAND": "operands are extended by the rules of Verilog: the result is wide enough",
    "WIDTHTRUNC": "a part of a vector is selected by a shift whose upper bits are dropped",
}
"""What conversion writes in modules of ours, by Verilator's rule, with the reason."""

SDC = """# Clock and I/O of {top}. The period is a starting point: set it to your target.
create_clock -name {clock} -period {period_ns} [get_ports {clock}]
set_input_delay 0.5 -clock {clock} [get_ports {{{inputs}}}]
set_output_delay 0.5 -clock {clock} [get_ports {{{outputs}}}]
"""

NETLIST = """# The accelerator in gates: yosys -s asic/netlist.ys, in the build directory. Arrays
# stay, and registers have no value before reset, as on a chip. Then
# `make -C tb VIEW=netlist TAPS=0` compares the gates with golden.
{reads}
read_verilog -lib macros/digital.v
hierarchy -check -top {design}
check -assert
synth -flatten -top {design}
abc -g AND,NAND,OR,NOR,XOR,XNOR,MUX
setattr -unset init w:*
opt_clean -purge
check -assert
stat
write_verilog -noattr asic/netlist.v
"""


@dataclass(frozen=True)
class Bus:
    """Clock and ports of a top, as constraints name them."""

    clock: str
    inputs: str
    outputs: str


STREAM_IN = "s_axis_tdata* s_axis_tkeep* s_axis_tlast s_axis_tvalid m_axis_tready"
STREAM_OUT = "s_axis_tready m_axis_tdata* m_axis_tkeep* m_axis_tlast m_axis_tvalid irq"

BUSES = {
    "axi4lite": Bus(
        "aclk",
        f"aresetn {STREAM_IN} s_axi_awaddr* s_axi_awvalid s_axi_wdata* s_axi_wstrb* s_axi_wvalid "
        "s_axi_bready s_axi_araddr* s_axi_arvalid s_axi_rready",
        f"{STREAM_OUT} s_axi_awready s_axi_wready s_axi_bresp* s_axi_bvalid s_axi_arready "
        "s_axi_rdata* s_axi_rresp* s_axi_rvalid",
    ),
    "wishbone": Bus("wb_clk_i", f"wb_rst_i {STREAM_IN} wbs_*_i*", f"{STREAM_OUT} wbs_*_o*"),
}


def handoff_files(plan: Plan, rtl: list[str], *, maps: bool, bench: list[str]) -> dict[str, str]:
    """Text of each file, by its name in the build directory.

    Parameters
    ----------
    plan : Plan
    rtl : list of str
        Modules under ``rtl/``, top first.
    maps : bool
        Whether there are device maps.
    bench : list of str
        Files under ``tb/``.
    """
    sources = [f"rtl/{name}.v" for name in rtl]
    bus = BUSES[plan.host.bus]
    return {
        "digital.f": _list([*sources, "macros/digital.v"]),
        "device.f": _list([*sources, "macros/device.sv"]),
        "asic.f": _list([*sources, "macros/asic.v", "macros/stubs.v"]),
        "constraints/timing.sdc": SDC.format(
            top=plan.top,
            clock=bus.clock,
            period_ns=PERIOD_NS,
            inputs=bus.inputs,
            outputs=bus.outputs,
        ),
        "lint.vlt": LINT.format(lines=_waivers(plan)),
        "taps.vlt": TAPS.format(
            lines="\n".join(
                f'public_flat_rd -module "binohm_{plan.name}" -var "{path}__{signal}"'
                for path in plan.taps.values()
                for signal in TAP
            )
        ),
        f"{plan.name}.core": _core(plan, sources, maps=maps, bench=bench),
        "asic/openlane.json": _openlane(plan, sources),
        "asic/netlist.ys": NETLIST.format(
            design=f"binohm_{plan.name}",
            reads="\n".join(f"read_verilog {source}" for source in sources),
        ),
        "netlist.f": _list(["asic/netlist.v", "macros/digital.v"]),
        **({"storage.f": _list([*sources, "macros/storage.v"])} if plan.storage else {}),
    }


def _list(files: list[str]) -> str:
    return "\n".join(files) + "\n"


def _waivers(plan: Plan) -> str:
    prefix = f"*rtl/binohm_{plan.name}"
    rows = [(rule, f"{prefix}*.v", reason) for rule, reason in WAIVED.items()]
    one_hot = ["registers", *(["program*"] if plan.host.programming else [])]
    rows += [
        *(
            ("CASEOVERLAP", f"{prefix}_{name}.v", "one-hot selection, written as a parallel case")
            for name in one_hot
        ),
        ("DECLFILENAME", "*macros/*", "one view of all arrays is one file"),
    ]
    if plan.layers[0].sweep:
        one_of = "one of several shifts, written as a parallel case"
        rows.append(("CASEOVERLAP", f"{prefix}_positions.v", one_of))
    if any(layer.sweep and layer.sweep.pool for layer in plan.layers):
        rows.append(("DECLFILENAME", f"{prefix}_pool*.v", "a pool and its window are one file"))
    return "\n".join(
        f'// {reason}\nlint_off -rule {rule} -file "{file}"' for rule, file, reason in rows
    )


def _core(plan: Plan, sources: list[str], *, maps: bool, bench: list[str]) -> str:
    """FuseSoC CAPI2 description."""

    def fileset(files: list[str], kind: str) -> str:
        listed = "".join(f"      - {file}\n" for file in files)
        return f"    files:\n{listed}    file_type: {kind}\n"

    def copied(files: list[str]) -> list[str]:
        return [f"{file}: {{copyto: {file}}}" for file in files]

    verilog = "verilogSource-2005"
    tiles = [tile for layer in plan.layers for tile in layer.tiles] if maps else []
    # Every view but the macro itself reads images, under these names.
    memories = copied([f"mem/{image.name}.hex" for image in plan.images])
    memories += copied([f"device/{tile.name}.hex" for tile in tiles])
    return (
        "CAPI=2:\n"
        f"name: ::binohm_{plan.name}:0\n"
        "description: Binary neural network accelerator around RRAM arrays\n"
        "filesets:\n"
        f"  rtl:\n{fileset(sources, verilog)}"
        f"  behavioural_macro:\n{fileset(['macros/digital.v'], verilog)}"
        f"  device_macro:\n{fileset(['macros/device.sv'], 'systemVerilogSource')}"
        f"  macro_stub:\n{fileset(['macros/asic.v', 'macros/stubs.v'], verilog)}"
        f"  images:\n{fileset(memories, 'user')}"
        f"  tb:\n{fileset(copied([f'tb/{name}' for name in bench]), 'user')}"
        f"  constraints:\n{fileset(['constraints/timing.sdc'], 'SDC')}"
        f"  waivers:\n{fileset(['lint.vlt'], 'vlt')}"
        "targets:\n"
        f"  default: &default\n    filesets: [rtl, images]\n    toplevel: {plan.top}\n"
        "  sim:\n    <<: *default\n    filesets: [rtl, behavioural_macro, images, tb]\n"
        "  device:\n    <<: *default\n    filesets: [rtl, device_macro, images, tb]\n"
        "  asic:\n    <<: *default\n    filesets: [rtl, macro_stub, images, constraints]\n"
        "  lint:\n    <<: *default\n    default_tool: verilator\n"
        "    filesets: [waivers, rtl, behavioural_macro, images]\n"
        "    tools:\n      verilator:\n        mode: lint-only\n"
        "        verilator_options: [-Wall]\n"
    )


def _openlane(plan: Plan, sources: list[str]) -> str:
    """Fragment of an OpenLane configuration; paths are from its folder, ``asic/``."""
    facts = {
        "DESIGN_NAME": plan.top,
        "VERILOG_FILES": [f"dir::../{file}" for file in [*sources, "macros/asic.v"]],
        "VERILOG_FILES_BLACKBOX": ["dir::../macros/stubs.v"],
        "CLOCK_PORT": BUSES[plan.host.bus].clock,
        "CLOCK_PERIOD": PERIOD_NS,
        "PNR_SDC_FILE": "dir::../constraints/timing.sdc",
        "SIGNOFF_SDC_FILE": "dir::../constraints/timing.sdc",
    }
    return json.dumps(facts, indent=1) + "\n"
