"""What `binohm soc` does: a layer on a RISC-V core, with and without the unit beside it.

Like :mod:`binohm.gen.cli.actions`, this meets ``binohm.sim``, and the commands import it when they
run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.cfu.config import UnitConfig, unit_config
from binohm.gen.cfu.unit import write_unit
from binohm.gen.errors import DataError, ModelError, ToolError
from binohm.gen.network import Conv, Network, Signs
from binohm.gen.pictures import made_up
from binohm.gen.reporting.technology import Technology
from binohm.gen.soc.energy import core_energy, unit_energy
from binohm.gen.soc.kernels import Store, binary_convs
from binohm.gen.soc.tables import Tables, check, pixels_of, rows_of, tables
from binohm.sim.datasets import load
from binohm.sim.fetch import places
from binohm.sim.golden import forward
from binohm.sim.soc.expected import layer_results
from binohm.sim.soc.firmware import compile_firmware, require_compiler
from binohm.sim.soc.system import CACHES, Run, compile_system, core_source, run_system

__all__ = ["WAYS", "Job", "choose_layer", "input_of", "measure", "picture", "systems"]
__all__ += ["tables_of"]

WAYS = {"words": 0, "library": 1, "unit": 2}
"""How the firmware computes a layer: packed words, the popcount of libgcc, the unit."""

WRITE = 0x100
"""The firmware writes the kernels first."""


@dataclass(frozen=True)
class Job:
    """A layer, what it reads, and the unit that is to help.

    Parameters
    ----------
    layer : Conv
    image : int8 array of -1 and +1, shape (rows, columns, channels)
    store : Store
    positions : int
        Windows beside one another in the unit.
    windows : int
        Channels that the unit is made for; at least those of the layer.
    in_full : bool
        Kernels that the store lacks are compared by gates of the unit; otherwise the processor
        makes up for them.
    """

    layer: Conv
    image: Signs
    store: Store
    positions: int = 4
    windows: int = 64
    in_full: bool = False

    @property
    def unit(self) -> UnitConfig:
        """The unit, whose modules are called ``binohm_soc_...``."""
        return unit_config({
            "name": "soc", "slots": self.store.slots, "positions": self.positions,
            "rows": self.store.shape[0], "columns": self.store.shape[1],
            "windows": max(self.windows, self.layer.image[2]),
            "complement": self.store.complement,
        })  # fmt: skip


def choose_layer(network: Network, name: str | None) -> Conv:
    """The layer of this name; without one, the binary convolution with most weights.

    Raises
    ------
    ModelError
        If there is none, or the firmware cannot compute it.
    """
    layers = {layer.name: layer for layer in binary_convs(network)}
    if not layers:
        raise ModelError(
            f"network {network.name} has no binary convolution; take one that has, such as "
            "`binohm train mnist-cnn` makes"
        )
    if name is None:
        name = max(layers, key=lambda key: layers[key].weights.size)
    if name not in layers:
        raise ModelError(f"layer {name}: the binary convolutions are {', '.join(layers)}")
    check(layers[name])
    return layers[name]


def input_of(network: Network, layer: Conv, pixels: NDArray[np.uint8]) -> Signs:
    """What the layer reads when the network looks at one image, by the golden model."""
    at = network.layers.index(layer)
    trace = forward(network, pixels[None])
    before = trace.hidden[at - 1] if at else np.where(trace.input > 0, 1, -1).astype(np.int8)
    return before.reshape(layer.image).astype(np.int8)


def picture(network: Network, data: str | None, number: int) -> NDArray[np.uint8]:
    """An image of a data set, or a made-up one, as the network takes it.

    Raises
    ------
    DataError
        If there are fewer images, or they have another shape.
    """
    if data is None:
        made: NDArray[np.uint8] = made_up(network.input, number + 3)[-1]  # neither black nor white
        return made
    images: NDArray[np.uint8] = load(data)[0]
    if number >= len(images):
        raise DataError(f"--image {number}: {data} has images 0 to {len(images) - 1}")
    if images.shape[1:] != network.input.shape:
        raise DataError(
            f"{data} has images of {images.shape[1:]}, but {network.name} takes "
            f"{network.input.shape}"
        )
    chosen: NDArray[np.uint8] = images[number]
    return chosen


def tables_of(core: str, job: Job) -> Tables:
    """What the firmware is compiled with."""
    return tables(job.layer, job.image, job.store, job.positions, CACHES[core], in_full=job.in_full)


def systems() -> Path:
    """Where compiled systems are kept."""
    return places()[-1] / "systems"


def measure(
    core: str,
    job: Job,
    technology: Technology,
    ways: Sequence[str] = ("words", "unit"),
    *,
    kept: Path | None = None,
    device_map: str | None = None,
    write: bool = False,
) -> dict[str, Any]:
    """Run the layer in every way; what it took and how many results differ from golden.

    Parameters
    ----------
    core : str
    job : Job
    technology : Technology
    ways : sequence of str
        Of :data:`WAYS`.
    kept : Path, optional
        Folder for compiled systems.
    device_map : str, optional
        The kernels stand in the devices of this map instead of ideal ones.
    write : bool
        The firmware writes the kernels into the store; otherwise they stand there from the start.

    Returns
    -------
    dict
        ``hits``, ``misses`` and ``places`` of the layer's kernels, ``shared``, and a dict for each
        way.
    """
    require_compiler()
    core_source(core)
    want = layer_results(job.layer, job.image)
    made = tables_of(core, job)
    view = "digital" if device_map is None else "device"
    with TemporaryDirectory() as folder:
        place = Path(folder)
        unit = place / "unit"
        kernels = None if write else job.store.kernels
        write_unit(unit, job.unit, kernels=kernels, map=device_map)
        sources = [unit / name for name in (unit / f"{view}.f").read_text().split()]
        program = compile_system(core, sources, kept or systems())
        image = compile_firmware(made.text, core, place / "firmware")
        facts: dict[str, Any] = {
            "core": core, "layer": job.layer.name, "slots": job.store.slots,
            "hits": made.hits, "misses": made.misses, "places": made.places, "shared": made.shared,
        }  # fmt: skip
        for way in ways:
            mode = WAYS[way] | (WRITE if write and way == "unit" else 0)
            run = run_system(program, image, mode, place=place, inside=unit)
            facts[way] = _figures(core, job, made, way, run, want, technology)
    return facts


def _figures(
    core: str, job: Job, made: Tables, way: str, run: Run, want: Signs, technology: Technology
) -> dict[str, Any]:
    """Counters of the layer, its energy, and what is wrong."""
    if run.status:
        raise ToolError(f"the program ended with status {run.status}: {run.console.strip()}")
    layer = job.layer
    got = (rows_of if way == "unit" else pixels_of)(run.results, layer)
    counters = run.counters["layer"]
    bus = counters["bus_reads"] + counters["bus_writes"]
    facts: dict[str, Any] = {
        "mismatches": int((got != want).sum()), "results": int(want.size), **counters,
        "data_accesses": counters["loads"] + counters["stores"], "bus_accesses": bus,
        "memory_accesses": bus,
        "energy_j": core_energy(counters, technology, caches=CACHES[core] is not None),
        "program_cycles": run.counters["program"]["cycles"],
    }  # fmt: skip
    if way == "unit":
        groups = layer.windows[0] * -(-layer.windows[1] // job.positions)
        # In place of a kernel that is not held the nearest one is asked for, which is.
        hits = made.hits if job.in_full else made.hits + made.misses
        misses = made.hits + made.misses - hits
        if (run.hits, run.misses) != (hits * groups, misses * groups):
            raise ToolError(
                f"the unit found {run.hits} kernels and missed {run.misses}, not {hits * groups} "
                f"and {misses * groups}"
            )
        compares = (hits + misses) * groups * job.positions
        rows = made.tiles * groups * layer.image[2] * layer.kernel[0]
        spent = unit_energy(job.store, compares, rows, job.unit, technology)
        facts |= {"compares": compares, "unit_energy_j": spent}
        facts["energy_j"] += spent
    return facts
