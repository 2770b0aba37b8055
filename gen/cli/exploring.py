"""What `binohm explore` does: the designs of a sweep, evaluated by Dask.

A design is evaluated from plan, network and images alone: nothing is elaborated or simulated, since
cycles are predicted exactly and accuracies are those of golden, or of the model of the devices,
which the Verilog equals. Like :mod:`binohm.gen.cli.actions`, this meets ``binohm.sim``, and the
commands import it when they run.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.cli.drawing import device_maps
from binohm.gen.cycles import predict
from binohm.gen.errors import BinohmError, ToolError
from binohm.gen.exploration.store import Store
from binohm.gen.exploration.sweep import Point, Sweep
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.gen.reporting.energy import baseline
from binohm.gen.reporting.energy import figures as energy_figures
from binohm.gen.reporting.report import report_data
from binohm.gen.reporting.technology import Technology
from binohm.gen.split import split
from binohm.sim.device.network import Devices
from binohm.sim.events import count, measure
from binohm.sim.golden import forward
from binohm.sim.packed import Packed
from binohm.sim.run import fitting, lossy

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["COUNTED", "Looks", "evaluate", "explore"]

COUNTED = 200
"""Images whose events are counted, the first ones."""

ANSWER_S = 5
"""Patience with a scheduler."""

CHUNK = 500
"""Images at once: memory stays small."""

Figures = dict[str, Any]


@dataclass(frozen=True)
class Looks:
    """Images with labels, and what events cost.

    Parameters
    ----------
    x : uint8 array, shape (N, ...)
    y : int64 array, shape (N,)
    technology : Technology
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    technology: Technology

    @property
    def digest(self) -> str:
        """Fingerprint."""
        known = sha256(self.technology.model_dump_json().encode())
        for part in (self.x, self.y):
            known.update(repr(part.shape).encode() + np.ascontiguousarray(part).tobytes())
        return known.hexdigest()


def evaluate(network: Network, point: Point, looks: Looks | None) -> Figures:
    """Figures of a design, or ``refused``, the reason for which it cannot be built.

    Parameters
    ----------
    looks : Looks, optional
        Without them there are no accuracy and no energies.
    """
    try:
        if point.split:
            network = split(network, point.split)
        network = replace(network, name=point.config.design.name or network.name)
        plan = map_network(network, point.config)
        found = _sizes(network, plan)
        if looks is not None:
            x = fitting(network, looks.x)
            found |= _energies(network, plan, x[:COUNTED], looks.technology)
            found["accuracy"] = float((_predicted(network, plan, point, x) == looks.y).mean())
    except BinohmError as error:
        return {"refused": str(error)}
    return found


def _sizes(network: Network, plan: Plan) -> Figures:
    """What follows from the plan."""
    facts = report_data(network, plan, predict(network, plan), config={})
    readers = {"sa": 0, "adc": 0, "pcsa": 0}
    for layer in plan.layers:
        readers[layer.array.readout] += layer.array.columns * len(layer.tiles)
    fpga = facts["fpga"] or {"lut": None, "ff": None}
    return {
        "arrays": facts["totals"]["macros"],
        "cells": facts["totals"]["cells"],
        "utilisation": facts["totals"]["utilisation"],
        "amplifiers": readers["sa"] + readers["pcsa"],
        "converters": readers["adc"],
        "latency": facts["cycles"]["latency"],
        "interval": facts["cycles"]["interval"],
        "lut": fpga["lut"],
        "ff": fpga["ff"],
    }


def _energies(
    network: Network, plan: Plan, x: NDArray[np.uint8], technology: Technology
) -> Figures:
    activity = measure(network, plan, x)
    mine = [asdict(layer) for layer in count(network, plan, activity)]
    other = [asdict(layer) for layer in count(*baseline(network, plan), activity)]
    facts = energy_figures(mine, other, len(x), technology, {})
    return {
        f"{key}{suffix}_pj": round(value, 3)
        for suffix, design in (("", facts["build"]), ("_converters", facts["baseline"]))
        for key, value in (
            ("energy", design["total_pj"]),
            ("readout", design["parts_pj"]["sensing"]),
        )
    }


def _predicted(
    network: Network, plan: Plan, point: Point, x: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Classes, by the fastest model that knows this design."""
    maps = device_maps(point.config, plan)
    if maps is not None:
        devices = Devices(network, plan, maps)
        parts = [
            devices.forward(x[at : at + CHUNK], at).predictions for at in range(0, len(x), CHUNK)
        ]
        return np.concatenate(parts)
    if lossy(plan.layers) is None:
        classes: NDArray[np.int64] = Packed(network).scores(x).argmax(axis=1)
        return classes
    chunks = [x[at : at + CHUNK] for at in range(0, len(x), CHUNK)]
    return np.concatenate([forward(network, part, plan.layers).predictions for part in chunks])


def explore(
    sweep: Sweep,
    networks: Mapping[str, Network],
    looks: Looks | None,
    store: Store,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[int, int], Any] = lambda _, __: None,
) -> tuple[list[Figures], int]:
    """Figures of every point, and how many of them were in the store before.

    Parameters
    ----------
    networks : mapping
        By the names of the points' models.
    workers : int, optional
        Processes on this machine; as many as cores if left out. One evaluates in this process.
    scheduler : str, optional
        Address of a Dask cluster instead.
    progress : callable
        Takes the points done, and all of them.

    Raises
    ------
    DataError
        If a network does not take these images.
    ToolError
        If Dask is missing or the scheduler does not answer.
    """
    for network in networks.values():
        if looks is not None:
            fitting(network, looks.x)
    prints = {model: _digest(network) for model, network in networks.items()}
    seen = looks.digest if looks else ""
    names = [
        Store.name(point, prints[point.model], seen, _measured(point)) for point in sweep.points
    ]
    times = Counter(names)
    found = {name: kept for name in times if (kept := store.read(name)) is not None}
    done = before = sum(times[name] for name in found)
    missing = {
        name: point for name, point in zip(names, sweep.points, strict=True) if name not in found
    }
    progress(done, len(names))
    if missing:
        with _client(min(workers or _cores(), len(missing)), scheduler) as client:
            for name, figures in _evaluated(client, missing, networks, looks):
                store.write(name, figures)
                found[name] = figures
                done += times[name]
                progress(done, len(names))
    return [found[name] for name in names], before


def _evaluated(
    client: "Client", points: Mapping[str, Point], networks: Mapping[str, Network],
    looks: Looks | None,
) -> Iterator[tuple[str, Figures]]:  # fmt: skip
    """Names and figures, as they come."""
    from distributed import as_completed

    sent = {model: client.scatter(network, broadcast=True) for model, network in networks.items()}
    seen = client.scatter(looks, broadcast=True)
    names = {
        client.submit(evaluate, sent[point.model], point, seen, pure=False): name
        for name, point in points.items()
    }
    for future, figures in as_completed(list(names), with_results=True):
        yield names[future], figures


def _client(workers: int, scheduler: str | None) -> AbstractContextManager["Client"]:
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ToolError(
            "exploring takes Dask, which is missing: pip install '.[explore]' in the repository"
        ) from error
    # Processes that end complain of one another.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is None:
        made: AbstractContextManager[Client] = Client(
            n_workers=workers, threads_per_worker=1, processes=workers > 1,
            dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
        )  # fmt: skip
        return made
    try:
        reached: AbstractContextManager[Client] = Client(scheduler, timeout=ANSWER_S)
    except (OSError, ValueError) as error:
        raise ToolError(f"--scheduler {scheduler}: nobody answers there ({error})") from error
    return reached


def _measured(point: Point) -> str:
    """Fingerprint of the conductances that the devices are, if they were measured."""
    device = point.config.device
    if device is None or device.map is None or not Path(device.map).is_file():
        return ""
    return sha256(Path(device.map).read_bytes()).hexdigest()


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _digest(network: Network) -> str:
    """Fingerprint of a network: of its file, which is the same everywhere."""
    with TemporaryDirectory() as place:
        path = Path(place) / "network.npz"
        network.save(path)
        return sha256(path.read_bytes()).hexdigest()
