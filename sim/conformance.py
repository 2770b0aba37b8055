"""Whether a macro, ours or somebody's own, does what its datasheet says: at its pins, alone.

:func:`check_macro` looks at the pins of the module first, then runs
:mod:`binohm.sim.benches.conformance` on it: reads of cells that an image holds or that were written
by set and reset, with and without stalls, in reset, and with the pins moving when they do not
matter. Every failure is one line: the pin or the rule, the request, what was expected and found.
"""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ConfigError, ToolError
from binohm.gen.plan import Array
from binohm.sim.runner import run_bench
from binohm.sim.tools import environment, require

__all__ = ["Outcome", "Pin", "Promise", "check_macro"]

Pin = tuple[str, Literal["input", "output"], int]
"""Name, direction as the macro sees it, width."""

TOP = "binohm_conformance"


@dataclass(frozen=True)
class Promise:
    """What the datasheet of a macro says.

    Parameters
    ----------
    module : str
    array : Array
    pins : tuple of Pin
    commands : mapping of str to (latency, interval, outstanding)
    pulses : int
        Pulses that a set or reset of a cell takes.
    """

    module: str
    array: Array
    pins: tuple[Pin, ...]
    commands: Mapping[str, tuple[int, int, int]]
    pulses: int = 1


@dataclass(frozen=True)
class Outcome:
    """``failures``, a line each; ``counts`` of what was tried, by name."""

    failures: tuple[str, ...]
    counts: Mapping[str, int]


def check_macro(
    sources: Sequence[Path],
    promise: Promise,
    place: Path,
    simulator: str,
    *,
    parameters: bool = False,
    device_map: Path | None = None,
) -> Outcome:
    """Hold one module to its datasheet.

    Parameters
    ----------
    sources : sequence of Path
        Verilog and SystemVerilog.
    place : Path
        An empty directory to work in.
    parameters : bool
        Whether the module has the parameters INIT, MAP and ID of a view; INIT then brings the
        cells. Otherwise they are written by set and reset.
    device_map : Path, optional
        What MAP is given.

    Raises
    ------
    ConfigError
        If there is no way to bring cells into the macro.
    ToolError
        If the sources do not compile or the simulation breaks off.
    """
    if not parameters and not {"set", "reset"} <= set(promise.commands):
        raise ConfigError(
            f"macros.{promise.module}: the datasheet lists no set and reset, so that no cells can "
            "be written; list both, or give a module with parameter INIT and --view-params"
        )
    found = _pins(sources, promise.module, place / "pins")
    failures = _compare_pins(promise.pins, found)
    if failures:
        return Outcome(tuple(failures), {})
    build = place / "build"
    build.mkdir(parents=True)
    cells = _draw(promise.array)
    np.save(build / "cells.npy", cells)
    given: dict[str, str | int] = {"INIT": "", "MAP": "", "ID": 0}
    if parameters:
        (build / "cells.hex").write_text(_image(promise.array, cells), encoding="utf-8")
        given["INIT"] = "cells.hex"
    if device_map is not None:
        given["MAP"] = str(device_map.resolve())
    wrapper = place / "wrapper.v"
    wrapper.write_text(_wrapper(promise, given if parameters else {}), encoding="utf-8")
    try:
        run_bench(
            [wrapper, *(path.resolve() for path in sources)],
            top=TOP,
            bench="binohm.sim.benches.conformance",
            build_dir=build,
            simulator=simulator,
            variables={
                "FACT_ARRAY": str(asdict(promise.array)),
                "FACT_COMMANDS": str({
                    name: list(cycles) for name, cycles in promise.commands.items()
                }),
                "FACT_PULSES": str(promise.pulses),
                "FACT_LOADED": str(parameters),
            },
        )
        facts = json.loads((build / "conformance.json").read_text(encoding="utf-8"))
    except (AssertionError, OSError) as error:
        raise ToolError(
            f"{promise.module} could not be simulated with {simulator}: {_reason(build)}"
        ) from error
    return Outcome(tuple(facts["failures"]), facts["counts"])


def _reason(build: Path) -> str:
    """The line of the logs that says most."""
    lines = []
    for name in ("build.log", "bench.log"):
        path = build / name
        if path.is_file():
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
    wrong = (line for line in lines if re.search(r"error|fatal", line, re.IGNORECASE))
    return next(wrong, lines[-1] if lines else "no output").strip()


def _pins(sources: Sequence[Path], module: str, place: Path) -> dict[str, tuple[str, int]]:
    """Direction and width of each port of a module, as Verilator elaborates it."""
    require("verilator", cocotb=False)
    place.mkdir(parents=True)
    tree_file = place / "tree.json"
    command = ["verilator", "--json-only", "--json-only-output", str(tree_file), "--timing"]
    command += ["-Wno-fatal", "-Wno-lint", "-Wno-style", "--Mdir", str(place)]
    done = subprocess.run(
        [*command, "--top-module", module, *(str(path) for path in sources)],
        env={**environment()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.splitlines()
        why = next((line for line in lines if line.startswith("%Error")), "no output")
        raise ToolError(f"{module} could not be compiled: {why}")
    tree = json.loads(tree_file.read_text(encoding="utf-8"))
    (top,) = (part for part in tree["modulesp"] if part.get("origName") == module)
    widths = {node["addr"]: _width(node) for node in _nodes(tree) if node["type"] == "BASICDTYPE"}
    return {
        node["name"]: (node["direction"].lower(), widths.get(node["dtypep"], 0))
        for node in top["stmtsp"]
        if node["type"] == "VAR" and node["direction"] != "NONE"
    }


def _nodes(tree: Any) -> list[dict[str, Any]]:
    """Every node of a syntax tree."""
    if isinstance(tree, list):
        return [node for part in tree for node in _nodes(part)]
    if not isinstance(tree, dict):
        return []
    own = [tree] if "type" in tree else []
    return own + [node for part in tree.values() for node in _nodes(part)]


def _width(node: Mapping[str, Any]) -> int:
    high, _, low = str(node.get("range", "0:0")).partition(":")
    return abs(int(high) - int(low)) + 1


def _compare_pins(wanted: Sequence[Pin], found: Mapping[str, tuple[str, int]]) -> list[str]:
    """A line for each pin that is missing, has another direction or width, or is too many."""
    lines = []
    for name, direction, width in wanted:
        expected = f"expected {direction} of {_bits(width)}"
        if name not in found:
            lines.append(f"pin {name}: {expected}, found none")
        elif found[name] != (direction, width):
            lines.append(
                f"pin {name}: {expected}, found {found[name][0]} of {_bits(found[name][1])}"
            )
    names = {name for name, _, _ in wanted}
    lines += [
        f"pin {name}: expected none, found {direction} of {_bits(width)}"
        for name, (direction, width) in found.items()
        if name not in names
    ]
    return lines


def _bits(width: int) -> str:
    return "1 bit" if width == 1 else f"{width} bits"


def _wrapper(promise: Promise, parameters: Mapping[str, str | int]) -> str:
    """The module that the bench drives: the macro, with its parameters, and nothing else."""
    ports = [
        f"    {direction} wire [{width - 1}:0] {name}"
        if width > 1
        else f"    {direction} wire {name}"
        for name, direction, width in promise.pins
    ]
    values = [
        f'.{name}("{value}")' if isinstance(value, str) else f".{name}({value})"
        for name, value in parameters.items()
    ]
    given = f" #({', '.join(values)})" if values else ""
    joined = ", ".join(f".{name}({name})" for name, _, _ in promise.pins)
    head = ",\n".join(ports)
    return f"module {TOP} (\n{head}\n);\n    {promise.module}{given} macro ({joined});\nendmodule\n"


def _draw(array: Array) -> NDArray[np.int8]:
    """Random cells, shape (lines, columns); bias cells may be 0."""
    rng = np.random.default_rng(1)
    weights = rng.choice(np.array([-1, 1], np.int8), (array.rows, array.columns))
    bias = rng.integers(-1, 2, (array.bias_rows, array.columns), np.int8)
    return np.concatenate([weights, bias])


def _image(array: Array, cells: NDArray[np.int8]) -> str:
    """The cells as an image, as :class:`binohm.gen.plan.Image` says."""
    if array.readout == "pcsa":
        bits = cells > 0
    else:
        rows = array.rows
        bits = np.zeros((array.depth * array.per_cycle, array.column_bits), np.bool_)
        bits[: array.columns] = np.concatenate([cells > 0, cells[rows:] < 0]).T
        bits = bits.reshape(array.depth, array.word_bits)
    digits = -(-array.word_bits // 4)
    octets = np.packbits(bits, axis=1, bitorder="little")
    words = [int.from_bytes(word.tobytes(), "little") for word in octets]
    return "".join(f"{word:0{digits}x}\n" for word in words)
