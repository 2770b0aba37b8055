"""Programs for the simulated system: ``sim/firmware`` and tables, compiled for RV32IM."""

import shutil
import subprocess
from pathlib import Path

from binohm.gen.errors import ToolError

__all__ = ["COMPILER", "FLAGS", "MEMORY", "compile_firmware", "require_compiler"]

COMPILER = "riscv64-unknown-elf-gcc"
CURE = "apt-get install gcc-riscv64-unknown-elf"

FOLDER = Path(__file__).parent.parent / "firmware"
SOURCES = ("crt0.S", "main.c", "software.c", "unit.c")

MEMORY = 1 << 20
"""Bytes of the system's memory."""

FLAGS = (
    "-march=rv32im", "-mabi=ilp32", "-mstrict-align", "-O2", "-std=gnu11", "-Wall", "-Wextra",
    "-Werror", "-ffreestanding", "-fno-builtin-memset", "-ffunction-sections", "-fdata-sections",
    "-nostartfiles", "-nostdlib", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments",
)  # fmt: skip
"""The same for everything: with and without the unit."""

TUNING = {
    "picorv32": ("-fno-schedule-insns", "-frename-registers"),
    "vexriscv": ("-fsched-pressure", "--param=sched-pressure-algorithm=2"),
}
"""What makes the way without the unit fastest on each core, of what was tried (docs/soc.md)."""


def require_compiler() -> None:
    """Raise ToolError unless the cross compiler is there."""
    for tool in (COMPILER, OBJCOPY):
        if shutil.which(tool) is None:
            raise ToolError(f"firmware needs {tool}, which is not on PATH: {CURE}")


OBJCOPY = "riscv64-unknown-elf-objcopy"


def compile_firmware(tables: str, core: str, place: Path) -> Path:
    """Compile in the folder ``place``, which is made.

    Parameters
    ----------
    tables : str
        Text of ``tables.h``.
    core : str
        It is compiled for.

    Returns
    -------
    Path
        ``firmware.bin``, the memory from address 0; ``firmware.elf`` stands beside it.

    Raises
    ------
    ToolError
        If the compiler is missing or refuses.
    """
    require_compiler()
    place.mkdir(parents=True, exist_ok=True)
    (place / "tables.h").write_text(tables, encoding="utf-8")
    program, image = place / "firmware.elf", place / "firmware.bin"
    _run(
        COMPILER, *FLAGS, *TUNING[core], f"-DCORE_{core.upper()}", f"-I{place}",
        f"-I{FOLDER}", "-T", str(FOLDER / "link.ld"), f"-Wl,--defsym=MEMORY_BYTES={MEMORY}",
        *(str(FOLDER / name) for name in SOURCES), "-lgcc", "-o", str(program),
    )  # fmt: skip
    _run(OBJCOPY, "-O", "binary", str(program), str(image))
    return image


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.splitlines()
        error = next((line for line in lines if "rror" in line or "must" in line), "no output")
        raise ToolError(f"{command[0]} could not make the firmware: {error}")
