"""Bench for ``queue``: nothing is lost, and room is used to the last item."""

from collections.abc import Sequence
from typing import Any

import cocotb

from binohm.sim.bench import Cycle, any_items, fact, moves, passed_on, record, under_stalls


def check_timing(cycles: Sequence[Cycle]) -> None:
    """Ready while there is room, valid from the cycle after the first item."""
    depth = fact("depth")
    inside = 0
    for cycle in cycles:
        assert cycle["i"].ready == (inside < depth)
        assert cycle["o"].valid == (inside > 0)
        inside += cycle["i"].moved - cycle["o"].moved
        inside *= not cycle.reset


@cocotb.test(timeout_time=100, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Order and content."""
    check_timing(await passed_on(dut, source_odds=source_odds, sink_odds=sink_odds))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def an_item_per_cycle(dut: Any) -> None:
    """At full throughput; every second cycle with a depth of 1."""
    sent = any_items(dut)
    cycles = await record(dut, sent)
    first, distance = moves(cycles, "i")[0] + 1, 1 if fact("depth") > 1 else 2
    assert moves(cycles, "o") == [first + distance * n for n in range(len(sent["i"]))]


@cocotb.test(timeout_time=100, timeout_unit="us")
async def reset_empties(dut: Any) -> None:
    """Reset in mid-traffic."""
    check_timing(await passed_on(dut, source_odds=0.6, sink_odds=0.4, resets=5))
