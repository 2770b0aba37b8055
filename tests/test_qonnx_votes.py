"""Split layers in every form that is read: golden equals the qonnx executor, ties included."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conv_models import max_pool, norm, same, scores
from onnx import TensorProto
from onnx_models import Model, signs
from qonnx_models import HIDDEN, PIXELS, SHAPE, agree, binary, ending, random_norm
from vote_models import ballots, group, windows

from binohm.gen.network import Conv, Network

ODD, EVEN = (0, 8, 18, 30), (0, 5, 18, 23, 30)

Part = Callable[[Model, str, np.random.Generator], str]


def chained(model: Model, bits: list[str]) -> str:
    total = bits[0]
    for more in bits[1:]:
        total = model.node("Add", more, total)
    return total


def zero_or_one(model: Model, x: str) -> str:
    return model.quant(x, 1, signed=0)


def counted(model: Model, x: str, rng: np.random.Generator) -> str:
    """Bits of 0 and 1, and half of them are enough."""
    votes = model.node("Sum", *ballots(model, x, rng, EVEN, zero_or_one))
    return model.bipolar(model.node("Sub", votes, 2.0))


def compared(model: Model, x: str, rng: np.random.Generator) -> str:
    votes = model.node("GreaterOrEqual", chained(model, ballots(model, x, rng, EVEN)), 0.0)
    return model.node("Where", votes, 1.0, -1.0)


def above(model: Model, x: str, rng: np.random.Generator) -> str:
    """Above zero is at least zero for an odd number of votes."""
    votes = model.node("Greater", chained(model, ballots(model, x, rng, ODD)), 0.0)
    votes = model.node("Cast", votes, to=TensorProto.FLOAT)
    return model.node("Sub", model.node("Mul", votes, 2.0), 1.0)


def split(model: Model, x: str, rng: np.random.Generator) -> str:
    """One ``Split`` for all groups."""
    sizes = model.constant(np.diff(EVEN), np.int64)
    return of_parts(model, x, rng, np.diff(EVEN).tolist(), sizes)


def quarters(model: Model, x: str, rng: np.random.Generator) -> str:
    """A ``Split`` without sizes, where the last part is smaller."""
    model.opset = 18
    return of_parts(model, x, rng, [8, 8, 8, 6], num_outputs=4)


def of_parts(
    model: Model,
    x: str,
    rng: np.random.Generator,
    sizes: list[int],
    *given: str,
    **attributes: int,
) -> str:
    names = [model.node("Split", x, *given, axis=1, **attributes)]
    names += [model.name() for _ in sizes[1:]]
    model.nodes[-1].output[:] = names
    bits = [
        model.bipolar(group(model, name, size, rng))
        for name, size in zip(names, sizes, strict=True)
    ]
    return model.bipolar(model.node("Sum", *bits))


def copies(model: Model, x: str, rng: np.random.Generator) -> str:
    """Matrices over all inputs, of zeros outside their group."""
    bits = []
    for start, stop in pairwise(EVEN):
        weights = signs(rng, HIDDEN, PIXELS)
        weights[:, :start] = weights[:, stop:] = 0
        y = model.batch_norm(model.linear(x, weights), random_norm(rng))
        bits.append(model.bipolar(y))
    return model.bipolar(model.node("Sum", *bits))


FORMS: dict[str, tuple[Part, tuple[int, ...]]] = {
    "sum": (lambda m, x, r: m.bipolar(m.node("Sum", *ballots(m, x, r, EVEN))), EVEN),
    "chain": (lambda m, x, r: m.bipolar(chained(m, ballots(m, x, r, ODD))), ODD),
    "any order": (lambda m, x, r: m.bipolar(chained(m, ballots(m, x, r, EVEN)[::-1])), EVEN),
    "mean": (lambda m, x, r: m.bipolar(m.node("Mean", *ballots(m, x, r, EVEN))), EVEN),
    "scaled": (
        lambda m, x, r: m.bipolar(m.node("Mul", m.node("Sum", *ballots(m, x, r, ODD)), 0.3)),
        ODD,
    ),
    "shifted": (  # to where a tie still gives +1
        lambda m, x, r: m.bipolar(m.node("Add", m.node("Sum", *ballots(m, x, r, EVEN)), 1.5)),
        EVEN,
    ),
    "counted": (counted, EVEN),
    "compared": (compared, EVEN),
    "above": (above, ODD),
    "sign": (lambda m, x, r: m.node("Sign", m.node("Sum", *ballots(m, x, r, ODD))), ODD),
    "split": (split, EVEN),
    "quarters": (quarters, (0, 8, 16, 24, 30)),
    "copies": (copies, EVEN),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_votes(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    build, bounds = FORMS[form]
    model = Model(SHAPE)
    x = build(model, binary(model), rng)
    network = agree(model.save(tmp_path / "m.onnx", ending(model, x, rng)), rng)
    (layer,) = network.hidden
    assert layer.bounds == bounds and layer.theta.shape == (len(bounds) - 1, HIDDEN)
    assert layer.flip.any() and not layer.flip.all()


def test_split_layers_follow_one_another(tmp_path: Path, rng: np.random.Generator) -> None:
    """Of a vote, with a scale that is negative behind it."""
    model = Model(SHAPE)
    x = model.bipolar(model.node("Sum", *ballots(model, binary(model), rng, EVEN)))
    x = model.node("Mul", x, -0.5)
    x = model.bipolar(model.node("Sum", *ballots(model, x, rng, (0, 4, 9))))
    network = agree(model.save(tmp_path / "m.onnx", ending(model, x, rng)), rng)
    assert [layer.bounds for layer in network.layers[:-1]] == [EVEN, (0, 4, 9)]


IMAGE = (1, 3, 6, 5)
INSIDE = (0, 7, 13, 20, 27)
"""Groups that begin inside the kernels of three channels."""


def maps(
    tmp_path: Path, rng: np.random.Generator, build: Part, size: int, bounds: tuple[int, ...]
) -> Network:
    """A network of one split convolution, and the last layer over ``size`` places."""
    model = Model(IMAGE)
    x = build(model, model.bipolar(model.node("Sub", "0", 0.5)), rng)
    network = same(model.save(tmp_path / "m.onnx", scores(model, x, rng, HIDDEN * size)), rng)
    (layer,) = network.hidden
    assert isinstance(layer, Conv) and layer.bounds == bounds
    return network


def normal(model: Model, x: str, rng: np.random.Generator) -> str:
    return model.batch_norm(x, random_norm(rng), epsilon=0.0)


@pytest.mark.parametrize("bounds", [INSIDE, (0, 9, 27), (0, 1, 26, 27)])
@pytest.mark.parametrize("pads", [(0,) * 4, (1,) * 4])
def test_groups_of_convolutions(
    tmp_path: Path, rng: np.random.Generator, bounds: tuple[int, ...], pads: tuple[int, ...]
) -> None:
    def build(model: Model, x: str, rng: np.random.Generator) -> str:
        bits = [model.bipolar(normal(model, y, rng)) for y in windows(model, x, rng, bounds, pads)]
        return model.bipolar(model.node("Sum", *bits))

    maps(tmp_path, rng, build, 30 if pads[0] else 12, bounds)


POOLS: dict[str, tuple[Part, str]] = {
    "sums": (lambda m, y, r: m.bipolar(normal(m, max_pool(m, y), r)), "sums"),
    "normalised sums": (lambda m, y, r: m.bipolar(max_pool(m, normal(m, y, r))), "sums"),
    "signs": (lambda m, y, r: max_pool(m, m.bipolar(normal(m, y, r))), "sums"),
}


@pytest.mark.parametrize("form", POOLS)
def test_pools_in_groups(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """A pool of signs in a group is one of sums, turned where the signs fall."""
    build, of = POOLS[form]

    def voted(model: Model, x: str, rng: np.random.Generator) -> str:
        bits = [build(model, y, rng) for y in windows(model, x, rng, INSIDE)]
        return model.bipolar(model.node("Sum", *bits))

    network = maps(tmp_path, rng, voted, 6, INSIDE)
    (layer,) = network.hidden
    assert isinstance(layer, Conv) and layer.pool is not None and layer.pool.of == of


@pytest.mark.parametrize(("bounds", "scale"), [(INSIDE, 0.5), ((0, 9, 13, 27), -2.0)])
def test_pools_behind_votes(
    tmp_path: Path, rng: np.random.Generator, bounds: tuple[int, ...], scale: float
) -> None:
    """Of the results; of their negative if there is no tie."""

    def build(model: Model, x: str, rng: np.random.Generator) -> str:
        bits = [model.bipolar(normal(model, y, rng)) for y in windows(model, x, rng, bounds)]
        x = model.bipolar(model.node("Sum", *bits))
        return model.bipolar(max_pool(model, model.node("Mul", x, scale)))

    network = maps(tmp_path, rng, build, 6, bounds)
    (layer,) = network.hidden
    assert isinstance(layer, Conv) and layer.pool is not None and layer.pool.of == "signs"


def test_signs_of_groups_of_odd_size(tmp_path: Path, rng: np.random.Generator) -> None:
    """``Sign``, in a group and of the votes, where nothing is zero."""
    model = Model(IMAGE)
    x = model.bipolar(model.node("Sub", "0", 0.5))
    bits = [model.node("Sign", y) for y in windows(model, x, rng, (0, 9, 18, 27), (0,) * 4)]
    x = model.node("Sign", model.node("Sum", *bits))
    same(model.save(tmp_path / "m.onnx", scores(model, x, rng, HIDDEN * 12)), rng)


def test_groups_of_pixels(tmp_path: Path, rng: np.random.Generator) -> None:
    """A first layer of bytes, in groups of colours."""
    model = Model(IMAGE)
    bits = [
        model.bipolar(norm(model, y, rng, HIDDEN)) for y in windows(model, "0", rng, (0, 12, 27))
    ]
    x = model.bipolar(model.node("Sum", *bits))
    path = model.save(tmp_path / "m.onnx", scores(model, x, rng, HIDDEN * 30))
    network = same(path, rng, pixel_scale=1)
    assert network.hidden[0].bounds == (0, 12, 27) and network.input.bits == 8


def test_parts_of_features_are_taken_from_the_whole(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Slices of a transposed image: groups of its rows are groups of the network's inputs."""
    model = Model(IMAGE)
    x = model.bipolar(model.node("Sub", "0", 0.5))
    x = model.flatten(model.node("Transpose", x, perm=[0, 2, 3, 1]))
    bits = ballots(model, x, rng, (0, 40, 41, 90))
    path = model.save(tmp_path / "m.onnx", ending(model, model.bipolar(chained(model, bits)), rng))
    assert same(path, rng).hidden[0].bounds == (0, 40, 41, 90)
