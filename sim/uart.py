"""cocotb agents for a serial line: 8 bits, the lowest first, no parity, a stop bit."""

from typing import Any

import cocotb
from cocotb.queue import Queue
from cocotb.triggers import FallingEdge, Timer

__all__ = ["LineDriver", "LineMonitor"]


class LineDriver:
    """Drives a line; idle is 1.

    Parameters
    ----------
    line : handle
    bit_ps : int
        Time of a bit.
    """

    def __init__(self, line: Any, bit_ps: int) -> None:
        self._line = line
        self._bit_ps = bit_ps
        line.value = 1

    async def send(self, byte: int, *, stop: int = 1) -> None:
        """One byte; ``stop`` 0 is a framing error, after which the line rises for a bit."""
        frame = byte << 1 | stop << 9
        for k in range(10):
            self._line.value = frame >> k & 1
            await Timer(self._bit_ps, "ps")
        if not stop:
            self._line.value = 1
            await Timer(self._bit_ps, "ps")


class LineMonitor:
    """Takes bytes from a line, each looked at in the middle of its bits, into ``received``."""

    def __init__(self, line: Any, bit_ps: int) -> None:
        self.received: Queue[int] = Queue()
        self._line = line
        self._bit_ps = bit_ps
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            await FallingEdge(self._line)
            await Timer(self._bit_ps // 2, "ps")
            bits = [int(self._line.value)]
            for _ in range(9):
                await Timer(self._bit_ps, "ps")
                bits.append(int(self._line.value))
            if bits[0] == 0:  # a reset may cut a byte short
                assert bits[9] == 1, "a stop bit is missing"
                self.received.put_nowait(sum(bit << k for k, bit in enumerate(bits[1:9])))
