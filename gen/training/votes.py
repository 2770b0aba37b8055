"""The votes of a layer's groups, and their gradient, on a processor.

What stands behind the sums waits for memory, so all of it is done in one pass
(:mod:`binohm.gen.training.kernels`), and of what a pool follows only the largest sums are kept.

The images of a batch are shared among threads, which wait for each other where something is added
up over the batch.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from binohm.gen.training import kernels
from binohm.gen.training.functions import Products, parts
from binohm.gen.training.native import Kernels, available
from binohm.gen.training.recipe import POOL, Shape

__all__ = ["Votes"]

Floats = NDArray[np.float32]

Norm = tuple[Floats, Floats, Floats]
"""What is normalised: less the mean, times the scale, plus beta; one of each for each output."""


class _Group:
    """A group and its weights, which are -1 and +1, as may be what comes in (``binary``)."""

    def __init__(self, part: Products, weights: Tensor, shape: Shape, binary: bool) -> None:
        self.part, self.shape, self.kernels = part, shape, part.kernels(weights)
        exact = shape.image and binary and weights.dtype == torch.float32
        direct = exact and available(shape.inputs)
        self.native = Kernels(self.kernels, shape) if direct else None

    def sums(self, x: Tensor) -> tuple[kernels.Sums, NDArray[np.uint8] | None]:
        """Those that count, a row for each image or each pixel.

        Behind a pool, the largest of 2 x 2 sums, and which of them it is; elsewhere, None.
        """
        shape = self.shape
        if self.native is not None:
            return self.native.sums(x[:, self.part.inputs])
        sums = self.part.sums(self.part.taken(x), self.kernels).float()
        if not shape.pool:
            return _rows(sums), None
        height, width = (POOL * side for side in shape.result[:2])
        squares = _rows(sums[..., :height, :width]).reshape(_squares(shape, len(x)))
        largest = np.empty((squares.size // POOL**2 // shape.outputs, shape.outputs), np.float32)
        corner = np.empty(largest.shape, np.uint8)
        kernels.corners(squares, *_like(squares, largest, corner))
        return largest, corner


class _Sums:
    """The sums of a group on some images, see :meth:`_Group.sums`."""

    def __init__(self, group: _Group, x: Tensor) -> None:
        self.group, self.shape, self.images = group, group.shape, len(x)
        self.sums, self.corner = group.sums(x)

    def moments(self, center: Floats) -> Floats:
        """The sum of the differences to the center, and that of their squares."""
        found = self._blocks()
        kernels.moments(self.sums, center, kernels.blocks(len(self.sums)), *found)
        return np.asarray(found.sum(axis=1))

    def vote(self, norm: Norm, to: Floats) -> None:
        """Add the vote of each sum."""
        kernels.vote(self.sums, *norm, kernels.blocks(len(to)), to)

    def slopes(self, norm: Norm, gradient: Floats) -> Floats:
        """Sums of the gradients that pass, and of these times sums less their mean."""
        found = self._blocks()
        kernels.slopes(self.sums, gradient, *norm, kernels.blocks(len(gradient)), *found)
        return np.asarray(found.sum(axis=1))

    def gradients(
        self, norm: tuple[Floats, ...], gradient: Floats, x: Tensor, to_x: Tensor | None
    ) -> Tensor:
        """Those of the kernels; those of what came in are added to ``to_x``, if there is one.

        Slope and level, the batch's, are behind the norm.
        """
        part, native, inputs = self.group.part, self.group.native, self.group.part.inputs
        if native is not None and self.corner is not None:
            place = None if to_x is None else to_x[:, inputs]
            sums = np.asarray(self.sums, np.int16)  # as they are
            return native.gradients(x[:, inputs], sums, self.corner, norm, gradient, place)
        spread, taken = self._spread(norm, gradient).to(x.dtype), part.taken(x)
        back, found = part.gradients(spread, taken, self.group.kernels, to_x is not None)
        if to_x is not None:
            to_x[:, inputs] += back
        return found

    def _spread(self, norm: tuple[Floats, ...], gradient: Floats) -> Tensor:
        """Gradients of the sums."""
        sides, outputs = self.shape.image[:2], self.shape.outputs
        if self.corner is None:
            to = np.empty(self.sums.shape, np.float32)
            kernels.spread(self.sums, gradient, *norm, to)
            return _channels_first(torch.from_numpy(to.reshape(-1, *sides, outputs)))
        height, width = (POOL * side for side in self.shape.result[:2])
        to = np.empty((self.images, height, width, outputs), np.float32)
        squares = to.reshape(_squares(self.shape, self.images))
        found = _like(squares, self.sums, self.corner, gradient)
        kernels.spread_corners(*found, *norm, squares)
        over = sides[0] - height, sides[1] - width
        inner = _channels_first(torch.from_numpy(to))
        return functional.pad(inner, (0, over[1], 0, over[0])) if any(over) else inner

    def _blocks(self) -> Floats:
        """Two sums for each block and output, to be set."""
        return np.empty((2, kernels.BLOCKS, self.shape.outputs), np.float32)


class _Share:
    """Some images of a batch: the sums of all groups, and the votes."""

    def __init__(self, groups: list[_Group], x: Tensor) -> None:
        self.x, self.sums = x, [_Sums(group, x) for group in groups]

    @property
    def rows(self) -> int:
        """One for each image, or each pixel behind a pool."""
        return len(self.sums[0].sums)

    def moments(self, centers: Floats) -> Floats:
        """Of each group."""
        return np.stack([s.moments(c) for s, c in zip(self.sums, centers, strict=True)])

    def vote(self, norms: list[Norm], to: Floats) -> None:
        """Write what most groups vote."""
        to[:] = 0
        for sums, norm in zip(self.sums, norms, strict=True):
            sums.vote(norm, to)
        if len(norms) > 1:
            kernels.most(to)

    def slopes(self, norms: list[Norm], gradient: Floats) -> Floats:
        """Of each group."""
        pairs = zip(self.sums, norms, strict=True)
        return np.stack([sums.slopes(norm, gradient) for sums, norm in pairs])

    def gradients(
        self, norms: list[tuple[Floats, ...]], gradient: Floats, to_x: Tensor | None
    ) -> list[Tensor]:
        """Those of the kernels of each group; those of what comes in are written to ``to_x``."""
        if to_x is not None:
            to_x.zero_()
        pairs = zip(self.sums, norms, strict=True)
        return [sums.gradients(norm, gradient, self.x, to_x) for sums, norm in pairs]


class Votes(torch.autograd.Function):
    """The vote of most groups on each output; +1 where they are as many.

    Each sum is normalised, and votes +1 where that is at least 0, else -1. The gradient passes to
    the groups whose normalised sum lies within -1 and +1.

    Takes what comes in, (N, inputs) or (N, C, H, W), the weights (outputs, inputs), gamma and beta
    (groups * outputs), the shape of the layer, the number beside the variance, mean and variance,
    or None for those of the batch, the number of threads, and whether what comes in is -1 and +1.
    Gives the votes, and the mean and variance that were used. There is a gradient with those of the
    batch.
    """

    @staticmethod
    def forward(
        context: Any,
        x: Tensor,
        weights: Tensor,
        gamma: Tensor,
        beta: Tensor,
        shape: Shape,
        epsilon: float,
        given: tuple[Tensor, Tensor] | None,
        threads: int,
        binary: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x.detach()  # in other threads, operations are recorded
        if shape.image:
            x = x.contiguous(memory_format=torch.channels_last)
        groups = [_Group(part, weights.detach(), shape, binary) for part in parts(shape)]
        each = len(groups), shape.outputs
        taken = x.tensor_split(min(threads, len(x)))
        shares = _each(lambda images: _Share(groups, images), taken)
        mean, variance = (
            [part.numpy().reshape(each) for part in given] if given else _moments(shares, each)
        )
        inverse = 1 / np.sqrt(variance + np.float32(epsilon))
        scale, shift = (part.detach().numpy().reshape(each) for part in (gamma, beta))
        scale = scale * inverse
        norms = list(zip(mean, scale, shift, strict=True))
        votes = np.empty((sum(share.rows for share in shares), shape.outputs), np.float32)
        _each(lambda share, own: share.vote(norms, own), shares, _split(votes, shares))
        context.shares, context.norms, context.x = shares, norms, x
        context.scale, context.inverse = scale, inverse
        used = torch.from_numpy(mean.ravel()), torch.from_numpy(variance.ravel())
        context.mark_non_differentiable(*used)
        sides = shape.result[:-1] if shape.image else ()
        shaped = torch.from_numpy(votes.reshape(len(x), *sides, shape.outputs))
        return _channels_first(shaped).to(x.dtype), *used

    @staticmethod
    def backward(context: Any, votes: Tensor, *_: Tensor) -> tuple[Any, ...]:
        shares, norms, x = context.shares, context.norms, context.x
        rows = _rows(votes.float())
        own = _split(rows, shares)
        slopes = sum(_each(lambda share, part: share.slopes(norms, part), shares, own))
        to_beta, to_gamma = slopes[:, 0], slopes[:, 1] * context.inverse
        share_of_one = context.scale / np.float32(len(rows))
        level, slope = share_of_one * to_beta, share_of_one * context.inverse * to_gamma
        to_x = torch.empty_like(x) if context.needs_input_grad[0] else None
        whole = [(*norm, *rest) for norm, *rest in zip(norms, slope, level, strict=True)]
        places = [None] * len(shares) if to_x is None else to_x.tensor_split(len(shares))
        back = _each(lambda share, *part: share.gradients(whole, *part), shares, own, places)
        to_weights = [
            sums.group.part.weights(sum(alike))
            for sums, *alike in zip(shares[0].sums, *back, strict=True)
        ]
        affine = (torch.from_numpy(part.ravel()) for part in (to_gamma, to_beta))
        return to_x, torch.cat(to_weights, 1), *affine, *[None] * 5


def _moments(shares: list[_Share], each: tuple[int, int]) -> tuple[Floats, Floats]:
    """Mean and variance over the batch."""
    rows = np.float32(sum(share.rows for share in shares))
    zero = np.zeros(each, np.float32)
    mean = sum(_each(lambda share: share.moments(zero), shares))[:, 0] / rows
    return mean, sum(_each(lambda share: share.moments(mean), shares))[:, 1] / rows


def _split(rows: Floats, shares: list[_Share]) -> list[Floats]:
    """The rows of each share."""
    return np.split(rows, np.cumsum([share.rows for share in shares])[:-1])


def _each(function: Callable[..., Any], *items: Iterable[Any]) -> Any:
    """What it gives for each, a thread for each; this one takes the first."""
    first, *rest = zip(*items, strict=True)
    begun = [_pool(len(rest)).submit(function, *own) for own in rest]
    return [function(*first), *(found.result() for found in begun)]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads in which PyTorch uses no others."""
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))


def _squares(shape: Shape, images: int) -> tuple[int, ...]:
    """Shape of 2 x 2 sums: rows of them, 2, columns, 2, outputs."""
    height, width, outputs = shape.result
    return images * height, POOL, width, POOL, outputs


def _like(squares: Floats, *rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Rows, one element for each of the squares."""
    return (part.reshape(squares.shape[::2]) for part in rows)


def _rows(x: Tensor) -> Floats:
    """A row for each image, or for each pixel of each."""
    last = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
    rows: Floats = last.contiguous().numpy().reshape(-1, x.shape[1])
    return rows


def _channels_first(x: Tensor) -> Tensor:
    """As PyTorch has it."""
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x
