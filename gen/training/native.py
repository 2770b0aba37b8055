"""Convolutions of a processor in C, compiled at the first use.

PyTorch multiplies floats where inputs and weights are -1 and +1, and behind a pool it convolves
with the three gradients of four that are 0. ``c/sums.c`` and ``c/gradients.c`` do neither. They are
left out where there is no C compiler (``cc``, or what ``$CC`` says).
"""

import ctypes
import os
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from binohm.gen.training.recipe import KERNEL, Shape

__all__ = ["Kernels", "available"]

SOURCES = tuple(Path(__file__).with_name("c") / f"{name}.c" for name in ("sums", "gradients"))

FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC")

LANES, CHUNK, WORD = 8, 24, 8
"""Floats of a vector and of a chunk of a window's row, and bytes of a word, in the C."""

Floats = NDArray[np.float32]
Sums = NDArray[np.int16]
Corners = NDArray[np.uint8]

MOST = 1 << 15
"""Inputs of a sum must be fewer."""

EDGES = np.zeros((16, KERNEL, KERNEL), bool)
"""Weights of a kernel that lie outside of an image, for each ``where`` of ``c/sums.c``."""

for _where, _outside in enumerate(EDGES):
    for _bit, _line in enumerate((_outside[0], _outside[-1], _outside[:, 0], _outside[:, -1])):
        _line |= bool(_where >> _bit & 1)


class _Shape(ctypes.Structure):
    """The ``shape`` of the C."""

    _fields_ = tuple(
        (name, ctypes.c_long)
        for name in ("images", "rows", "columns", "channels", "outputs", "all")
    )


class Kernels:
    """Kernels of -1 and +1 of a group, and zeros, (outputs, C, 3, 3).

    What comes in, and the place for its gradient, are the group's channels of (N, C, H, W), where
    channels lie next to each other.
    """

    def __init__(self, kernels: Tensor, shape: Shape) -> None:
        self.shape, self.channels = shape, kernels.shape[1]
        self.depth = -(-self.channels // LANES) * LANES
        last = kernels.permute(0, 2, 3, 1)
        self.packed = _packed(last.numpy())
        lines = functional.pad(last, (0, self.depth - self.channels)).flatten(2)
        self.chunks = lines.unflatten(2, (-1, CHUNK)).permute(2, 0, 1, 3).contiguous()

    def sums(self, x: Tensor) -> tuple[Sums, Corners | None]:
        """Sums of inputs of -1 and +1, a row for each pixel, and None.

        Where the layer has a pool: the largest of each 2 x 2 sums, and which of them it is: 0 to 3,
        the first, row by row.
        """
        rows, columns = self.shape.result[:2]
        to = np.empty((len(x) * rows * columns, self.shape.outputs), np.int16)
        corner = np.empty(to.shape, np.uint8) if self.shape.pool else None
        at = None if corner is None else corner.ctypes.data
        self._call("sums", x, *(part.ctypes.data for part in (*self.packed, to)), at)
        return to, corner

    def gradients(
        self,
        x: Tensor,
        sums: Sums,
        corner: Corners,
        norm: Sequence[Floats],
        gradient: Floats,
        to_x: Tensor | None,
    ) -> Tensor:
        """Of the kernels, behind a pool; that of ``x`` is added to ``to_x``, if there is one.

        Parameters
        ----------
        sums, corner
            What :meth:`sums` gives.
        norm
            What :func:`binohm.gen.training.kernels.spread` takes for each output: mean, scale,
            beta, slope and level.
        gradient
            Of what is normalised, a row for each of ``sums``.
        """
        to, each = torch.zeros_like(self.chunks), np.stack(norm)
        given = (part.ctypes.data for part in (sums, gradient, corner, each))
        place = None if to_x is None else to_x.data_ptr()
        self._call("gradients", x, *given, self.chunks.data_ptr(), place, to.data_ptr())
        lines = to.permute(1, 2, 0, 3).reshape(-1, KERNEL, KERNEL, self.depth)
        return lines[..., : self.channels].permute(0, 3, 1, 2)

    def _call(self, name: str, x: Tensor, *pointers: int | None) -> None:
        rows, columns, everything = self.shape.image
        strides = rows * columns * everything, 1, columns * everything, everything
        zipped = zip(x.shape, x.stride(), strides, strict=True)
        assert all(size == 1 or found == wanted for size, found, wanted in zipped)
        sizes = _Shape(len(x), rows, columns, self.channels, self.shape.outputs, everything)
        library = _compiled()
        assert library is not None
        function = library[f"binohm_{name}"]
        if function(ctypes.byref(sizes), *map(ctypes.c_void_p, (x.data_ptr(), *pointers))):
            raise MemoryError


def available(inputs: int) -> bool:
    """Whether there is a compiler that takes the C, and sums of so many inputs are held."""
    return inputs < MOST and _compiled() is not None


def _packed(kernels: Floats) -> tuple[NDArray[np.generic], ...]:
    """A bit for each weight of -1, the mask of those that are not 0, and ``base``."""
    held, below = kernels[:1] != 0, kernels < 0
    count, outside = held.sum(-1).reshape(-1), EDGES.reshape(len(EDGES), -1)
    base = (~outside @ count)[:, None] + 2 * outside @ below.sum(-1).reshape(len(kernels), -1).T
    return _words(below), _words(held), base.astype(np.int16)


def _words(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """The same packed as ``c/sums.c`` has them, (outputs, 3, words of a row)."""
    packed = np.packbits(bits, axis=-1, bitorder="little").reshape(*bits.shape[:2], -1)
    filled = np.zeros((*bits.shape[:2], -(-packed.shape[2] // WORD) * WORD), np.uint8)
    filled[..., : packed.shape[2]] = packed
    return filled.view(np.uint64)


@cache
def _compiled() -> Any:
    """The library, or None."""
    with TemporaryDirectory(prefix="binohm-") as folder:
        library = Path(folder) / "training.so"
        compiler = shlex.split(os.environ.get("CC", "cc"))
        try:
            command = [*compiler, *FLAGS, *map(str, SOURCES), "-o", str(library)]
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return ctypes.CDLL(str(library))
