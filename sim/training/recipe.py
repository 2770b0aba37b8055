"""What is learned, from which images, on which devices: data, and the settings that were chosen."""

import json
import math
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Input
from binohm.sim.device.pair import PairDevice
from binohm.sim.training.rule import LayerRule, Rule

__all__ = ["DIGITS", "EXCHANGE_BITS", "METHODS", "MNIST", "Recipe", "network_input", "rule_for"]
__all__ += ["table"]

METHODS = ("pairs", "single", "software")
"""2T2R pairs; one device a weight; latent weights without an array."""

MOVES = ("", "half", "whole")

VERSION = 2
"""Of checkpoints: raised when the same recipe would learn something else."""

TOP = {"digits": 15, "mnist": 255}
"""Brightest pixel that is told from others, a power of two less 1."""

BATCH_BITS = {"digits": 5, "mnist": 8}
MARGIN = {"digits": 32, "mnist": 128}
FIRST_RATE = {"digits": 5, "mnist": 7}
"""``k`` of the first layer; one more in the next ones, two more in the last."""
DEVICE_PULSES_BITS = {"digits": 6, "mnist": 7}
"""Of the pulses of devices; ideal pairs have 64."""
EXCHANGE_BITS = {"digits": 5, "mnist": 6}
"""Rarely enough to wear little; meanwhile a mismatch moves a weight by a pulse or two."""

LOUDNESS = {"digits": 2.5, "mnist": 1.05}
"""Mean square of a level of two bits."""


def rule_for(
    data: str,
    hidden: tuple[int, ...],
    *,
    pixel_bits: int = 2,
    batch_bits: int | None = None,
    error_bits: int = 6,
    refresh: bool = True,
    devices: bool = False,
) -> Rule:
    """The rule for a network with these hidden layers; 784 or 64 pixels, 10 classes.

    Windows are 1.4 standard deviations of the sums, or less, and errors shrink by the root of half
    the neurons that they come from: powers of two both. The rates of MNIST were found for
    784-1024-512-256-10 with 64 pulses and batches of 256.

    Parameters
    ----------
    data : str
        ``digits`` or ``mnist``.
    hidden : tuple of int
        Neurons of each hidden layer.
    pixel_bits, batch_bits, error_bits : int
        See :class:`~binohm.sim.training.rule.Rule`; fewer bits of error are coarser steps of the
        same size.
    refresh : bool
        Whether pairs are refreshed.
    devices : bool
        Whether pairs are devices that are not alike, whose branches exchange their roles.
    """
    if data not in TOP:
        raise ValueError(f"data = {data!r}: must be one of {', '.join(TOP)}")
    sizes = ({"digits": 64, "mnist": 784}[data], *hidden, 10)
    finer = error_bits - 6
    pulse_bits = DEVICE_PULSES_BITS[data] if devices else 6
    bits = BATCH_BITS[data] if batch_bits is None else batch_bits
    layers = []
    for number, (rows, _) in enumerate(pairwise(sizes)):
        last = number == len(hidden)
        k = FIRST_RATE[data] + (2 if last else 1 if number else 0) + finer
        square = float(rows)
        if number == 0:
            square *= LOUDNESS[data] * 4.0 ** (pixel_bits - 2)
            k += pixel_bits - 2
        if last:
            layers.append(LayerRule(max(k, 0)))
            continue
        win = max(0, math.floor(math.log2(2 * square) / 2))
        esh = max(0, math.ceil(math.log2(sizes[number + 2]) / 2 - 1))
        layers.append(LayerRule(max(k, 0), win, esh))
    return Rule(
        sizes,
        tuple(layers),
        pixel_bits=pixel_bits,
        batch_bits=bits,
        pulses=1 << pulse_bits,
        start_bits=pulse_bits - 2,
        full=1 << pulse_bits - 2,
        gain=1 << pulse_bits - 3,
        error_bits=error_bits,
        margin=MARGIN[data],
        error_shift=max(0, 2 - finer),
        mean_shift=min(15, 11 - bits),
        offset_shift=7 + finer,
        refresh_bits=2 if refresh else -1,
        exchange_bits=EXCHANGE_BITS[data] if refresh and devices else -1,
    )


MNIST = rule_for("mnist", (1024, 512, 256))
"""Five layers of neurons; the published widths are not known."""

DIGITS = rule_for("digits", (128, 64))


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
    moves : str
        Images are moved by up to a pixel in each direction, anew in each epoch: ``whole``;
        ``half``: half a pixel; or not: empty.
    device : PairDevice, optional
        None: ideal devices.
    chip : int
        Seed of the devices.
    """

    data: str
    rule: Rule
    method: str = "pairs"
    seed: int = 1
    epochs: int = 15
    drop: int = 3
    moves: str = "whole"
    device: PairDevice | None = None
    chip: int = 1

    def __post_init__(self) -> None:
        for name, known in (("data", tuple(TOP)), ("method", METHODS), ("moves", MOVES)):
            if (given := getattr(self, name)) not in known:
                raise ValueError(f"{name} = {given!r}: must be one of {', '.join(known)}")
        limits = {
            "seed": (1, (1 << 32) - 1),
            "epochs": (1, 10_000),
            "drop": (1, 10_000),
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
