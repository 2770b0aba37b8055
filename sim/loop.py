"""The compiled loop: a verilated build and a C++ program that feeds it images without a pause.

Compiled once for a build into ``sim/loop_<key>/`` of its directory, for another view than the
digital one into ``sim/<view>_loop_<key>/``; the key covers the Verilog, the program and the tools.
Memory images and device maps are read when the program runs.
"""

import os
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ToolError
from binohm.gen.network import Ints
from binohm.sim.directory import (
    Build,
    beside,
    digest,
    harness,
    locked,
    patience,
    remove,
    scratch,
)
from binohm.sim.tools import environment, require, shared_objects

__all__ = ["Block", "Running", "Window", "compile_loop", "launch"]

Images = NDArray[np.uint8]

FLAGS = [
    "--cc", "--exe", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "fast",
    "--no-assert", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--prefix", "Vtop", "-o", "loop",
    "-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0",
]  # fmt: skip
"""``--no-assert``: yosys marks its case statements exclusive, and checking each costs time. At
``-O2`` the loop runs no faster than at ``-O1`` and takes twice as long to compile."""


@dataclass(frozen=True)
class Block:
    """What the loop recorded of images that went in one behind the other.

    Parameters
    ----------
    first, last : int64 array, shape (N,)
        Cycle of the first beat in and of the last beat out.
    predictions : int64 array, shape (N,)
    scores : int64 array, shape (N, classes)
    """

    first: Ints
    last: Ints
    predictions: Ints
    scores: Ints


@dataclass(frozen=True)
class Window:
    """What a waveform shows: file, first and last image."""

    path: Path
    first: int
    last: int


def compile_loop(build: Build, *, trace: bool = False) -> Path:
    """The program, compiled if it is not there yet.

    Raises
    ------
    ToolError
        If Verilator or a compiler is missing, or refuses the build.
    OutputError
        If the directory cannot be written, or has spaces in its path.
    """
    require("verilator", cocotb=False)
    build.require_plain_path()
    name, flags = ("trace", [*FLAGS, "--trace-vcd"]) if trace else ("loop", FLAGS)
    if build.view != "digital":
        name = f"{build.view}_{name}"
    if not build.plan.host.scores:  # then they are taken from the last layer's stream
        flags = [*flags, "taps.vlt", "-CFLAGS", f"-DSCORES_TAP={_scores_tap(build)}"]
    key = digest(build, harness("loop.cpp"), *flags)
    shelf = scratch(build, ".")
    place = shelf / f"{name}_{key}"
    with locked(shelf):
        if not (place / "loop").is_file():
            remove(path for path in shelf.glob(f"{name}_*") if path != place)
            with beside(place) as fresh:
                _compile(build, fresh, flags, f"{name} {FLAGS}")
    return place / "loop"


def _scores_tap(build: Build) -> str:
    """C++ name of the last layer's stream, without ``valid``, ``ready`` and ``payload``."""
    path = build.plan.taps[build.plan.layers[-1].name]
    parts = [build.top, *f"{path}__".split(".")]
    # How Verilator writes names that hold two underscores.
    return "__DOT__".join(part.replace("__", "___05F") for part in parts)


def _compile(build: Build, fresh: Path, flags: list[str], key: str) -> None:
    """Make ``fresh / "loop"``; ``key`` tells run-time libraries apart."""
    source, objects, log = fresh / "main.cpp", fresh / "objects", fresh / "log"
    source.write_text(harness("loop.cpp"), encoding="utf-8")
    command = ["verilator", *flags, "--top-module", build.top, "--Mdir", str(objects)]
    with log.open("w", encoding="utf-8") as file, shared_objects(objects, key):
        done = subprocess.run(
            [*command, *build.sources, str(source)],
            cwd=build.directory, env=os.environ | environment("-O1"),
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if done.returncode or not (objects / "loop").is_file():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        error = next((line for line in lines if "rror" in line), "no output")
        raise ToolError(f"verilator could not compile {build.directory}: {error}")
    (objects / "loop").rename(fresh / "loop")
    remove([objects])


@contextmanager
def launch(
    build: Build,
    program: Path,
    images: Images,
    *,
    place: Path,
    seed: int = 0,
    first: int = 0,
    window: Window | None = None,
) -> Iterator["Running"]:
    """Run the loop on ``images`` in the directory ``place``; killed if the block is left early.

    Parameters
    ----------
    images : uint8 array, shape (N, *shape)
        N is at least 1.
    seed : int
        0 never stalls the streams; any other stalls both at random.
    first : int
        Number of the first image, on which the noise of devices depends.
    window : Window, optional
        For a program compiled with tracing.
    """
    network, host = build.network, build.plan.host
    frames, results = place / "frames", place / "results"
    frames.write_bytes(np.ascontiguousarray(images).tobytes())
    numbers = [
        network.input.elements, host.input_bytes, host.output_bytes,
        1 + network.scores.outputs, patience(network, build.plan), seed,
    ]  # fmt: skip
    command = [str(program), str(frames), str(results), *map(str, numbers)]
    if window is not None:
        command += [str(window.path), str(window.first), str(window.last)]
    command.append(f"+binohm_image={first}")
    with (place / "errors").open("w") as errors:
        process = subprocess.Popen(
            command, cwd=build.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=errors, text=True,
        )  # fmt: skip
    try:
        yield Running(process, place, network.scores.outputs)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@dataclass(frozen=True)
class Running:
    """A loop at work."""

    process: "subprocess.Popen[str]"
    place: Path
    classes: int
    said: list[str] = field(default_factory=list)
    """What the simulator printed, beside numbers."""

    def progress(self) -> Iterator[int]:
        """Images done so far, until the program ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip().isdigit():
                yield int(line)
            elif line.strip():
                self.said.append(line.strip())

    def block(self) -> Block:
        """Wait for the end and read the results.

        Raises
        ------
        ToolError
            If the simulation did not get through.
        """
        deque(self.progress(), maxlen=0)
        status = self.process.wait()
        if status:
            errors = (self.place / "errors").read_text(errors="replace").split("\n")
            fatal = [line for line in self.said if "%Fatal" in line or "%Error" in line]
            lines = [f"status {status}", *(line for line in errors if line), *fatal[:1]]
            reason = lines[-1]
            raise ToolError(f"the simulation stopped: {reason}")
        words = 1 + self.classes
        row = np.dtype([("first", "<i8"), ("last", "<i8"), ("words", "<i4", (words,))])
        rows = np.fromfile(self.place / "results", row)
        values = rows["words"].astype(np.int64)
        return Block(rows["first"], rows["last"], values[:, 0], values[:, 1:])
