"""What README and docs say is what the project does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")


def test_generated_parts_are_in_sync() -> None:
    command = [sys.executable, "bench/tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run `make docs`"


def test_a_stale_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import tables

    text = "before\n<!-- table: registers -->\nold\n<!-- end -->\nafter\n"
    made = tables.fill(text)
    assert made.startswith("before\n<!-- table: registers -->\n| offset |")
    assert made.endswith(" |\n<!-- end -->\nafter\n")
    assert tables.fill(made) == made


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1 234 567"), (0.0417, "0.0417"), (12.346, "12.35"), (98765.4, "98 765")],
)
def test_numbers_are_readable(monkeypatch: pytest.MonkeyPatch, value: float, text: str) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import tables

    assert tables.number(value) == text


def test_every_figure_has_a_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import results
    import tables

    monkeypatch.setattr(results, "RESULTS", tmp_path)
    with pytest.raises(ValueError, match=r"^figure speed needs a unit$"):
        results.write("spine", {"speed": (1, "")}, command="make bench-spine")
    assert list(tmp_path.iterdir()) == []
    figures = {
        "demo_s": (81.5, "s"),
        "tfc_initiation_interval_cycles": ({"1": 128, "128": 98}, "cycles"),
        "tfc_latency_cycles": ({"1": 900, "128": 120}, "cycles"),
    }
    results.write("spine", figures, command="make bench-spine", seed=3)
    facts = results.read("spine")
    assert facts is not None
    assert set(facts) == {"command", "commit", "versions", "machine", "seed", "figures"}
    assert facts["figures"]["demo_s"] == {"value": 81.5, "unit": "s"}
    assert (
        "installation included | 81.5 | s |\n\nMeasured by `make bench-spine`"
        in tables.PARTS["spine"]()
    )
    assert "| 1 | 128 | 900 |\n| 128 | 98 | 120 |\n" in tables.PARTS["parallelism"]()


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{name}: {target}"


def test_readme_commands_are_make_targets() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^(?:\w+-?)+(?=:)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:^|`)make ([\w-]+)", readme, re.MULTILINE)
    assert {"demo", "test"} <= set(named) <= set(targets)


@pytest.mark.slow
def test_tutorial_works(tmp_path: Path) -> None:
    """Every ``sh`` block, in order, in one shell that stops at the first failure."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    script = "".join(code for kind, code in FENCE.findall(text) if kind == "sh")
    assert script.count("binohm ") >= 12
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ex"], input=script, cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert [line for line in done.stdout.splitlines() if line.startswith("exit status")] == [
        "exit status 1",
        "exit status 1",
        "exit status 2",
    ]
    assert (tmp_path / "scores.npz").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", ["host.md", "asic.md", "storage.md", "example-integration/README.md"]
)
def test_commands_of_a_page_work(tmp_path: Path, page: str) -> None:
    """Every ``sh`` block, in order, in one shell that stops at the first failure."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    script = "".join(code for kind, code in FENCE.findall(text) if kind == "sh")
    assert "binohm build" in script
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ex"], input=script, cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
