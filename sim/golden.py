"""What a network computes, in -1/+1 arithmetic: the truth every other part is compared with.

This restates the formula of :mod:`binohm.gen.network` on whole batches. Activations and weights
are -1 and +1, sign(0) is +1, a tie of a majority vote is +1, and of equal scores the lowest class
wins. Products are taken in float64, where they are exact: every sum stays below 2^53.

A lossy converter is part of the truth too. An ``adc`` of ``b`` bits returns at most ``2^b - 1``
matches of a row tile (see :mod:`binohm.gen.plan`). Here every match above that is taken off the
exact sum again: a lost match lowers ``s`` by 2 where a line carries -1 or +1; by 4 where +1 drives
it and -1 leaves it off (then ``s = 2 * u - sum(w)``); and by twice the weight of the plane where
bit planes are read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from binohm.gen.network import Conv, Dense, Input, Ints, Network, Pool, Scores, Signs
from binohm.gen.plan import LayerPlan

__all__ = ["Trace", "accuracy", "check_images", "forward", "from_bits", "to_bits"]

WINDOWS = 1 << 14
"""Windows that a convolution computes at once: memory stays small."""


@dataclass(frozen=True)
class Trace:
    """All intermediate results of a batch of ``N`` images.

    Parameters
    ----------
    input : int64 array, shape (N, elements)
        Values after the input table.
    hidden : tuple of int8 arrays of -1 and +1, shape (N, outputs)
        One per hidden layer.
    scores : int64 array, shape (N, classes)
    predictions : int64 array, shape (N,)
    """

    input: Ints
    hidden: tuple[Signs, ...]
    scores: Ints
    predictions: Ints


def forward(
    network: Network, images: NDArray[np.uint8], layers: Sequence[LayerPlan] | None = None
) -> Trace:
    """Compute ``network`` on ``images``.

    Parameters
    ----------
    network : Network
    images : uint8 array, shape (N, *network.input.shape)
    layers : sequence of LayerPlan, optional
        ``plan.layers``: a layer whose converter is lossy is computed with its losses. All other
        mappings are exact and change nothing.

    Raises
    ------
    ValueError
        If the images have another type or shape, or ``layers`` belongs to another network.
    """
    check_images(network.input, images)
    plans: Sequence[LayerPlan | None] = [None] * len(network.layers)
    if layers is not None:
        _check_plans(network, layers)
        plans = layers
    values = network.input.table[images.reshape(len(images), network.input.elements)]
    x: NDArray[Any] = values
    source: Input | None = network.input
    hidden: list[Signs] = []
    for layer, plan in zip(network.hidden, plans, strict=False):
        x = _hidden(layer, x, source, plan)
        source = None
        hidden.append(x)
    last = network.scores
    scores = last.scale * _sums(last, 0, slice(None), x, source, plans[-1]) + last.offset
    return Trace(values, tuple(hidden), scores, scores.argmax(axis=1).astype(np.int64))


def check_images(source: Input, images: NDArray[np.uint8]) -> None:
    """Raise ValueError unless ``images`` are uint8 of shape (N, *source.shape)."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"images must be an array of uint8, not {found}")
    if images.shape[1:] != source.shape or images.ndim == 0:
        wanted = ", ".join(str(length) for length in source.shape)
        raise ValueError(f"images must have shape (N, {wanted}), not {images.shape}")


def accuracy(predictions: Ints, labels: Ints) -> float:
    """Fraction of equal elements, 0 to 1."""
    if predictions.shape != labels.shape or not predictions.size:
        raise ValueError(
            f"predictions and labels must have one equal, non-empty shape, not {predictions.shape} "
            f"and {labels.shape}"
        )
    return float(np.count_nonzero(predictions == labels) / predictions.size)


def to_bits(signs: NDArray[Any]) -> int:
    """Pack -1/+1 into an integer: element ``k`` is bit ``k``, and +1 is 1."""
    if signs.ndim != 1 or not np.isin(signs, (-1, 1)).all():
        raise ValueError("signs must be a vector of -1 and +1")
    return sum(1 << k for k, sign in enumerate(signs.tolist()) if sign > 0)


def from_bits(bits: int, width: int) -> Signs:
    """Unpack ``width`` elements of -1/+1 from an integer, the inverse of :func:`to_bits`."""
    if not 0 <= bits < 1 << width:
        raise ValueError(f"{bits:#x} does not fit in {width} bits")
    return np.array([2 * (bits >> k & 1) - 1 for k in range(width)], np.int8)


def _hidden(layer: Dense, x: NDArray[Any], source: Input | None, plan: LayerPlan | None) -> Signs:
    """Results of a hidden layer, shape (N, layer.gives)."""
    if not isinstance(layer, Conv):
        return _votes(layer, x, source, plan)
    step = max(1, WINDOWS // math.prod(layer.windows))
    parts = [_convolved(layer, x[at : at + step], source, plan) for at in range(0, len(x), step)]
    return np.concatenate(parts) if parts else np.empty((0, layer.gives), np.int8)


def _convolved(layer: Conv, x: NDArray[Any], source: Input | None, plan: LayerPlan | None) -> Signs:
    """A vote in every window; what lies beyond the border is 0."""
    rows, columns = layer.padding
    around = ((0, 0), (rows, rows), (columns, columns), (0, 0))
    padded = np.pad(x.reshape(-1, *layer.image), around)
    every = sliding_window_view(padded, layer.kernel, axis=(1, 2))
    chosen = every[:, :: layer.stride[0], :: layer.stride[1]]
    votes = _votes(layer, chosen.reshape(-1, layer.inputs), source, plan)
    if layer.pool and layer.pool.of == "signs":
        votes = _pooled(layer, layer.pool, votes)
    return votes.reshape(len(x), layer.gives)


def _votes(layer: Dense, x: NDArray[Any], source: Input | None, plan: LayerPlan | None) -> Signs:
    """Bits of a hidden layer: its groups compare their sums with thresholds and vote."""
    ballots = np.zeros((1, layer.outputs), np.int64)
    for g in range(layer.groups):
        part = slice(layer.bounds[g], layer.bounds[g + 1])
        sums = _sums(layer, g, part, x, source, plan)
        if isinstance(layer, Conv) and layer.pool and layer.pool.of == "sums":
            sums = _pooled(layer, layer.pool, sums)
        ballots = ballots + np.where((sums >= layer.theta[g]) != layer.flip[g], 1, -1)
    return np.where(ballots >= 0, 1, -1).astype(np.int8)


def _pooled(layer: Conv, pool: Pool, values: NDArray[Any]) -> NDArray[Any]:
    """Largest of the values of several windows, shape (results, outputs)."""
    maps = values.reshape(-1, *layer.windows, layer.outputs)
    every = sliding_window_view(maps, pool.kernel, axis=(1, 2))
    largest = every[:, :: pool.stride[0], :: pool.stride[1]].max(axis=(-2, -1))
    return np.asarray(largest.reshape(-1, layer.outputs))


def _sums(
    layer: Dense | Scores,
    group: int,
    part: slice,
    x: NDArray[Any],
    source: Input | None,
    plan: LayerPlan | None,
) -> Ints:
    """Sums of one group, less what its converters lose; ``source`` if ``x`` is the input."""
    sums = _product(x[:, part], layer.weights[:, part])
    if plan is None or plan.array.readout != "adc":
        return sums
    limit = (1 << plan.array.adc_bits) - 1
    if limit >= plan.array.rows:
        return sums
    for start, stop in {tile.inputs for tile in plan.tiles if tile.group == group}:
        for worth, drive in _drives(x[:, start:stop], source, plan):
            driven = np.abs(drive).sum(axis=1, dtype=np.int64)[:, None]
            matches = (driven + _product(drive, layer.weights[:, start:stop])) // 2
            sums -= worth * np.maximum(matches - limit, 0)
    return sums


def _drives(
    x: NDArray[Any], source: Input | None, plan: LayerPlan
) -> list[tuple[int, NDArray[Any]]]:
    """What each plane puts on the lines, and what a match in it adds to the sum, see the top."""
    if source is not None and not source.bipolar:
        return [(2 * worth, x >> b & 1) for b, worth in enumerate(source.plane_weights)]
    return [(2, x)] if plan.drive == "bipolar" else [(4, np.maximum(x, 0))]


def _product(x: NDArray[Any], weights: Signs) -> Ints:
    """Exact ``x @ weights.T``: sums are at most 2^15 * inputs in size, far below 2^53."""
    return (x.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)


def _check_plans(network: Network, layers: Sequence[LayerPlan]) -> None:
    planned = [(plan.name, plan.inputs, plan.outputs, plan.groups) for plan in layers]
    wanted = [(layer.name, layer.inputs, layer.outputs, layer.groups) for layer in network.layers]
    if planned != wanted:
        raise ValueError(f"the plan's layers are {planned}, but the network's are {wanted}")
