"""A simulated board at the end of a pseudo-terminal, for as long as someone holds it open.

The path of the terminal is written to ``$FACT_PORT``. The line has ``$FACT_DIVISOR`` cycles a bit.
"""

import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Timer

from binohm.sim.bench import PERIOD_NS, fact
from binohm.sim.uart import LineDriver, LineMonitor

WAKING = 300
QUIET_S = 0.002


@cocotb.test()
async def serves(dut: Any) -> None:
    """Bytes from the terminal go over the line, and those from the line to the terminal."""
    near, far = os.openpty()
    os.set_blocking(near, False)
    path = Path(os.environ["FACT_PORT"])
    bit_ps = fact("divisor") * PERIOD_NS * 1000
    driver = LineDriver(dut.rx, bit_ps)
    monitor = LineMonitor(dut.tx, bit_ps)
    Clock(dut.clk, PERIOD_NS, "ns").start()
    dut.reset.value = 1
    await ClockCycles(dut.clk, 4)
    dut.reset.value = 0
    await ClockCycles(dut.clk, WAKING)
    beside = path.with_suffix(".new")
    beside.write_text(os.ttyname(far), encoding="utf-8")
    beside.rename(path)
    cocotb.start_soon(answer(near, monitor))
    opened = False
    while True:
        try:
            data = os.read(near, 256)
        except BlockingIOError:
            data = b""
        except OSError:  # nobody holds the other end
            return
        if data and not opened:
            opened = True
            os.close(far)  # from now on the caller's is the only one
        for byte in data:
            await driver.send(byte)
        if not data:
            if dut.led_busy.value == 0 and dut.tx.value == 1:
                time.sleep(
                    QUIET_S
                )  # a simulator that waits for a person need not run at full speed
            await Timer(20 * bit_ps, "ps")


async def answer(near: int, monitor: LineMonitor) -> None:
    """Give what the board says to the terminal."""
    while True:
        os.write(near, bytes([await monitor.received.get()]))
