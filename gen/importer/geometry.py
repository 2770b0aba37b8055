"""Windows over an image: sizes, and paddings that are the same on both sides.

Functions here raise ``ValueError`` with a reason and a cure; the caller knows the node.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from binohm.gen.network import Pool

__all__ = ["Geometry", "automatic", "both_sides", "pooled"]

AXES = ("rows", "columns")


@dataclass(frozen=True)
class Geometry:
    """Where the windows of a convolution lie; as in :class:`binohm.gen.network.Conv`."""

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    pool: Pool | None = None

    @property
    def windows(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        rows, columns = (
            _count(size, kernel, stride, 2 * padding)
            for size, kernel, stride, padding in zip(
                self.image[:2], self.kernel, self.stride, self.padding, strict=True
            )
        )
        return rows, columns

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of what comes out, behind the pool."""
        return self.pool.size(*self.windows) if self.pool else self.windows

    @property
    def whole(self) -> bool:
        """Whether there is one window, which is the image."""
        return self.kernel == self.image[:2] and not any(self.padding) and self.pool is None

    @property
    def inputs(self) -> int:
        """Elements of a window."""
        return prod(self.kernel) * self.image[2]

    def parity(self, start: int, stop: int) -> bool:
        """Whether the numbers of elements inside the image differ by window only by even ones.

        Of the elements ``start`` to ``stop`` of a window.
        """
        size = prod(self.kernel)
        taps = np.bincount(np.arange(start, stop) % size, minlength=size).reshape(self.kernel)
        inside = [
            [
                [0 <= place < size for place in range(start, start + kernel)]
                for start in range(-padding, count * stride - padding, stride)
            ]
            for size, kernel, stride, padding, count in zip(
                self.image[:2], self.kernel, self.stride, self.padding, self.windows, strict=True
            )
        ]
        elements = np.array(inside[0]) @ taps @ np.array(inside[1]).T
        return not ((elements - taps.sum()) % 2).any()


def _count(size: int, kernel: int, stride: int, pads: int) -> int:
    return (size + pads - kernel) // stride + 1


def automatic(
    mode: str, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]
) -> list[int]:
    """Pads (top, left, bottom, right) of an automatic padding: VALID, SAME_UPPER, SAME_LOWER."""
    if mode == "VALID":
        return [0, 0, 0, 0]
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"its padding is {mode!r}; give its pads in numbers")
    begin, end = [], []
    for size, width, step in zip(sizes, kernel, stride, strict=True):
        total = max((-(-size // step) - 1) * step + width - size, 0)
        less, more = total // 2, total - total // 2
        begin.append(less if mode == "SAME_UPPER" else more)
        end.append(more if mode == "SAME_UPPER" else less)
    return begin + end


def both_sides(
    pads: Sequence[int], sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]
) -> tuple[int, int]:
    """The padding of rows and columns that gives the same windows on both sides.

    More or less padding at the end is the same where no window reaches it.
    """
    for axis, what in enumerate(AXES):
        before, behind = pads[axis], pads[axis + 2]
        size, width, step = sizes[axis], kernel[axis], stride[axis]
        if min(before, behind) < 0:
            raise ValueError(f"its pads are {list(pads)}; they cannot be negative, slice instead")
        if size + before + behind < width:
            raise ValueError(
                f"a kernel of {width} {what} does not fit in an image of {size} with pads of "
                f"{before} and {behind}; export the model again"
            )
        if _count(size, width, step, before + behind) != _count(size, width, step, 2 * before):
            raise ValueError(
                f"its {what} are padded by {before} before and {behind} behind; only the same on "
                "both sides is supported: pad so, and train again"
            )
        if before > (width - 1) // 2:
            raise ValueError(
                f"its {what} are padded by {before}, more than half a kernel of {width}; at most "
                f"{(width - 1) // 2} is supported"
            )
    return pads[0], pads[1]


def pooled(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    pads: Sequence[int],
    *,
    ceil: bool = False,
) -> None:
    """Check that a pool looks at whole windows inside the image only."""
    for axis, what in enumerate(AXES):
        before, behind = pads[axis], pads[axis + 2]
        size, width, step = sizes[axis], kernel[axis], stride[axis]
        plain = _count(size, width, step, 0)
        room = size + before + behind - width
        found = (-(-room // step) if ceil else room // step) + 1
        if before or found != plain or plain < 1:
            raise ValueError(
                f"it takes windows of {width} {what} that reach beyond an image of {size}; use no "
                "padding, ceil_mode=0 and a kernel that fits"
            )
