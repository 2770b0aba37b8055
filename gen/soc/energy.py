"""Energy of a program, from counted events: of the core and its memory, and of the unit.

As everywhere, what an event costs comes from a
:class:`~binohm.gen.reporting.technology.Technology`, and the sum is the output of a model.
"""

from collections.abc import Mapping

from binohm.gen.cfu.config import UnitConfig
from binohm.gen.reporting.energy import prices
from binohm.gen.reporting.technology import Technology
from binohm.gen.soc.kernels import Store

__all__ = ["core_energy", "unit_energy"]

J_PER_FJ = 1e-15


def core_energy(counters: Mapping[str, int], technology: Technology, *, caches: bool) -> float:
    """Energy in J of the core and its memory.

    Parameters
    ----------
    counters : mapping
        See :class:`binohm.sim.soc.system.Run`.
    caches : bool
        Fetches, loads and stores go to caches, and what they lack to the memory; otherwise all of
        them go to the memory.
    """
    costs = technology.processor
    instructions = counters["instructions"]
    total = instructions * costs.instruction_fj
    total += max(0, counters["cycles"] - instructions) * costs.wait_fj
    total += (counters["bus_reads"] + counters["bus_writes"]) * costs.memory_access_fj
    if caches:
        accesses = counters["fetches"] + counters["loads"] + counters["stores"]
        total += accesses * costs.cache_access_fj
    return total * J_PER_FJ


def unit_energy(
    store: Store, compares: int, rows: int, unit: UnitConfig, technology: Technology
) -> float:
    """Energy in J of the unit: reads of its array, popcount, accumulator, patches.

    A compare drives the word line of one row and senses all its columns, of which each has one
    device in low and one in high resistance; the patch comes from a memory, and the sum is added.

    Parameters
    ----------
    compares : int
        Kernels compared with a window.
    rows : int
        Rows of patches written.
    """
    price = prices(technology, "2t2r", 0)
    bits = store.taps
    compare = bits * (
        2 * price["gates"] + price["lrs"] + price["hrs"]
        + 2 * store.slots * price["bitline_devices"] + price["sense_strobes"]
        + price["popcount_bits"] + price["rom_bits"] + price["stream_toggles"]
    )  # fmt: skip
    compare += unit.accumulator_bits * price["adder_bits"]
    patch = (unit.columns + unit.positions - 1) * (price["rom_bits"] + price["stream_toggles"])
    return (compares * compare + rows * patch) * J_PER_FJ
