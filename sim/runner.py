"""Build Verilog with a simulator and run one cocotb bench against it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import VerilatorControlFile, get_runner

from binohm.sim.tools import cocotb_objects, environment, require

__all__ = ["run_bench"]

REWRITTEN = {"COCOTB_REWRITE_ASSERTION_FILES": "benches/*.py"}
"""Assertions that show their values: cocotb would rewrite NumPy too, half a second for each run."""


def run_bench(
    sources: Sequence[Path],
    *,
    top: str,
    bench: str,
    build_dir: Path,
    simulator: str = "icarus",
    seed: int = 1,
    public: Sequence[Path] = (),
    variables: Mapping[str, str] | None = None,
    plusargs: Sequence[str] = (),
    optimise: str = "-O0",
    arguments: Sequence[str] = (),
) -> None:
    """Run every test of module ``bench`` against Verilog module ``top``.

    Parameters
    ----------
    sources : sequence of Path
    top, bench : str
    build_dir : Path
        The simulation runs here: ``$readmemh`` names are relative to it.
    simulator : str
        One of :data:`binohm.sim.tools.SIMULATORS`.
    seed : int
        Of cocotb's ``random``; in the message of a failure.
    public : sequence of Path
        Verilator control files that make signals below the ports visible.
    variables : mapping, optional
        Environment of the bench.
    plusargs : sequence of str
        Of the simulation, such as ``+binohm_blank``.
    optimise : str
        See :func:`binohm.sim.tools.environment`; Verilator alone.
    arguments : sequence of str
        More of them, for Verilator alone.

    Raises
    ------
    AssertionError
        If a test fails or the simulation does not finish.
    ToolError
        If the simulator is missing.
    """
    require(simulator)
    verilator = simulator == "verilator"
    runner = get_runner(simulator)
    flags = ["-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-public-flat-rw", "--public-depth", "1"]
    flags += ["--output-split", "0"]  # one file: its headers take longer than a component
    try:
        compiling = cocotb_objects(build_dir, optimise) if verilator else nullcontext(environment())
        with compiling as tools, _environment(tools):
            runner.build(
                sources=[*(VerilatorControlFile(path) for path in public if verilator), *sources],
                hdl_toplevel=top,
                build_dir=build_dir,
                build_args=[*flags, *arguments] if verilator else [],
                always=True,
                timescale=("1ns", "1ps"),
                log_file=build_dir / "build.log",
            )
        with _environment(environment()):
            results = runner.test(
                test_module=bench,
                hdl_toplevel=top,
                build_dir=build_dir,
                test_dir=build_dir,
                seed=seed,
                extra_env={**REWRITTEN, **(variables or {})},
                plusargs=plusargs,
                log_file=build_dir / "bench.log",
            )
        ran, failed = get_results(results)
    except (RuntimeError, SystemExit) as stop:  # what cocotb raises differs under pytest
        tail = "".join(_tail(build_dir / name) for name in ("build.log", "bench.log"))
        raise AssertionError(
            f"{bench} failed on {top} ({simulator}, seed {seed}), see {build_dir}\n{tail}"
        ) from stop
    assert ran and not failed, (
        f"{bench} failed on {top} ({simulator}, seed {seed}): {failed} of {ran} tests, "
        f"see {build_dir}\n{_tail(build_dir / 'bench.log')}"
    )


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The process's own environment is what cocotb's runner reads; it is as it was afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:  # one by one: another thread may read it
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _tail(path: Path, lines: int = 40) -> str:
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
