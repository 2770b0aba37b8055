"""Bench for a unit whose kernels stand in devices: equal to the model with the same map.

The map is ``device/kernels.hex``; ``FACT_KERNELS`` says what the slots hold from the start.
"""

from pathlib import Path
from typing import Any

import cocotb

from binohm.sim.bench import fact
from binohm.sim.benches.cfu import Bus, Traffic, sizes
from binohm.sim.cfu import Unit
from binohm.sim.device.map import DeviceMap
from binohm.sim.kernel_cells import DeviceCells

COMMANDS = 400


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def matches_devices(dut: Any) -> None:
    """Reads, with their noise, and programming, with its pulses; under stalls."""
    path = Path("device/kernels.hex")
    map = DeviceMap.from_text(path.read_text(encoding="utf-8"), path.name)
    unit = Unit(sizes(), DeviceCells(map, fact("kernels")))
    bus = Bus(dut, unit, source_odds=0.8, sink_odds=0.8)
    await bus.start()
    traffic = iter(Traffic(unit))
    bus.commands.extend(next(traffic) for _ in range(COMMANDS))
    await bus.done()
    assert unit.hits > 20
