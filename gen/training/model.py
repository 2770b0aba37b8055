"""A binary network in PyTorch.

The forward pass is that of :mod:`binohm.gen.network`, with batch normalisation before every sign.
Backward, signs are straight through: of a sum as long as it lies within -1 and +1 when normalised,
of a vote and of a weight always. Latent weights are kept within -1 and +1.

Pixels are integers here, and so are all sums. In float32 they are exact. In bfloat16, for training
alone, sums above 256 (above 512 where all are even) are rounded; signs of what is normalised are
not.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from binohm.gen.training.functions import Sign, Through, parts
from binohm.gen.training.recipe import EPSILON, POOL, Norm, Recipe, Shape, TrainedLayer
from binohm.gen.training.votes import Votes

__all__ = ["Model"]


class _Layer(nn.Module):
    """Binary weights; sums of each group, normalised, binarised and put to the vote."""

    def __init__(self, shape: Shape, unit: float, *, binary: bool, last: bool) -> None:
        super().__init__()
        self.shape, self.unit, self.binary = shape, unit, binary
        reach = (6 / (shape.inputs + shape.outputs)) ** 0.5
        self.latent = nn.Parameter(torch.empty(shape.outputs, shape.inputs).uniform_(-reach, reach))
        self.groups = len(shape.bounds) - 1
        kind = nn.BatchNorm2d if shape.image else nn.BatchNorm1d
        self.norm = None if last else kind(self.groups * shape.outputs, eps=EPSILON / unit**2)

    def forward(self, x: Tensor, error_rate: float, threads: int) -> Tensor:
        weights = Through.apply(self.latent)
        if error_rate:
            weights = weights * (1 - 2 * torch.empty_like(weights).bernoulli_(error_rate))
        if self.norm is None:
            return x.float() @ weights.T * (self.unit / self.shape.inputs**0.5)
        weights = weights.to(x.dtype)
        return self._compiled(x, weights, threads) if threads else self._votes(x, weights)

    def _votes(self, x: Tensor, weights: Tensor) -> Tensor:
        """What most groups vote."""
        assert self.norm is not None
        groups = parts(self.shape)
        sums = [group.sums(group.taken(x), group.kernels(weights)) for group in groups]
        joined = torch.cat(sums, 1)
        if self.shape.pool:
            joined = functional.max_pool2d(joined, POOL)
        bits = Sign.apply(self.norm(joined)).movedim(1, -1)  # channels stay neighbours
        votes = bits.unflatten(-1, (self.groups, -1)).sum(-2).movedim(-1, 1)
        return votes if self.groups == 1 else Through.apply(votes)

    def _compiled(self, x: Tensor, weights: Tensor, threads: int) -> Tensor:
        """The same by :mod:`binohm.gen.training.votes`, on a processor."""
        norm = self.norm
        assert norm is not None
        given = None if norm.training else (norm.running_mean, norm.running_var)
        found = norm.weight, norm.bias, self.shape, norm.eps, given
        votes, mean, variance = Votes.apply(x, weights, *found, threads, self.binary)
        if norm.training:
            count = votes.numel() // self.shape.outputs
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)
            norm.num_batches_tracked += 1
        return votes


class Model(nn.Module):
    """The network of a recipe, with first weights drawn from PyTorch's generator.

    Takes pixels as :func:`binohm.gen.training.fit.levels` gives them, shape (N, H, W, C) or (N,
    pixels), and gives scores over the root of their inputs.

    Attributes
    ----------
    threads : int
        In which a processor counts votes by :mod:`binohm.gen.training.votes`; 0: by PyTorch, in
        its own. A GPU always does it by PyTorch.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.error_rate, self.threads = recipe.error_rate, torch.get_num_threads()
        shapes = recipe.layers
        unit = 1.0 if recipe.pixel_bits == 1 else 1 / ((1 << recipe.pixel_bits) - 1)
        self.layers = nn.ModuleList(
            _Layer(
                shape,
                1.0 if k else unit,
                binary=k > 0 or recipe.pixel_bits == 1,
                last=k == len(shapes) - 1,
            )
            for k, shape in enumerate(shapes)
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 4:
            x = x.permute(0, 3, 1, 2)  # of such strides that channels lie next to each other
        threads = self.threads if x.device.type == "cpu" else 0
        for layer in self.layers:
            if x.dim() == 4 and not layer.shape.image:
                x = x.permute(0, 2, 3, 1).flatten(1)
            x = layer(x, self.error_rate, threads)
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
