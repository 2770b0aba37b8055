"""A waveform around one image, or around the first divergence of the last check."""

import json
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import DataError, OutputError
from binohm.sim.directory import Build, open_build
from binohm.sim.loop import Window, compile_loop, launch
from binohm.sim.run import fitting

__all__ = ["wave"]

Images = NDArray[np.uint8]

BEFORE = 16
"""Images that run before the one in question: the pipeline is then as full as it gets."""


def wave(directory: Path, x: Images | None, image: int | None, out: Path) -> Path:
    """Write a VCD file that shows one image from its first beat in to its last beat out.

    The image runs between its neighbours, back to back, and the host is always ready. A cycle is
    10 ns; a few cycles follow the last beat.

    Parameters
    ----------
    directory : Path
        A build directory.
    x : uint8 array, shape (N, *network.input.shape), or None
        None takes the pictures of the last check, or else those of ``tb/``.
    image : int or None
        0 to N - 1; None takes the image of the first divergence that the last check found.
    out : Path

    Raises
    ------
    OutputError
        If the directory is no build, nothing has diverged, or ``out`` cannot be written.
    DataError
        If there is no such image, or the images do not fit.
    ToolError
        If Verilator is missing, or the simulation stops.
    """
    build = open_build(directory)
    build.require_images()
    simulator = ""
    if image is None:
        image, simulator = _diverged(build)
        x = None
    pictures = fitting(build.network, _pictures(build, simulator) if x is None else x)
    if not 0 <= image < len(pictures):
        raise DataError(f"there is no image {image}: there are {len(pictures)}, from 0")
    program = compile_loop(build, trace=True)
    start = max(0, image - BEFORE)
    shown = pictures[start : image + 2]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as name:
            place = Path(name).absolute()  # the simulation runs in the build directory
            window = Window(place / "wave.vcd", image - start, image - start)
            with launch(build, program, shown, place=place, window=window) as running:
                running.block()
            window.path.replace(out)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror}") from error
    return out


def _diverged(build: Build) -> tuple[int, str]:
    """Image of the first divergence, and the simulator that found it."""
    path = build.directory / "sim" / "divergence.json"
    try:
        facts = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise OutputError(
            f"no divergence is known of {build.directory}; run `binohm check`, or name an image"
        ) from error
    except ValueError as error:
        raise OutputError(f"{path} is damaged; run `binohm check` again") from error
    if "image" not in facts:
        raise OutputError(f"this divergence belongs to no image, name one: {facts.get('text')}")
    return int(facts["image"]), str(facts["simulator"])


def _pictures(build: Build, simulator: str) -> Images:
    """What a check simulated last, or else what ``tb/`` holds."""
    folder = f"sim/check_{simulator}" if simulator else "tb"
    path = build.directory / folder / "vectors.json"
    try:
        frames = json.loads(path.read_bytes())["frames"]
        rows = [np.frombuffer(bytes.fromhex(frame), np.uint8) for frame in frames]
        return np.stack(rows).reshape(-1, *build.network.input.shape)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} is missing or damaged; build again, or name data") from error
