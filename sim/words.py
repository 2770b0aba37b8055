"""Bits in 64-bit words, for :mod:`binohm.sim.packed`.

Bits of vectors are arrays of shape (elements, vectors); packed, they are words of shape (words,
vectors), with element ``k`` in bit ``k % 64`` of word ``k // 64``. A map of images is words of
shape (words, images, rows, columns): every position has the bits of its channels.
"""

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Conv, Dense, Ints, Scores

__all__ = [
    "WORD",
    "Count",
    "Places",
    "Windows",
    "compiled",
    "largest",
    "majority",
    "mismatches",
    "packed",
]

WORD = 64

ROWS = 16
"""Outputs counted at a time: their words stay within a core's cache."""

Kind = TypeVar("Kind", np.uint64, np.bool_)
Words = NDArray[np.uint64]
Bits = NDArray[np.bool_]
Count = Callable[[Words, Words], NDArray[Any]]
"""What :func:`mismatches` does."""


@dataclass(frozen=True)
class Windows:
    """Where the windows of a layer lie in its image; all lengths in rows and columns."""

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, layer: Dense | Scores, image: tuple[int, int, int]) -> "Windows":
        """Those of a layer; one as large as the image if it is fully connected."""
        if isinstance(layer, Conv):
            return cls(layer.image, layer.kernel, layer.stride, layer.padding)
        return cls(image, image[:2])

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        rows, columns = (
            (self.image[k] + 2 * self.padding[k] - self.kernel[k]) // self.stride[k] + 1
            for k in range(2)
        )
        return rows, columns

    def places(self, layer: Dense | Scores) -> tuple[Ints, Ints]:
        """Tap and channel of each input of the layer."""
        taps, channels = self.kernel[0] * self.kernel[1], self.image[2]
        inputs = np.arange(taps * channels)
        if isinstance(layer, Conv):
            return inputs % taps, inputs // taps
        return inputs // channels, inputs % channels

    def taps(self, maps: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """For each tap, what lies under it in maps (..., rows, columns): a view (..., *size).

        Beyond the border there are zeros.
        """
        if any(self.padding):
            around = [(0, 0)] * (maps.ndim - 2) + [(p, p) for p in self.padding]
            maps = np.pad(maps, around)
        steps = [(size - 1) * by + 1 for size, by in zip(self.size, self.stride, strict=True)]
        for y, x in np.ndindex(*self.kernel):
            rows, columns = slice(y, y + steps[0]), slice(x, x + steps[1])
            yield maps[..., rows, columns][..., :: self.stride[0], :: self.stride[1]]


@dataclass(frozen=True)
class _Run:
    """``width`` bits of a tap, from bit ``shift`` of word ``source`` to bit ``to`` of ``word``."""

    tap: int
    source: int
    shift: int
    width: int
    word: int
    to: int


class Places:
    """Where the inputs of a group are in the words of a window.

    Bits that lie together in a word of the map stay together; whole words are copied.

    Parameters
    ----------
    tap, channel : int64 array, shape (inputs,)
    """

    def __init__(self, tap: Ints, channel: Ints) -> None:
        order = np.lexsort((channel, tap))
        key = np.stack([tap[order], channel[order] // WORD])
        apart = (np.diff(key) != 0).any(axis=0) | (np.diff(channel[order]) != 1)
        cuts = [0, *(np.flatnonzero(apart) + 1).tolist(), len(tap)]
        found = sorted(pairwise(cuts), key=lambda cut: cut[0] - cut[1])
        self.runs: list[_Run] = []
        self._word, self._bit = np.empty_like(tap), np.empty_like(tap)
        free: list[int] = []
        for start, stop in found:
            width, first = stop - start, order[start]
            word = next((w for w, room in enumerate(free) if room >= width), len(free))
            if word == len(free):
                free.append(WORD)
            to = WORD - free[word]
            free[word] -= width
            source, shift = divmod(int(channel[first]), WORD)
            self.runs.append(_Run(int(tap[first]), source, shift, width, word, to))
            self._word[order[start:stop]] = word
            self._bit[order[start:stop]] = to + np.arange(width)
        self.count = len(free)

    def weights(self, bits: Bits) -> Words:
        """Weights (outputs, inputs) of the group as words (words, outputs)."""
        placed = np.zeros((self.count * WORD, len(bits)), np.bool_)
        placed[self._word * WORD + self._bit] = bits.T
        return packed(placed)

    def window(self, taps: Sequence[Words]) -> Words:
        """Words (words, vectors) of all windows, from the words (words, ...) under each tap."""
        words = np.zeros((self.count, *taps[0].shape[1:]), np.uint64)
        for run in self.runs:
            bits = taps[run.tap][run.source]
            if run.width == WORD:
                words[run.word] = bits
            else:
                mask = np.uint64((1 << run.width) - 1)
                words[run.word] |= (bits >> np.uint64(run.shift) & mask) << np.uint64(run.to)
        return words.reshape(self.count, -1)


def packed(bits: Bits) -> Words:
    """Pack bits (elements, vectors) into words (words, vectors); what is left over is 0.

    Eight rows of bytes 0 and 1 are joined by doubling: a tenth of the time of ``np.packbits``
    along this axis.
    """
    count, vectors = bits.shape
    octets = np.zeros((vectors, -(-count // WORD) * 8), np.uint8)
    for octet, start in enumerate(range(0, count, 8)):
        *rest, last = bits[start : start + 8].view(np.uint8)
        joined = last.copy()
        for row in reversed(rest):
            joined += joined
            joined |= row
        octets[:, octet] = joined
    return np.ascontiguousarray(octets.view("<u8").T, np.uint64)


def mismatches(words: Words, weights: Words) -> NDArray[Any]:
    """Positions at which vectors (words, vectors) and weights (words, outputs) differ.

    Returns
    -------
    uint16 array, int64 if there are too many words, shape (outputs, vectors)
    """
    kind = np.uint16 if len(words) < (1 << 16) // WORD else np.int64
    total = np.zeros((weights.shape[1], words.shape[1]), kind)
    for start in range(0, len(total), ROWS):
        rows = total[start : start + ROWS]
        differ, ones = np.empty(rows.shape, np.uint64), np.empty(rows.shape, np.uint8)
        for vector, weight in zip(words, weights[:, start : start + ROWS], strict=True):
            np.bitwise_xor(vector, weight[:, None], out=differ)
            np.bitwise_count(differ, out=ones)
            rows += ones
    return total


@cache
def compiled() -> Count | None:
    """:func:`mismatches` in C, a quarter of the time; None where there is no C compiler.

    Compiled for this machine once in a process, which takes about 0.1 s.
    """
    source = files("binohm.sim").joinpath("harness/mismatches.c").read_text(encoding="utf-8")
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    with TemporaryDirectory(prefix="binohm-") as place:
        library = Path(place) / "mismatches.so"
        command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", "-x", "c", "-"]
        try:
            subprocess.run(
                [*command, "-o", library], input=source, text=True, check=True, capture_output=True
            )
            call = ctypes.CDLL(str(library)).mismatches
        except (OSError, subprocess.CalledProcessError):
            return None
    size = ctypes.c_ssize_t
    call.argtypes = [ctypes.c_void_p] * 2 + [size] * 3 + [ctypes.c_void_p]
    call.restype = None

    def count(words: Words, weights: Words) -> NDArray[Any]:
        if len(words) >= (1 << 16) // WORD:
            return mismatches(words, weights)
        words, rows = np.ascontiguousarray(words), np.ascontiguousarray(weights.T)
        totals = np.empty((len(rows), words.shape[1]), np.uint16)
        call(words.ctypes.data, rows.ctypes.data, *words.shape, len(rows), totals.ctypes.data)
        return totals

    return count


def majority(votes: Sequence[Words]) -> Words:
    """Bits that are set in at least half of some words.

    Bit planes of a counter; it begins so far below a power of two that half of the votes reach it.
    """
    if len(votes) == 1:
        return votes[0]
    top = len(votes).bit_length()
    begin = (1 << top) - (len(votes) + 1) // 2
    planes = [np.full_like(votes[0], -(begin >> k & 1) % (1 << WORD)) for k in range(top + 1)]
    for vote in votes:
        carry = vote
        for k, plane in enumerate(planes):
            planes[k], carry = plane ^ carry, plane & carry
    return planes[top]


def largest(maps: NDArray[Kind], kernel: tuple[int, int], stride: tuple[int, int]) -> NDArray[Kind]:
    """Or over windows of maps of words or bits: the bits of the largest of each."""
    pooled: NDArray[Kind] | None = None
    for words in Windows((*maps.shape[-2:], 1), kernel, stride).taps(maps):
        pooled = words.copy() if pooled is None else np.bitwise_or(pooled, words, out=pooled)
    assert pooled is not None
    return pooled
