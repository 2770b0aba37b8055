"""From activations to what the rows of an array are driven with."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_drive
from binohm.hdl.streams.activations import activations_layout
from binohm.hdl.streams.requests import issue
from binohm.hdl.streams.walk import walk

__all__ = ["RowDrive"]


class RowDrive(wiring.Component):
    """Drive the rows with one bit plane after the other.

    A bit 1 drives its row with +1. A bit 0 drives it with -1 if ``bipolar``, and leaves it off
    otherwise. An element that is absent leaves it off.

    Latency is 0 cycles: requests are offered while the image waits at the input, which is accepted
    with its last plane. Throughput is 1 request per cycle, an image after ``planes`` requests.

    Parameters
    ----------
    inputs : int
        Elements of an image. At least 1.
    planes : int
        Bits of an element; 1 if ``bipolar``.
    bipolar : bool
    sum_range : (low, high) or None
        Range of the sum that travels with the image, if one does.
    masked : bool
        Whether elements can be absent; only if ``bipolar``, since elsewhere they are 0.

    Members
    -------
    i : In(stream.Signature(activations_layout(inputs, planes, sum_range, masked=masked)))
    o : Out(stream.Signature(StructLayout({"x_p": inputs, "x_n": inputs})))
        Rows driven with +1 and with -1. Plane 0 comes first.
    driven : Out(stream.Signature(range(low, high + 1)))
        The sum, offered with the first request of its image. Only with ``sum_range``.
    """

    def __init__(
        self,
        inputs: int,
        *,
        planes: int,
        bipolar: bool,
        sum_range: tuple[int, int] | None,
        masked: bool = False,
    ) -> None:
        require_drive(inputs, planes, bipolar, masked=masked)
        self.inputs = inputs
        self.planes = planes
        self.bipolar = bipolar
        self.sum_range = sum_range
        self.masked = masked
        layout = activations_layout(inputs, planes, sum_range, masked=masked)
        members = {
            "i": In(stream.Signature(layout)),
            "o": Out(stream.Signature(data.StructLayout({"x_p": inputs, "x_n": inputs}))),
        }
        if sum_range is not None:
            members["driven"] = Out(stream.Signature(range(sum_range[0], sum_range[1] + 1)))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()

        driven = None
        if self.sum_range is not None:
            driven = self.driven
            m.d.comb += driven.payload.eq(self.i.p.sum)

        moved = Signal(name="plane_moved")
        plane, last, _ = walk(m, self.planes, moved, name="plane")
        m.d.comb += moved.eq(issue(m, self.i, self.o, driven, plane == 0, last))

        bits = self.i.p.bits.word_select(plane, self.inputs)
        m.d.comb += self.o.p.x_p.eq(bits)
        if self.masked:
            on = self.i.p.on
            m.d.comb += [self.o.p.x_p.eq(bits & on), self.o.p.x_n.eq(~bits & on)]
        elif self.bipolar:
            m.d.comb += self.o.p.x_n.eq(~bits)

        return m
