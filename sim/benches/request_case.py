"""What the benches of ``row_drive`` and ``word_sequencer`` share: images in, requests out."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.sim.bench import Cycle, Sent, compare, fact, moves, record
from binohm.sim.golden import from_bits

__all__ = ["RequestCase"]


class RequestCase(ABC):
    """Random images, after all zeros and all ones; each becomes ``per_image`` requests."""

    def __init__(self, dut: Any, images: int) -> None:
        self.dut = dut
        self.inputs, self.planes = fact("inputs"), fact("planes")
        self.bipolar, self.driven = fact("bipolar"), fact("sum_range") is not None
        self.masked = fact("masked")
        self.width = width = len(dut.i__payload)
        self.sent = {
            "i": [0, (1 << width) - 1, *(random.getrandbits(width) for _ in range(images))]
        }
        self.outputs = ("o", "driven") if self.driven else ("o",)

    @property
    @abstractmethod
    def per_image(self) -> int:
        """Requests of an image."""

    @abstractmethod
    def golden(self, sent: Sent) -> Sequence[int]:
        """All requests."""

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

    async def check(self, source_odds: float, sink_odds: float, *, resets: int = 0) -> None:
        """Requests and sums under stalls, and when they come."""
        cycles = await record(
            self.dut, self.sent, self.outputs, source_odds=source_odds, sink_odds=sink_odds,
            resets=resets,
        )  # fmt: skip
        compare(cycles, self.sent, self.golden)
        if self.driven:
            compare(cycles, self.sent, self.golden_driven, "driven")
        self._check_timing(cycles)

    async def check_throughput(self) -> None:
        """No bubble between images."""
        cycles = await record(self.dut, self.sent, self.outputs)
        first, images = moves(cycles, "o")[0], len(self.sent["i"])
        assert moves(cycles, "o") == list(range(first, first + self.per_image * images))
        ends = [first + self.per_image * (n + 1) - 1 for n in range(images)]
        assert moves(cycles, "i") == ends
        if self.driven:
            assert moves(cycles, "driven") == [first + self.per_image * n for n in range(images)]

    def _check_timing(self, cycles: Sequence[Cycle]) -> None:
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
