"""The dependency rules of the project, as a test: who may import whom, and when."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TORCH = "fit", "functions", "model", "native", "votes"
"""Modules of gen/training that import PyTorch."""

PACKAGES = ("hdl", "gen", "sim", "tests", "bench")
STDLIB = sys.stdlib_module_names

MAY_IMPORT = {
    "hdl": {"amaranth", "binohm.hdl"},
    "gen": {"amaranth", "distributed", "h5py", "jinja2", "matplotlib", "numba", "numpy", "onnx",
            "pydantic", "rich", "torch", "typer", "binohm.gen", "binohm.hdl"},
    "sim": {"cocotb", "cocotb_tools", "find_libpython", "numpy", "binohm.sim",
            "binohm.gen.network", "binohm.gen.plan", "binohm.gen.errors"},
}  # fmt: skip
"""Beside the standard library. Tests and benchmarks may import anything."""

COMMANDS, TRAIN = "gen/cli/commands.py", "gen/cli/train_commands.py"
ACTIONS, ON_ARRAY = "gen/cli/actions.py", "gen/cli/on_array.py"
SOC, PROCESSOR = "gen/cli/soc_command.py", "gen/cli/processor.py"
EXPLORE, EXPLORING = "gen/cli/explore_command.py", "gen/cli/exploring.py"
DRAWING = "gen/cli/drawing.py"
MEETING = {ACTIONS, ON_ARRAY, PROCESSOR, EXPLORING, DRAWING}
"""The command line's modules, which alone may import sim; the commands inside their functions."""

DATA = {"gen/network.py", "gen/layers.py", "gen/plan.py", "gen/arrays.py", "gen/errors.py"}
"""What sim shares; these import NumPy and each other alone."""

ONLY = {
    "binohm.hdl": {  # constructs them; has their registers; has their pins
        "gen/build.py",
        "gen/cfu/unit.py",
        "gen/learning/trainer.py",
        "gen/host_files.py",
        "gen/macros/macro_views.py",
        "gen/macros/pair_views.py",
    },
    "binohm.gen.build": {"gen/emit.py", "gen/fpga/flow.py", ACTIONS},  # write Verilog
    "binohm.gen.cli.commands": {"gen/__main__.py"},
    "binohm.gen.cli.train_commands": {COMMANDS},
    "binohm.gen.cli.soc_command": {COMMANDS},
    "binohm.gen.cli.explore_command": {COMMANDS},
    "binohm.gen.cli.actions": {COMMANDS, TRAIN, SOC, EXPLORE},
    "binohm.gen.cli.on_array": {TRAIN},
    "binohm.gen.cli.processor": {SOC},
    "binohm.gen.cli.exploring": {EXPLORE},
    "binohm.gen.cli.drawing": {ACTIONS, EXPLORING},
    "binohm.sim": {COMMANDS, TRAIN, *MEETING},
    "distributed": {EXPLORING},
    "matplotlib": {"gen/exploration/plot.py"},
    "typer": {"gen/__main__.py", COMMANDS, TRAIN, SOC, EXPLORE, "gen/cli/options.py"},
    "h5py": {"gen/importer/keras.py"},
    "onnx": {"gen/importer/qonnx.py", "gen/importer/graph.py", "gen/training/export.py"},
    "torch": {f"gen/training/{name}.py" for name in TORCH},
    "numba": {"gen/training/kernels.py"},
    "binohm.gen.training.kernels": {"gen/training/votes.py"},
    "binohm.gen.training.native": {"gen/training/votes.py"},
    "binohm.gen.training.functions": {"gen/training/model.py", "gen/training/votes.py"},
    "binohm.gen.training.votes": {"gen/training/model.py"},
    "binohm.gen.training.model": {"gen/training/fit.py"},
    "amaranth": {"gen/verilog.py"},
}
"""Modules of gen that alone, within gen, may import something."""

STAND_ALONE = "sim/harness/"
"""Copied into build directories, where binohm need not be installed."""


@dataclass(frozen=True)
class Import:
    """One imported name, such as ``binohm.gen.plan.Plan``, and where it is imported."""

    name: str
    line: int
    deferred: bool

    def of(self, module: str) -> bool:
        """Whether this is ``module`` or something in it."""
        return f"{self.name}.".startswith(f"{module}.")


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file; those under ``TYPE_CHECKING`` count as deferred."""

    def walk(node: ast.AST, deferred: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            later = deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            later = later or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test))
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, later)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: relative import"
                for alias in child.names:
                    assert alias.name != "*", f"{path}:{child.lineno}: star import"
                    yield Import(f"{child.module}.{alias.name}", child.lineno, later)
            yield from walk(child, later)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False)


SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in SOURCES]


@pytest.mark.parametrize("name", NAMES)
def test_no_second_copies(name: str) -> None:
    """``import hdl`` would load another copy of every class of ``binohm.hdl``."""
    for found in imports(ROOT / name):
        assert found.name.split(".")[0] not in {"hdl", "gen", "sim", "tests", "bench"}, (
            f"{name}:{found.line} imports {found.name}"
        )
        assert found.name not in {"binohm", "binohm.hdl", "binohm.gen", "binohm.sim"}


@pytest.mark.parametrize("name", [name for name in NAMES if name.split("/")[0] in MAY_IMPORT])
def test_packages_keep_to_their_layer(name: str) -> None:
    allowed = MAY_IMPORT[name.split("/")[0]]
    for found in imports(ROOT / name):
        ours = any(found.of(module) for module in allowed)
        command = found.of("binohm.sim") and (
            name in MEETING or (name in {COMMANDS, TRAIN} and found.deferred)
        )
        bench = name.startswith("sim/benches/") and found.of("cocotbext.axi")  # for tests only
        assert ours or command or bench or found.name.split(".")[0] in STDLIB, (
            f"{name}:{found.line} imports {found.name}"
        )


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("gen/")])
def test_some_modules_of_gen_are_the_only_ones(name: str) -> None:
    for found in imports(ROOT / name):
        for module, owners in ONLY.items():
            assert not found.of(module) or name in owners, (
                f"{name}:{found.line} imports {found.name}, which is for {', '.join(owners)}"
            )


@pytest.mark.parametrize("name", sorted(DATA))
def test_shared_data_are_only_data(name: str) -> None:
    for found in imports(ROOT / name):
        ours = any(found.of(f"binohm.gen.{Path(other).stem}") for other in DATA)
        assert ours or found.of("numpy") or found.name.split(".")[0] in STDLIB


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(STAND_ALONE)])
def test_the_bench_in_a_build_stands_alone(name: str) -> None:
    for found in imports(ROOT / name):
        assert found.of("cocotb") or found.name.split(".")[0] in STDLIB, f"{name}:{found.line}"


def test_golden_imports_no_other_model() -> None:
    """Golden and the packed model check each other, so neither may use the other's arithmetic."""
    for found in imports(ROOT / "sim/golden.py"):
        assert not found.of("binohm.sim")


@pytest.mark.parametrize("name", ["hdl", "gen", "sim"])
def test_packages_import_nothing_by_themselves(name: str) -> None:
    tree = ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8"))
    assert [type(node) for node in tree.body] == [ast.Expr]
    assert ast.get_docstring(tree)


def loaded(code: str) -> set[str]:
    """Top-level names of what a fresh interpreter has loaded after ``code``."""
    script = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.splitlines()}


def test_golden_loads_neither_simulator_nor_generator() -> None:
    assert not loaded("import binohm.sim.golden") & {"cocotb", "amaranth", "onnx", "typer"}


def test_help_loads_nothing_heavy() -> None:
    heavy = {"numpy", "amaranth", "cocotb", "onnx", "jinja2"}
    code = "from binohm.gen.__main__ import main\nassert main(['--help']) == 0"
    assert not loaded(code) & heavy
