"""The votes of a layer's groups, and their gradient, on a processor.

What stands behind the sums waits for memory, so all of it is done in one pass
(:mod:`binohm.gen.training.kernels`), and of what a pool follows only the largest sums are kept.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from binohm.gen.training import kernels
from binohm.gen.training.functions import Products, parts
from binohm.gen.training.recipe import POOL, Shape

__all__ = ["Votes"]

Floats = NDArray[np.float32]


class _Group:
    """A group: its sums that count, one row for each image or each pixel of it, and their norm.

    Rows behind a pool hold the largest of 2 x 2 sums, and ``corner`` says which that is.
    """

    def __init__(self, part: Products, x: Tensor, weights: Tensor, shape: Shape) -> None:
        self.part, self.shape = part, shape
        self.x, self.kernels = part.taken(x), part.kernels(weights)
        sums = part.sums(self.x, self.kernels).float()
        self.sums, self.corner = _rows(sums), None
        if shape.pool:
            height, width, outputs = (*(POOL * side for side in shape.result[:2]), shape.outputs)
            squares = _rows(sums[..., :height, :width]).reshape(self._squares)
            self.sums = np.empty((squares.size // POOL**2 // outputs, outputs), np.float32)
            self.corner = np.empty(self.sums.shape, np.uint8)
            kernels.corners(squares, *self._like(squares, self.sums, self.corner))

    def normalise(self, statistics: tuple[Floats, Floats] | None, epsilon: float) -> None:
        """Set mean and variance, those of the sums if none are given."""
        self.mean, self.variance = statistics or self._moments()
        self.inverse = 1 / np.sqrt(self.variance + np.float32(epsilon))

    def vote(self, gamma: Floats, beta: Floats, to: Floats) -> None:
        """Add the vote of each sum, with these factors and addends of what is normalised."""
        self.norm = self.mean, gamma * self.inverse, beta
        kernels.vote(self.sums, *self.norm, kernels.blocks(len(to)), to)

    def slopes(self, gradient: Floats) -> tuple[Floats, Floats]:
        """Gradients of gamma and beta."""
        plain, weighted = np.empty((2, kernels.BLOCKS, self.shape.outputs), np.float32)
        limits = kernels.blocks(len(gradient))
        kernels.slopes(self.sums, gradient, *self.norm, limits, plain, weighted)
        to_gamma, to_beta = weighted.sum(axis=0) * self.inverse, plain.sum(axis=0)
        share = self.norm[1] / np.float32(len(gradient))
        self.level, self.slope = share * to_beta, share * self.inverse * to_gamma
        return to_gamma, to_beta

    def spread(self, gradient: Floats) -> Tensor:
        """Gradients of the sums, behind :meth:`slopes`."""
        norm = *self.norm, self.slope, self.level
        sides, outputs = self.shape.image[:2], self.shape.outputs
        if self.corner is None:
            to = np.empty(self.sums.shape, np.float32)
            kernels.spread(self.sums, gradient, *norm, to)
            return _channels_first(torch.from_numpy(to.reshape(-1, *sides, outputs)))
        height, width = (POOL * side for side in self.shape.result[:2])
        to = np.empty((len(self.x), height, width, outputs), np.float32)
        squares = to.reshape(self._squares)
        found = self._like(squares, self.sums, self.corner, gradient)
        kernels.spread_corners(*found, *norm, squares)
        over = sides[0] - height, sides[1] - width
        inner = _channels_first(torch.from_numpy(to))
        return functional.pad(inner, (0, over[1], 0, over[0])) if any(over) else inner

    def _moments(self) -> tuple[Floats, Floats]:
        limits = kernels.blocks(len(self.sums))
        first, second = np.empty((2, kernels.BLOCKS, self.shape.outputs), np.float32)
        kernels.moments(self.sums, np.zeros(self.shape.outputs, np.float32), limits, first, second)
        mean = first.sum(axis=0) / np.float32(len(self.sums))
        kernels.moments(self.sums, mean, limits, first, second)
        return mean, second.sum(axis=0) / np.float32(len(self.sums))

    @property
    def _squares(self) -> tuple[int, ...]:
        """Shape of 2 x 2 sums: rows of them, 2, columns, 2, outputs."""
        height, width, outputs = self.shape.result
        return len(self.x) * height, POOL, width, POOL, outputs

    @staticmethod
    def _like(squares: Floats, *rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Rows, one element for each of the squares."""
        return (part.reshape(squares.shape[::2]) for part in rows)


class Votes(torch.autograd.Function):
    """The sum of the votes of all groups on each output.

    Each sum is normalised, and votes +1 where that is at least 0, else -1. The gradient passes to
    the groups whose normalised sum lies within -1 and +1.

    Takes what comes in, (N, inputs) or (N, C, H, W), the weights (outputs, inputs), gamma and beta
    (groups * outputs), the shape of the layer, the number beside the variance, and mean and
    variance, or None for those of the batch. Gives the votes, and the mean and variance that were
    used. There is a gradient with those of the batch.
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
    ) -> tuple[Tensor, Tensor, Tensor]:
        groups = [_Group(part, x, weights, shape) for part in parts(shape)]
        to = np.zeros_like(groups[0].sums)
        each = (len(groups), shape.outputs)
        affine = [part.detach().numpy().reshape(each) for part in (gamma, beta)]
        known = [part.numpy().reshape(each) for part in given] if given else None
        for k, group in enumerate(groups):
            group.normalise((known[0][k], known[1][k]) if known else None, epsilon)
            group.vote(affine[0][k], affine[1][k], to)
        context.groups, context.like = groups, x
        mean, variance = (
            torch.from_numpy(np.concatenate([getattr(group, key) for group in groups]))
            for key in ("mean", "variance")
        )
        context.mark_non_differentiable(mean, variance)
        sides = shape.result[:-1] if shape.image else ()
        votes = torch.from_numpy(to.reshape(len(x), *sides, shape.outputs))
        return _channels_first(votes).to(x.dtype), mean, variance

    @staticmethod
    def backward(context: Any, votes: Tensor, *_: Tensor) -> tuple[Any, ...]:
        gradient, groups = _rows(votes.float()), context.groups
        slopes = [group.slopes(gradient) for group in groups]
        affine = (torch.from_numpy(np.concatenate(part)) for part in zip(*slopes, strict=True))
        joined = torch.zeros_like(context.like) if len(groups) > 1 else None
        to_x, to_weights = None, []
        for group in groups:
            spread = group.spread(gradient).to(votes.dtype)
            to_x, kernels_ = group.part.gradients(
                spread, group.x, group.kernels, context.needs_input_grad[0]
            )
            to_weights.append(group.part.weights(kernels_))
            if joined is not None and to_x is not None:
                joined[:, group.part.inputs] += to_x
        return to_x if joined is None else joined, torch.cat(to_weights, 1), *affine, *[None] * 3


def _rows(x: Tensor) -> Floats:
    """A row for each image, or for each pixel of each."""
    last = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
    rows: Floats = last.contiguous().numpy().reshape(-1, x.shape[1])
    return rows


def _channels_first(x: Tensor) -> Tensor:
    """As PyTorch has it."""
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x
