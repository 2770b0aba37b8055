"""Bench of the top of a board around ``tests/summing.v``: packets, and what harm a line can do.

The tag of every request is another one, so that no answer is taken for an older one.
"""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Timer, with_timeout

from binohm.sim.bench import PERIOD_NS, fact
from binohm.sim.board.packets import (
    ERROR,
    FAULTS,
    IDENTIFY,
    IDENTITY,
    IMAGE,
    RESULT,
    Packet,
    Unpacker,
    packed,
)
from binohm.sim.uart import LineDriver, LineMonitor

FRAMING, ESCAPE, COMMAND, LENGTH, CHECK, BUSY = FAULTS
LATENCY = 3
WAKING = 300
"""Cycles after which the board is out of reset."""


class Bench:
    """The board, the line, and how many good images it has seen since reset."""

    def __init__(self, dut: Any, *, drift: float = 0.0) -> None:
        self.dut = dut
        self.bit_ps = round(fact("divisor") * PERIOD_NS * 1000 * (1 + drift))
        self.driver = LineDriver(dut.rx, self.bit_ps)
        self.monitor = LineMonitor(dut.tx, fact("divisor") * PERIOD_NS * 1000)
        self.unpacker = Unpacker()
        self.tag = 0
        self.good = 0
        Clock(dut.clk, PERIOD_NS, "ns").start()

    async def send(self, data: bytes, *, gaps: float = 0.0, broken: int = -1) -> None:
        """Bytes, some of them after a pause; that at ``broken`` without its stop bit."""
        for at, byte in enumerate(data):
            if random.random() < gaps:
                await Timer(random.randrange(1, 30 * self.bit_ps), "ps")
            await self.driver.send(byte, stop=int(at != broken))

    def request(self, kind: int, body: bytes = b"") -> bytes:
        """A packet with the next tag."""
        self.tag = self.tag % 255 + 1
        return packed(kind, self.tag, body)

    async def answer(self) -> Packet:
        """The next packet from the board."""
        while True:
            byte = await with_timeout(self.monitor.received.get(), 1, "ms")
            for packet in self.unpacker.feed(bytes([byte])):
                return packet

    async def silence(self) -> None:
        """Nothing more comes."""
        await Timer(100 * self.bit_ps, "ps")
        assert self.monitor.received.empty() and not self.unpacker.broken

    async def asks(self, gaps: float = 0.0) -> None:
        """A question, who it is."""
        await self.send(self.request(IDENTIFY), gaps=gaps)
        facts = (fact("build_id"), fact("elements"), fact("result_bytes"))
        body = b"".join(number.to_bytes(4, "little") for number in facts)
        assert await self.answer() == Packet(IDENTITY, self.tag, body)

    async def works(self, pixels: bytes, gaps: float = 0.0) -> None:
        """An image is answered, and is the next one that the accelerator has seen."""
        await self.send(self.request(IMAGE, pixels), gaps=gaps)
        await self.result(pixels)

    async def result(self, pixels: bytes) -> None:
        """The answer to the image sent last."""
        self.good += 1
        total = sum(pixels)
        others = fact("result_bytes") // 4 - 2
        words = [LATENCY, total, self.good, *[total ^ 0xFFFFFFFF] * others]
        body = b"".join(word.to_bytes(4, "little") for word in words)
        assert await self.answer() == Packet(RESULT, self.tag, body)

    async def fails(self, data: bytes, fault: int, *, broken: int = -1) -> None:
        """The packet is dropped for this reason."""
        await self.send(data, broken=broken)
        assert await self.answer() == Packet(ERROR, 0, bytes([fault]))


def picture() -> bytes:
    """Random pixels, many of which are escaped."""
    size = fact("elements")
    return bytes(random.choice([0xC0, 0xDB, 0xDC, random.randrange(256)]) for _ in range(size))


async def awake(dut: Any, *, drift: float = 0.0) -> Bench:
    """A board that was reset, and is awake."""
    bench = Bench(dut, drift=drift)
    dut.reset.value = 1
    await ClockCycles(dut.clk, 4)
    dut.reset.value = 0
    await ClockCycles(dut.clk, WAKING)
    return bench


@cocotb.test(timeout_time=60, timeout_unit="ms")
@cocotb.parametrize(gaps=[0.0, 0.3], drift=[-0.02, 0.02])
async def answers(dut: Any, gaps: float, drift: float) -> None:
    """Images and questions, with pauses between bytes, on a line a little too fast or slow."""
    bench = await awake(dut, drift=drift)
    for _ in range(3):
        await bench.asks(gaps)
        await bench.works(picture(), gaps)
    await bench.works(bytes(fact("elements")), gaps)
    await bench.works(bytes([255]) * fact("elements"), gaps)
    await bench.silence()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def drops_what_is_wrong(dut: Any) -> None:
    """Each fault is named, harms nothing but its packet, and the next one is taken."""
    bench = await awake(dut)
    pixels = picture()
    good = bench.request(IMAGE, pixels)
    wrong = bytearray(good)
    wrong[2] ^= 1  # the tag: no escape comes or goes
    cases: Sequence[tuple[bytes, int, int]] = [
        (bytes(wrong), CHECK, -1),
        (good, FRAMING, 1),
        (good, FRAMING, len(good) // 2),
        (good, FRAMING, len(good) - 2),
        (bench.request(IMAGE, pixels[:-1]), LENGTH, -1),
        (bench.request(IMAGE, pixels + b"\x01"), LENGTH, -1),
        (bench.request(IMAGE, pixels + b"\x01" * 300), LENGTH, -1),
        (bench.request(IMAGE, b""), LENGTH, -1),
        (bench.request(IDENTIFY, b"\x01"), LENGTH, -1),
        (bench.request(0x00, pixels), COMMAND, -1),
        (b"\xc0I\xc0", LENGTH, -1),
        (b"\xc0I\x01\x02\xdb\x01\xc0", ESCAPE, -1),
        (b"\xc0I\x01\x02\xdb\xc0", ESCAPE, -1),
    ]
    for data, fault, broken in cases:
        await bench.fails(data, fault, broken=broken)
        assert dut.led_fault.value == 1
        if random.random() < 0.5:
            await bench.works(picture())
            assert dut.led_fault.value == 0
    await bench.send(b"\xc0\xc0\xc0")  # nothing between two ends is nothing
    await bench.works(picture())
    assert dut.led_fault.value == 0
    await bench.silence()


@cocotb.test(timeout_time=60, timeout_unit="ms")
async def takes_one_image_at_a_time(dut: Any) -> None:
    """Another image while the answer to the first is on its way is refused; a question is not."""
    bench = await awake(dut)
    pixels = picture()
    await bench.send(bench.request(IMAGE, pixels))
    tag = bench.tag
    other, question = bench.request(IMAGE, picture()), bench.request(IDENTIFY)
    await ClockCycles(dut.clk, 20)
    assert dut.led_busy.value == 1
    await bench.send(other[:4] + b"\xc0")  # enough of an image
    await bench.send(question)
    kept, bench.tag = bench.tag, tag
    await bench.result(pixels)
    assert (await bench.answer()).kind == ERROR
    assert (await bench.answer()).tag == kept
    bench.tag = kept
    await bench.works(picture())
    await bench.silence()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def reset_in_traffic(dut: Any) -> None:
    """Reset at any moment of a packet or of an answer; what follows is answered."""
    bench = await awake(dut)
    for _ in range(6):
        sent = cocotb.start_soon(bench.send(bench.request(IMAGE, picture())))
        bits = 10 * (fact("elements") + fact("result_bytes") + 20)
        await Timer(random.randrange(bits * bench.bit_ps), "ps")
        dut.reset.value = 1
        await ClockCycles(dut.clk, random.randrange(3, 9))
        dut.reset.value = 0
        await sent
        await ClockCycles(dut.clk, WAKING + 12 * fact("divisor"))
        while not bench.monitor.received.empty():
            bench.monitor.received.get_nowait()
        bench.unpacker = Unpacker()
        bench.good = 0
        await bench.send(b"\xc0")  # the end of what was cut
        await Timer(200 * bench.bit_ps, "ps")
        while not bench.monitor.received.empty():
            bench.monitor.received.get_nowait()
        bench.unpacker = Unpacker()
        await bench.works(picture())


@cocotb.test(timeout_time=60, timeout_unit="ms")
async def a_spike_is_no_byte(dut: Any) -> None:
    """A line that falls for less than half a bit sends nothing."""
    bench = await awake(dut)
    for _ in range(5):
        dut.rx.value = 0
        await Timer(bench.bit_ps // 4, "ps")
        dut.rx.value = 1
        await Timer(random.randrange(1, 12) * bench.bit_ps, "ps")
    await bench.asks()
    await bench.silence()
