"""Replay the deliberate faults in ``mutants.toml``: each must be killed by the test it names.

Run as ``python tests/mutants.py [NAME ...]``; ``make mutants`` runs all. Every mutant is applied
to a copy of the project, one at a time, and the copy is what the tests import. A mutant survives if
its tests pass; the command then exits 1. Before the first mutant the tests named must pass on the
unchanged copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

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
    for part in ("hdl", "gen", "sim"):
        (space / part).symlink_to(target / part)
    return {**os.environ, "PYTHONPATH": str(space.parent), "PYTHONDONTWRITEBYTECODE": "1"}


def passes(target: Path, variables: dict[str, str], tests: list[str]) -> bool:
    """Whether ``tests`` pass in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=target, env=variables, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # no test ran: the list itself is wrong
        raise SystemExit(f"{' '.join(tests)}: pytest exit {done.returncode}\n{done.stdout[-2000:]}")
    return done.returncode == 0


def replay(names: list[str]) -> int:
    """Apply the mutants called ``names`` (all, if empty); returns the number that survive."""
    with (ROOT / "tests" / "mutants.toml").open("rb") as file:
        mutants = tomllib.load(file)["mutant"]
    chosen = [m for m in mutants if not names or m["name"] in names]
    survivors = []
    with tempfile.TemporaryDirectory(prefix="binohm-mutants-") as place:
        target = Path(place)
        variables = copy_project(target)
        tests = sorted({test for mutant in chosen for test in mutant["tests"]})
        if not passes(target, variables, tests):
            raise SystemExit("the tests fail without any mutant; mend that first")
        for mutant in chosen:
            path = target / mutant["file"]
            original = path.read_text(encoding="utf-8")
            if original.count(mutant["old"]) != 1:
                raise SystemExit(
                    f"{mutant['name']}: its text is not found once in {mutant['file']}"
                )
            path.write_text(original.replace(mutant["old"], mutant["new"]), encoding="utf-8")
            survived = passes(target, variables, mutant["tests"])
            path.write_text(original, encoding="utf-8")
            print(f"{'SURVIVED' if survived else 'killed':9} {mutant['name']}", flush=True)
            if survived:
                survivors.append(mutant["name"])
    print(f"mutants: {len(chosen) - len(survivors)} killed, {len(survivors)} survived")
    return len(survivors)


if __name__ == "__main__":
    sys.exit(1 if replay(sys.argv[1:]) else 0)
