# amaranth: UnusedElaboratable=no
"""``FrameOutput``, from its constructor to its Verilog."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.host.frame_output import FrameOutput

slow = pytest.mark.slow


class FrameStream(wiring.Component):
    """The byte stream as a stream of the bench."""

    def __init__(self, inner: FrameOutput) -> None:
        self.inner = inner
        beat = data.StructLayout({
            "tdata": 8 * inner.output_bytes,
            "tkeep": inner.output_bytes,
            "tlast": 1,
        })
        super().__init__({
            "i": In(inner.i.signature.flip()),
            "o": Out(stream.Signature(beat)),
            "done": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = inner = self.inner
        wiring.connect(m, wiring.flipped(self.i), inner.i)
        m.d.comb += [
            self.o.p.tdata.eq(inner.tdata),
            self.o.p.tkeep.eq(inner.tkeep),
            self.o.p.tlast.eq(inner.tlast),
            self.o.valid.eq(inner.tvalid),
            inner.tready.eq(self.o.ready),
            self.done.eq(inner.done),
        ]
        return m


@pytest.mark.parametrize(
    ("classes", "output_bytes", "scores"),
    [
        (10, 8, True),
        (3, 3, False),
        pytest.param(1, 1, True, marks=slow),
        pytest.param(1, 8, False, marks=slow),
        pytest.param(3, 4, True, marks=slow),
        pytest.param(8, 64, True, marks=slow),
        pytest.param(65, 8, True, marks=slow),
        pytest.param(65, 3, False, marks=slow),
    ],
)
def test_matches_golden(
    bench: Callable[..., None], classes: int, output_bytes: int, scores: bool
) -> None:
    bench(
        FrameStream(FrameOutput(classes, output_bytes=output_bytes, scores=scores)),
        "binohm.sim.benches.frame_output",
        classes=classes,
        output_bytes=output_bytes,
        scores=scores,
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"classes": 0}, ValueError("classes must be at least 1, not 0")),
        ({"output_bytes": 0}, ValueError("output_bytes must be at least 1, not 0")),
        ({"scores": 1}, TypeError("scores must be a bool, not 1")),
    ],
)
def test_parameters_are_checked(changes: dict[str, Any], error: Exception) -> None:
    good = {"classes": 3, "output_bytes": 8, "scores": True}
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        FrameOutput(**good | changes)
