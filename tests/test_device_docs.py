"""What docs/devices.md shows works, and prints what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "devices.md"
FENCE = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTS = re.compile(r"^print\(.*\)  # (.*)$", re.MULTILINE)


@pytest.mark.slow
def test_examples_of_devices_work(tmp_path: Path) -> None:
    """All blocks in order, in one folder; a comment behind a print is what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    accuracies = []
    for kind, code in FENCE.findall(PAGE.read_text(encoding="utf-8")):
        command = ["sh", "-ec", code] if kind == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{code}{done.stderr}"
        lines = done.stdout.splitlines()
        for printed in PRINTS.findall(code):
            assert printed in lines
        accuracies += [float(found) for found in re.findall(r"accuracy +([\d.]+) %", done.stdout)]
    exact, drawn, by_rtl, measured = accuracies
    assert exact == 95.56
    assert by_rtl == drawn
    assert 85 < drawn < exact and 20 < measured < drawn
