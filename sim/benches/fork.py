"""Bench for ``fork``, with the payload wired around it: every branch gets everything once."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, record, under_stalls

TRANSFERS = 60


def traffic(dut: Any) -> tuple[Sent, list[str]]:
    """Random payloads, and the names of the branches."""
    bits, branches = len(dut.i__payload), fact("branches")
    transfers = max(20, TRANSFERS // branches)
    sent = {"i": [random.getrandbits(bits) for _ in range(transfers)]}
    return sent, [f"o{b}" for b in range(branches)]


def golden(sent: Sent) -> Sequence[int]:
    """What comes in goes out."""
    return sent["i"]


def check_timing(cycles: Sequence[Cycle], branches: Sequence[str]) -> None:
    """A branch is offered a transfer until it accepts, and ``i`` moves when the last one does."""
    waiting = set(branches)
    for cycle in cycles:
        for branch in branches:
            assert cycle[branch].valid == (cycle["i"].valid and branch in waiting)
        waiting -= {branch for branch in branches if cycle[branch].moved}
        assert cycle["i"].moved == (cycle["i"].valid and not waiting)
        if not waiting or cycle.reset:
            waiting = set(branches)


@cocotb.test(timeout_time=100, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Each branch by itself gets all payloads in order."""
    sent, branches = traffic(dut)
    cycles = await record(dut, sent, branches, source_odds=source_odds, sink_odds=sink_odds)
    for branch in branches:
        compare(cycles, sent, golden, branch)
    check_timing(cycles, branches)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_transfer_per_cycle(dut: Any) -> None:
    """Without delay, at full throughput."""
    sent, branches = traffic(dut)
    cycles = await record(dut, sent, branches)
    first = moves(cycles, "i")[0]
    for port in ("i", *branches):
        assert moves(cycles, port) == list(range(first, first + len(sent["i"])))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def reset_forgets_who_accepted(dut: Any) -> None:
    """After reset in mid-traffic all branches are offered the payload that waits."""
    sent, branches = traffic(dut)
    cycles = await record(dut, sent, branches, sink_odds=0.3, resets=3)
    for branch in branches:
        compare(cycles, sent, golden, branch)
    check_timing(cycles, branches)
