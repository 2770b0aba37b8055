"""Bench for the registers of programming: a host writes lines, and reads what became of them.

Behind the registers are the arrays of :mod:`binohm.sim.benches.programmer`; the host side is
:mod:`binohm.sim.programming` on an AXI4-Lite master that we did not write.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiLiteMaster, AxiResp

from binohm.sim import programming as p
from binohm.sim.bench import fact
from binohm.sim.benches.programmer import RESET, SET, Arrays, Line, expect, failing
from binohm.sim.benches.registers import stalled, start
from binohm.sim.device.program import LEAVE

LINES = 8
READ_WRITE = {p.TILE, p.LINE, p.LIMIT, p.WORD, p.A, p.B, p.WEAR}
READ_ONLY = {p.STATUS, p.FAIL_A, p.FAIL_B, p.FAILED_LINE, p.FAILED, p.PULSES_SET, p.PULSES_RESET}
FIRST_LIMIT = 32


class Host:
    """Registers behind an AXI4-Lite master."""

    def __init__(self, master: AxiLiteMaster) -> None:
        self.master = master

    async def read(self, address: int) -> int:
        """Read, and it must work."""
        answer = await self.master.read(address, 4)
        assert answer.resp == AxiResp.OKAY, hex(address)
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int) -> None:
        """Write, and it must work."""
        assert await self.try_write(address, value), f"{address:#x}: {value:#x} was refused"

    async def try_write(self, address: int, value: int) -> bool:
        """Write; whether it worked."""
        answer = await self.master.write(address, value.to_bytes(4, "little"))
        return bool(answer.resp == AxiResp.OKAY)

    async def finished(self) -> None:
        """Wait until no command is at work."""
        while await self.read(p.STATUS) & p.BUSY:
            pass


async def begin(dut: Any, odds: float = 1.0) -> tuple[Host, Arrays]:
    """Arrays, registers that have been reset, no frame inside, and no wear: reset leaves it."""
    for name in ("started", "accepted", "error", "done", "activated"):
        getattr(dut, name).value = 0
    dut.request__ready.value, dut.response__valid.value = 0, 0
    host = Host(await start(dut, odds))
    for tile, count in enumerate(fact("tile_lines")):
        await host.write(p.TILE, tile)
        for row in range(count):
            await host.write(p.LINE, row)
            await host.write(p.WEAR, 0)
    await host.write(p.TILE, 0)
    await host.write(p.LINE, 0)
    return host, Arrays(dut, latency=random.randint(1, 3), odds=odds)


def any_line(limit: int = 8) -> Line:
    """Any line that is there."""
    while True:
        line = Line.any(limit)
        if line.row < fact("tile_lines")[line.tile]:
            return line


def cells(line: Line) -> Any:
    """The line as a plan has it."""
    a, b = np.array(line.a), np.array(line.b)
    return np.where(a & b, LEAVE, a - b)


def numbered(line: Line) -> p.Line:
    """The line as a host has it."""
    return p.Line(f"t{line.tile}", line.tile, line.row, cells(line))


def worn(arrays: Arrays, tile: int, row: int) -> int:
    """Pulses that reached a line."""
    return sum(device.wear for place, device in arrays.devices.items() if place[:2] == (tile, row))


async def expect_wear(host: Host, arrays: Arrays) -> None:
    """WEAR of every line is what reached it."""
    for tile, count in enumerate(fact("tile_lines")):
        await host.write(p.TILE, tile)
        for row in range(count):
            await host.write(p.LINE, row)
            assert await host.read(p.WEAR) == worn(arrays, tile, row), (tile, row)


async def expect_totals(host: Host, arrays: Arrays, failed: int) -> None:
    """All counts since the last clear."""
    assert await host.read(p.PULSES_SET) == arrays.pulses[SET]
    assert await host.read(p.PULSES_RESET) == arrays.pulses[RESET]
    assert await host.read(p.FAILED) == failed
    assert await host.read(p.STATUS) == p.NOT_VERIFIED * bool(failed)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@stalled
async def lines_are_programmed(dut: Any, odds: float) -> None:
    """Failures found are failures there, pulses counted are pulses given; then a read back."""
    host, arrays = await begin(dut, odds)
    failed = 0
    for number in range(LINES):
        line = any_line(random.choice([1, 8, 200]))
        await host.write(p.LIMIT, line.limit)
        wanted, failures = expect(arrays, line)
        failed += failures
        found = await p.program_line(host, numbered(line))
        assert arrays.devices == wanted
        assert len(found) == failures == await host.read(p.FAILED_LINE)
        for k, device in enumerate("ab"):
            columns = [failure.column for failure in found if failure.device == device]
            assert sum(1 << c for c in columns) == failing(line, wanted, k)
        for failure in found:
            bits = line.a if failure.device == "a" else line.b
            assert failure.low == bits[failure.column]
        if number % 4 == 0:
            assert await p.program_line(host, numbered(line), p.VERIFY) == found
            assert arrays.devices == wanted
        await expect_totals(host, arrays, failed)
    await expect_wear(host, arrays)
    await host.write(p.COMMAND, p.CLEAR)
    arrays.pulses = {SET: 0, RESET: 0}
    await expect_totals(host, arrays, 0)
    assert await host.read(p.FAILED_LINE) == 0
    await expect_wear(host, arrays)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@stalled
async def values_out_of_range_are_refused(dut: Any, odds: float) -> None:
    """And change nothing; what is accepted is read again."""
    host, arrays = await begin(dut, odds)
    assert await host.read(p.LIMIT) == FIRST_LIMIT
    bits = fact("columns")
    words = -(-bits // p.BITS)
    last = {
        p.TILE: fact("tiles") - 1,
        p.LINE: max(fact("tile_lines")) - 1,
        p.LIMIT: 255,
        p.WORD: words - 1,
    }
    for address, most in last.items():
        await host.write(address, most)
        for value in (most + 1, 1 << 31 | most, 1 << 8 | most if most < 255 else 1 << 9):
            assert not await host.try_write(address, value), hex(address)
            assert await host.read(address) == most
    for word in range(words):
        await host.write(p.WORD, word)
        mine = (1 << min(p.BITS, bits - word * p.BITS)) - 1
        for address in (p.A, p.B):  # a write of B goes on to the next word
            assert await host.read(address) == mine
            value = random.getrandbits(32)
            await host.write(address, value)
            await host.write(p.WORD, word)
            assert await host.read(address) == value & mine
        await host.write(p.B, 0)
        assert await host.read(p.WORD) == (word + 1) % words
    for address in READ_ONLY:
        assert not await host.try_write(address, 0)
    for command in (0, 3, 5, 16, 1 << 31 | p.PROGRAM):
        assert not await host.try_write(p.COMMAND, command)
    short = min(range(fact("tiles")), key=lambda tile: fact("tile_lines")[tile])
    await host.write(p.TILE, short)
    if fact("tile_lines")[short] < max(fact("tile_lines")):
        await host.write(p.LINE, fact("tile_lines")[short])
        assert not await host.try_write(p.COMMAND, p.PROGRAM)
        assert not await host.try_write(p.COMMAND, p.VERIFY)
        assert not await host.try_write(p.WEAR, 1)
    assert await host.read(p.STATUS) == 0 and arrays.requests == 0


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def parts_of_words_and_other_addresses_are_refused(dut: Any) -> None:
    """A write of one byte does nothing; nor does a register of write only answer a read."""
    host, _ = await begin(dut)
    await host.write(p.LINE, 0)
    for address in sorted(READ_WRITE | {p.COMMAND}):
        answer = await host.master.write(address, b"\1")
        assert answer.resp == AxiResp.SLVERR
    written_only = {p.COMMAND} | ({p.REMAP} if fact("spares") else set())
    there = READ_WRITE | READ_ONLY
    for address in range(p.COMMAND, 0x1000, 4):
        answer = await host.master.read(address, 4)
        assert (answer.resp == AxiResp.OKAY) == (address in there), hex(address)
        if address not in there | written_only:
            assert not await host.try_write(address, 0), hex(address)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_command_waits_for_the_frames(dut: Any) -> None:
    """While busy everything but stop is refused; stop ends the wait and is told."""
    host, arrays = await begin(dut)
    dut.started.value = 1
    await RisingEdge(dut.clk)
    dut.started.value = 0
    await host.write(p.LINE, 0)
    line = any_line()
    await host.write(p.A, 0)
    await host.write(p.COMMAND, p.PROGRAM)
    for address in sorted(READ_WRITE | {p.REMAP}):
        assert not await host.try_write(address, 0), hex(address)
    for command in (p.PROGRAM, p.VERIFY, p.CLEAR):
        assert not await host.try_write(p.COMMAND, command)
    assert await host.read(p.STATUS) == p.BUSY and arrays.requests == 0 and not dut.active.value
    await host.write(p.COMMAND, p.STOP)
    await host.finished()
    assert await host.read(p.STATUS) == p.STOPPED and arrays.requests == 0
    await host.write(p.COMMAND, p.CLEAR)
    assert await host.read(p.STATUS) == 0
    dut.done.value = 1
    await RisingEdge(dut.clk)
    dut.done.value = 0
    wanted, _ = expect(arrays, line)
    await host.write(p.LIMIT, line.limit)
    await p.program_line(host, numbered(line))
    assert arrays.devices == wanted


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def reset_leaves_the_wear(dut: Any) -> None:
    """A reset in mid-line: the registers are as at first, and no pulse is forgotten."""
    host, arrays = await begin(dut)
    for _ in range(4):
        line = any_line()
        await p.program_line(host, numbered(line))
    await expect_wear(host, arrays)
    await host.write(p.COMMAND, p.PROGRAM)
    await ClockCycles(dut.clk, random.randint(5, 30))
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    for address, value in {
        p.STATUS: 0, p.TILE: 0, p.LINE: 0, p.LIMIT: FIRST_LIMIT, p.FAILED: 0, p.PULSES_SET: 0,
        p.A: (1 << min(p.BITS, fact("columns"))) - 1,
    }.items():  # fmt: skip
        assert await host.read(address) == value, hex(address)
    counted = 0
    for tile, count in enumerate(fact("tile_lines")):
        await host.write(p.TILE, tile)
        for row in range(count):
            await host.write(p.LINE, row)
            counted += await host.read(p.WEAR)
    given = sum(device.wear for device in arrays.devices.values())
    assert given <= counted <= given + fact("columns")
    await host.write(p.WEAR, 0xFFFFFFF0)
    assert await host.read(p.WEAR) == 0xFFFFFFF0


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def spare_columns_are_given(dut: Any) -> None:
    """REMAP is heard for a cycle, of the tile chosen; places that are not there are refused."""
    host, _ = await begin(dut)
    spares, own = fact("spares"), fact("columns") - fact("spares")
    if not spares:
        assert not await host.try_write(p.REMAP, 0)
        return
    heard: list[tuple[int, ...]] = []
    cocotb.start_soon(listen(dut, heard))
    for column, spare in [(0, 0), (own - 1, spares - 1)]:
        await host.write(p.REMAP, spare << 16 | column)
        await host.write(p.REMAP, p.UNUSED | spare << 16)
        assert heard == [(1, spare, column), (0, spare, 0)]
        heard.clear()
    for wrong in (own, spares << 16, 1 << 24, p.UNUSED | 1 << 30):
        assert not await host.try_write(p.REMAP, wrong)
    assert heard == []


async def listen(dut: Any, heard: list[tuple[int, ...]]) -> None:
    """Note what the arrays are told of spare columns."""
    while True:
        await ReadOnly()
        if dut.remap.value:
            names = ("remap_used", "remap_spare", "remap_column")
            heard.append(tuple(int(getattr(dut, name).value) for name in names))
        await RisingEdge(dut.clk)
