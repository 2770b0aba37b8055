"""Run whole test sets: through the Verilog of a build, or through a model of the network.

The ``rtl`` engine is the compiled loop of :mod:`binohm.sim.loop`. Images are cut into contiguous
blocks, one per process; every block starts from reset and goes in back to back with a host that is
always ready, so that its cycles are exact. All results are compared with the golden model, those of
the device view with the model of the devices.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import DataError, OutputError
from binohm.gen.network import Ints, Network
from binohm.gen.plan import LayerPlan
from binohm.sim import golden
from binohm.sim.device.network import Devices, load_maps
from binohm.sim.directory import Build, open_build
from binohm.sim.loop import Block, compile_loop, launch
from binohm.sim.packed import Packed

__all__ = ["Engine", "RunResult", "View", "fitting", "lossy", "run"]

Engine = Literal["rtl", "packed", "golden", "device"]
View = Literal["digital", "device", "storage"]
Images = NDArray[np.uint8]

CHUNK = 500
"""Images that the golden model takes at once: memory stays small."""


@dataclass(frozen=True)
class RunResult:
    """What came out.

    Parameters
    ----------
    engine : str
    scores : int64 array, shape (N, classes)
    predictions : int64 array, shape (N,)
    mismatches : int or None
        ``rtl``: images of which the class or any score differs from golden, or with the device
        view from the model of the devices.
    first_mismatch : int or None
        The first of them.
    latency_cycles : int or None
        ``rtl``: from the first beat of an image that finds the design empty to the last beat of
        its result.
    interval_cycles : int or None
        ``rtl``: between the last two results of the longest block: the steady state. Where there
        are convolutions, between those before.
    block_images, block_cycles : tuple of int
        ``rtl``: images of each block, and cycles from its first beat to its last, both included.
    seconds : float
        Without compilation.
    deviations : int or None
        Device view: images of which the class or any score differs from golden, which has
        perfect devices.
    """

    engine: str
    scores: Ints
    predictions: Ints
    mismatches: int | None
    first_mismatch: int | None
    latency_cycles: int | None
    interval_cycles: int | None
    block_images: tuple[int, ...]
    block_cycles: tuple[int, ...]
    seconds: float
    deviations: int | None = None


def run(
    directory: Path,
    x: Images,
    *,
    engine: Engine = "rtl",
    view: View = "digital",
    processes: int = 2,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> RunResult:
    """Run images through a build directory, or through a model file.

    Parameters
    ----------
    directory : Path
        A build directory, for ``device`` one with device maps; for ``packed`` and ``golden`` also
        a model (.npz).
    x : uint8 array, shape (N, *network.input.shape)
        N is at least 1.
    engine : str
    view : str
        ``rtl``: which implementation of the arrays.
    processes : int
        ``rtl``: simulations at a time.
    seed : int
        ``rtl``: other than 0, both streams stall at random; then the cycles mean nothing.
    progress : callable, optional
        Is told how many images are done, at first 0.

    Raises
    ------
    OutputError, ModelError
        If the build or the model cannot be used.
    DataError
        If the images do not fit the network.
    ToolError
        If Verilator is missing, or the simulation stops.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, not {processes}")
    if engine not in get_args(Engine):
        raise ValueError(f"engine must be rtl, packed, golden or device, not {engine!r}")
    tell = progress or (lambda _: None)
    if engine == "rtl":
        build = _build(directory, engine, view)
        build.require_images()
        return _run_rtl(build, fitting(build.network, x), processes, seed, tell)
    network, model = _model(directory, engine)
    images = fitting(network, x)
    begin = time.monotonic()
    scores = _in_chunks(model, images, tell)
    return RunResult(
        engine, scores, scores.argmax(axis=1).astype(np.int64), None, None, None, None, (), (),
        time.monotonic() - begin,
    )  # fmt: skip


def fitting(network: Network, x: Images) -> Images:
    """``x`` as the network takes it.

    Raises
    ------
    DataError
        If type, shape or number do not fit.
    """
    if not len(x):
        raise DataError("there are no images")
    if x.ndim == 2 and x.shape[1:] == (network.input.elements,):
        x = x.reshape(-1, *network.input.shape)
    try:
        golden.check_images(network.input, x)
    except ValueError as error:
        raise DataError(f"the network cannot take these images: {error}") from error
    return x


Model = Callable[[Images, int], Ints]
"""Scores of images, of which the first has the number given."""


def _model(directory: Path, engine: Engine) -> tuple[Network, Model]:
    """The network of a build or a model file, and what computes it in NumPy."""
    if engine == "device":
        build = _build(directory, engine)
        return build.network, _devices_of(build)
    network, layers = _load(directory)
    if engine == "golden":
        return network, lambda part, _: _golden(network, part, layers)
    _require_exact(layers)
    packed = Packed(network)
    return network, lambda part, _: packed.scores(part)


def _devices_of(build: Build) -> Model:
    devices = Devices(build.network, build.plan, load_maps(build.directory, build.plan))
    return lambda part, first: devices.forward(part, first).scores


def _golden_of(build: Build) -> Model:
    return lambda part, _: _golden(build.network, part, build.plan.layers)


def _expected(build: Build) -> Model:
    """What the Verilog of a view must compute."""
    return _devices_of(build) if build.view == "device" else _golden_of(build)


def _build(directory: Path, engine: Engine, view: View = "digital") -> Build:
    if directory.is_file():
        raise OutputError(f"{directory} is a file; --engine {engine} needs a build directory")
    return open_build(directory, view)


def _load(path: Path) -> tuple[Network, tuple[LayerPlan, ...] | None]:
    """The network of a build, with its layers' plans for lossy converters, or of a model file."""
    if not path.is_dir():
        return Network.load(path), None
    build = open_build(path)
    return build.network, build.plan.layers


def lossy(layers: Sequence[LayerPlan]) -> LayerPlan | None:
    """The first layer whose converters cannot tell all sums apart, if any."""
    for layer in layers:
        array = layer.array
        if array.readout == "adc" and array.rows > (1 << array.adc_bits) - 1:
            return layer
    return None


def _require_exact(layers: tuple[LayerPlan, ...] | None) -> None:
    if (layer := lossy(layers or ())) is not None:
        raise OutputError(
            f"layer {layer.name} has a lossy converter, which --engine packed does not know; "
            "use golden"
        )


def _golden(network: Network, images: Images, layers: tuple[LayerPlan, ...] | None) -> Ints:
    return golden.forward(network, images, layers).scores


def _in_chunks(model: Model, images: Images, tell: Callable[[int], None]) -> Ints:
    tell(0)
    parts = []
    for start in range(0, len(images), CHUNK):
        parts.append(model(images[start : start + CHUNK], start))
        tell(min(start + CHUNK, len(images)))
    return np.concatenate(parts)


def _run_rtl(
    build: Build, images: Images, processes: int, seed: int, tell: Callable[[int], None]
) -> RunResult:
    model = _expected(build)
    program = compile_loop(build)
    begin = time.monotonic()
    blocks = _blocks(build, program, images, processes, seed, tell)
    scores = np.concatenate([block.scores for block in blocks])
    predictions = np.concatenate([block.predictions for block in blocks])

    def different(model: Model) -> Ints:
        expected = _in_chunks(model, images, lambda _: None)
        return np.flatnonzero(
            (scores != expected).any(axis=1) | (predictions != expected.argmax(axis=1))
        )

    wrong = different(model)
    longest = max(blocks, key=lambda block: len(block.last))
    return RunResult(
        engine="rtl",
        scores=scores,
        predictions=predictions,
        mismatches=len(wrong),
        first_mismatch=int(wrong[0]) if wrong.size else None,
        latency_cycles=int(blocks[0].last[0] - blocks[0].first[0]),
        interval_cycles=_interval(build, longest),
        block_images=tuple(len(block.last) for block in blocks),
        block_cycles=tuple(int(block.last[-1] - block.first[0]) + 1 for block in blocks),
        seconds=time.monotonic() - begin,
        deviations=len(different(_golden_of(build))) if build.view == "device" else None,
    )


def _interval(build: Build, block: Block) -> int | None:
    """Cycles between results; behind windows the last image of a block is faster than others."""
    spacing = np.diff(block.last)
    swept = any(layer.sweep for layer in build.plan.layers) and len(spacing) > 1
    return int(spacing[-2 if swept else -1]) if len(spacing) else None


def _blocks(
    build: Build,
    program: Path,
    images: Images,
    processes: int,
    seed: int,
    tell: Callable[[int], None],
) -> list[Block]:
    """One block per process, at the same time; all are stopped if one fails."""
    parts = np.array_split(images, min(processes, len(images)))
    done = [0] * len(parts)
    tell(0)
    lock = threading.Lock()
    with ExitStack() as stack:
        running = []
        for number, part in enumerate(parts):
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="binohm-")))
            own = seed and seed + number
            first = sum(len(before) for before in parts[:number])
            loop = launch(build, program, part, place=place, seed=own, first=first)
            running.append(stack.enter_context(loop))

        def follow(number: int) -> None:
            with suppress(ValueError):  # the stream is closed when another block has failed
                for count in running[number].progress():
                    with lock:
                        done[number] = count
                        tell(sum(done))

        threads = [threading.Thread(target=follow, args=(k,)) for k in range(len(parts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [one.block() for one in running]
