"""Output directories: whole or not at all, and nothing of the user's lost."""

import re
from pathlib import Path

import pytest

from binohm.gen.emit import claim
from binohm.gen.errors import OutputError


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def build(directory: Path, text: str, *, force: bool = False) -> None:
    with claim(directory, force=force) as target:
        (target / "plan.json").write_text(text)


def test_directory_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with claim(target) as fresh:
        (fresh / "plan.json").write_text("1")
        assert not target.exists()
    assert (target / "plan.json").read_text() == "1"
    assert names(target.parent) == ["out"]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_interrupted_build_changes_nothing(tmp_path: Path, stop: type[BaseException]) -> None:
    build(tmp_path / "out", "old")

    def fail() -> None:
        with claim(tmp_path / "out", force=True) as fresh:
            (fresh / "plan.json").write_text("new")
            raise stop

    with pytest.raises(stop):
        fail()
    assert (tmp_path / "out" / "plan.json").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_existing_build_needs_force(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(out, "old")
    message = f"{out} exists; replace it with --force or choose another -o"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        build(out, "new")
    build(out, "new", force=True)
    assert (out / "plan.json").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_strange_directory_is_never_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("x")
    message = f"{out} exists and is not a build of ours; choose another with -o"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        build(out, "new", force=True)
    assert names(out) == ["thesis.tex"]


def test_empty_directory_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    build(tmp_path / "out", "new")
    assert (tmp_path / "out" / "plan.json").read_text() == "new"


def test_file_in_the_way(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    message = f"{out} exists and is not a directory; choose another with -o"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        build(out, "new", force=True)
    with pytest.raises(OutputError, match=rf"^cannot write {re.escape(str(out / 'x'))}: "):
        build(out / "x", "new")
    assert out.read_text() == "mine"
