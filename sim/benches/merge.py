"""Bench for ``merge``: whatever the branches offer when, the order is that of their turns."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, record, under_stalls

TRANSFERS = 80


class Case:
    """Random transfers of a few whole series, dealt out to the branches."""

    def __init__(self, dut: Any) -> None:
        self.branches, self.items = fact("branches"), fact("items")
        self.inputs = [f"i{b}" for b in range(self.branches)]
        bits = len(dut.o__payload)
        self.count = self.items * max(2, TRANSFERS // self.items)
        self.sent: dict[str, list[int]] = {port: [] for port in self.inputs}
        for number in range(self.count):
            self.sent[self.inputs[self.turn(number)]].append(random.getrandbits(bits))

    def turn(self, number: int) -> int:
        """Whose transfer it is."""
        turn: int = number % self.items % self.branches
        return turn

    def golden(self, sent: Sent) -> Sequence[int]:
        """One of each in turn, until it is the turn of one that has none."""
        left = {port: list(words) for port, words in sent.items()}
        merged: list[int] = []
        while left[port := self.inputs[self.turn(len(merged))]]:
            merged.append(left[port].pop(0))
        return merged

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """Nothing waits but for its turn."""
        number = 0
        for cycle in cycles:
            turn = self.inputs[self.turn(number)]
            assert cycle["o"].valid == cycle[turn].valid
            for port in self.inputs:
                assert cycle[port].ready == (port == turn and cycle["o"].ready)
            number += cycle["o"].moved
            if cycle.reset:
                number = 0


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Order and content."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=source_odds, sink_odds=sink_odds)
    assert len(case.golden(case.sent)) == case.count
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_transfer_per_cycle(dut: Any) -> None:
    """Without delay, at full throughput."""
    case = Case(dut)
    cycles = await record(dut, case.sent)
    given = moves(cycles, "o")
    assert given == list(range(given[0], given[0] + case.count))
    assert sorted(at for port in case.inputs for at in moves(cycles, port)) == given


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The next transfer is that of the first branch."""
    case = Case(dut)
    cycles = await record(dut, case.sent, source_odds=0.6, sink_odds=0.6, resets=5)
    compare(cycles, case.sent, case.golden)
    case.check_timing(cycles)
