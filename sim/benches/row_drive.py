"""Bench for ``row_drive``: what each row carries, plane by plane, and the sum once per image."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, record, under_stalls
from binohm.sim.golden import from_bits, to_bits

IMAGES = 40


class Case:
    """Random images, after all zeros and all ones."""

    def __init__(self, dut: Any) -> None:
        self.inputs, self.planes = fact("inputs"), fact("planes")
        self.bipolar, self.driven = fact("bipolar"), fact("sum_range") is not None
        self.masked = fact("masked")
        self.width = width = len(dut.i__payload)
        more = (random.getrandbits(width) for _ in range(IMAGES))
        self.sent = {"i": [0, (1 << width) - 1, *more]}
        self.outputs = ("o", "driven") if self.driven else ("o",)

    def golden(self, sent: Sent) -> Sequence[int]:
        """A bit drives its row with +1, or with -1 or not at all."""
        expected = []
        for image in sent["i"]:
            signs = from_bits(
                image & ((1 << self.planes * self.inputs) - 1), self.planes * self.inputs
            )
            for plane in signs.reshape(self.planes, self.inputs):
                drive = plane if self.bipolar else np.maximum(plane, 0)
                drive = drive * self.there(image)
                positive, negative = np.where(drive > 0, 1, -1), np.where(drive < 0, 1, -1)
                expected.append(to_bits(positive) | to_bits(negative) << self.inputs)
        return expected

    def golden_driven(self, sent: Sent) -> Sequence[int]:
        """What stands above the bits, and below what tells which of them are there."""
        above = self.planes * self.inputs
        below = self.width - self.masked * self.inputs
        return [(image & (1 << below) - 1) >> above for image in sent["i"]]

    def there(self, image: int) -> NDArray[np.bool_]:
        """Which elements are there."""
        if not self.masked:
            return np.ones(self.inputs, np.bool_)
        return from_bits(image >> self.width - self.inputs, self.inputs) > 0

    def compare(self, cycles: Sequence[Cycle]) -> None:
        """Both outputs."""
        compare(cycles, self.sent, self.golden)
        if self.driven:
            compare(cycles, self.sent, self.golden_driven, "driven")

    def check_timing(self, cycles: Sequence[Cycle]) -> None:
        """Everything is there with its image; of the first request and the sum none waits."""
        plane, sent = 0, set[str]()
        for cycle in cycles:
            last = plane == self.planes - 1
            offered = {"o"} if plane else {*self.outputs}
            for output in self.outputs:
                valid = cycle["i"].valid and output in offered - sent
                assert cycle[output].valid == valid
            sent |= {output for output in offered if cycle[output].moved}
            done = cycle["i"].valid and sent == offered
            assert cycle["i"].moved == (done and last)
            if done:
                plane, sent = (plane + 1) % self.planes, set()
            if cycle.reset:
                plane, sent = 0, set()


@cocotb.test(timeout_time=100, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Requests and sums."""
    case = Case(dut)
    cycles = await record(
        dut, case.sent, case.outputs, source_odds=source_odds, sink_odds=sink_odds
    )
    case.compare(cycles)
    case.check_timing(cycles)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_request_per_cycle(dut: Any) -> None:
    """No bubble between images."""
    case = Case(dut)
    cycles = await record(dut, case.sent, case.outputs)
    first = moves(cycles, "o")[0]
    images = len(case.sent["i"])
    assert moves(cycles, "o") == list(range(first, first + case.planes * images))
    ends = [first + case.planes * n + case.planes - 1 for n in range(images)]
    assert moves(cycles, "i") == ends
    if case.driven:
        assert moves(cycles, "driven") == [first + case.planes * n for n in range(images)]


@cocotb.test(timeout_time=100, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The image that waits is driven from its first plane again."""
    case = Case(dut)
    cycles = await record(dut, case.sent, case.outputs, source_odds=0.7, sink_odds=0.5, resets=5)
    case.compare(cycles)
    case.check_timing(cycles)
