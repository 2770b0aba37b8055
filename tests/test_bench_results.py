"""Files of figures: what an earlier run measured is not passed off as a later one's."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = str(Path(__file__).parent.parent / "bench")


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module, with a folder, a commit and a processor of its own."""
    monkeypatch.syspath_prepend(BENCH)
    import results

    monkeypatch.setattr(results, "RESULTS", tmp_path)
    _at(monkeypatch, results, "aaa", "old")
    return results


def _at(monkeypatch: pytest.MonkeyPatch, results: ModuleType, commit: str, cpu: str) -> None:
    monkeypatch.setattr(results, "_commit", lambda: commit)
    monkeypatch.setattr(results, "_cpu", lambda: cpu)


def test_a_figure_keeps_its_origin(results: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"slow": lambda _: {"x": (1, "s")}, "fast": lambda _: {"y": (2, "s")}}
    monkeypatch.setattr(sys, "argv", ["bench"])
    results.measure_parts("made", parts, description="", seed=1)
    for commit, cpu in (("bbb", "new"), ("ccc", "newest")):
        _at(monkeypatch, results, commit, cpu)
        monkeypatch.setattr(sys, "argv", ["bench", "fast"])
        results.measure_parts("made", parts, description="", seed=1)

    facts = json.loads((results.RESULTS / "made.json").read_text("utf-8"))
    assert (facts["commit"], facts["machine"]["cpu"]) == ("ccc", "newest")
    assert facts["figures"] == {
        "x": {"commit": "aaa", "cpu": "old", "value": 1, "unit": "s"},
        "y": {"value": 2, "unit": "s"},
    }

    import tables

    assert tables.origin(facts).endswith("Some of it was measured before, on old.")


def test_measuring_all_keeps_nothing(results: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench"])
    for name in ("x", "y"):
        parts = {"part": lambda _, name=name: {name: (1, "s")}}
        results.measure_parts("made", parts, description="", seed=1)
    assert set(results.read("made")["figures"]) == {"y"}
