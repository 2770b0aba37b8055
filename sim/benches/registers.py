"""Bench for ``registers``: an AXI4-Lite master that we did not write reads what happened."""

import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, NextTimeStep, ReadOnly, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from binohm.sim.bench import PERIOD_NS, fact

EVENTS = ("started", "accepted", "error", "done")
FAULTS = ("too_short", "too_long", "badly_kept")
CONTROL, STATUS, CYCLES = 0x08, 0x0C, 0x10
INTERRUPT_ENABLE, INTERRUPT_STATUS = 0x30, 0x34
COUNTED = {0x18: "accepted", 0x1C: "done", 0x20: "error"}
FIRST_ACTIVATIONS = 0x40

stalled = cocotb.parametrize(odds=[1.0, 0.3])


class Model:
    """Drives the events of frames at random and counts them."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.at_once: tuple[int, ...] = fact("at_once") or (1,) * fact("layers")
        self.busy = False
        self.inside = 0
        self.clear()
        self._quiet()

    def clear(self) -> None:
        """What CONTROL bit 1 does."""
        self.cycles = 0
        self.events = dict.fromkeys(EVENTS, 0)
        self.activations = [0] * len(self.at_once)
        self.dropped = 0

    async def run(self, cycles: int) -> None:
        """So many cycles of events; then none, and no frame is inside."""
        for _ in range(cycles):
            await self._cycle(traffic=True)
        while self.inside:
            await self._cycle(traffic=False)
        self._quiet()

    async def _cycle(self, *, traffic: bool) -> None:
        """A frame may begin, and one that is inside may end, both in one cycle."""
        now = dict.fromkeys(EVENTS, False)
        now["started"] = traffic and random.random() < 0.3
        now["accepted"] = random.random() < 0.3
        leaves = self.inside + now["started"] > 0 and random.random() < 0.4
        now[random.choice(["done", "error"])] = leaves
        if leaves and self.inside + now["started"] > 1 and random.random() < 0.5:
            now["done"] = now["error"] = True
        fault = random.choice(FAULTS) if now["error"] else ""
        for name, value in now.items():
            getattr(self.dut, name).value = int(value)
        for name in FAULTS:
            getattr(self.dut, name).value = int(name == fault)
        reads = [random.randint(0, most) for most in self.at_once]
        activated = width = 0
        for number, most in zip(reads, self.at_once, strict=True):
            activated |= number << width
            width += most.bit_length()
        self.dut.activated.value = activated
        self.cycles += now["started"] or self.inside > 0
        self.inside += now["started"] - now["done"] - now["error"]
        if fault:
            self.dropped |= 1 | 2 << FAULTS.index(fault)
        for name, value in now.items():
            self.events[name] += value
        self.activations = [
            before + number for before, number in zip(self.activations, reads, strict=True)
        ]
        await RisingEdge(self.dut.clk)

    def _quiet(self) -> None:
        for name in (*EVENTS, *FAULTS, "activated"):
            getattr(self.dut, name).value = 0


async def start(dut: Any, odds: float = 1.0) -> AxiLiteMaster:
    """Clock, reset, and a master that pauses on every channel."""
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    dut.rst.value = 1
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, None), dut.clk, dut.rst)
    write, read = master.write_if, master.read_if
    for channel in (
        write.aw_channel,
        write.w_channel,
        write.b_channel,
        read.ar_channel,
        read.r_channel,
    ):
        channel.set_pause_generator(pauses(odds))
    cocotb.start_soon(watch(dut))
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    return master


def pauses(odds: float) -> Iterator[bool]:
    """True in a cycle in which a channel rests."""
    while True:
        yield random.random() >= odds


async def watch(dut: Any) -> None:
    """A response that waits does not change."""
    held: dict[str, tuple[int, ...]] = {}
    while True:
        await RisingEdge(dut.clk)
        await ReadOnly()
        for channel, fields in (("b", ("bresp",)), ("r", ("rresp", "rdata"))):
            valid, ready = (
                int(getattr(dut, f"{channel}{end}").value) for end in ("valid", "ready")
            )
            values = (valid, *(int(getattr(dut, field).value) for field in fields))
            assert held.get(channel, values) == values, f"{channel} changed while it waited"
            held.pop(channel, None)
            if valid and not ready and not dut.rst.value:
                held[channel] = values


async def expect(master: AxiLiteMaster, values: dict[int, int]) -> None:
    """Read all of ``values``, by offset, in any order, without waiting in between."""
    offsets = list(values)
    random.shuffle(offsets)
    reads = {offset: cocotb.start_soon(master.read(offset, 4)) for offset in offsets}
    for offset, read in reads.items():
        got = int.from_bytes((await read).data, "little")
        assert got == values[offset], f"0x{offset:x}: got {got:#x}, expected {values[offset]:#x}"


@cocotb.test(timeout_time=500, timeout_unit="us")
@stalled
async def identity(dut: Any, odds: float) -> None:
    """Constants, and what holds after reset."""
    Model(dut)
    master = await start(dut, odds)
    constants = {
        0x00: int.from_bytes(b"BNOH", "big"),
        0x04: 2,
        INTERRUPT_ENABLE: 0,
        INTERRUPT_STATUS: 0,
        CONTROL: 1,
        STATUS: 0,
        0x24: fact("build_id"),
        0x28: fact("elements"),
        0x2C: fact("classes"),
    }
    counters = [CYCLES, CYCLES + 4, *COUNTED]
    counters += [FIRST_ACTIVATIONS + 4 * layer for layer in range(fact("layers"))]
    await expect(master, constants | dict.fromkeys(counters, 0))


@cocotb.test(timeout_time=500, timeout_unit="us")
@stalled
async def counters_count(dut: Any, odds: float) -> None:
    """Everything that happened, twice, with a clear in between."""
    model = Model(dut)
    master = await start(dut, odds)
    for _ in range(2):
        await model.run(random.randrange(100, 300))
        values = {CYCLES: model.cycles, CYCLES + 4: 0, STATUS: 2 * model.dropped}
        values |= {offset: model.events[event] for offset, event in COUNTED.items()}
        values |= {FIRST_ACTIVATIONS + 4 * n: count for n, count in enumerate(model.activations)}
        await expect(master, values)
        assert (await master.write(CONTROL, b"\3\0\0\0")).resp == AxiResp.OKAY
        await expect(master, {CONTROL: 1} | dict.fromkeys(values, 0))
        model.clear()


@cocotb.test(timeout_time=500, timeout_unit="us")
async def busy_while_a_frame_is_inside(dut: Any) -> None:
    """From the first beat to the last result, and a clear in between changes nothing."""
    Model(dut)
    master = await start(dut)
    for event, inside in [("started", 1), ("started", 2), ("error", 1), ("done", 0)]:
        getattr(dut, event).value = 1
        await RisingEdge(dut.clk)
        getattr(dut, event).value = 0
        await master.write(CONTROL, b"\3")
        await expect(master, {STATUS: int(inside > 0)})


@cocotb.test(timeout_time=500, timeout_unit="us")
async def the_high_half_is_frozen(dut: Any) -> None:
    """A carry between two reads does not tear the count of cycles."""
    Model(dut)
    master = await start(dut)
    dut.cycles.value = (5 << 32) - 1
    await RisingEdge(dut.clk)
    await expect(master, {CYCLES: (1 << 32) - 1})
    dut.started.value = 1
    await RisingEdge(dut.clk)
    dut.started.value = 0
    await expect(master, {CYCLES + 4: 4})
    await master.read(CYCLES, 4)
    await expect(master, {CYCLES + 4: 5})


@cocotb.test(timeout_time=500, timeout_unit="us")
@stalled
async def control(dut: Any, odds: float) -> None:
    """Bit 0 is the enable; only byte 0 counts."""
    Model(dut)
    master = await start(dut, odds)
    for value in (0, 1):
        assert (await master.write(CONTROL, bytes([value, 0, 0, 0]))).resp == AxiResp.OKAY
        assert dut.enable.value == value
        await expect(master, {CONTROL: value})
    assert (await master.write(CONTROL + 1, b"\1\1\1")).resp == AxiResp.OKAY
    assert dut.enable.value


@cocotb.test(timeout_time=500, timeout_unit="us")
@stalled
async def interrupts(dut: Any, odds: float) -> None:
    """Each event sets its bit; ones clear it; the interrupt is what is set and enabled."""
    Model(dut)
    master = await start(dut, odds)
    refused = cocotb.start_soon(master.read(0x3C, 4))
    assert (await refused).resp == AxiResp.SLVERR
    await expect(master, {INTERRUPT_STATUS: 4})
    assert (await master.write(INTERRUPT_STATUS, b"\4\0\0\0")).resp == AxiResp.OKAY
    assert (await master.write(0x3C, b"\0\0\0\0")).resp == AxiResp.SLVERR
    for events in (["done"], ["error", "too_long"], ["done", "error", "badly_kept"]):
        await expect(master, {INTERRUPT_STATUS: 4})
        assert not dut.irq.value
        await master.write(INTERRUPT_ENABLE, b"\3\0\0\0")
        await pulse(dut, events)
        bits = ("done" in events) | ("error" in events) << 1
        await ReadOnly()
        assert dut.irq.value
        await expect(master, {INTERRUPT_STATUS: 4 | bits, INTERRUPT_ENABLE: 3})
        await master.write(INTERRUPT_STATUS + 1, b"\3\3\3")  # not byte 0
        for bit in (1, 2):
            assert bool(dut.irq.value) == bool(bits)
            await master.write(INTERRUPT_STATUS, bytes([bit, 0, 0, 0]))
            bits &= ~bit
            await expect(master, {INTERRUPT_STATUS: 4 | bits})
        assert not dut.irq.value
        await master.write(INTERRUPT_ENABLE, b"\0\0\0\0")
        await pulse(dut, ["done"])
        await ReadOnly()
        assert not dut.irq.value  # it is not enabled, and yet noted
        await expect(master, {INTERRUPT_STATUS: 5})
        await master.write(INTERRUPT_STATUS, b"\1\0\0\0")
    await master.write(CONTROL, b"\3\0\0\0")
    await expect(master, {INTERRUPT_STATUS: 4})


@cocotb.test(timeout_time=100, timeout_unit="us")
async def an_event_survives_its_clearing(dut: Any) -> None:
    """A result in the very cycle of the clear: its bit is set afterwards."""
    Model(dut)
    for name in ("araddr", "arvalid", "rready"):
        getattr(dut, name).value = 0
    dut.awaddr.value, dut.wdata.value, dut.wstrb.value = INTERRUPT_STATUS, 1, 0xF
    dut.awvalid.value = dut.wvalid.value = dut.bready.value = 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    dut.bready.value = 1
    for clears, events, expected in ((0, 1, 1), (1, 1, 1), (1, 0, 0), (1, 1, 1), (0, 0, 1)):
        dut.awvalid.value = dut.wvalid.value = clears
        dut.done.value = events
        await RisingEdge(dut.clk)
        await ReadOnly()
        assert int(dut.interrupt_status.value) == expected
        await NextTimeStep()


async def pulse(dut: Any, events: list[str]) -> None:
    """A cycle with these events, between two without."""
    await RisingEdge(dut.clk)
    for value in (1, 0):
        for event in events:
            getattr(dut, event).value = value
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@stalled
async def other_addresses_are_refused(dut: Any, odds: float) -> None:
    """Every word is read and written: SLVERR tells what is not there, or cannot be written."""
    Model(dut)
    master = await start(dut, odds)
    readable = {*range(0, 0x38, 4)}
    writable = {CONTROL, INTERRUPT_ENABLE, INTERRUPT_STATUS}
    readable |= {FIRST_ACTIVATIONS + 4 * layer for layer in range(fact("layers"))}
    offsets = [*range(0, 0x100, 4), 0x108, 0x200, 0x400, 0x800, 0xFFC]
    reads = {offset: cocotb.start_soon(master.read(offset, 4)) for offset in offsets}
    writes = {offset: cocotb.start_soon(master.write(offset, b"\1\0\0\0")) for offset in offsets}
    for offset in offsets:
        expected = AxiResp.OKAY if offset in readable else AxiResp.SLVERR
        assert (await reads[offset]).resp == expected, hex(offset)
        expected = AxiResp.OKAY if offset in writable else AxiResp.SLVERR
        assert (await writes[offset]).resp == expected, hex(offset)
    await expect(master, {0: int.from_bytes(b"BNOH", "big"), CONTROL: 1})


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_read_and_a_write_per_cycle(dut: Any) -> None:
    """Without a master between: responses in the next cycle, and in every one."""
    Model(dut)
    for name in ("awaddr", "araddr", "wdata"):
        getattr(dut, name).value = CONTROL
    dut.wstrb.value = 0xF
    channels = ("awvalid", "wvalid", "bready", "arvalid", "rready")
    for name in channels:
        getattr(dut, name).value = 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    for name in channels:
        getattr(dut, name).value = 1
    for cycle in range(20):
        await ReadOnly()
        assert dut.awready.value and dut.wready.value and dut.arready.value
        assert bool(dut.bvalid.value) == bool(dut.rvalid.value) == (cycle > 0)
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def reset_takes_everything_back(dut: Any) -> None:
    """A response that waits, the enable, the counters and the frames inside."""
    model = Model(dut)
    master = await start(dut)
    await master.write(CONTROL, b"\0\0\0\0")
    await model.run(50)
    dut.started.value = 1
    await RisingEdge(dut.clk)
    dut.started.value = 0
    master.read_if.r_channel.pause = True
    waits = cocotb.start_soon(master.read(0, 4))
    await RisingEdge(dut.rvalid)
    await RisingEdge(dut.clk)
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    await ReadOnly()
    assert not dut.rvalid.value
    waits.cancel()
    await RisingEdge(dut.clk)
    dut.rst.value = 0
    master.read_if.r_channel.pause = False
    await ClockCycles(dut.clk, 2)
    values = dict.fromkeys([STATUS, CYCLES, *COUNTED, FIRST_ACTIVATIONS], 0)
    await expect(master, values | {CONTROL: 1})
