"""Bench for ``dispatch``: who gets what, and when."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import cocotb

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, record, under_stalls

TRANSFERS = 80


class Case:
    """Random transfers, a few series of them."""

    def __init__(self, dut: Any) -> None:
        self.branches, self.items = fact("branches"), fact("items")
        self.outputs = [f"o{b}" for b in range(self.branches)]
        bits = len(dut.i__payload)
        count = max(TRANSFERS, 3 * self.branches)
        self.sent = {"i": [random.getrandbits(bits) for _ in range(count)]}

    def golden(self, branch: int) -> Callable[[Sent], Sequence[int]]:
        """What a branch gets: of every series, each transfer whose number leaves its own."""

        def own(sent: Sent) -> Sequence[int]:
            return [
                word
                for number, word in enumerate(sent["i"])
                if number % self.items % self.branches == branch
            ]

        return own

    def check(self, cycles: Sequence[Cycle]) -> None:
        """Every branch; and nothing waits but for the register whose turn it is."""
        for branch, port in enumerate(self.outputs):
            compare(cycles, self.sent, self.golden(branch), port)
        number, full = 0, [False] * self.branches
        for cycle in cycles:
            turn = number % self.branches
            assert [cycle[port].valid for port in self.outputs] == full
            assert cycle["i"].ready == (not full[turn] or cycle[self.outputs[turn]].ready)
            full = [
                held and not cycle[port].ready
                for held, port in zip(full, self.outputs, strict=True)
            ]
            if cycle["i"].moved:
                full[turn] = True
                number = (number + 1) % self.items
            if cycle.reset:
                number, full = 0, [False] * self.branches


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """All branches, in turn."""
    case = Case(dut)
    cycles = await record(
        dut, case.sent, case.outputs, source_odds=source_odds, sink_odds=sink_odds
    )
    case.check(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_transfer_per_cycle(dut: Any) -> None:
    """Each offered a cycle later."""
    case = Case(dut)
    cycles = await record(dut, case.sent, case.outputs)
    taken = moves(cycles, "i")
    assert taken == list(range(taken[0], taken[0] + len(case.sent["i"])))
    given = sorted(at for port in case.outputs for at in moves(cycles, port))
    assert given == [at + 1 for at in taken]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The next transfer is the first of a series."""
    case = Case(dut)
    cycles = await record(dut, case.sent, case.outputs, source_odds=0.6, sink_odds=0.6, resets=5)
    case.check(cycles)
