"""From a build directory to a bitstream under ``fpga/<board>/`` of it."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from binohm.gen import build
from binohm.gen.cycles import predict
from binohm.gen.errors import CapacityError, OutputError
from binohm.gen.fpga import tools
from binohm.gen.fpga.boards import Board, constraints
from binohm.gen.fpga.clocks import made_mhz
from binohm.gen.fpga.estimate import FEW
from binohm.gen.fpga.top import divisor, vivado_script, wrapper
from binohm.gen.network import Network
from binohm.gen.plan import Plan

__all__ = ["BAUD", "Used", "implement", "synthesis", "used"]

BAUD = 1_000_000

STEPS = {
    "ice40": ("yosys", "nextpnr-ice40", "icepack"),
    "ecp5": ("yosys", "nextpnr-ecp5", "ecppack"),
}


@dataclass(frozen=True)
class Used:
    """What a netlist takes: look-up tables of four inputs, flip-flops, block RAMs."""

    lut: int
    ff: int
    bram: int


def synthesis(family: str, top: str, netlist: str | None) -> str:
    """The part of a yosys script behind the reading of sources: to a netlist and its statistics.

    Weights go to block RAM although few words would fit into LUTs: it is there, LUTs are scarce.
    """
    command = {
        "ice40": f"synth_ice40 -abc9 -device u -top {top}",
        "ecp5": f"synth_ecp5 -abc9 -top {top}",
    }[family]
    roms = f"t:$mem_v2 r:SIZE>={FEW} %i r:RD_CLK_ENABLE>=1 %i r:WR_PORTS=0 %i"
    return "\n".join([
        f"{command} -run begin:map_ram",
        f'setattr -set ram_style "block" {roms}',
        f"{command} -run map_ram:",
        *([f"write_json {netlist}"] if netlist else []),
        "check -assert",
    ])


def used(family: str, statistics: Mapping[str, Any]) -> Used:
    """What a netlist takes, from yosys' ``stat -json`` of it."""
    cells = statistics["design"]["num_cells_by_type"]

    def sum_of(*names: str) -> int:
        return sum(number for name, number in cells.items() if name.startswith(names))

    if family == "ice40":
        return Used(sum_of("SB_LUT4"), sum_of("SB_DFF"), sum_of("SB_RAM40_4K"))
    # A carry cell is two LUTs; a memory in LUTs is four, two of which hold it.
    lut = sum_of("LUT4") + 2 * sum_of("CCU2C") + 4 * sum_of("TRELLIS_DPR16X4")
    return Used(lut, sum_of("TRELLIS_FF"), sum_of("DP16KD"))


def implement(
    directory: Path,
    network: Network,
    plan: Plan,
    sources: list[str],
    board: Board,
    *,
    clock_mhz: float | None = None,
    baud: int = BAUD,
    seed: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Make ``fpga/<board>/`` of a build directory anew; returns the figures, kept in ``fpga.json``.

    If a step fails its log is there, and neither bitstream nor figures are.

    Parameters
    ----------
    sources : list of str
        Verilog files of the build, relative to it.
    clock_mhz : float, optional
        Target; the board's without it. The clock is the nearest one below that its PLL makes.
    seed : int
        Of placement.

    Returns
    -------
    dict
        ``lut``, ``ff``, ``bram``, ``fmax_mhz`` and ``met`` are None on boards whose tools are not
        run.

    Raises
    ------
    ConfigError, CapacityError, ToolError, OutputError
    """
    steps = STEPS.get(board.family, ())
    tools.require(steps)
    made, settings = made_mhz(board, clock_mhz or board.target_mhz)
    here = f"fpga/{board.name}"
    own = [f"{here}/binohm_{plan.name}_board.v", f"{here}/top.v"]
    files = [*sources, *own]
    memories = [f"mem/{image.name}.hex" for image in plan.images if image.kind != "reference"]
    texts = {
        own[0]: build.board_module(network, plan, divisor(made, baud)),
        own[1]: wrapper(board, plan, settings),
        f"{here}/{board.pins}": constraints(board.pins),
    }
    if board.family == "xilinx":
        texts[f"{here}/vivado.tcl"] = vivado_script(board, files, memories)
    try:
        shutil.rmtree(directory / here, ignore_errors=True)
        (directory / here).mkdir(parents=True)
        for file, text in texts.items():
            (directory / file).write_text(text, encoding="utf-8", newline="\n")
        taken, fmax = None, None
        if steps:
            taken, fmax = _run(directory, board, files, made, seed, progress)
        figures = _figures(network, plan, board, made, baud, taken, fmax)
        path = directory / here / "fpga.json"
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {directory / here}: {error.strerror}") from error
    return figures


def _run(
    directory: Path,
    board: Board,
    files: list[str],
    made_mhz: float,
    seed: int,
    progress: Callable[[str], None],
) -> tuple[Used, float]:
    """Synthesis, placement, routing and the bitstream: what it takes, and the fastest clock."""
    here = f"fpga/{board.name}"
    place = directory / here
    synthesise, route, pack = STEPS[board.family]

    progress("synthesis (yosys)")
    script = "\n".join([
        *(f"read_verilog -sv {file}" for file in files),
        synthesis(board.family, "top", f"{here}/top.json"),
        f"tee -q -o {here}/synthesis.json stat -json",
        "",
    ])
    (place / "synthesis.ys").write_text(script, encoding="utf-8")
    tools.run(
        synthesise, ["-s", f"{here}/synthesis.ys"], cwd=directory, log=place / "synthesis.log"
    )
    taken = used(board.family, json.loads((place / "synthesis.json").read_bytes()))
    _require_room(board, taken)

    progress("placement and routing (nextpnr)")
    arguments, routed, bitstream = _routing(board, here)
    arguments += ["--freq", f"{made_mhz}", "--seed", f"{seed}", "--timing-allow-fail"]
    arguments += ["--report", f"{here}/routing.json", "--json", f"{here}/top.json"]
    tools.run(route, arguments, cwd=directory, log=place / "routing.log")
    clocks = json.loads((place / "routing.json").read_bytes())["fmax"]
    fmax = min(clock["achieved"] for clock in clocks.values())

    progress("bitstream")
    tools.run(pack, [*routed, bitstream], cwd=directory, log=place / "bitstream.log")
    return taken, round(fmax, 2)


def _routing(board: Board, here: str) -> tuple[list[str], list[str], str]:
    """What nextpnr is told, then the packer, and where the bitstream goes."""
    pins = f"{here}/{board.pins}"
    if board.family == "ice40":
        told = ["--up5k", "--package", "sg48", "--pcf", pins, "--asc", f"{here}/top.asc"]
        return told, [f"{here}/top.asc"], f"{here}/top.bin"
    told = ["--85k", "--package", "CABGA381", "--speed", "6", "--lpf", pins]
    told += ["--textcfg", f"{here}/top.config"]
    return told, ["--compress", f"{here}/top.config"], f"{here}/top.bit"


def _require_room(board: Board, taken: Used) -> None:
    """Refuse what cannot fit, before anyone tries to place it."""
    there = {"lut": board.luts, "ff": board.ffs, "bram": board.brams}
    names = {"lut": "LUTs", "ff": "flip-flops", "bram": "block RAMs"}
    over = [
        f"{number:,} {names[kind]} where it has {there[kind]:,} ({number - there[kind]:,} too many)"
        for kind, number in asdict(taken).items()
        if number > there[kind]
    ]
    if over:
        raise CapacityError(
            f"{board.title}: the design takes {', '.join(over)}; build with fewer "
            "columns_per_cycle or engines (readout pcsa takes least), or take a larger board"
        )


def _figures(
    network: Network,
    plan: Plan,
    board: Board,
    made_mhz: float,
    baud: int,
    taken: Used | None,
    fmax: float | None,
) -> dict[str, Any]:
    predicted = predict(network, plan)
    there = {"lut": board.luts, "ff": board.ffs, "bram": board.brams}
    counts = asdict(taken) if taken else dict.fromkeys(there)
    result = 4 * (1 + network.scores.outputs * plan.host.scores)
    # Image and result follow each other on the line, with command, tag, check, ends and cycles.
    return {
        "board": board.name,
        "title": board.title,
        "device": board.device,
        "network": plan.name,
        **counts,
        "available": there,
        "fmax_mhz": fmax,
        "target_mhz": round(made_mhz, 3),
        "met": None if fmax is None else fmax >= made_mhz,
        "initiation_interval_cycles": predicted.interval,
        "latency_cycles": predicted.latency,
        "images_per_s": round(made_mhz * 1e6 / predicted.interval, 1),
        "latency_us": round(predicted.latency / made_mhz, 3),
        "baud": baud,
        "images_per_s_serial": round(baud / 10 / (network.input.elements + result + 14), 1),
    }
