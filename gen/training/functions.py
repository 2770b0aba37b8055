"""Signs with their gradients, and the sums of the groups of a layer with theirs."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from binohm.gen.training.recipe import KERNEL, Shape

__all__ = ["Products", "Sign", "Through", "Windows", "parts"]

AREA = KERNEL**2

TINY = 1e-30
"""Makes zeros positive and changes nothing else that occurs."""


class Sign(torch.autograd.Function):
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


class Through(torch.autograd.Function):
    """+1 where at least 0, else -1; the gradient passes always."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return _signs(x)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient


def _signs(x: Tensor) -> Tensor:
    return x.add(TINY).sign_()  # where() takes several times as long


@dataclass(frozen=True)
class Products:
    """A group of a fully connected layer: its inputs and weights, from ``start`` to ``stop``."""

    start: int
    stop: int

    @property
    def inputs(self) -> slice:
        """What it takes of the second axis of what comes in."""
        return slice(self.start, self.stop)

    def taken(self, x: Tensor) -> Tensor:
        """Its part of what comes in, as :meth:`sums` takes it."""
        return x[:, self.inputs]

    def kernels(self, weights: Tensor) -> Tensor:
        """Its weights, as :meth:`sums` takes them."""
        return weights[:, self.start : self.stop]

    def weights(self, kernels: Tensor) -> Tensor:
        """Of what has the shape of its kernels, what stands for weights of its own."""
        return kernels

    @staticmethod
    def sums(x: Tensor, kernels: Tensor) -> Tensor:
        """Sums (N, outputs) of vectors (N, inputs)."""
        return x @ kernels.T

    @staticmethod
    def gradients(
        gradient: Tensor, x: Tensor, kernels: Tensor, to_x: bool
    ) -> tuple[Tensor | None, Tensor]:
        """Of what comes in, if asked for, and of the kernels."""
        return gradient @ kernels if to_x else None, gradient.T @ x


class Windows(Products):
    """A group of a convolution.

    It may begin inside a kernel: then it takes all channels it has a weight of, and zeros stand for
    the weights of its neighbours.
    """

    @property
    def inputs(self) -> slice:
        return slice(self.start // AREA, -(-self.stop // AREA))

    def taken(self, x: Tensor) -> Tensor:
        return _nhwc(x[:, self.inputs])

    def kernels(self, weights: Tensor) -> Tensor:
        first, last = self.inputs.start, self.inputs.stop
        around = self.start - AREA * first, AREA * last - self.stop
        padded = functional.pad(weights[:, self.start : self.stop], around)
        return _nhwc(padded.unflatten(1, (last - first, KERNEL, KERNEL)))

    def weights(self, kernels: Tensor) -> Tensor:
        before = AREA * self.inputs.start
        return kernels.flatten(1)[:, self.start - before : self.stop - before]

    @staticmethod
    def sums(x: Tensor, kernels: Tensor) -> Tensor:
        """Sums (N, outputs, H, W) of images (N, C, H, W)."""
        return functional.conv2d(x, kernels, padding=KERNEL // 2)

    @staticmethod
    def gradients(
        gradient: Tensor, x: Tensor, kernels: Tensor, to_x: bool
    ) -> tuple[Tensor | None, Tensor]:
        back = torch.ops.aten.convolution_backward(
            gradient, x, kernels, None,
            [1, 1], [KERNEL // 2] * 2, [1, 1], False, [0, 0], 1, [to_x, True, False],
        )  # fmt: skip
        return back[0], back[1]


def parts(shape: Shape) -> list[Products]:
    """The groups of a layer."""
    kind = Windows if shape.image else Products
    return [kind(start, stop) for start, stop in pairwise(shape.bounds)]


def _nhwc(x: Tensor) -> Tensor:
    """The same with channels next to each other."""
    return x.contiguous(memory_format=torch.channels_last)
