"""What the commands do, from arguments to figures; :mod:`binohm.gen.cli.commands` prints them.

Here the generator meets the simulation. Importing it takes a while, so the commands import it when
they run.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from binohm.gen import config as configuration
from binohm.gen.build import board_module
from binohm.gen.cli.console import bar, status
from binohm.gen.cli.drawing import device_maps
from binohm.gen.cycles import predict
from binohm.gen.emit import write_build
from binohm.gen.errors import ConfigError, OutputError, ToolError
from binohm.gen.fpga import boards, flow
from binohm.gen.importer.qonnx import import_model
from binohm.gen.macros import datasheet
from binohm.gen.macros.macro_views import macro_pins
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.output import replacing
from binohm.gen.pictures import made_up
from binohm.gen.reporting.energy import baseline
from binohm.gen.reporting.energy import figures as energy_figures
from binohm.gen.reporting.report import render_html
from binohm.gen.reporting.technology import Technology
from binohm.gen.training.export import fold, write_qonnx
from binohm.gen.training.recipe import Recipe, Trained
from binohm.sim import check as checking
from binohm.sim import conformance
from binohm.sim import run as running
from binohm.sim.board import simulated
from binohm.sim.board import talk as talking
from binohm.sim.board.port import Port
from binohm.sim.conformance import Promise
from binohm.sim.datasets import Labelled
from binohm.sim.datasets import load as load_data
from binohm.sim.directory import open_build
from binohm.sim.events import count, measure
from binohm.sim.fetch import places
from binohm.sim.tools import SIMULATORS

__all__ = ["PICTURES", "build", "check", "embedded", "labelled", "load_network", "report", "run"]
__all__ += ["TRAINED_ON", "check_macro", "fpga", "talk", "train"]

ANSWER_S = 2.0
"""Patience with a board, beside the time that an image takes on the line."""

SIMULATED_S = 120.0
"""Patience with a simulated board."""

PICTURES = 8
"""Images that the bench in tb/ shows."""


def embedded(name: str) -> Network:
    """A network that comes with the package."""
    return Network.load(Path(__file__).parent.parent / "data" / f"{name}.npz")


def load_network(model: str) -> Network:
    """The network that MODEL names: a file, or ``digits``."""
    path = Path(model)
    if model == "digits" and not path.exists():
        return embedded(model)
    return import_model(path) if path.suffix == ".onnx" else Network.load(path)


def labelled(data: str) -> Labelled:
    """Images and labels of DATA, with a bar while they are downloaded."""
    with bar(f"load {data}") as shown:
        return load_data(data, progress=lambda _, done, size: shown(done, size))


def build(
    network: Network,
    output: Path,
    config: Path | None,
    settings: Sequence[str],
    *,
    data: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Map a network and write its build directory; returns the report."""
    settled = configuration.load(config, settings)
    network = replace(network, name=settled.design.name or network.name)
    plan = map_network(network, settled)
    pictures = made_up(network.input, PICTURES)
    if data:
        pictures = running.fitting(network, labelled(data)[0][:PICTURES])
    cycles = predict(network, plan, images=len(pictures)).results
    bench = checking.bench_files(network, plan, pictures, cycles=cycles)
    maps = device_maps(settled, plan)
    texts = None if maps is None else {name: made.text() for name, made in maps.items()}
    return write_build(
        output, network, plan, config=settled.model_dump(), bench_files=bench,
        device=texts, force=force,
    )  # fmt: skip


def check(
    directory: Path,
    images: int,
    view: str = "digital",
    simulator: str | None = None,
    *,
    image_check: bool = True,
    seed: int = 1,
) -> dict[str, Any]:
    """One check, on both simulators if none is named; the memory images are compared once."""
    found = open_build(directory)
    plan = found.plan.on_storage if view == "storage" else found.plan
    predicted = list(predict(found.network, plan, images=max(1, images)).results)
    if view == "storage" and plan.storage and plan.storage.cached:
        predicted = []  # a word takes longer the first time
    runs: list[dict[str, Any]] = []
    with status(f"check {directory}") as tell:
        for name in [simulator] if simulator else SIMULATORS:
            result = checking.check(
                directory, images=images, simulator=name, view=view, seed=seed, progress=tell,
                image_check=image_check and not runs, cycles=predicted,
            )  # fmt: skip
            runs.append(_check_figures(result))
            if image_check and not result.images:
                break  # the memory images differ, whatever simulates them
    figures = {"view": view, "ok": all(run["ok"] for run in runs), "runs": runs}
    _keep(directory, "check", figures)
    return figures


def _check_figures(result: checking.CheckResult) -> dict[str, Any]:
    return {
        "simulator": result.simulator,
        "ok": result.ok,
        "images": result.images,
        "compared": result.compared,
        "latency": result.latency,
        "interval": result.interval,
        "divergences": [{"text": str(found), **found.facts} for found in result.divergences],
    }


def check_macro(
    sources: Sequence[Path],
    sheet: Path,
    simulator: str | None = None,
    *,
    parameters: bool = False,
    device_map: Path | None = None,
) -> dict[str, Any]:
    """Hold every macro of a datasheet to it, on both simulators if none is named."""
    for path in (*sources, *([device_map] if device_map else [])):
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
    runs: list[dict[str, Any]] = []
    with status("check-macro") as tell, tempfile.TemporaryDirectory() as place:
        for name, macro in datasheet.load(sheet).macros.items():
            promise = Promise(
                name,
                macro.array,
                tuple((p.name, p.direction, p.width) for p in macro_pins(macro.array).ports),
                {k: (c.latency, c.interval, c.outstanding) for k, c in macro.commands.items()},
                macro.write.pulses if macro.write else 1,
            )
            for tool in [simulator] if simulator else SIMULATORS:
                tell(f"{name} with {tool}")
                found = conformance.check_macro(
                    sources, promise, Path(place) / f"{len(runs)}", tool,
                    parameters=parameters, device_map=device_map,
                )  # fmt: skip
                runs.append({
                    "macro": name, "simulator": tool, "ok": not found.failures,
                    "failures": list(found.failures), "counts": dict(found.counts),
                })  # fmt: skip
    return {"ok": all(one["ok"] for one in runs), "runs": runs}


def run(
    what: str,
    data: str,
    images: int | None = None,
    engine: Literal["rtl", "packed", "golden", "device"] | None = None,
    save: Path | None = None,
    processes: int | None = None,
    seed: int = 0,
    *,
    view: Literal["digital", "device", "storage"] = "digital",
    technology: Technology | None = None,
) -> dict[str, Any]:
    """Run a data set through a build or a network; ``technology`` asks for energies."""
    if technology is not None and not Path(what).is_dir():
        raise OutputError(f"{what} has no arrays to spend energy; make them with `binohm build`")
    x, y = labelled(data)
    x, y = x[:images], y[:images]
    with (
        _on_disk(what) as path,
        replacing(save, force=True) if save else nullcontext() as beside,
        bar(f"run {what}") as shown,
    ):
        rtl = path.is_dir() or view != "digital"
        engine = engine or ("rtl" if rtl else "packed")
        if engine != "rtl" and view != "digital":
            raise ConfigError(f"--view {view} is a view of the Verilog; --engine {engine} has none")
        if engine in ("rtl", "device") and path != Path(what):
            raise OutputError(
                f"{what} is a network; --engine {engine} takes a build directory: `binohm build`"
            )
        result = running.run(
            path, x, engine=engine, view=view, seed=seed, progress=lambda done: shown(done, len(x)),
            processes=processes or len(os.sched_getaffinity(0)),
        )  # fmt: skip
        if beside is not None:
            with beside.open("wb") as file:
                np.savez(file, scores=result.scores, predictions=result.predictions)
    figures = {
        "engine": engine,
        "view": view,
        "data": data,
        "images": len(x),
        "correct": int((result.predictions == y).sum()),
        "accuracy": float((result.predictions == y).mean()),
        "mismatches": result.mismatches,
        "first_mismatch": result.first_mismatch,
        "deviations": result.deviations,
        "latency": result.latency_cycles,
        "interval": result.interval_cycles,
        "cycles": sum(result.block_cycles) or None,
        "seconds": round(result.seconds, 3),
    }
    if technology is not None:
        figures["energy"] = _energy(path, x, technology)
    if path.is_dir() and not seed:
        _keep(path, "run", figures)
    return figures


def _energy(directory: Path, x: running.Images, technology: Technology) -> dict[str, Any]:
    """What an image takes in a build, and in one with a converter at every column."""
    build = open_build(directory)
    network, plan = build.network, build.plan
    with status(f"count events of {directory}"):
        activity = measure(network, plan, running.fitting(network, x))
    mine = [asdict(layer) for layer in count(network, plan, activity)]
    other = [asdict(layer) for layer in count(*baseline(network, plan), activity)]
    predicted = predict(network, plan)
    cycles = {"latency": predicted.latency, "interval": predicted.interval}
    return energy_figures(mine, other, len(x), technology, cycles)


@contextmanager
def _on_disk(what: str) -> Iterator[Path]:
    """A build directory or a network file, made for the moment if ``what`` is another model."""
    path = Path(what)
    if path.exists() and path.suffix != ".onnx":
        yield path
        return
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "model.npz"
        load_network(what).save(made)
        yield made


def fpga(directory: Path, board: str, clock: float | None, baud: int, seed: int) -> dict[str, Any]:
    """Make the bitstream of a build for a board."""
    target = boards.find(board)
    found = open_build(directory)
    found.require_images()
    with status(f"{directory} for {target.title}") as tell:
        return flow.implement(
            found.directory, found.network, found.plan, list(found.sources), target,
            clock_mhz=clock, baud=baud, seed=seed, progress=tell,
        )  # fmt: skip


def talk(
    directory: Path,
    data: str,
    images: int,
    port: str | None,
    baud: int,
    simulator: str | None,
) -> dict[str, Any]:
    """Send images to a board, or to its simulation, and compare the answers with golden."""
    if (port is None) == (simulator is None):
        raise ConfigError("talk takes either --port or --simulator")
    found = open_build(directory)
    x, y = labelled(data)
    x, y = running.fitting(found.network, x[:images]), y[:images]
    with ExitStack() as stack:
        if simulator is not None:
            board = board_module(found.network, found.plan, simulated.DIVISOR)
            with status(f"compile the board of {directory} for {simulator}"):
                port = stack.enter_context(simulated.simulated(found, board, simulator))
            baud, patience = 9600, SIMULATED_S
        else:
            patience = ANSWER_S + 20 * found.network.input.elements / baud
        line = stack.enter_context(Port(str(port), baud))
        shown = stack.enter_context(bar(f"talk to {port}"))
        begin = time.monotonic()
        talked = talking.talk(
            talking.Remote(line, patience), found.network, found.plan, x,
            lambda done: shown(done, len(x)),
        )  # fmt: skip
        seconds = time.monotonic() - begin
    beats = found.plan.host.input_beats(found.network.input.elements)
    beats += found.plan.host.output_beats(found.network.scores.outputs)
    return {
        "port": simulator or port,
        "images": len(x),
        "mismatches": talked.mismatches,
        "first_mismatch": talked.first_mismatch,
        "accuracy": float((talked.predictions == y).mean()),
        "cycles": list(talked.cycles),
        "cycles_predicted": predict(found.network, found.plan).latency - beats + 2,
        "faults": list(talked.faults),
        "seconds": round(seconds, 3),
    }


def report(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures and results of a build, with its page written anew."""
    facts = _read_json(directory / "report.json")
    results = {
        name: _read_json(directory / "sim" / f"{name}.json")
        for name in ("check", "run")
        if (directory / "sim" / f"{name}.json").is_file()
    }
    with replacing(directory / "report.html", force=True) as path:
        path.write_text(render_html(facts, results), encoding="utf-8")
    return facts, results


TRAINED_ON = {"mnist-mlp": "mnist", "mnist-cnn": "mnist", "cifar10-vgg": "cifar10"}
"""Data set of each recipe."""


def train(
    name: str, recipe: Recipe, output: Path, *, log: Path | None = None, qonnx: bool = False
) -> tuple[Trained, Network]:
    """Train by the recipe of that name and write the network, as an .npz or as QONNX.

    Checkpoints are in the user's cache, so what was trained once is there at once. ``log`` gets a
    line of CSV for each epoch.
    """
    try:
        from binohm.gen.training.fit import fit
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ToolError(
            "training takes PyTorch, which is missing: pip install '.[train]' in the repository"
        ) from error
    data = TRAINED_ON[name]
    with bar(f"load {data}") as shown:
        images, labels = load_data(
            data, split="train", progress=lambda _, done, size: shown(done, size)
        )
    with bar(f"train {name}, batches") as shown:
        trained = fit(recipe, images, labels, places()[-1] / "training", shown, log)
    network = fold(trained, name.replace("-", "_"), images.shape[1:])
    if qonnx:
        write_qonnx(trained, output)
    else:
        network.save(output)
    return trained, network


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise OutputError(
            f"{path.parent} is not a build directory: no {path.name}; make one with `binohm build`"
        ) from error
    except ValueError as error:
        raise OutputError(f"{path} is damaged; build again") from error


def _keep(directory: Path, name: str, figures: Mapping[str, Any]) -> None:
    """Leave figures where ``binohm report`` finds them."""
    (directory / "sim").mkdir(exist_ok=True)
    with replacing(directory / "sim" / f"{name}.json", force=True) as path:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
