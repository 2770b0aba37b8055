"""What is learned, from which images, on which devices: data, and the settings that were chosen."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Input
from binohm.sim.device.pair import PairDevice
from binohm.sim.training.rule import LayerRule, Rule

__all__ = ["DIGITS", "METHODS", "MNIST", "Recipe", "table"]

METHODS = ("pairs", "single", "software")
"""2T2R pairs; one device a weight; latent weights without an array."""

VERSION = 1
"""Of checkpoints: raised when the same recipe would learn something else."""

MNIST = Rule(
    (784, 512, 256, 128, 10),
    (LayerRule(6, 5, 3), LayerRule(7, 5, 3), LayerRule(7, 4, 1), LayerRule(8)),
)
"""Five layers of neurons; the published widths are not known."""

DIGITS = Rule(
    (64, 128, 64, 10),
    (LayerRule(5, 4, 2), LayerRule(6, 4, 1), LayerRule(7)),
    batch_bits=5,
    mean_shift=6,
)

TOP = {"digits": 15, "mnist": 255}
"""Brightest pixel that is told from others, a power of two less 1."""


@dataclass(frozen=True)
class Recipe:
    """Everything on which a result depends.

    Parameters
    ----------
    data : str
        ``digits`` or ``mnist``.
    rule : Rule
    method : str
        One of ``METHODS``.
    seed : int
        Of first weights, rounding, order and shifts of images; 1 to 2^32 - 1.
    epochs : int
    drop : int
        Epochs between two halvings of the rate.
    moves : int
        Most pixels by which an image is moved in each direction, anew in each epoch; 0 or 1.
    device : PairDevice, optional
        None: ideal devices.
    chip : int
        Seed of the devices.
    """

    data: str
    rule: Rule
    method: str = "pairs"
    seed: int = 1
    epochs: int = 30
    drop: int = 6
    moves: int = 1
    device: PairDevice | None = None
    chip: int = 1

    def __post_init__(self) -> None:
        for name, known in (("data", tuple(TOP)), ("method", METHODS)):
            if (given := getattr(self, name)) not in known:
                raise ValueError(f"{name} = {given!r}: must be one of {', '.join(known)}")
        limits = {
            "seed": (1, (1 << 32) - 1),
            "epochs": (1, 10_000),
            "drop": (1, 10_000),
            "moves": (0, 1),
            "chip": (0, (1 << 32) - 1),
        }
        for name, (low, high) in limits.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"{name} = {value}: must be {low} to {high}")
        if self.method == "single" and self.device is None:
            raise ValueError("method single needs devices: give a nonlinearity")
        if self.method == "single" and self.rule.refresh_bits >= 0:
            raise ValueError("one device a weight has nothing to refresh: refresh_bits must be -1")
        self.rule.shift(0, self.slower(self.epochs - 1))
        table(self.data, self.rule.pixel_bits)

    def slower(self, epoch: int) -> int:
        """Halvings of the rate before an epoch, from 0."""
        return min(15, epoch // self.drop)

    def digest(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
        """Fingerprint of the recipe and of what it is used on."""
        known = sha256(json.dumps([VERSION, asdict(self)], sort_keys=True).encode())
        for array in (images, labels):
            known.update(np.ascontiguousarray(array).tobytes())
        return known.hexdigest()[:16]


def table(data: str, bits: int) -> NDArray[np.int64]:
    """Level of each pixel byte, 0 to ``2^bits - 1``."""
    top = TOP[data]
    if bits > top.bit_length():
        raise ValueError(
            f"pixel_bits = {bits}: pixels of {data} have {top.bit_length()} bits at most"
        )
    return np.minimum(np.arange(256, dtype=np.int64), top) >> (top.bit_length() - bits)


def network_input(recipe: Recipe, shape: tuple[int, ...]) -> Input:
    """How the network that is learned takes its pixels."""
    return Input(shape, table(recipe.data, recipe.rule.pixel_bits), False)
