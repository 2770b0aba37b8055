"""The simulated system: a core of a PyPI package, the unit, a memory that counts.

PicoRV32 runs without caches: every fetch, load and store is an access to the memory, which answers
within a cycle. VexRiscv has an instruction and a data cache of 4 KiB each; its memory answers every
word of a line within a cycle, and what counts as an access is a word on its buses.
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ConfigError, ToolError
from binohm.sim.directory import beside, harness
from binohm.sim.soc.firmware import MEMORY
from binohm.sim.tools import environment, require, shared_objects

__all__ = ["CACHES", "CORES", "PHASES", "Run", "compile_system", "core_source", "run_system"]

CORES = {
    "picorv32": ("pythondata_cpu_picorv32", "picorv32.v"),
    "vexriscv": ("pythondata_cpu_vexriscv", "VexRiscv_FullCfu.v"),
}
"""Package and file of each core."""

CACHES = {"picorv32": None, "vexriscv": 4096}
"""Bytes of the data cache, where there is one."""

PHASES = ("boot", "program", "layer", "done")
"""Parts of a program that are counted for themselves."""

FLAGS = [
    "--cc", "--exe", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "fast",
    "--no-assert", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-MULTIDRIVEN", "--prefix", "Vtop",
    "--top-module", "soc", "-o", "soc", "-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0",
]  # fmt: skip

STOPPED = {
    3: "did not end", 4: "trapped", 5: "left its memory", 6: "stopped the simulation",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a program did.

    Parameters
    ----------
    results : uint32 array
        What it left.
    status : int
        Of ``main``.
    console : str
    hits, misses : int
        Kernel numbers that the unit found, and those that it did not; 0 if it was not used.
    counters : dict of str to dict of str to int
        By phase: ``cycles``, ``instructions``, ``fetches``, ``loads``, ``stores``,
        ``unit_instructions``, ``bus_reads``, ``bus_writes``.
    """

    results: NDArray[np.uint32]
    status: int
    console: str
    hits: int
    misses: int
    counters: dict[str, dict[str, int]]


def core_source(core: str) -> Path:
    """The Verilog of a core, in its package.

    Raises
    ------
    ConfigError
        If there is no such core.
    ToolError
        If its package is missing.
    """
    if core not in CORES:
        raise ConfigError(f"core = {core}: must be one of {', '.join(CORES)}")
    package, name = CORES[core]
    try:
        path = Path(import_module(package).data_location) / name
    except ImportError as error:
        raise ToolError(f"{core} needs {package}: pip install 'binohm[soc]'") from error
    if not path.is_file():
        raise ToolError(f"{package} has no {name}: pip install --force-reinstall 'binohm[soc]'")
    return path


def compile_system(core: str, unit: Sequence[Path], place: Path) -> Path:
    """The program that simulates a core with a unit, compiled if it is not there yet.

    Parameters
    ----------
    core : str
        One of :data:`CORES`.
    unit : sequence of Path
        Verilog of the unit, with the tops ``binohm_soc_cfu`` and ``binohm_soc_pcpi``; empty for a
        system without.
    place : Path
        A folder for compiled systems, made if it is not there.

    Raises
    ------
    ToolError
        If Verilator, a compiler or the core is missing, or the unit is refused.
    """
    source = core_source(core)
    require("verilator", cocotb=False)
    files = [source.read_bytes(), *(path.read_bytes() for path in unit)]
    texts = [
        harness("soc.cpp"),
        harness(f"soc_{core}.v"),
        repr(FLAGS),
        metadata.version("verilator"),
    ]
    known = hashlib.sha256()
    for part in [*files, *(text.encode() for text in texts)]:
        known.update(hashlib.sha256(part).digest())
    made = place.absolute() / f"{core}_{known.hexdigest()[:16]}"
    if not (made / "soc").is_file():
        place.mkdir(parents=True, exist_ok=True)
        with beside(made) as fresh:
            _compile(core, [source, *unit], fresh)
    return made / "soc"


def _compile(core: str, sources: Sequence[Path], fresh: Path) -> None:
    """Make ``fresh / "soc"``."""
    top, program, objects = fresh / "soc.v", fresh / "soc.cpp", fresh / "objects"
    top.write_text(harness(f"soc_{core}.v"), encoding="utf-8")
    program.write_text(harness("soc.cpp"), encoding="utf-8")
    defines = [f"-DSTACK=32'd{MEMORY}", *(["-DUNIT"] if len(sources) > 1 else [])]
    flags = ["-CFLAGS", f"-DMEMORY={MEMORY} -DCORE_{core.upper()}"]
    names = [str(path.absolute()) for path in (top, *sources, program)]
    log = fresh / "log"
    with log.open("w", encoding="utf-8") as file, shared_objects(objects, f"soc {FLAGS}"):
        done = subprocess.run(
            ["verilator", *FLAGS, *defines, *flags, "--Mdir", str(objects), *names],
            cwd=fresh, env=os.environ | environment("-O1"),
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if done.returncode or not (objects / "soc").is_file():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        error = next((line for line in lines if "rror" in line), "no output")
        raise ToolError(f"verilator could not compile {core} with the unit: {error}")
    (objects / "soc").rename(fresh / "soc")


def run_system(
    program: Path,
    image: Path,
    mode: int,
    *,
    place: Path,
    inside: Path | None = None,
    cycles: int = 1 << 32,
    plusargs: Sequence[str] = (),
) -> Run:
    """Run a program to its end.

    Parameters
    ----------
    program : Path
        Of :func:`compile_system`.
    image : Path
        Of :func:`~binohm.sim.soc.firmware.compile_firmware`.
    mode : int
        What the firmware is to do; see ``firmware/main.c``.
    place : Path
        An existing folder, for the results.
    inside : Path, optional
        Where memory images of the unit are looked for; ``place`` unless it is given.
    cycles : int
        After so many it is given up.

    Raises
    ------
    ToolError
        If the program did not come to its end.
    """
    results = place.absolute() / "results"
    results.unlink(missing_ok=True)
    command = [
        str(program.absolute()),
        str(image.absolute()),
        str(results),
        str(cycles),
        str(mode),
        *plusargs,
    ]
    done = subprocess.run(
        command, cwd=inside or place, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    said = done.stderr.decode(errors="replace").splitlines()
    lines = [line for line in said if line.startswith("phase ")]
    if not lines:
        reason = STOPPED.get(done.returncode, f"failed with status {done.returncode}")
        detail = said[-1] if said else "no message"
        raise ToolError(f"the program {reason}: {detail}")
    words = np.fromfile(results, "<u4") if results.is_file() else np.empty(0, "<u4")
    console = done.stdout.decode(errors="replace")
    found = re.search(r"hits ([0-9a-f]+) misses ([0-9a-f]+)", console)
    hits, misses = (int(text, 16) for text in found.groups()) if found else (0, 0)
    return Run(
        words.astype(np.uint32), done.returncode, console, hits, misses,
        {name: _counters(line) for name, line in zip(PHASES, lines, strict=False)},
    )  # fmt: skip


def _counters(line: str) -> dict[str, int]:
    pairs = (item.split("=") for item in line.split()[2:])
    return {name: int(value) for name, value in pairs}
