"""The network on packed bits: equal to :mod:`binohm.sim.golden`, made for whole test sets.

Activations and weights are bits in words, see :mod:`binohm.sim.words`. XOR and ``bitwise_count``
give ``c``, the positions at which they differ; ``n`` elements have the sum ``n - 2 * c``, and so
every threshold is a limit of mismatches. Beyond a border all bits are 0, as if -1: each of these
elements took its weight off the sum, so the limit depends on the position. The largest of some sums
reaches a threshold if any does; so behind a comparison pools are ORs of words, and a flip an XOR.

A first layer that takes integers multiplies instead: in float32 where every sum is below 2^24 in
size, else in float64; so the products are exact.

Images are computed in blocks, and a layer's in parts of about ``VECTORS`` windows, which stay in a
core's cache. The loops in Python run along words of a window, operations along windows. Measured on
one core: 0.55 ns for 64 products, where a product of float32 matrices takes 2 to 6. Where there is
a C compiler and enough to do, the same loop in C takes 0.13 ns.

Lossy converters, golden's ``layers``, are not modelled here.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Conv, Dense, Input, Ints, Network, Scores
from binohm.sim.golden import check_images
from binohm.sim.words import (
    WORD,
    Count,
    Places,
    Windows,
    compiled,
    largest,
    majority,
    mismatches,
    packed,
)

__all__ = ["Packed"]

VECTORS = 6144
"""Windows, or images of fully connected layers, at once. Rows longer than a third of NumPy's buffer
of 8192 elements run three times as fast as shorter ones where one operand is the same along the row
(0.18 against 0.6 ns a word)."""

MAP = 1 << 23
"""Positions times words of the maps of a block at most."""

WORTH = 1 << 28
"""Words to compare from which on compiling pays."""

STEPS = 16
"""A table with more changes of a bit than this is looked up; a comparison costs 1/20 as much."""

Words = NDArray[np.uint64]
Bits = NDArray[np.bool_]


class Packed:
    """A network prepared for fast execution.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        first = network.layers[0]
        self._image = first.image if isinstance(first, Conv) else (1, 1, first.inputs)
        self._sign = _Steps(network.input.table > 0) if network.input.bipolar else None
        self._layers: list[_Layer] = []
        image, source = self._image, None if self._sign else network.input
        for layer in network.layers:
            self._layers.append(_Layer(layer, image, source))
            image = layer.result if isinstance(layer, Conv) else (1, 1, layer.outputs)
            source = None
        words = max(layer.words for layer in self._layers)
        self._block = max(1, min(VECTORS, MAP // words))
        self._work = sum(layer.work for layer in self._layers)

    def scores(self, images: NDArray[np.uint8]) -> Ints:
        """Scores, shape (N, classes), of uint8 images, shape (N, *input.shape).

        Raises
        ------
        ValueError
            If the images have another type or shape.
        """
        check_images(self.network.input, images)
        pixels = images.reshape(-1, *self._image)
        count = (compiled() if self._work * len(images) >= WORTH else None) or mismatches
        scores = np.empty((len(images), self.network.scores.outputs), np.int64)
        for start in range(0, len(images), self._block):
            part = slice(start, start + self._block)
            scores[part] = self._scores(pixels[part], count).T
        return scores

    def predictions(self, images: NDArray[np.uint8]) -> Ints:
        """Lowest class among the largest scores, shape (N,)."""
        best: Ints = self.scores(images).argmax(axis=1).astype(np.int64)
        return best

    def _scores(self, pixels: NDArray[np.uint8], count: Count) -> Ints:
        """Scores, shape (classes, images), of one block."""
        if self._sign:
            maps: NDArray[Any] = _by_position(self._sign(pixels))
        else:
            maps = np.moveaxis(pixels, -1, 0)
        for layer in self._layers[:-1]:
            maps = layer.map(maps, count)
        return self._layers[-1].affine(maps, count)


class _Steps:
    """One bit of each pixel byte: exclusive or of comparisons, or looked up if that is faster."""

    def __init__(self, table: Bits) -> None:
        self.table = table
        self.first = bool(table[0])
        self.edges = [int(p) for p in np.flatnonzero(table[1:] != table[:-1]) + 1]

    def __call__(self, pixels: NDArray[np.uint8]) -> Bits:
        if len(self.edges) > STEPS:
            return self.table[pixels]
        if not self.edges:
            return np.full(pixels.shape, self.first)
        edge, *more = self.edges
        bits: Bits = pixels < edge if self.first else pixels >= edge
        for edge in more:
            bits ^= pixels >= edge
        return bits


class _Layer:
    """A layer prepared; ``source`` is the input if it takes integers of that."""

    def __init__(
        self, layer: Dense | Scores, image: tuple[int, int, int], source: Input | None
    ) -> None:
        self.layer = layer
        self.windows = Windows.of(layer, image)
        self.words = image[0] * image[1] * -(-image[2] // WORD)
        self.work = 0 if source else layer.weights.size * math.prod(self.windows.size) // WORD
        self.arithmetic: _Matches | _Sums = _Matches(layer, self.windows)
        if source:
            self.arithmetic = _Sums(layer, self.windows, source)
        if isinstance(layer, Dense):
            self.flips = [packed(flip[:, None])[:, :, None, None] for flip in layer.flip]

    def map(self, maps: NDArray[Any], count: Count) -> Words:
        """The map of a hidden layer, from that of the layer before or from pixels."""
        parts = [self._part(part, count) for part in self._parts(maps)]
        return np.concatenate(parts, axis=1)

    def affine(self, maps: NDArray[Any], count: Count) -> Ints:
        """Scores of the last layer, shape (classes, images)."""
        assert isinstance(self.layer, Scores)
        sums = [self.arithmetic.sums(part, count) for part in self._parts(maps)]
        scale, offset = self.layer.scale[:, None], self.layer.offset[:, None]
        scores: Ints = scale * np.concatenate(sums, axis=1) + offset
        return scores

    def _parts(self, maps: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Images whose windows are computed at once."""
        rows, columns = self.windows.size
        step = max(1, VECTORS // (rows * columns))
        for start in range(0, maps.shape[1], step):
            yield maps[:, start : start + step]

    def _part(self, maps: NDArray[Any], count: Count) -> Words:
        pool = self.layer.pool if isinstance(self.layer, Conv) else None
        votes = []
        for bits, flip in zip(self.arithmetic.reached(maps, count), self.flips, strict=True):
            words = packed(bits).reshape(len(flip), -1, *self.windows.size)
            if pool and pool.of == "sums":
                words = largest(words, pool.kernel, pool.stride)
            votes.append(words ^ flip)
        words = majority(votes)
        if pool and pool.of == "signs":
            words = largest(words, pool.kernel, pool.stride)
        return words


class _Matches:
    """Sums of a layer that takes bits, by counting where they differ from the weights."""

    def __init__(self, layer: Dense | Scores, windows: Windows) -> None:
        self.windows = windows
        self.inputs = layer.inputs
        bounds = layer.bounds if isinstance(layer, Dense) else (0, layer.inputs)
        tap, channel = windows.places(layer)
        self.places = [Places(tap[a:b], channel[a:b]) for a, b in pairwise(bounds)]
        self.weights: list[Words] = []
        self.limits: list[Ints] = []
        for g, (a, b) in enumerate(pairwise(bounds)):
            part = layer.weights[:, a:b]
            self.weights.append(self.places[g].weights(part > 0))
            if isinstance(layer, Dense):
                most = b - a + _beyond(windows, tap[a:b], part)
                limit = (most - layer.theta[g][:, None]) // 2 + 1
                self.limits.append(np.clip(limit, 0, b - a + 1)[:, None])

    def reached(self, maps: Words, count: Count) -> Iterator[Bits]:
        """Whether each window reaches the threshold, for each group, shape (outputs, windows)."""
        taps = list(self.windows.taps(maps))
        for places, weights, limits in zip(self.places, self.weights, self.limits, strict=True):
            counts = count(places.window(taps), weights)
            by_image = counts.reshape(len(counts), maps.shape[1], -1)
            yield (by_image < limits.astype(counts.dtype)).reshape(counts.shape)

    def sums(self, maps: Words, count: Count) -> Ints:
        """Sums, shape (outputs, windows)."""
        words = self.places[0].window(list(self.windows.taps(maps)))
        sums: Ints = self.inputs - 2 * count(words, self.weights[0]).astype(np.int64)
        return sums


class _Sums:
    """Sums of a layer that takes integers, as products of matrices."""

    def __init__(self, layer: Dense | Scores, windows: Windows, source: Input) -> None:
        self.layer, self.windows = layer, windows
        most = int(np.abs(source.table).max()) * layer.inputs
        kind = np.float32 if most < 1 << 24 else np.float64
        self.table, self.weights = source.table.astype(kind), layer.weights.astype(kind)
        if isinstance(layer, Dense):  # what is out of reach stays so, and is exact
            self.theta = np.clip(layer.theta, -(most + 1), most + 1).astype(kind)

    def reached(self, pixels: NDArray[np.uint8], _: Count) -> Iterator[Bits]:
        """Whether each window reaches the threshold, for each group, shape (outputs, windows)."""
        assert isinstance(self.layer, Dense)
        values = self._values(pixels)
        for theta, (a, b) in zip(self.theta, pairwise(self.layer.bounds), strict=True):
            yield self.weights[:, a:b] @ values[a:b] >= theta[:, None]

    def sums(self, pixels: NDArray[np.uint8], _: Count) -> Ints:
        """Sums, shape (outputs, windows)."""
        sums: Ints = (self.weights @ self._values(pixels)).astype(np.int64)
        return sums

    def _values(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Values of all windows of pixels (channels, ...), shape (inputs, windows)."""
        values = self.table.take(np.ascontiguousarray(pixels))
        taps = np.stack(list(self.windows.taps(values)), axis=1)
        return taps.reshape(self.layer.inputs, -1)


def _by_position(bits: Bits) -> Words:
    """Pack bits (images, rows, columns, channels) into a map."""
    octets = np.packbits(bits, axis=-1, bitorder="little")
    words = np.zeros((*octets.shape[:-1], -(-bits.shape[-1] // WORD) * 8), np.uint8)
    words[..., : octets.shape[-1]] = octets
    return np.ascontiguousarray(np.moveaxis(words.view("<u8"), -1, 0), np.uint64)


def _beyond(windows: Windows, tap: Ints, weights: NDArray[np.int8]) -> Ints:
    """What the weights beyond the border add up to, shape (outputs, windows of an image)."""
    taps = windows.kernel[0] * windows.kernel[1]
    inside = np.ones((1, *windows.image[:2]), np.int64)
    off = 1 - np.stack([view.reshape(-1) for view in windows.taps(inside)])
    by_tap = np.zeros((taps, len(weights)), np.int64)
    np.add.at(by_tap, tap, weights.T.astype(np.int64))
    added: Ints = by_tap.T @ off
    return added if any(windows.padding) else added[:, :1]
