"""Bench for a whole design behind its device view: programmed, then used.

It runs in a build directory that has device maps. What pulses do is said by
:mod:`binohm.sim.device`; which devices must fail is said by ``injected.json``, a list of tile,
line, column, device (0 for a, 1 for b) and whether it can be set, for devices that have one state.
If ``FIRMWARE`` names a library, its C function ``program_line`` writes the lines.
"""

import ctypes
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamSink,
    AxiStreamSource,
)
from numpy.typing import NDArray

from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim import programming as p
from binohm.sim.bench import PERIOD_NS
from binohm.sim.benches.program_registers import Host
from binohm.sim.device.network import Devices, load_maps
from binohm.sim.device.program import LEAVE, program_row
from binohm.sim.device.state import State
from binohm.sim.golden import forward

IMAGES = 12

NETWORK = Network.load(Path("model.npz"))
PLAN = Plan.from_json(Path("plan.json").read_text(encoding="utf-8"))
INJECTED: list[tuple[str, int, int, int, bool]] = [
    (name, row, column, k, low)
    for name, row, column, k, low in json.loads(Path("injected.json").read_text())
]
TILES = {tile.name: (layer, tile) for layer in PLAN.layers for tile in layer.tiles}


class Twin:
    """The arrays in NumPy, with the same pulses."""

    def __init__(self) -> None:
        maps = load_maps(Path(), PLAN)
        self.devices = Devices(NETWORK, PLAN, maps)
        if os.environ["BLANK"] == "1":
            for name, (_, tile) in TILES.items():
                self.devices.states[name] = State(maps[name], tile.id)
        self.failures: list[p.Failure] = []

    def program(self, line: p.Line) -> None:
        """Write a line; what fails is added to ``failures``."""
        failed = program_row(self.devices.states[line.name], line.row, line.cells)
        self.failures += [
            p.Failure(line.name, line.row, column, "ab"[k], bool(line.cells[column] == (1, -1)[k]))
            for column, k in np.argwhere(failed).tolist()
        ]


class Firmware:
    """The C function ``program_line``, with the registers behind ``read32`` and ``write32``."""

    def __init__(self, host: Host) -> None:
        library = ctypes.CDLL(os.environ["FIRMWARE"])
        word = ctypes.c_uint32
        reads, writes = ctypes.CFUNCTYPE(word, word), ctypes.CFUNCTYPE(None, word, word)
        self.read32 = reads(resume(host.read))
        self.write32 = writes(resume(host.write))
        library.connect(self.read32, self.write32)
        self.library = library
        library.program_line.restype = word

    @bridge
    def program_line(self, *arguments: Any) -> int:
        """Call it in a thread of its own; the simulation goes on meanwhile."""
        return int(self.library.program_line(*arguments))

    async def program(self, lines: Iterator[p.Line]) -> list[p.Failure]:
        """Write all lines; what failed."""
        found: list[p.Failure] = []
        for line in lines:
            packed = p.words(line.cells)
            count = len(packed)
            a, b = ((ctypes.c_uint32 * count)(*bits) for bits in zip(*packed, strict=True))
            failed = await self.program_line(line.tile, line.row, count, a, b)
            for device, fails, wanted in zip("ab", (a, b), zip(*packed, strict=True), strict=True):
                for column in range(p.BITS * count):
                    word, bit = divmod(column, p.BITS)
                    if fails[word] >> bit & 1:
                        low = bool(wanted[word] >> bit & 1)
                        found.append(p.Failure(line.name, line.row, column, device, low))
                        failed -= 1
            assert failed == 0
        return found


@cache
def pictures() -> NDArray[np.uint8]:
    """Images to classify."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (IMAGES, *NETWORK.input.shape), np.uint8)


def moved() -> dict[str, dict[int, int]]:
    """Columns with a failure, as many as there are spare columns without one."""
    places: dict[str, dict[int, int]] = {}
    for name, (layer, tile) in TILES.items():
        array = layer.array
        used = tile.outputs[1] - tile.outputs[0] if array.readout != "pcsa" else array.columns
        bad = sorted({column for tile, _, column, _, _ in INJECTED if tile == name})
        good = [s for s in range(array.spare_columns) if array.own_columns + s not in bad]
        needed = [column for column in bad if column < min(used, array.own_columns)]
        places[name] = dict(zip(needed, good, strict=False))
    return places


async def begin(dut: Any) -> tuple[Host, AxiStreamSource, AxiStreamSink]:
    """Clock and reset; the host."""
    Clock(dut.aclk, PERIOD_NS, unit="ns").start()
    reset = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False}
    dut.aresetn.value = 0
    host = Host(AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), **reset))
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), **reset)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), **reset)
    for part in (host.master.write_if, host.master.read_if, source, sink):
        part.log.setLevel("WARNING")
    await ClockCycles(dut.aclk, 3)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    return host, source, sink


async def classify(source: AxiStreamSource, sink: AxiStreamSink) -> NDArray[np.int64]:
    """Class and scores of every picture."""
    for picture in pictures():
        await source.send(picture.tobytes())
    results = [np.frombuffer(bytes((await sink.recv()).tdata), "<i4") for _ in pictures()]
    return np.stack(results).astype(np.int64)


def expected(twin: Twin) -> NDArray[np.int64]:
    """What the programmed devices compute."""
    trace = twin.devices.forward(pictures())
    return np.column_stack([trace.predictions, trace.scores])


def wear_of_view(dut: Any, name: str) -> NDArray[np.int64]:
    """Pulses of every device of a tile, as its view counts them."""
    layer, _ = TILES[name]
    array = getattr(getattr(dut, f"layer_{layer.name}"), name).array
    shape = (layer.array.lines + 1, layer.array.columns + 2, 2)
    count = int(np.prod(shape))
    return np.array([int(array.wear[d].value) for d in range(count)]).reshape(shape)


async def check_wear(dut: Any, host: Host, twin: Twin) -> None:
    """Line by line, device by device, in total: registers, view and NumPy say the same."""
    total = 0
    for name, (layer, tile) in TILES.items():
        wear = twin.devices.states[name].wear
        assert np.array_equal(wear_of_view(dut, name), wear), name
        total += int(wear.sum())
        await host.write(p.TILE, tile.id)
        for row in range(layer.array.lines):
            await host.write(p.LINE, row)
            assert await host.read(p.WEAR) == wear[row].sum(), (name, row)
    assert await host.read(p.PULSES_SET) + await host.read(p.PULSES_RESET) == total


def relevant(lines: Iterator[p.Line]) -> list[p.Failure]:
    """Of the devices with one state, those that ought to have the other."""
    stuck = {(name, row, column, k): low for name, row, column, k, low in INJECTED}
    found = []
    for line in lines:
        for column, cell in enumerate(line.cells.tolist()):
            for k in range(2):
                wanted = cell == (1, -1)[k]
                able = stuck.get((line.name, line.row, column, k), wanted)
                if cell != LEAVE and able != wanted:
                    found.append(p.Failure(line.name, line.row, column, "ab"[k], wanted))
    return sorted(found)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def programmed(dut: Any) -> None:
    """Failures found are those injected, wear is exact, results are those of the devices."""
    host, source, sink = await begin(dut)
    await frames_wait(dut, host, source, sink)
    twin = Twin()
    spare = moved()
    if os.environ.get("FIRMWARE"):
        await p.give_spares(host, PLAN, spare)
        found = await Firmware(host).program(p.lines(NETWORK, PLAN, spare))
    else:
        found = await p.program(host, NETWORK, PLAN, spare)
    for line in p.lines(NETWORK, PLAN, spare):
        twin.program(line)
    assert sorted(found) == sorted(twin.failures) == relevant(p.lines(NETWORK, PLAN, spare))
    assert await host.read(p.FAILED) == len(found)
    assert await host.read(p.STATUS) == p.NOT_VERIFIED * bool(found)
    await check_wear(dut, host, twin)
    for name, columns in spare.items():
        for bad, other in columns.items():
            replace_column(twin.devices.states[name], bad, TILES[name][0].array.own_columns + other)
    # Read back between the frames: each waits for the other.
    results = cocotb.start_soon(classify(source, sink))
    again = [await p.program_line(host, line, p.VERIFY) for line in p.lines(NETWORK, PLAN, spare)]
    assert [failure for line in again for failure in line] == found
    await check_wear(dut, host, twin)
    assert np.array_equal(await results, expected(twin))
    assert np.array_equal(await classify(source, sink), expected(twin))
    note(twin, found, spare)
    golden = forward(NETWORK, pictures())
    perfect = np.column_stack([golden.predictions, golden.scores])
    if os.environ["EXACT"] == "1":
        assert not found and np.array_equal(expected(twin), perfect)


async def frames_wait(dut: Any, host: Host, source: AxiStreamSource, sink: AxiStreamSink) -> None:
    """No frame begins while a command is at work; it does afterwards."""
    await host.write(p.A, 0)
    await host.write(p.COMMAND, p.VERIFY)
    await source.send(pictures()[0].tobytes())
    moved = 0

    async def watch() -> None:
        nonlocal moved
        while True:
            await RisingEdge(dut.aclk)
            moved += bool(dut.s_axis_tvalid.value and dut.s_axis_tready.value)

    watching = cocotb.start_soon(watch())
    polls, before = 0, moved
    while await host.read(p.STATUS) & p.BUSY:
        assert before == 0, "a beat of a frame was taken while a command was at work"
        polls, before = polls + 1, moved
    assert polls > 1
    await sink.recv()
    assert moved
    watching.cancel()
    await host.write(p.COMMAND, p.CLEAR)


def replace_column(state: State, bad: int, spare: int) -> None:
    """Let a spare column stand where a bad one was."""
    state.currents[:, bad] = state.currents[:, spare]


def note(twin: Twin, found: list[p.Failure], spare: p.Spares) -> None:
    """Write the figures of this run."""
    injected = set(relevant(p.lines(NETWORK, PLAN, spare)))
    wear = []
    for line in p.lines(NETWORK, PLAN, spare):
        pairs = twin.devices.states[line.name].wear[line.row, : len(line.cells)]
        wear += pairs[line.cells != LEAVE].sum(axis=1).tolist()
    figures = {
        "cells": len(wear),
        "pulses": sum(wear),
        "most_pulses": max(wear),
        "failures_injected": len(injected),
        "failures_found": len(injected & set(found)),
        "false_reports": len(set(found) - injected),
    }
    Path("programmed.json").write_text(json.dumps(figures), encoding="utf-8")
