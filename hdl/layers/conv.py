"""What a layer of convolution has before and behind its arrays."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream

from binohm.hdl.arithmetic.popcount import add_up, popcount
from binohm.hdl.checks import range_shape
from binohm.hdl.layers.window import Window
from binohm.hdl.library import Library
from binohm.hdl.streams.activations import activations_layout

__all__ = ["ConvSpec", "PoolSpec", "windows"]


@dataclass(frozen=True)
class PoolSpec:
    """The largest of several windows' results.

    Parameters
    ----------
    image, kernel, stride : (int, int)
        Rows and columns; the image is what the windows make.
    early : bool
        Whether it takes what the sense amplifiers say, and not the layer's results.
    lowest_image : str
        File of one word: of which results the smallest is taken. Without it, of none.
    """

    image: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    early: bool
    lowest_image: str = ""


@dataclass(frozen=True)
class ConvSpec:
    """The windows of an image.

    Parameters
    ----------
    image, kernel, stride, padding : (int, int)
        Rows and columns.
    channels : int
        Elements of a position.
    pool : PoolSpec, optional
    held : bool
        Whether a window is held while it is read, which lets positions go on that complete none.
    """

    image: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    channels: int
    pool: PoolSpec | None = None
    held: bool = False

    @property
    def padded(self) -> bool:
        """Whether windows reach beyond the border."""
        return any(self.padding)

    @property
    def windows(self) -> int:
        """Windows of an image."""
        rows, columns = (
            (self.image[k] + 2 * self.padding[k] - self.kernel[k]) // self.stride[k] + 1
            for k in range(2)
        )
        return rows * columns

    @property
    def taps(self) -> int:
        """Positions of a window."""
        return self.kernel[0] * self.kernel[1]


def windows(
    m: Module,
    library: Library,
    positions: Any,
    spec: ConvSpec,
    *,
    planes: tuple[int, ...],
    bipolar: bool,
    sum_range: tuple[int, int] | None,
) -> Any:
    """Make vectors of the windows of the stream ``positions``.

    Element ``c * taps + t`` of a vector is channel ``c`` under tap ``t``. The sum that travels with
    it, if ``sum_range`` says so, is that of its values, or if ``bipolar`` the number of those that
    are there. It is added up position by position before the line buffers, then tap by tap.

    Parameters
    ----------
    positions : stream interface
        Of ``activations_layout(spec.channels, len(planes))``.
    planes : tuple of int
        Weights of the bit planes.

    Returns
    -------
    stream interface
        Of ``activations_layout(taps * channels, len(planes), sum_range, masked=...)``, masked if
        ``bipolar`` and windows reach beyond the border.
    """
    taps, channels, masked = spec.taps, spec.channels, bipolar and spec.padded
    bits = Value.cast(positions.payload)
    added = sum_range is not None and not bipolar
    total = _total(m, bits, channels, planes) if added else Signal(0)
    width = len(bits) + len(total)
    window = library.place(
        m,
        "window",
        Window,
        width,
        image=spec.image,
        kernel=spec.kernel,
        stride=spec.stride,
        padding=spec.padding,
    )
    layout = activations_layout(taps * channels, len(planes), sum_range, masked=masked)
    vectors = stream.Signature(layout).create(path=("vectors",))
    m.d.comb += [
        window.i.payload.eq(Cat(bits, total)),
        window.i.valid.eq(positions.valid),
        positions.ready.eq(window.i.ready),
        vectors.valid.eq(window.o.valid),
        window.o.ready.eq(vectors.ready),
    ]
    # A signal for each tap: a bit of a wide value is that whole value, as often as one is taken.
    under = [Signal(width, name=f"under_{t}") for t in range(taps)]
    m.d.comb += Cat(under).eq(window.o.payload.bits)
    on = window.o.payload.on
    m.d.comb += vectors.p.bits.eq(
        Cat(
            under[t][p * channels + c]
            for p in range(len(planes))
            for c in range(channels)
            for t in range(taps)
        )
    )
    if masked:
        m.d.comb += vectors.p.on.eq(Cat(on for _ in range(channels)))
    if added:
        sums: list[Value] = [tap[len(bits) :] for tap in under]
        if total.shape().signed:
            sums = [value.as_signed() for value in sums]
        m.d.comb += vectors.p.sum.eq(add_up(sums))
    elif sum_range is not None:
        m.d.comb += vectors.p.sum.eq(channels * popcount(on))
    return _held(m, vectors) if spec.held else vectors


def _held(m: Module, vectors: Any) -> Any:
    """``vectors`` behind a register."""
    held = vectors.signature.create(path=("held",))
    m.d.comb += vectors.ready.eq(~held.valid | held.ready)
    with m.If(vectors.ready):
        m.d.sync += [held.valid.eq(vectors.valid), held.payload.eq(vectors.payload)]
    return held


def _total(m: Module, bits: Value, channels: int, planes: tuple[int, ...]) -> Signal:
    """Sum of the values of a position."""
    values: list[Value] = []
    for c in range(channels):
        value = Cat(bits[p * channels + c] for p in range(len(planes)))
        values.append(value.as_signed() if planes[-1] < 0 else value)
    low = channels * min(0, planes[-1])
    high = channels * sum(plane for plane in planes if plane > 0)
    total = Signal(range_shape((low, high)))
    m.d.comb += total.eq(add_up(values))
    return total
