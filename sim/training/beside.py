"""A trainer in Verilog beside the golden model, batch by batch."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import DataError
from binohm.sim.runner import run_bench

__all__ = ["BATCHES", "COUNTS", "Batches", "compare"]

BATCHES = "batches.npz"
COUNTS = "counts.json"

MANY = 256
"""Images for which a slower compiler and a faster model pay."""

NARROW = ("--expand-limit", "1")
"""Wide sums are not written out a word at a time: 7 MB of C++ instead of 123 for the trainer of the
digits network that reads row by row."""

PUBLIC = """`verilator_config
public_flat_rd -module "binohm_trainer_digital_pairs" -var "mem"
public_flat_rd -module "binohm_trainer_device_pairs" -var "pulses"
public_flat_rd -module "binohm_trainer_device_pairs" -var "deviation"
public_flat_rd -module "binohm_trainer_device_pairs" -var "wear"
public_flat_rd -module "binohm_trainer_digital_transposed" -var "mem"
public_flat_rd -module "binohm_trainer" -var "neurons"
"""


@dataclass(frozen=True)
class Batches:
    """What both learn from.

    Parameters
    ----------
    levels : uint8 array, shape (steps, batch, inputs)
    labels : int array, shape (steps, batch)
    slower : int array, shape (steps,)
        Halvings of the rate in each.
    """

    levels: NDArray[np.uint8]
    labels: NDArray[np.integer[Any]]
    slower: NDArray[np.integer[Any]]


def compare(
    directory: Path, batches: Batches, place: Path, *, simulator: str, seed: int = 1
) -> dict[str, Any]:
    """Let a trainer learn all batches, and compare all that it holds after each of them.

    Parameters
    ----------
    directory : Path
        What ``gen.learning.trainer.write_trainer`` wrote.
    batches : Batches
    place : Path
        A folder for the simulation.
    simulator : str
        One of :data:`binohm.sim.tools.SIMULATORS`.
    seed : int
        Of the stalls of the images.

    Returns
    -------
    dict
        What golden has counted, its activations of each phase, and ``cycles``, those of the
        Verilog. The bench is :mod:`binohm.sim.benches.trainer`.

    Raises
    ------
    AssertionError
        At the first difference, with the step, the place and both values.
    DataError
        If the batches do not fit the trainer.
    """
    facts = json.loads((directory / "trainer.json").read_text(encoding="utf-8"))
    rule = facts["rule"]
    expected = (1 << rule["batch_bits"], rule["sizes"][0])
    if batches.levels.shape[1:] != expected:
        raise DataError(
            f"batches have {batches.levels.shape[1:]} images and inputs, but the trainer takes "
            f"{expected}; build it anew for these"
        )
    place.mkdir(parents=True, exist_ok=True)
    if facts["maps"]:
        shutil.copytree(directory / "device", place / "device", dirs_exist_ok=True)
    shutil.copy(directory / "trainer.json", place)
    np.savez(place / BATCHES, levels=batches.levels, labels=batches.labels, slower=batches.slower)
    (place / "memories.vlt").write_text(PUBLIC, encoding="utf-8")
    run_bench(
        [directory / name for name in facts["sources"]],
        top=facts["top"],
        bench="binohm.sim.benches.trainer",
        build_dir=place,
        simulator=simulator,
        seed=seed,
        public=[place / "memories.vlt"],
        optimise="-O1" if batches.labels.size >= MANY else "-O0",
        arguments=NARROW,
    )
    counts: dict[str, Any] = json.loads((place / COUNTS).read_text(encoding="utf-8"))
    return counts
