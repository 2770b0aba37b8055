"""A fully connected binary network in PyTorch.

The forward pass is that of :mod:`binohm.gen.network`, with batch normalisation before every sign.
Backward, signs are straight through: of a sum as long as it lies within -1 and +1 when normalised,
of a vote and of a weight always. Latent weights are kept within -1 and +1.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from binohm.gen.training.recipe import EPSILON, Norm, Recipe, TrainedLayer

__all__ = ["Mlp"]


class _Sign(torch.autograd.Function):
    """+1 where at least 0, else -1; the gradient passes where the input is within ``limit``."""

    @staticmethod
    def forward(context: Any, x: Tensor, limit: float) -> Tensor:
        context.save_for_backward(x)
        context.limit = limit
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = context.saved_tensors
        return gradient * (x.abs() <= context.limit), None


ALWAYS = float("inf")


class _Layer(nn.Module):
    """Binary weights; sums of each group, normalised, binarised and put to the vote."""

    def __init__(self, inputs: int, outputs: int, bounds: tuple[int, ...], *, last: bool) -> None:
        super().__init__()
        self.bounds = bounds
        self.parts = np.diff(bounds).tolist()
        reach = (6 / (inputs + outputs)) ** 0.5
        self.latent = nn.Parameter(torch.empty(outputs, inputs).uniform_(-reach, reach))
        self.norm = None if last else nn.BatchNorm1d(len(self.parts) * outputs, eps=EPSILON)

    def forward(self, x: Tensor, error_rate: float) -> Tensor:
        weights = _Sign.apply(self.latent, ALWAYS)
        if error_rate:
            weights = weights * (1 - 2 * torch.empty_like(weights).bernoulli_(error_rate))
        if self.norm is None:
            return x @ weights.T / len(weights.T) ** 0.5
        pairs = zip(x.split(self.parts, 1), weights.split(self.parts, 1), strict=True)
        sums = torch.cat([part @ matrix.T for part, matrix in pairs], 1)
        bits = _Sign.apply(self.norm(sums), 1.0)
        if len(self.parts) == 1:
            return bits
        return _Sign.apply(bits.unflatten(1, (len(self.parts), -1)).sum(1), ALWAYS)


class Mlp(nn.Module):
    """The network of a recipe, with first weights drawn from PyTorch's generator.

    Takes float pixels as :meth:`levels` gives them, and gives scores over the root of their inputs.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.error_rate = recipe.error_rate
        count = len(recipe.sizes) - 1
        self.layers = nn.ModuleList(
            _Layer(recipe.sizes[k], recipe.sizes[k + 1], recipe.bounds(k), last=k == count - 1)
            for k in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
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
        shape = (len(layer.parts), len(weights))
        given = layer.norm
        norm = Norm(*(
            _numpy(values).reshape(shape)
            for values in (given.weight, given.bias, given.running_mean, given.running_var)
        ))  # fmt: skip
    return TrainedLayer(weights, layer.bounds, norm)


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy().copy()
    return array
