"""Bench for ``join``, with the payloads wired around it: transfers leave side by side."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, pack, record, under_stalls

TRANSFERS = 60


def traffic(dut: Any) -> Sent:
    """Random payloads for every branch."""
    bits, branches = len(dut.i0__payload), fact("branches")
    transfers = max(20, TRANSFERS // branches)
    return {f"i{b}": [random.getrandbits(bits) for _ in range(transfers)] for b in range(branches)}


def golden(sent: Sent) -> Sequence[int]:
    """The n-th payloads of all branches make the n-th output."""
    return [pack(row, fact("bits")) for row in zip(*sent.values(), strict=False)]


def check_timing(cycles: Sequence[Cycle], branches: Sequence[str]) -> None:
    """Valid when all branches are, and all are accepted together."""
    for cycle in cycles:
        complete = all(cycle[branch].valid for branch in branches)
        assert cycle["o"].valid == complete
        for branch in branches:
            assert cycle[branch].ready == (complete and cycle["o"].ready)


@cocotb.test(timeout_time=100, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Order and content."""
    sent = traffic(dut)
    cycles = await record(dut, sent, source_odds=source_odds, sink_odds=sink_odds)
    compare(cycles, sent, golden)
    check_timing(cycles, list(sent))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_transfer_per_cycle(dut: Any) -> None:
    """Without delay, at full throughput."""
    sent = traffic(dut)
    cycles = await record(dut, sent)
    first = moves(cycles, "o")[0]
    for port in ("o", *sent):
        assert moves(cycles, port) == list(range(first, first + len(sent["i0"])))
