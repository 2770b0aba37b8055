"""A binary network in PyTorch.

The forward pass is that of :mod:`binohm.gen.network`, with batch normalisation before every sign.
Backward, signs are straight through: of a sum as long as it lies within -1 and +1 when normalised,
of a vote and of a weight always. Latent weights are kept within -1 and +1.

Pixels are integers here, and so are all sums. In float32 they are exact. In bfloat16, for training
alone, sums above 256 (above 512 where all are even) are rounded; signs of what is normalised are
not.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from binohm.gen.training.recipe import EPSILON, KERNEL, POOL, Norm, Recipe, Shape, TrainedLayer

__all__ = ["Model"]

AREA = KERNEL**2

TINY = 1e-30
"""Makes zeros positive and changes nothing else that occurs."""


class _Sign(torch.autograd.Function):
    """+1 where at least 0, else -1; the gradient passes where the input is within -1 and +1."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return _signs(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        passed: Tensor = torch.ops.aten.hardtanh_backward(gradient, x, -1.0, 1.0)
        return passed


class _Through(torch.autograd.Function):
    """+1 where at least 0, else -1; the gradient passes always."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return _signs(x)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient


def _signs(x: Tensor) -> Tensor:
    return x.add(TINY).sign_()  # where() takes several times as long


class _Layer(nn.Module):
    """Binary weights; sums of each group, normalised, binarised and put to the vote."""

    def __init__(self, shape: Shape, unit: float, *, last: bool) -> None:
        super().__init__()
        self.shape, self.unit = shape, unit
        reach = (6 / (shape.inputs + shape.outputs)) ** 0.5
        self.latent = nn.Parameter(torch.empty(shape.outputs, shape.inputs).uniform_(-reach, reach))
        self.groups = len(shape.bounds) - 1
        kind = nn.BatchNorm2d if shape.image else nn.BatchNorm1d
        self.norm = None if last else kind(self.groups * shape.outputs, eps=EPSILON / unit**2)

    def forward(self, x: Tensor, error_rate: float) -> Tensor:
        weights = _Through.apply(self.latent)
        if error_rate:
            weights = weights * (1 - 2 * torch.empty_like(weights).bernoulli_(error_rate))
        if self.norm is None:
            return x.float() @ weights.T * (self.unit / self.shape.inputs**0.5)
        weights = weights.to(x.dtype)
        sums = self._convolved(x, weights) if self.shape.image else self._products(x, weights)
        if self.shape.pool:
            sums = functional.max_pool2d(sums, POOL)
        bits = _Sign.apply(self.norm(sums))
        if self.groups == 1:
            return bits
        ballots = bits.movedim(1, -1).unflatten(-1, (self.groups, -1))  # channels stay neighbours
        return _Through.apply(ballots.sum(-2)).movedim(-1, 1)

    def _products(self, x: Tensor, weights: Tensor) -> Tensor:
        """Sums (N, groups * outputs) of vectors (N, inputs)."""
        parts = np.diff(self.shape.bounds).tolist()
        pairs = zip(x.split(parts, 1), weights.split(parts, 1), strict=True)
        return torch.cat([part @ matrix.T for part, matrix in pairs], 1)

    def _convolved(self, x: Tensor, weights: Tensor) -> Tensor:
        """Sums (N, groups * outputs, H, W) of images (N, C, H, W), one group after another.

        A group may begin inside a kernel: then it takes all channels it has a weight of, and zeros
        stand for the weights of its neighbours.
        """
        sums = []
        for start, stop in pairwise(self.shape.bounds):
            first, last = start // AREA, -(-stop // AREA)
            around = start - AREA * first, AREA * last - stop
            kernels = functional.pad(weights[:, start:stop], around)
            kernels = kernels.unflatten(1, (last - first, KERNEL, KERNEL))
            part = x[:, first:last].contiguous(memory_format=torch.channels_last)
            kernels = kernels.contiguous(memory_format=torch.channels_last)
            sums.append(functional.conv2d(part, kernels, padding=KERNEL // 2))
        return torch.cat(sums, 1)


class Model(nn.Module):
    """The network of a recipe, with first weights drawn from PyTorch's generator.

    Takes pixels as :func:`binohm.gen.training.fit.levels` gives them, shape (N, H, W, C) or (N,
    pixels), and gives scores over the root of their inputs.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.error_rate = recipe.error_rate
        shapes = recipe.layers
        unit = 1.0 if recipe.pixel_bits == 1 else 1 / ((1 << recipe.pixel_bits) - 1)
        self.layers = nn.ModuleList(
            _Layer(shape, 1.0 if k else unit, last=k == len(shapes) - 1)
            for k, shape in enumerate(shapes)
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 4:
            x = x.permute(0, 3, 1, 2)  # of such strides that channels lie next to each other
        for layer in self.layers:
            if x.dim() == 4 and not layer.shape.image:
                x = x.permute(0, 2, 3, 1).flatten(1)
            x = layer(x, self.error_rate)
        return x

    def clip(self) -> None:
        """Keep latent weights within -1 and +1."""
        with torch.no_grad():
            for layer in self.layers:
                layer.latent.clamp_(-1, 1)

    def trained(self) -> tuple[TrainedLayer, ...]:
        """What was learned, as arrays."""
        return tuple(_layer(layer) for layer in self.layers)


def _layer(layer: Any) -> TrainedLayer:
    weights = np.where(_numpy(layer.latent) >= 0, 1, -1).astype(np.int8)
    norm = None
    if layer.norm is not None:
        given, unit = layer.norm, layer.unit
        parts = given.weight, given.bias, given.running_mean * unit, given.running_var * unit**2
        norm = Norm(*(_numpy(part).reshape(layer.groups, len(weights)) for part in parts))
    return TrainedLayer(weights, layer.shape.bounds, norm)


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy().copy()
    return array
