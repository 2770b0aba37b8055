# amaranth: UnusedElaboratable=no
"""The device view of the arrays is the NumPy model of devices, bit for bit."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from plans import array, plan_of
from sockets import Sockets, draw_cells, image

from binohm.gen.macro_views import render
from binohm.gen.plan import Array, Cell, Readout
from binohm.sim.device.draw import draw_tile
from binohm.sim.device.physics import Device

slow = pytest.mark.slow

CELLS: tuple[Cell, ...] = get_args(Cell)
READOUTS: tuple[Readout, ...] = get_args(Readout)

WILD = Device(
    lrs_sigma_d2d=0.2, hrs_sigma_d2d=0.4, lrs_sigma_c2c=0.1, hrs_sigma_c2c=0.2, read_noise=0.1,
    sense_offset_a=1e-6, stuck_lrs=0.04, stuck_hrs=0.04, retention_s=1e4, drift_lrs=0.01,
    endurance_median=20, endurance_sigma=1, pulses_set=2, pulses_reset=3, pulses_sigma=0.4,
)  # fmt: skip
"""Devices that are wrong now and then, wear out, and need more than one pulse."""

ARRAYS = [
    array("sa", 8, 3, bias_rows=2, per_cycle=1),
    array("sa", 65, 8, bias_rows=5, per_cycle=3),
    array("sa", 1, 1),
    array("sa", 3, 65, per_cycle=65),
    array("sa", 8, 7, per_cycle=3, ref_bits=5, ref_per_column=True),
    array("sa", 65, 3, per_cycle=2, ref_bits=4),
    array("adc", 8, 8, adc_bits=4, per_cycle=3),
    array("adc", 65, 3, adc_bits=5),
    array("adc", 3, 65, adc_bits=2, per_cycle=65),
    array("adc", 1, 1, adc_bits=1),
    array("pcsa", 8, 65),
    array("pcsa", 65, 3),
    array("pcsa", 1, 1),
]


def prepare(place: Path, arrays: Sequence[Array], device: Device) -> Path:
    """Maps, cells and images of arrays in ``place``; no device of the second was ever written."""
    rng = np.random.default_rng(len(arrays))
    place.mkdir()
    for k, kind in enumerate(arrays):
        cells = draw_cells(rng, kind, empty=False)
        np.save(place / f"cells{k}.npy", cells)
        map = draw_tile(device, kind, 1 + k % 3, 5 + k % 2, k)
        (place / f"map{k}.hex").write_text(map.text(), encoding="utf-8")
        (place / f"t{k}.hex").write_text(image(kind, cells), encoding="utf-8")
        if k == 1:
            (place / f"blank{k}").touch()
    source = place.parent / "views.sv"
    source.write_text(render(plan_of("t", arrays), "device"), encoding="utf-8")
    return source


def sockets(arrays: Sequence[Array]) -> Sockets:
    """The arrays of :func:`prepare`."""
    numbers = range(len(arrays))
    images = ["" if k == 1 else f"t{k}.hex" for k in numbers]
    return Sockets(arrays, images, [f"map{k}.hex" for k in numbers])


@pytest.mark.parametrize("cell", CELLS)
def test_every_kind_of_array(bench: Callable[..., None], tmp_path: Path, cell: Cell) -> None:
    arrays = [replace(kind, cell=cell) for kind in ARRAYS]
    source = prepare(tmp_path / "build", arrays, WILD)
    bench(
        sockets(arrays),
        "binohm.sim.benches.device",
        sources=(source,),
        arrays=[asdict(kind) for kind in arrays],
        first=0,
    )
    lines = (tmp_path / "build" / "faults.json").read_text().splitlines()
    faults = np.sum([json.loads(line) for line in lines], axis=0)
    for readout in READOUTS:
        wrong, columns = faults[[kind.readout == readout for kind in arrays]].sum(axis=0)
        assert 0.02 < wrong / columns < 0.3, readout
