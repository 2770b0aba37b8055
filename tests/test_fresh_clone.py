"""The README's promise: a fresh clone, a bare PATH, an empty home, one command."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.extras
def test_demo_works_in_a_fresh_clone(tmp_path: Path) -> None:
    clone = tmp_path / "binohm"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    bare = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["make", "demo"], cwd=clone, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "DIVERGES" not in done.stdout
    assert (clone / "build" / "demo" / "report.html").is_file()
