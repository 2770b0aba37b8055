"""The largest of several results, in bits."""

from amaranth.hdl import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.layers.window import Window

__all__ = ["Pool"]


class Pool(wiring.Component):
    """Join the windows of an image of bits, channel by channel.

    Where ``lowest`` is 0, a channel is 1 if any of its bits in a window is (OR); where it is 1, if
    all of them are (AND). Timing is that of :class:`Window`.

    Parameters
    ----------
    channels : int
        Bits of a position. At least 1.
    image, kernel, stride : (int, int)
        Rows and columns. At least 1.

    Members
    -------
    i : In(stream.Signature(channels))
    o : Out(stream.Signature(channels))
    lowest : In(channels)
        Constant while data flow.
    """

    def __init__(
        self,
        channels: int,
        *,
        image: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int],
    ) -> None:
        self.window = Window(channels, image=image, kernel=kernel, stride=stride)
        self.channels = channels
        super().__init__({
            "i": In(stream.Signature(channels)),
            "o": Out(stream.Signature(channels)),
            "lowest": In(channels),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        m.submodules.window = window = self.window
        wiring.connect(m, wiring.flipped(self.i), window.i)
        any_: Value = window.o.payload.bits[: self.channels]
        all_ = any_
        for tap in range(1, window.kernel[0] * window.kernel[1]):
            bits = window.o.payload.bits.word_select(tap, self.channels)
            any_, all_ = any_ | bits, all_ & bits
        m.d.comb += [
            self.o.payload.eq((any_ & ~self.lowest) | (all_ & self.lowest)),
            self.o.valid.eq(window.o.valid),
            window.o.ready.eq(self.o.ready),
        ]
        return m
