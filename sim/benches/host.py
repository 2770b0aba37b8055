"""Bench for a whole design, seen by its host: masters that we did not write, stalls, bad frames.

It runs in a build directory. With ``WISHBONE`` in the environment, the base address of the
registers, the top is the one with Wishbone, and the master of the registers is ours.
"""

import json
import os
import random
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim.bench import PERIOD_NS
from binohm.sim.golden import forward
from binohm.sim.wishbone import WishboneMaster

NETWORK = Network.load(Path("model.npz"))
PLAN = Plan.from_json(Path("plan.json").read_text(encoding="utf-8"))
MAP = json.loads(Path("host/registers.json").read_text(encoding="utf-8"))
OFFSETS: dict[str, int] = {row["name"]: row["offset"] for row in MAP["registers"]}
BASE = os.environ.get("WISHBONE")

FRAMES = 60
KINDS = ("good", "short", "empty", "long", "endless", "hole", "rest")
TOO_SHORT, TOO_LONG, BADLY_KEPT = 4, 8, 16
DONE, ERROR, REFUSED = 1, 2, 4

stalled = cocotb.parametrize(odds=[1.0, 0.4])


class Registers(Protocol):
    """Whoever reaches the registers, by byte offset."""

    def read(self, offset: int) -> Awaitable[int]:
        """Read a register that is there."""

    def write(self, offset: int, value: int) -> Awaitable[None]:
        """Write one that can be written."""

    def refused(self, offset: int) -> Awaitable[None]:
        """Read and write what is not there."""


class OnAxi:
    """AXI4-Lite, by the master of cocotbext-axi."""

    def __init__(self, dut: Any, odds: float) -> None:
        bus = AxiLiteBus.from_prefix(dut, "s_axi")
        self.master = AxiLiteMaster(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        write, read = self.master.write_if, self.master.read_if
        for channel in (
            write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel,
        ):  # fmt: skip
            channel.set_pause_generator(pauses(odds))
        for part in (write, read):
            part.log.setLevel("WARNING")

    async def read(self, offset: int) -> int:
        answer = await self.master.read(offset, 4)
        assert answer.resp == AxiResp.OKAY, hex(offset)
        return int.from_bytes(answer.data, "little")

    async def write(self, offset: int, value: int) -> None:
        answer = await self.master.write(offset, value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, hex(offset)

    async def refused(self, offset: int) -> None:
        assert (await self.master.read(offset, 4)).resp == AxiResp.SLVERR
        assert (await self.master.write(offset, bytes(4))).resp == AxiResp.SLVERR


class OnWishbone:
    """Wishbone; beyond the registers nobody answers."""

    def __init__(self, dut: Any, odds: float) -> None:
        self.base = int(str(BASE))
        self.master = WishboneMaster(dut, dut.wb_clk_i, pauses=pauses(odds))

    async def read(self, offset: int) -> int:
        value = await self.master.read(self.base + offset)
        assert value is not None, hex(offset)
        return value

    async def write(self, offset: int, value: int) -> None:
        assert await self.master.write(self.base + offset, value), hex(offset)

    async def refused(self, offset: int) -> None:
        assert await self.read(offset) == 0
        await self.write(offset, 0xFFFFFFFF)


def pauses(odds: float) -> Iterator[bool]:
    """True in a cycle in which a channel rests."""
    while True:
        yield random.random() >= odds


async def start(dut: Any, odds: float) -> tuple[Registers, AxiStreamSource, AxiStreamSink]:
    """Clock, reset, and masters that pause."""
    clock, reset = (dut.aclk, dut.aresetn) if BASE is None else (dut.wb_clk_i, dut.wb_rst_i)
    Clock(clock, PERIOD_NS, unit="ns").start()
    reset.value = int(BASE is not None)
    registers: Registers = OnAxi(dut, odds) if BASE is None else OnWishbone(dut, odds)
    how = {"clock": clock, "reset": reset, "reset_active_level": BASE is not None}
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), **how)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), **how)
    for part in (source, sink):
        part.log.setLevel("WARNING")
        part.set_pause_generator(pauses(odds))
    await ClockCycles(clock, 3)
    reset.value = int(BASE is None)
    await ClockCycles(clock, 2)
    return registers, source, sink


def malformed(picture: bytes, kind: str) -> tuple[bytes, list[int], int]:
    """A frame whose beats are wrong: bytes, TKEEP of each, and the bit of STATUS."""
    width = PLAN.host.input_bytes
    beats = -(-len(picture) // width)
    data = bytearray(picture.ljust(beats * width, b"\xa5"))
    keep = [1] * len(picture) + [0] * (len(data) - len(picture))
    last = (beats - 1) * width
    if kind == "short":
        return bytes(data[:last]), [1] * last, TOO_SHORT
    if kind == "empty":
        return bytes(data[:width]), [0] * width, TOO_SHORT
    if kind in ("long", "endless"):
        more = width * (1 if kind == "long" else 2 * beats)
        return bytes(data) + bytes(more), keep + [1] * more, TOO_LONG
    keep[random.randrange(last) if kind == "hole" else len(picture) - 1] = 0
    return bytes(data), keep, BADLY_KEPT


async def serve(dut: Any, registers: Registers, seen: dict[str, int]) -> None:
    """What an interrupt handler does: ask why, clear that, and look again."""
    clock = dut.aclk if BASE is None else dut.wb_clk_i
    while True:
        await RisingEdge(clock)
        await ReadOnly()
        if not dut.irq.value:
            continue
        await RisingEdge(clock)
        why = await registers.read(OFFSETS["INTERRUPT_STATUS"])
        assert why, "an interrupt without a reason"
        await registers.write(OFFSETS["INTERRUPT_STATUS"], why)
        seen["handled"] += 1
        seen["why"] |= why


@cocotb.test(timeout_time=2, timeout_unit="ms")
@stalled
async def malformed_frames_are_told_and_survived(dut: Any, odds: float) -> None:
    """Every good frame gives golden's result, whatever came before it; the rest is counted."""
    registers, source, sink = await start(dut, odds)
    rng = np.random.default_rng(random.getrandbits(32))
    pictures = rng.integers(0, 256, (FRAMES, *NETWORK.input.shape), np.uint8)
    kinds = [*KINDS, *random.choices(KINDS, k=FRAMES - len(KINDS))]
    random.shuffle(kinds)
    seen = {"handled": 0, "why": 0}
    await registers.write(OFFSETS["INTERRUPT_ENABLE"], DONE | ERROR)
    handler = cocotb.start_soon(serve(dut, registers, seen))
    good, status = [], 0
    for picture, kind in zip(pictures, kinds, strict=True):
        if kind == "good":
            good.append(picture)
            await source.send(picture.tobytes())
            continue
        data, keep, bit = malformed(picture.tobytes(), kind)
        status |= 2 | bit
        await source.send(AxiStreamFrame(data, tkeep=keep))
    trace = forward(NETWORK, np.stack(good))
    for number, expected in enumerate(np.column_stack([trace.predictions, trace.scores])):
        found = np.frombuffer(bytes((await sink.recv()).tdata), "<i4")
        assert np.array_equal(found, expected), f"frame {number} of {len(good)}"
    await source.wait()
    await ClockCycles(dut.aclk if BASE is None else dut.wb_clk_i, 60)
    handler.cancel()
    assert sink.empty()
    dropped = len(kinds) - len(good)
    for name, value in {
        "FRAMES_IN": len(good), "FRAMES_OUT": len(good), "FRAME_ERRORS": dropped,
        "STATUS": status, "INTERRUPT_STATUS": 0,
    }.items():  # fmt: skip
        assert await registers.read(OFFSETS[name]) == value, name
    assert seen["why"] == DONE | ERROR and seen["handled"] > len(good) // 2
    await registers.write(OFFSETS["CONTROL"], 3)
    for name in ("FRAMES_IN", "FRAME_ERRORS", "STATUS"):
        assert await registers.read(OFFSETS[name]) == 0, name


@cocotb.test(timeout_time=1, timeout_unit="ms")
@stalled
async def what_is_not_there_is_refused(dut: Any, odds: float) -> None:
    """It is told by the answer, where the bus has one, and by an interrupt."""
    registers, _, _ = await start(dut, odds)
    assert await registers.read(OFFSETS["ID"]) == int.from_bytes(b"BNOH", "big")
    for row in MAP["registers"]:
        if row["access"] != "wo":
            await registers.read(row["offset"])
    assert await registers.read(OFFSETS["INTERRUPT_STATUS"]) == 0
    await registers.write(OFFSETS["INTERRUPT_ENABLE"], REFUSED)
    await registers.refused(0xEFC)
    assert dut.irq.value
    assert await registers.read(OFFSETS["INTERRUPT_STATUS"]) == REFUSED
    await registers.write(OFFSETS["INTERRUPT_STATUS"], REFUSED)
    assert not dut.irq.value


@cocotb.test(timeout_time=1, timeout_unit="ms", skip=BASE is None)
@stalled
async def only_the_own_window_answers(dut: Any, odds: float) -> None:
    """Other addresses are somebody else's; accesses given up leave nothing behind."""
    registers, _, _ = await start(dut, odds)
    assert isinstance(registers, OnWishbone)
    master, base = registers.master, registers.base
    identity = int.from_bytes(b"BNOH", "big")
    for bit in range(12, 32):
        assert await master.read(base ^ 1 << bit) is None, bit
        assert not await master.write(base ^ 1 << bit, 0), bit
    for cycles in (1, 2, 1, 1):
        await master.abort(base + OFFSETS["INTERRUPT_STATUS"], cycles)
        assert await registers.read(OFFSETS["ID"]) == identity
    assert await master.write(base + OFFSETS["CONTROL"], 0, sel=0xE)
    assert await registers.read(OFFSETS["CONTROL"]) == 1
    assert await registers.read(OFFSETS["INTERRUPT_STATUS"]) == 0


@cocotb.test(timeout_time=1, timeout_unit="ms", skip=BASE is None)
async def an_access_takes_two_cycles(dut: Any) -> None:
    """Back to back: acknowledged in the cycle after the one in which it is offered."""
    registers, _, _ = await start(dut, 1.0)
    before = get_sim_time("ns")
    for _ in range(10):
        await registers.read(OFFSETS["ID"])
    assert get_sim_time("ns") - before == 10 * 2 * PERIOD_NS
