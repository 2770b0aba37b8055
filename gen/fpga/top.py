"""Verilog and scripts of a board: the common top, the board's own, and what tools are told."""

from binohm.gen.errors import ConfigError
from binohm.gen.fpga.boards import Board
from binohm.gen.fpga.clocks import Settings, pll
from binohm.gen.plan import Plan

__all__ = ["divisor", "vivado_script", "wrapper"]


def divisor(clock_mhz: float, baud: int) -> int:
    """Clock cycles of a bit.

    Raises
    ------
    ConfigError
        If the line would be off by more than 2 %, or have fewer than 4 cycles a bit.
    """
    exact = clock_mhz * 1e6 / baud
    cycles = round(exact)
    if cycles < 4 or abs(cycles / exact - 1) > 0.02:
        raise ConfigError(
            f"--baud {baud}: a bit would take {exact:.2f} cycles of {clock_mhz:g} MHz; it must be "
            "4 or more, and within 2 % of a whole number"
        )
    return cycles


def wrapper(board: Board, plan: Plan, settings: Settings) -> str:
    """The module ``top``: clock, levels of button and LEDs."""
    common = ["input wire clk_in", "input wire button", "input wire rx", "output wire tx",
              "output wire led_busy", "output wire led_fault"]  # fmt: skip
    ports = [*common, *(f"output wire {name}" for name, _ in board.extra)]
    pressed = "button" if board.pressed else "~button"
    lit = "" if board.lit else "~"
    return (
        f"// {board.title}: {board.device}.\n"
        "module top (\n    " + ",\n    ".join(ports) + "\n);\n"
        "    wire clk, locked, busy, fault;\n"
        f"{pll(board, settings)}"
        f"    binohm_{plan.name}_board board (\n"
        f"        .clk(clk), .reset({pressed} | ~locked), .rx(rx), .tx(tx),\n"
        "        .led_busy(busy), .led_fault(fault)\n"
        "    );\n"
        f"    assign led_busy = {lit}busy;\n"
        f"    assign led_fault = {lit}fault;\n"
        + "".join(f"    assign {name} = 1'b{value};\n" for name, value in board.extra)
        + "endmodule\n"
    )


def vivado_script(board: Board, sources: list[str], memories: list[str]) -> str:
    """A project-less run from sources to bitstream; started in the build directory."""
    here = f"fpga/{board.name}"
    return "\n".join([
        "# Not run by binohm: vivado -mode batch -source " + f"{here}/vivado.tcl",
        *(f"read_verilog -sv {source}" for source in sources),
        *(f"read_mem {memory}" for memory in memories),
        f"read_xdc {here}/{board.pins}",
        f"synth_design -top top -part {board.device}",
        "opt_design",
        "place_design",
        "route_design",
        f"report_utilization -file {here}/utilisation.txt",
        f"report_timing_summary -file {here}/timing.txt",
        f"write_bitstream -force {here}/top.bit",
        "",
    ])
