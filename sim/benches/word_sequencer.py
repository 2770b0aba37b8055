"""Bench for ``word_sequencer``: which word is read with which inputs, and in which order."""

from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Sent, fact, under_stalls
from binohm.sim.benches.request_case import RequestCase
from binohm.sim.golden import from_bits, to_bits

REQUESTS = 200


class Case(RequestCase):
    """A request is a plane of a word, for all steps."""

    def __init__(self, dut: Any) -> None:
        self.steps, self.columns = fact("steps"), fact("array_columns")
        self.lanes = fact("slices_per_read")
        self.reads = -(-fact("inputs") // (self.columns * self.lanes))
        super().__init__(dut, max(4, REQUESTS // (self.steps * self.reads * fact("planes"))))

    @property
    def per_image(self) -> int:
        """Requests of an image."""
        return int(self.steps * self.reads * self.planes)

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


@cocotb.test(timeout_time=200, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Requests and sums."""
    await Case(dut).check(source_odds, sink_odds)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_request_per_cycle(dut: Any) -> None:
    """No bubble between images."""
    await Case(dut).check_throughput()


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The image that waits is read from its first word again."""
    await Case(dut).check(0.7, 0.7, resets=5)
