"""Thresholds and scores in the integers an array delivers, exactly.

The relations of :mod:`binohm.gen.plan` all have the form ``s = factor * t - constant``, where
``t`` is what the periphery sees: ``u``, or for ``sa`` the sum of the driven cells. So::

    s >= theta              <=>   t >= ceil((theta + constant) / factor)
    scale * s + offset       =    (scale * factor) * t + (offset - scale * constant)

with Python's floor division, exact for negative numbers too. A threshold out of reach is moved to
just out of reach, ``low`` (always) or ``high + 1`` (never), so that a narrow integer holds it.

With a clipping converter (``lossy``) the same constants are used: what is lost is lost in ``t``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from binohm.gen.combinations import InputKind
from binohm.gen.network import Dense, Scores
from binohm.gen.plan import Array, Drive

__all__ = ["affine", "bias", "signed_bits", "thresholds", "u_range"]

Ints = NDArray[np.int64]


def bias(layer: Dense, drive: Drive) -> Ints:
    """Sum of the bias cells of each column, ``b`` of :mod:`binohm.gen.plan`, for ``sa``.

    Returns
    -------
    int64 array, shape (groups, outputs)
    """
    sizes, sums = _groups(layer)
    if drive == "bipolar":
        return -np.clip(layer.theta, -sizes, sizes + 1)
    positive = (sizes + sums) // 2
    return -np.clip(_ceil(layer.theta + sums, 2), positive - sizes, positive + 1)


def thresholds(
    layer: Dense,
    inputs: InputKind,
    drive: Drive,
    reach: tuple[int, int],
    *,
    driven: bool = False,
) -> Ints:
    """Threshold of ``u`` for ``adc`` and ``pcsa``: the bit is ``(u >= threshold) ^ flip``.

    ``driven`` is the layer plan's.

    Returns
    -------
    int64 array, shape (groups, outputs)
        From ``reach[0]`` to ``reach[1] + 1``.
    """
    factor, constant = _relation(layer, inputs, drive, driven=driven)
    return np.clip(_ceil(layer.theta + constant, factor), reach[0], reach[1] + 1)


def affine(layer: Scores, inputs: InputKind, drive: Drive) -> tuple[Ints, Ints]:
    """Scale and offset of each class such that ``scale * u + offset`` is its score."""
    factor, constant = _relation(layer, inputs, drive)
    return layer.scale * factor, layer.offset - layer.scale * constant[0]


def u_range(
    array: Array,
    parts: Sequence[Sequence[int]],
    planes: Sequence[int],
    drive: Drive,
    magnitude: int,
    *,
    driven: bool = False,
) -> tuple[int, int]:
    """All values ``u`` can take, whatever the weights and the image; (0, 1) for ``sa``.

    So a network of the same shape with other weights needs other memory images alone. The bounds
    are reached, unless a converter clips several planes.

    Parameters
    ----------
    array : Array
    parts : sequence of sequences of int
        For each group, the inputs of each of its row parts.
    planes : sequence of int
    drive : str
    magnitude : int
        Largest absolute value of an input; 1 for -1/+1.
    driven : bool
        As in the layer plan.
    """
    if array.readout == "sa":
        return 0, 1
    largest = max(sum(group) for group in parts)
    limit = (1 << array.adc_bits) - 1 if array.readout == "adc" else largest
    clipped = max(sum(min(part, limit) for part in group) for group in parts)
    if drive == "bipolar" and not driven:
        return 0, clipped
    if clipped == largest:
        return -magnitude * largest, magnitude * largest
    # Of n driven cells, 2 * min(m, limit) - n lies between -n and min(n, limit).
    ends = [(-largest * plane, clipped * plane) for plane in planes]
    return sum(min(end) for end in ends), sum(max(end) for end in ends)


def signed_bits(low: int, high: int) -> int:
    """Bits of a two's complement number that holds ``low`` to ``high``."""
    return max(low, -low - 1, high, -high - 1).bit_length() + 1


def _ceil(value: Ints, factor: int) -> Ints:
    return -(-value // factor)


def _groups(layer: Dense | Scores) -> tuple[Ints, Ints]:
    """Inputs of each group, shape (groups, 1), and sum of its weights, shape (groups, outputs)."""
    bounds = layer.bounds if isinstance(layer, Dense) else (0, layer.inputs)
    sums = np.add.reduceat(layer.weights, bounds[:-1], axis=1, dtype=np.int64).T
    return np.diff(bounds)[:, np.newaxis].astype(np.int64), sums


def _relation(
    layer: Dense | Scores, inputs: InputKind, drive: Drive, *, driven: bool = False
) -> tuple[int, Ints]:
    """``factor`` and ``constant``, the latter of shape (groups, outputs) or (groups, 1)."""
    sizes, sums = _groups(layer)
    if inputs == "planes" or (drive == "bipolar" and driven):
        return 1, np.zeros_like(sizes)
    return 2, sizes if drive == "bipolar" else sums
