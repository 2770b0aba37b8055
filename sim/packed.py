"""The network on packed bits: equal to :mod:`binohm.sim.golden`, made for whole test sets.

A vector of bits is packed into 64-bit words, element ``k`` into bit ``k % 64`` of word ``k // 64``;
groups of a split layer begin at a word of their own. XOR and ``bitwise_count`` give ``c``, the
positions at which bits and weights differ. Of activations -1 and +1, ``n`` elements have the sum
``n - 2 * c``. A plane of bits 0 and 1 that weighs ``v`` adds ``v * (k - c)`` where ``k`` is the
number of weights +1. So every threshold is a limit of weighted mismatches, and every layer runs
through the same loop.

Images are computed in blocks. Arrays are (words, images) and (outputs, images): all operations run
along images, and the loops in Python along words. Measured for 10,000 images of 784 inputs and 64
outputs on one core: 5 ms in blocks of 2752 images and 8 ms in blocks of 1024; 9 ms with (images,
outputs) arrays, 18 ms with the words as the innermost axis. Two threads gained nothing.

Lossy converters, golden's ``layers``, are not modelled here.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Dense, Input, Ints, Network, Scores, Signs
from binohm.sim.golden import check_images

__all__ = ["Packed"]

WORD = 64

BLOCK = 43 * WORD
"""Images of a block. Rows longer than a third of NumPy's buffer of 8192 elements run three times as
fast as shorter ones where one operand is the same along the row (0.18 against 0.6 ns a word)."""

ROWS = 64
"""Outputs of a block counted at a time: their words stay within a core's cache."""

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
        source = network.input
        self._planes = [_Steps(table) for table in _plane_tables(source)]
        planes = None if source.bipolar else source.plane_weights
        self._layers = [
            _Layer(layer, None if index else planes) for index, layer in enumerate(network.layers)
        ]

    def scores(self, images: NDArray[np.uint8]) -> Ints:
        """Scores, shape (N, classes), of uint8 images, shape (N, *input.shape).

        Raises
        ------
        ValueError
            If the images have another type or shape.
        """
        check_images(self.network.input, images)
        pixels = images.reshape(len(images), self.network.input.elements)
        scores = np.empty((len(images), self.network.scores.outputs), np.int64)
        for start in range(0, len(images), BLOCK):
            part = slice(start, start + BLOCK)
            scores[part] = self._scores(pixels[part]).T
        return scores

    def predictions(self, images: NDArray[np.uint8]) -> Ints:
        """Lowest class among the largest scores, shape (N,)."""
        best: Ints = self.scores(images).argmax(axis=1).astype(np.int64)
        return best

    def _scores(self, pixels: NDArray[np.uint8]) -> Ints:
        """Scores, shape (classes, images), of one block."""
        planes = [plane(pixels) for plane in self._planes]
        for layer in self._layers[:-1]:
            planes = [layer.votes(planes).T]
        return self._layers[-1].affine(planes)


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
    """Packed weights of a layer, and its thresholds as limits of mismatches.

    ``planes`` are the weights of its bit planes, None where activations are -1 and +1. A sum is
    ``most - unit * counted``; ``counted`` are mismatches, weighed by the planes if there are any.
    """

    def __init__(self, layer: Dense | Scores, planes: Sequence[int] | None) -> None:
        self.bounds = layer.bounds if isinstance(layer, Dense) else (0, layer.inputs)
        self.planes = planes
        self.unit = 2 if planes is None else 1
        self.groups = _pack(layer.weights > 0, self.bounds)
        most = np.stack([_most(layer.weights[:, a:b], planes) for a, b in pairwise(self.bounds)])
        if isinstance(layer, Dense):
            limits: list[NDArray[Any]] = list(((most - layer.theta) // self.unit + 1)[:, :, None])
            if planes is None:  # no larger than the counts they are compared with
                limits = [
                    np.clip(limit, 0, WORD * len(words) + 1).astype(_count_type(words))
                    for limit, words in zip(limits, self.groups, strict=True)
                ]
            self.limits, self.flip = limits, layer.flip[:, :, None]
        else:
            self.most, self.scale = most[0][:, None], layer.scale[:, None]
            self.offset = layer.offset[:, None]

    def votes(self, planes: Sequence[Bits]) -> Bits:
        """Bits (outputs, images) of a hidden layer, from planes (images, inputs)."""
        groups: list[Bits] = [
            (counted < limit) ^ flip
            for counted, limit, flip in zip(
                self._counted(planes), self.limits, self.flip, strict=True
            )
        ]
        if len(groups) == 1:
            return groups[0]
        majority: Bits = 2 * np.sum(groups, axis=0) >= len(groups)
        return majority

    def affine(self, planes: Sequence[Bits]) -> Ints:
        """Scores of the last layer, shape (classes, images)."""
        (counted,) = self._counted(planes)
        scores: Ints = self.scale * (self.most - self.unit * counted.astype(np.int64)) + self.offset
        return scores

    def _counted(self, planes: Sequence[Bits]) -> list[NDArray[Any]]:
        """What mismatches in each group, shape (outputs, images)."""
        packed = [_pack(bits, self.bounds) for bits in planes]
        if self.planes is None:
            return [_mismatches(*pair) for pair in zip(packed[0], self.groups, strict=True)]
        totals = []
        for weights, *parts in zip(self.groups, *packed, strict=True):
            total = np.zeros((1, 1), np.int64)
            for worth, words in zip(self.planes, parts, strict=True):
                total = total + worth * _mismatches(words, weights).astype(np.int64)
            totals.append(total)
        return totals


def _most(weights: Signs, planes: Sequence[int] | None) -> Ints:
    """Sum of each output if nothing differs."""
    if planes is None:
        return np.full(len(weights), weights.shape[1])
    most: Ints = sum(planes) * (weights > 0).sum(axis=1, dtype=np.int64)
    return most


def _count_type(words: Words) -> type[np.integer[Any]]:
    """What holds the number of bits in a column of words, and one more."""
    return np.uint16 if len(words) < (1 << 16) // WORD else np.int64


def _mismatches(words: Words, weights: Words) -> NDArray[Any]:
    """Positions at which images (words, images) and weights (words, outputs) differ."""
    total = np.zeros((weights.shape[1], words.shape[1]), _count_type(words))
    for start in range(0, len(total), ROWS):
        rows = total[start : start + ROWS]
        differ, ones = np.empty(rows.shape, np.uint64), np.empty(rows.shape, np.uint8)
        for image, weight in zip(words, weights[:, start : start + ROWS], strict=True):
            np.bitwise_xor(image, weight[:, None], out=differ)
            np.bitwise_count(differ, out=ones)
            rows += ones
    return total


def _pack(bits: Bits, bounds: Sequence[int]) -> list[Words]:
    """Pack (vectors, elements) into (words, vectors) for each group."""
    groups = []
    for start, stop in pairwise(bounds):
        used = np.packbits(np.ascontiguousarray(bits[:, start:stop]), axis=1, bitorder="little")
        padded = np.zeros((len(bits), -(-(stop - start) // WORD) * WORD // 8), np.uint8)
        padded[:, : used.shape[1]] = used
        groups.append(np.ascontiguousarray(padded.view("<u8").T, np.uint64))
    return groups


def _plane_tables(source: Input) -> list[Bits]:
    """For each plane of the input, the bit of each pixel byte."""
    if source.bipolar:
        return [source.table > 0]
    return [(source.table >> b & 1).astype(np.bool_) for b in range(source.bits)]
