"""Bench for arrays whose words lie in macros of single cells: programmed, read back, used.

It runs in a build directory, with the storage view and all cells 0. With ``CELLS=1`` the top is the
model of one macro alone.
"""

import os
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamSink,
    AxiStreamSource,
)

from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim import programming as p
from binohm.sim.bench import PERIOD_NS
from binohm.sim.benches.program_registers import Host
from binohm.sim.golden import forward
from binohm.sim.wishbone import WishboneMaster

CELLS = os.environ.get("CELLS") == "1"
ROWS, COLUMNS, WRITE_CYCLES, READ_CYCLES = 32, 32, 200, 44
WRITE, READ = 3, 1
IMAGES = 4


def command(mode: int, row: int, column: int, data: int = 0) -> int:
    """The word that the macro takes."""
    return mode << 30 | row << 25 | column << 20 | data


def now() -> int:
    """The number of this cycle."""
    return int(get_sim_time("ns")) // PERIOD_NS


@cocotb.test(timeout_time=2, timeout_unit="ms", skip=not CELLS)
async def cells_take_their_cycles(dut: Any) -> None:
    """Random cells, written and read; 200 cycles and 44, from command to command."""
    Clock(dut.wb_clk_i, PERIOD_NS, unit="ns").start()
    dut.wb_rst_i.value = 1
    host = WishboneMaster(dut, dut.wb_clk_i, patience=2 * WRITE_CYCLES)
    await ClockCycles(dut.wb_clk_i, 2)
    dut.wb_rst_i.value = 0
    await ClockCycles(dut.wb_clk_i, 1)
    cells = {(random.randrange(ROWS), random.randrange(COLUMNS)): n % 2 for n in range(12)}
    cells |= {(0, 0): 1, (ROWS - 1, COLUMNS - 1): 1}
    await host.write(0, command(READ, 0, 0))
    assert await host.read(0) == 0 == await host.read(0)
    first = now()
    for place, value in cells.items():
        data = random.randrange(128, 256) if value else 127
        assert await host.write(0, command(WRITE, *place, data))
    assert await host.write(0, command(READ, 0, 0))
    assert now() - first == len(cells) * WRITE_CYCLES + 2
    assert await host.read(0) == 1
    dut.wb_rst_i.value = 1
    await ClockCycles(dut.wb_clk_i, 1)
    dut.wb_rst_i.value = 0
    first = now()
    for place, value in cells.items():
        await host.write(0, command(READ, *place))
        assert await host.read(0) == value, place
    assert now() - first == len(cells) * READ_CYCLES


@cocotb.test(timeout_time=20, timeout_unit="ms", skip=CELLS)
async def programmed_read_back_and_used(dut: Any) -> None:
    """Through the registers: blank cells fail, programmed ones verify, results are golden's."""
    network = Network.load(Path("model.npz"))
    plan = Plan.from_json(Path("plan.json").read_text(encoding="utf-8"))
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

    for line in p.lines(network, plan):
        failures = await p.program_line(host, line, p.VERIFY)
        assert [f.column for f in failures] == np.flatnonzero(line.cells == 1).tolist()
    await source.send(bytes(network.input.elements))  # words of blank cells, which a cache keeps
    await sink.recv()
    assert await p.program(host, network, plan) == []
    for line in p.lines(network, plan):
        assert await p.program_line(host, line, p.VERIFY) == []
    rng = np.random.default_rng(random.getrandbits(32))
    pictures = rng.integers(0, 256, (IMAGES, *network.input.shape), np.uint8)
    trace = forward(network, pictures)
    for picture, expected in zip(
        pictures, np.column_stack([trace.predictions, trace.scores]), strict=True
    ):
        await source.send(picture.tobytes())
        found = np.frombuffer(bytes((await sink.recv()).tdata), "<i4")
        assert np.array_equal(found, expected)
