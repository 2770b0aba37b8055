"""Bench for ``row_drive``: what each row carries, plane by plane, and the sum once per image."""

from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from binohm.sim.bench import Sent, under_stalls
from binohm.sim.benches.request_case import RequestCase
from binohm.sim.golden import from_bits, to_bits

IMAGES = 40


class Case(RequestCase):
    """A request is a plane of an image."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut, IMAGES)

    @property
    def per_image(self) -> int:
        """Requests of an image."""
        return int(self.planes)

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


@cocotb.test(timeout_time=100, timeout_unit="us")
@under_stalls
async def matches_golden(dut: Any, source_odds: float, sink_odds: float) -> None:
    """Requests and sums."""
    await Case(dut).check(source_odds, sink_odds)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_request_per_cycle(dut: Any) -> None:
    """No bubble between images."""
    await Case(dut).check_throughput()


@cocotb.test(timeout_time=100, timeout_unit="us")
async def reset_starts_afresh(dut: Any) -> None:
    """The image that waits is driven from its first plane again."""
    await Case(dut).check(0.7, 0.5, resets=5)
