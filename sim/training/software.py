"""The baseline in software: latent real weights, batch normalisation and Adam, in float32.

A binary network as it is trained without any array: gradients go straight through the signs where
the normalised sum is within -1 to +1, latent weights stay within that range, cross-entropy of the
scores, whose scale falls with the root of the fan-in. The rate falls to 0 by a cosine.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Dense, Input, Network, Scores
from binohm.sim.training.rule import Ints
from binohm.sim.training.trainer import Levels

__all__ = ["Software"]

Floats = NDArray[np.float32]

EPSILON = 1e-5
"""Of batch normalisation."""
MOMENTUM = np.float32(0.05)
"""Of the running statistics."""
RATE = 5e-3


class Software:
    """A binary network with latent weights.

    Parameters
    ----------
    sizes : tuple of int
    seed : int
    steps : int
        Batches to come, over which the rate falls.
    """

    def __init__(self, sizes: tuple[int, ...], seed: int, steps: int) -> None:
        rng = np.random.default_rng(seed)
        self.steps, self.done = steps, 0
        self.sizes = sizes
        shapes = list(pairwise(sizes))
        self.latent = [rng.uniform(-0.5, 0.5, shape).astype(np.float32) for shape in shapes]
        self.beta = [np.zeros(columns, np.float32) for _, columns in shapes[:-1]]
        self.mean = [np.zeros(columns, np.float32) for _, columns in shapes[:-1]]
        self.variance = [np.ones(columns, np.float32) for _, columns in shapes[:-1]]
        self.first = [np.zeros_like(p) for p in (*self.latent, *self.beta)]
        self.second = [np.zeros_like(p) for p in (*self.latent, *self.beta)]

    def step(self, levels: Levels, labels: Ints, slower: int = 0) -> None:
        """Learn from one batch; ``slower`` has no meaning here."""
        a, kept = levels.astype(np.float32), []
        signs = [_signs(latent) for latent in self.latent]
        for index, w in enumerate(signs[:-1]):
            s = a @ w
            mean, variance = s.mean(axis=0), s.var(axis=0)
            self.mean[index] += MOMENTUM * (mean - self.mean[index])
            self.variance[index] += MOMENTUM * (variance - self.variance[index])
            scale = 1 / np.sqrt(variance + np.float32(EPSILON))
            z = (s - mean) * scale
            kept.append((a, z, scale))
            a = _signs(z + self.beta[index])
        logits = (a @ signs[-1]) / np.float32(math.sqrt(self.sizes[-2]))
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(labels)), labels] -= 1
        d = p / np.float32(len(labels) * math.sqrt(self.sizes[-2]))
        weights, betas = [a.T @ d], list[Floats]()
        for index in range(len(kept) - 1, -1, -1):
            a, z, scale = kept[index]
            d = (d @ signs[index + 1].T) * (np.abs(z + self.beta[index]) <= 1)
            betas.insert(0, d.sum(axis=0))
            d = scale * (d - d.mean(axis=0) - z * (d * z).mean(axis=0))
            weights.insert(0, a.T @ d)
        self._follow([*weights, *betas])

    def _follow(self, gradients: list[Floats]) -> None:
        """Adam."""
        self.done += 1
        rate = RATE * (1 + math.cos(math.pi * min(1, self.done / self.steps))) / 2
        rate *= math.sqrt(1 - 0.999**self.done) / (1 - 0.9**self.done)
        parameters = (*self.latent, *self.beta)
        for p, g, m, v in zip(parameters, gradients, self.first, self.second, strict=True):
            m += np.float32(0.1) * (g - m)
            v += np.float32(0.001) * (g * g - v)
            p -= np.float32(rate) * m / (np.sqrt(v) + np.float32(1e-8))
        for latent in self.latent:
            np.clip(latent, -1, 1, out=latent)

    def scores(self, levels: Levels) -> Ints:
        """Scores of images with thresholds of the running statistics, as :meth:`network` has."""
        a = levels.astype(np.float32)
        for index, latent in enumerate(self.latent[:-1]):
            a = _signs(a @ _signs(latent) - self.theta(index))
        return (a @ _signs(self.latent[-1])).astype(np.int64)

    def theta(self, index: int) -> Ints:
        """Thresholds of a hidden layer, rounded up: the sums are integers."""
        sigma = np.sqrt(self.variance[index].astype(np.float64) + EPSILON)
        return np.asarray(np.ceil(self.mean[index] - self.beta[index] * sigma), np.int64)

    def network(self, name: str, input: Input) -> Network:
        """The network as it is."""
        signs = [_signs(latent).T.astype(np.int8) for latent in self.latent]
        hidden = [
            Dense(f"fc{k + 1}", w, self.theta(k)[np.newaxis], np.zeros((1, len(w)), np.bool_))
            for k, w in enumerate(signs[:-1])
        ]
        return Network(name, input, (*hidden, Scores(f"fc{len(signs)}", signs[-1])))

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes."""
        parts: dict[str, NDArray[Any]] = {"done": np.array(self.done)}
        for name in ("latent", "beta", "mean", "variance", "first", "second"):
            parts |= {f"{name}_{k}": part for k, part in enumerate(getattr(self, name))}
        return parts

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """What :meth:`state` gave."""
        self.done = int(state["done"])
        for name in ("latent", "beta", "mean", "variance", "first", "second"):
            for k, part in enumerate(getattr(self, name)):
                part[:] = state[f"{name}_{k}"]


def _signs(values: Floats) -> Floats:
    return np.where(values >= 0, np.float32(1), np.float32(-1))
