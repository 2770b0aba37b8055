"""Compare the Verilog of a build with the golden model: images first, then layer by layer.

With the device view, golden is :class:`binohm.sim.device.network.Devices` on the maps of the build.

The bench that runs is the one that ``binohm build`` leaves in ``tb/``, but nothing in ``tb/`` is
trusted except the choice of pictures: what must come out is computed anew from ``model.npz``, and
the bench itself is taken from this package. It runs in ``sim/check_<simulator>/`` of the build
directory, or ``sim/check_device_<simulator>/``, where the compiled model stays for the next time.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ToolError
from binohm.gen.network import Ints, Network
from binohm.gen.plan import Plan
from binohm.sim.device.network import Devices, load_maps
from binohm.sim.directory import (
    Build,
    digest,
    harness,
    locked,
    open_build,
    patience,
    remove,
    replace_text,
    scratch,
)
from binohm.sim.divergence import Divergence
from binohm.sim.golden import Trace, forward
from binohm.sim.image_check import check_images
from binohm.sim.tools import cocotb_objects, environment, require

__all__ = ["CheckResult", "bench_files", "check", "stimuli"]

ID = int.from_bytes(b"BNOH", "big")

ROUNDS, LEAST = 3, 6
"""The bench sends every frame at most so often after a reset, or at most so many images."""

Images = NDArray[np.uint8]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Parameters
    ----------
    simulator, view : str
    divergences : tuple of Divergence
        Of the memory images, or else the first of the simulation.
    images : int
        Pictures simulated; 0 if the memory images diverged already.
    compared : dict of str to int
        Vectors that were compared and equal, by layer; ``input`` and ``result`` are the streams at
        both ends.
    latency, interval : int or None
        Cycles measured on flowing traffic, where it was reached.
    seconds : float
    """

    simulator: str
    view: str
    divergences: tuple[Divergence, ...]
    images: int
    compared: dict[str, int]
    latency: int | None
    interval: int | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.divergences

    @property
    def layers(self) -> tuple[str, ...]:
        """What was compared, in the order of the data."""
        return tuple(self.compared)


def check(
    directory: Path,
    *,
    images: int = 8,
    simulator: str = "verilator",
    image_check: bool = True,
    seed: int = 1,
    view: str = "digital",
    cycles: Sequence[int] = (),
    progress: Progress | None = None,
) -> CheckResult:
    """Check a build directory with one simulator.

    Parameters
    ----------
    directory : Path
    images : int
        Pictures to simulate, each under five kinds of traffic: those of ``tb/`` first, then random
        ones.
    simulator : str
        ``verilator`` or ``icarus``.
    image_check : bool
        Compare ``mem/`` with the plan first, and stop there if it differs.
    seed : int
        Of the random pictures, stalls and moments of reset.
    view : str
        ``digital``, ``device`` or ``storage``.
    cycles : sequence of int
        Predicted cycles, see :func:`bench_files`.
    progress : callable, optional
        Is told in a word what happens now.

    Raises
    ------
    OutputError
        If the directory is not a build, is damaged or cannot be written, or has no device maps.
    ToolError
        If the simulator is missing or refuses the Verilog.
    """
    if images < 1:
        raise ValueError(f"images must be at least 1, not {images}")
    tell = progress or (lambda _: None)
    begin = time.monotonic()
    build = open_build(directory, view)
    found: list[Divergence] = []
    if image_check:
        tell("memory images")
        found = check_images(build.directory, build.network, build.plan)
    measured: dict[str, Any] = {}
    simulated = not found
    if simulated:
        require(simulator)
        build.require_images()
        if simulator == "verilator":
            build.require_plain_path()
        pictures = stimuli(build, images, seed)
        trace = _on_devices(build, pictures) if view == "device" else None
        files = bench_files(build.network, build.plan, pictures, cycles=cycles, trace=trace)
        found, measured = _simulate(build, files, simulator, seed, view, tell)
    return CheckResult(
        simulator=simulator,
        view=view,
        divergences=tuple(found),
        images=images if simulated else 0,
        compared=measured.get("compared", {}),
        latency=measured.get("latency"),
        interval=measured.get("interval"),
        seconds=time.monotonic() - begin,
    )


def bench_files(
    network: Network,
    plan: Plan,
    images: Images,
    *,
    cycles: Sequence[int] = (),
    trace: Trace | None = None,
) -> dict[str, bytes]:
    """The files of ``tb/``, by name: the bench, its Makefile and the vectors.

    Parameters
    ----------
    images : uint8 array, shape (N, *network.input.shape)
        Become the vectors. N is at least 1.
    cycles : sequence of int
        Predicted cycle of the last result beat of image 0, 1, ... in traffic that never stalls,
        counted from the first input beat; the bench compares as many as there are.
    trace : Trace, optional
        What must come out, of one or more rounds of the images, instead of what golden computes.
    """
    trace = trace or forward(network, images, plan.layers)
    top = f"binohm_{plan.name}"
    texts = {
        "bench.py": harness("bench.py"),
        "Makefile": harness("Makefile").replace("@TOP@", top),
        "vectors.json": _vectors(network, plan, images, cycles, trace),
    }
    return {name: text.encode() for name, text in texts.items()}


def stimuli(build: Build, count: int, seed: int) -> Images:
    """``count`` pictures: those of ``tb/`` first, then black, white and random ones."""
    shape = build.network.input.shape
    stored: list[Images] = []
    try:
        raw = json.loads((build.directory / "tb" / "vectors.json").read_bytes())
        frames = [np.frombuffer(bytes.fromhex(frame), np.uint8) for frame in raw["frames"]]
        stored = [frame.reshape(shape) for frame in frames]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # pictures are only a suggestion: random ones take their place
    rng = np.random.default_rng(seed)
    stored += [np.full(shape, value, np.uint8) for value in (0, 255)]
    missing = max(0, count - len(stored))
    more = rng.integers(0, 256, (missing, *shape), np.uint8)
    return np.concatenate([np.stack(stored), more])[:count]


def _on_devices(build: Build, images: Images) -> Trace:
    """What devices make of rounds of the images after a reset."""
    rounds = max(ROUNDS, -(-LEAST // len(images)))
    devices = Devices(build.network, build.plan, load_maps(build.directory, build.plan))
    return devices.forward(np.concatenate([images] * rounds))


def _vectors(
    network: Network, plan: Plan, images: Images, cycles: Sequence[int], trace: Trace
) -> str:
    source = network.input
    planes = np.arange(source.bits)[:, None]
    bits = (trace.input > 0)[:, None] if source.bipolar else trace.input[:, None] >> planes & 1
    ones = (trace.input > 0) if source.bipolar else trace.input
    first = plan.layers[0]
    if first.sweep:
        taps = [_map("input", plan, bits, first.sweep.image)]
    else:
        taps = [_tap("input", plan, bits, ones, driven=first.driven)]
    for layer, signs, after in zip(plan.layers, trace.hidden, plan.layers[1:], strict=False):
        if layer.sweep:
            shape = (*layer.sweep.result, layer.outputs)
            taps.append(_map(layer.name, plan, signs[:, None] > 0, shape))
        else:
            taps.append(_tap(layer.name, plan, signs[:, None] > 0, signs > 0, driven=after.driven))
    last = plan.layers[-1].name
    taps.append({"layer": last, "path": plan.taps[last], "kind": "scores"})
    results = np.concatenate([trace.predictions[:, None], trace.scores], axis=1)
    facts = {
        "top": f"binohm_{plan.name}",
        "id": ID,
        "input_bytes": plan.host.input_bytes,
        "output_bytes": plan.host.output_bytes,
        "scores": plan.host.scores,
        "classes": network.scores.outputs,
        "patience": patience(network, plan),
        "pause": patience(network, plan) // 8,
        "activations": {layer.name: layer.activations for layer in plan.layers},
        "cycles": [int(cycle) for cycle in cycles[: len(images)]],
        "frames": [image.tobytes().hex() for image in images],
        "results": results.tolist(),
        "taps": taps,
    }
    return json.dumps(facts, indent=1) + "\n"


def _tap(
    layer: str, plan: Plan, bits: NDArray[Any], values: NDArray[Any], *, driven: bool
) -> dict[str, Any]:
    """Payloads of a stream of activations; ``bits`` has the shape (images, planes, elements)."""
    count, planes, elements = bits.shape
    packed = np.packbits(bits.reshape(count, -1).astype(np.uint8), axis=1, bitorder="little")
    sums: Ints = values.sum(axis=1, dtype=np.int64)
    return {
        "layer": layer,
        "path": plan.taps[layer],
        "kind": "activations",
        "elements": elements,
        "bits": planes * elements,
        "vectors": [vector[::-1].tobytes().hex() for vector in packed],
        "sums": sums.tolist() if driven else [],
    }


def _map(layer: str, plan: Plan, bits: NDArray[Any], shape: tuple[int, int, int]) -> dict[str, Any]:
    """Payloads of a stream of positions; ``bits`` has the shape (images, planes, elements)."""
    count, planes, _ = bits.shape
    rows, columns, channels = shape
    by_position = bits.reshape(count, planes, rows * columns, channels).swapaxes(1, 2)
    flat = by_position.reshape(count * rows * columns, planes * channels).astype(np.uint8)
    packed = np.packbits(flat, axis=1, bitorder="little")
    return {
        "layer": layer,
        "path": plan.taps[layer],
        "kind": "activations",
        "elements": channels,
        "bits": planes * channels,
        "map": [rows, columns],
        "vectors": [vector[::-1].tobytes().hex() for vector in packed],
        "sums": [],
    }


def _simulate(
    build: Build, files: dict[str, bytes], simulator: str, seed: int, view: str, tell: Progress
) -> tuple[list[Divergence], dict[str, Any]]:
    kind = "" if view == "digital" else f"_{view}"
    place = scratch(build, f"check{kind}_{simulator}")
    record = build.directory / "sim" / f"divergence{kind}.json"
    key = digest(build, harness("Makefile"), simulator)
    with locked(place):
        for name, content in files.items():
            replace_text(place / name, content.decode())
        remove(path for path in place.glob("build_*") if path.name != f"build_{key}")
        _make(build, place, f"build_{key}", simulator, seed, view, tell)
        failed = _failures(place / "results.xml")
        measured = _json(place / "measured.json")
        facts = _json(place / "divergence.json")
    if not failed:
        if _json(record).get("simulator") == simulator:
            record.unlink()
        return [], measured
    text = str(facts.pop("text", None) or failed[0])
    facts["simulator"] = simulator
    replace_text(record, json.dumps({"text": text, **facts}, indent=1) + "\n")
    return [Divergence(text, facts)], measured


def _make(
    build: Build, place: Path, objects: str, simulator: str, seed: int, view: str, tell: Progress
) -> None:
    """Compile and run: `make` in the build directory, as a user would."""
    here = place.relative_to(build.directory)
    mark = place / objects / "complete"
    if not mark.exists():
        remove([place / objects])
    for name in ("results.xml", "measured.json", "divergence.json"):
        (place / name).unlink(missing_ok=True)
    tools = environment()
    paths = [str(Path(sys.executable).parent), tools["PATH"]]
    surroundings = {**os.environ, **tools, "PATH": os.pathsep.join(paths)}
    arguments = {
        "SIM": simulator,
        "VIEW": view,
        "TB": str(here),
        "SIM_BUILD": str(here / objects),
        "COCOTB_RANDOM_SEED": str(seed),
    }
    command = ["make", "-f", str(here / "Makefile"), *(f"{k}={v}" for k, v in arguments.items())]
    log = place / "log"

    def run(*goals: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            subprocess.run(
                [*command, *goals], cwd=build.directory, env=surroundings, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip

    log.unlink(missing_ok=True)
    if not mark.exists():
        tell(f"compile with {simulator}")
        program = f"{here / objects}/{'Vtop' if simulator == 'verilator' else 'sim.vvp'}"
        verilator = simulator == "verilator"
        with cocotb_objects(place / objects) if verilator else nullcontext(tools) as compiling:
            surroundings["MAKEFLAGS"] = compiling["MAKEFLAGS"]
            run(program)
        if not (build.directory / program).is_file():
            raise ToolError(
                f"{simulator} could not compile {build.directory}, see {log}: {_error(log)}"
            )
        mark.touch()
    tell(f"simulate with {simulator}")
    run()
    if not (place / "results.xml").is_file():
        raise ToolError(f"{simulator} ended without results, see {log}: {_error(log)}")


def _error(log: Path) -> str:
    """The line of a log that says most."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in lines if "rror" in line), lines[-1] if lines else "no output")


def _failures(path: Path) -> list[str]:
    """One line per failed test."""
    failed = []
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    for case in cases:
        for failure in [*case.iter("failure"), *case.iter("error")]:
            failed.append(f"{case.get('name')}: {failure.get('message') or 'failed'}")
    return failed if cases else ["no test ran"]


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}
