"""Bench for ``skid_buffer``: nothing is lost or late, and ``i`` sees ``o`` a cycle later."""

from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge, Timer

from binohm.sim.bench import Cycle, any_items, moves, passed_on, record, under_stalls


def check_timing(cycles: Sequence[Cycle]) -> None:
    """Valid as soon as something comes; not ready while something is kept."""
    kept = False
    for cycle in cycles:
        i, o = cycle["i"], cycle["o"]
        assert i.ready == (not kept)
        assert o.valid == (kept or i.valid)
        kept = o.valid and not o.ready and not cycle.reset


@cocotb.test(timeout_time=100, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Order and content."""
    check_timing(await passed_on(dut, source_odds=source_odds, sink_odds=sink_odds))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_transfer_per_cycle_without_delay(dut: Any) -> None:
    """At full throughput."""
    sent = any_items(dut)
    cycles = await record(dut, sent)
    came = moves(cycles, "i")
    assert came == list(range(came[0], came[0] + len(sent["i"])))
    assert moves(cycles, "o") == came


@cocotb.test(timeout_time=100, timeout_unit="us")
async def reset_empties(dut: Any) -> None:
    """Reset in mid-traffic."""
    check_timing(await passed_on(dut, source_odds=0.6, sink_odds=0.4, resets=5))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def ready_goes_no_further_in_a_cycle(dut: Any) -> None:
    """``i.ready`` does not move with ``o.ready`` between clock edges."""
    await record(dut, {"i": []})
    dut.i__valid.value = 1
    for offered in (0, 1, 1, 0, 0, 1):
        await RisingEdge(dut.clk)
        seen = set()
        for ready in (offered, not offered, offered):
            dut.o__ready.value = int(ready)
            await Timer(1, unit="ns")
            await ReadOnly()
            seen.add(int(dut.i__ready.value))
            await Timer(1, unit="ns")
        assert len(seen) == 1
