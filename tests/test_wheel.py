"""The wheel: everything the package needs at run time, and nothing else."""

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
DATA = {
    "binohm/constraints/icebreaker.pcf",
    "binohm/gen/data/digits.npz",
    "binohm/gen/macros/digital_sa.v",
    "binohm/gen/templates/report.html.j2",
    "binohm/gen/templates/style.css",
    "binohm/gen/training/c/gradients.c",
    "binohm/gen/training/c/shape.h",
    "binohm/gen/training/c/sums.c",
    "binohm/sim/data/digits.npz",
    "binohm/sim/harness/Makefile",
    "binohm/sim/harness/bench.py",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy that has no leftovers of older ones."""
    place = tmp_path_factory.mktemp("wheel")
    for package in ("hdl", "gen", "sim", "constraints"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, place / "source" / package, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place / "source" / name)
    command = [*PIP, "wheel", "--no-deps", "--wheel-dir", str(place), str(place / "source")]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = place.glob("*.whl")
    return made


@pytest.mark.slow
def test_wheel_holds_the_packages_and_their_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= DATA
    for package in ("hdl", "gen", "sim", "constraints"):
        tracked = {f"binohm/{path.relative_to(ROOT)}" for path in (ROOT / package).rglob("*.py")}
        assert tracked <= names
    foreign = {name for name in names if name.split("/")[:2][0] != "binohm"}
    assert all(name.startswith("binohm-0.1.0.dist-info/") for name in foreign)


@pytest.mark.slow
def test_wheel_works_away_from_the_repository(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    command = [*PIP, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    # The dependencies are those of this environment; binohm is not, since .pth files are read
    # in site-packages only.
    here = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    (site / "zz_dependencies.pth").write_text(f"{here}\n")
    binohm = tmp_path / "venv" / "bin" / "binohm"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [binohm, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version") == "binohm 0.1.0\n"
    where = (
        "import binohm.gen.cli.commands as c, binohm.sim.check as d; print(c.__file__, d.__file__)"
    )
    found = subprocess.run(
        [python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(Path(name).is_relative_to(site) for name in found.stdout.split())
    run("build", "digits", "-o", "out")
    assert (tmp_path / "out" / "tb" / "bench.py").is_file()
    run("report", "out")


@pytest.mark.extras
def test_wheel_installs_with_its_dependencies(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([*PIP, "--python", str(python), "install", str(wheel)], check=True)
    binohm = tmp_path / "venv" / "bin" / "binohm"
    subprocess.run([binohm, "demo", "-o", "demo"], cwd=tmp_path, check=True)
