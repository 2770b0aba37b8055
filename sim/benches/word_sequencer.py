"""Bench for ``word_sequencer``: which word is read with which inputs, and in which order."""

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, record, under_stalls
from binohm.sim.golden import from_bits, to_bits

REQUESTS = 200


class Case:
    """Random images, after all zeros and all ones."""

    def __init__(self, dut: Any) -> None:
        self.inputs, self.planes, self.steps = fact("inputs"), fact("planes"), fact("steps")
        self.columns, self.lanes = fact("array_columns"), fact("slices_per_read")
        self.bipolar, self.driven = fact("bipolar"), fact("sum_range") is not None
        self.masked = fact("masked")
        self.reads = -(-self.inputs // (self.columns * self.lanes))
        self.per_image = self.steps * self.reads * self.planes
        self.width = width = len(dut.i__payload)
        more = range(max(4, REQUESTS // self.per_image))
        self.sent = {"i": [0, (1 << width) - 1, *(random.getrandbits(width) for _ in more)]}
        self.outputs = ("o", "driven") if self.driven else ("o",)

    def golden(self, sent: Sent) -> Sequence[int]:
        """Every request: the inputs of each lane, one by one, as the plan places them."""
        expected = []
        row_bits = max(1, (self.steps * self.reads - 1).bit_length())
        width = self.lanes * self.columns
        for image in sent["i"]:
            bits = self.planes * self.inputs
            planes = from_bits(image & ((1 << bits) - 1), bits).reshape(self.planes, self.inputs)
            for step, read, plane in np.ndindex(self.steps, self.reads, self.planes):
                x, enabled = np.full(width, -1), np.full(width, -1)
                if not self.bipolar:
                    x[:] = 1
                for lane, column in np.ndindex(self.lanes, self.columns):
                    source = (read * self.lanes + lane) * self.columns + column
                    where = lane * self.columns + column
                    if source < self.inputs and self.bipolar:
                        x[where] = planes[plane, source]
                        enabled[where] = 2 * self.there(image)[source] - 1
                    elif source < self.inputs:
                        enabled[where] = planes[plane, source]
                row = step * self.reads + read
                expected.append(row | (to_bits(x) | to_bits(enabled) << width) << row_bits)
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
        request, sent = 0, set[str]()
        for cycle in cycles:
            last = request == self.per_image - 1
            offered = {"o"} if request else {*self.outputs}
            for output in self.outputs:
                valid = cycle["i"].valid and output in offered - sent
                assert cycle[output].valid == valid
            sent |= {output for output in offered if cycle[output].moved}
            done = cycle["i"].valid and sent == offered
            assert cycle["i"].moved == (done and last)
            if done:
                request, sent = (request + 1) % self.per_image, set()
            if cycle.reset:
                request, sent = 0, set()


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Requests and sums."""
    case = Case(dut)
    cycles = await record(
        dut, case.sent, case.outputs, source_odds=source_odds, sink_odds=sink_odds
    )
    case.compare(cycles)
    case.check_timing(cycles)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_request_per_cycle(dut: Any) -> None:
    """No bubble between images."""
    case = Case(dut)
    cycles = await record(dut, case.sent, case.outputs)
    first, images = moves(cycles, "o")[0], len(case.sent["i"])
    assert moves(cycles, "o") == list(range(first, first + case.per_image * images))
    ends = [first + case.per_image * (n + 1) - 1 for n in range(images)]
    assert moves(cycles, "i") == ends
    if case.driven:
        assert moves(cycles, "driven") == [first + case.per_image * n for n in range(images)]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The image that waits is read from its first word again."""
    case = Case(dut)
    cycles = await record(dut, case.sent, case.outputs, source_odds=0.7, sink_odds=0.7, resets=5)
    case.compare(cycles)
    case.check_timing(cycles)
