"""Replay the deliberate faults in ``mutants.toml``: each must be killed by the test it names.

Run as ``python tests/mutants.py [NAME ...]``; ``make mutants`` runs all. Every mutant is applied
to a copy of the project, one for each processor, and the copy is what the tests import. A mutant
survives if its tests pass; the command then exits 1. Before the first mutant the tests named must
pass on an unchanged copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

ROOT = Path(__file__).parent.parent
PARTS = ("hdl", "gen", "sim", "tests", "bench", "docs", "constraints")


def copy_project(target: Path) -> dict[str, str]:
    """A copy of the project, and the environment in which ``binohm`` means this copy."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(
                ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__")
            )
    for file in ("pyproject.toml", "README.md", "LICENSE", "Makefile"):
        shutil.copy(ROOT / file, target / file)
    space = target / "import" / "binohm"
    space.mkdir(parents=True)
    for part in ("hdl", "gen", "sim", "constraints"):
        (space / part).symlink_to(target / part)
    return {**os.environ, "PYTHONPATH": str(space.parent), "PYTHONDONTWRITEBYTECODE": "1"}


def passes(target: Path, variables: dict[str, str], tests: list[str]) -> bool:
    """Whether ``tests`` pass in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=target, env=variables, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # no test ran: the list itself is wrong
        raise SystemExit(f"{' '.join(tests)}: pytest exit {done.returncode}\n{done.stdout[-2000:]}")
    return done.returncode == 0


def kills(target: Path, variables: dict[str, str], mutant: dict[str, Any]) -> bool:
    """Whether a test fails in the copy with this mutant applied, which is then taken back."""
    path = target / mutant["file"]
    original = path.read_text(encoding="utf-8")
    if original.count(mutant["old"]) != 1:
        raise SystemExit(f"{mutant['name']}: its text is not found once in {mutant['file']}")
    path.write_text(original.replace(mutant["old"], mutant["new"]), encoding="utf-8")
    try:
        return not passes(target, variables, mutant["tests"])
    finally:
        path.write_text(original, encoding="utf-8")


def replay(names: list[str]) -> int:
    """Apply the mutants called ``names`` (all, if empty); returns the number that survive."""
    with (ROOT / "tests" / "mutants.toml").open("rb") as file:
        mutants = tomllib.load(file)["mutant"]
    chosen = [m for m in mutants if not names or m["name"] in names]
    jobs = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="binohm-mutants-") as place:
        copies: Queue[tuple[Path, dict[str, str]]] = Queue()
        for job in range(jobs):
            target = Path(place) / str(job)
            copies.put((target, variables := copy_project(target)))

        def killed(mutant: dict[str, Any]) -> bool:
            copy = copies.get()
            try:
                dead = kills(*copy, mutant)
            finally:
                copies.put(copy)
            print(f"{'killed' if dead else 'SURVIVED':9} {mutant['name']}", flush=True)
            return dead

        tests = sorted({test for mutant in chosen for test in mutant["tests"]})
        if not passes(target, variables, [f"-n{jobs}", *tests]):
            raise SystemExit("the tests fail without any mutant; mend that first")
        with ThreadPoolExecutor(jobs) as pool:
            survived = list(pool.map(killed, chosen)).count(False)
    print(f"mutants: {len(chosen) - survived} killed, {survived} survived")
    return survived


if __name__ == "__main__":
    sys.exit(1 if replay(sys.argv[1:]) else 0)
