"""Votes that the importer refuses: every message whole, with the node, the reason, a cure."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conv_models import conv, max_pool
from onnx_models import Model, refused, refused_node, signs
from vote_models import ballots, part, windows

RNG = np.random.default_rng(0)
SHAPE, IMAGE = (1, 12), (1, 2, 4, 4)


def inputs(model: Model) -> str:
    return model.bipolar(model.node("Sub", "0", 0.5))


def product(model: Model, x: str, elements: int, outputs: int = 9, **more: str) -> str:
    return model.node("MatMul", x, signs(RNG, elements, outputs), **more)


def taken(model: Model, x: str, start: int, stop: int, outputs: int = 9) -> str:
    """The bits of one group."""
    return model.bipolar(product(model, part(model, x, start, stop), stop - start, outputs))


def groups(model: Model, *bounds: int) -> list[str]:
    return ballots(model, inputs(model), RNG, bounds)


def votes(model: Model, *bounds: int) -> str:
    return model.node("Sum", *groups(model, *(bounds or (0, 4, 12))))


def some(model: Model, *ranges: Sequence[int]) -> str:
    """The majority of any groups."""
    x = inputs(model)
    return model.bipolar(model.node("Sum", *(taken(model, x, *where) for where in ranges)))


def end(model: Model, x: str) -> str:
    """The node before gets the name that the messages have."""
    model.nodes[-1].name = "n"
    return x


def quantised_apart(model: Model) -> str:
    """Two halves, each by a quantiser of its own."""
    shifted = model.node("Sub", "0", 0.5)
    bits = [
        model.bipolar(product(model, model.bipolar(part(model, shifted, a, b)), 6))
        for a, b in ((0, 6), (6, 12))
    ]
    return end(model, model.node("Sum", *bits))


def turned(model: Model) -> str:
    """One group has the outputs in another order."""
    one, other = groups(model, 0, 6, 12)
    back = model.node("Gather", other, model.constant(range(8, -1, -1), np.int64), axis=1)
    return end(model, model.node("Add", one, back))


def vote_of_votes(model: Model) -> str:
    a, b, c, d = groups(model, 0, 3, 6, 9, 12)
    inner = end(model, model.bipolar(model.node("Add", a, b)))
    return model.node("Add", model.bipolar(model.node("Add", c, d)), inner)


RESIDUAL = "two branches are added; residual connections are not supported"
OUTPUTS = (
    "it adds bits of different outputs or windows; give every group of a layer the same, in the "
    "same order"
)
INPUTS = (
    "it adds bits of groups of different inputs; slice what one quantiser gives into the groups of "
    "a layer"
)
SCALES = "its groups have votes of different scales; use one for all of them"
JOIN = "take all, or join groups that do by a vote, a BipolarQuant of the sum of their bits"
PLACE = "input {} of 12 is in {} of the vote; each must be in one"
MAJORITY = (
    "{} of 2 groups have to vote +1 for +1, where a majority, with a tie for +1, takes 1; put a "
    "BipolarQuant behind the sum of their bits"
)

CASES: dict[str, tuple[Callable[[Model], str], str]] = {
    # what is added
    "bits of whole layers": (
        lambda m: end(
            m, m.node("Add", taken(m, x := inputs(m), 0, 12), taken(m, x, 0, 12))
        ),
        RESIDUAL,
    ),
    "bits of a group and of a layer": (
        lambda m: end(m, m.node("Add", taken(m, x := inputs(m), 0, 12), taken(m, x, 0, 6))),
        RESIDUAL,
    ),
    "sums of groups": (
        lambda m: end(
            m,
            m.node(
                "Add",
                product(m, part(m, x := inputs(m), 0, 6), 6),
                product(m, part(m, x, 6, 12), 6),
            ),
        ),
        RESIDUAL,
    ),
    "groups quantised apart": (quantised_apart, INPUTS),
    "fewer outputs": (
        lambda m: end(
            m, m.node("Add", taken(m, x := inputs(m), 0, 6, 4), taken(m, x, 6, 12, 1))
        ),
        OUTPUTS,
    ),
    "outputs in another order": (turned, OUTPUTS),
    "twice the vote": (
        lambda m: end(m, m.node("Add", (g := groups(m, 0, 6, 12))[0], m.node("Mul", g[1], 2.0))),
        SCALES,
    ),
    "a difference": (lambda m: end(m, m.node("Sub", *groups(m, 0, 6, 12))), SCALES),
    # where the groups lie
    "no input twice": (lambda m: end(m, some(m, (0, 6), (5, 12))), PLACE.format(5, "two groups")),
    "a group twice": (
        lambda m: end(m, m.bipolar(m.node("Sum", *[groups(m, 0, 6)[0]] * 2))),
        PLACE.format(0, "two groups"),
    ),
    "a gap": (lambda m: end(m, some(m, (8, 12), (0, 6))), PLACE.format(6, "no group")),
    "no first input": (lambda m: end(m, some(m, (1, 6), (6, 12))), PLACE.format(0, "no group")),
    "no last input": (lambda m: end(m, some(m, (0, 6), (6, 11))), PLACE.format(11, "no group")),
    "a vote of votes": (vote_of_votes, PLACE.format(6, "no group")),
    "every second input": (
        lambda m: end(m, product(m, part(m, inputs(m), 0, 12, 2), 6)),
        (
            "it takes 6 of the 12 elements before it, some twice or not at all; a fully connected "
            "layer takes each once, or in a group those that follow each other"
        ),
    ),
    "weights of three values": (
        lambda m: end(
            m, m.node("MatMul", inputs(m), np.float32([[0], [1], [-1], [0], [1]] + [[0]] * 7))
        ),
        (
            "its weights are not binary: output 0 has the magnitudes 0, 1, where -1 and +1 times "
            "one scale are needed; quantise the weights by BipolarQuant"
        ),
    ),
    "parts that do not fit": (
        lambda m: end(m, m.node("Split", inputs(m), m.constant([5, 7], np.int64), axis=1)),
        (
            "parts of [5, 7] for 1 outputs of a tensor of shape (1, 12); export the model again"
        ),
    ),
    # the majority
    "above a tie": (
        lambda m: m.node(
            "Cast", end(m, m.node("Greater", votes(m), 0.0)), to=1
        ),
        MAJORITY.format(2),
    ),
    "all groups": (
        lambda m: end(m, m.bipolar(m.node("Sub", votes(m), 1.5))), MAJORITY.format(2)
    ),
    "no group": (lambda m: end(m, m.bipolar(m.node("Mul", votes(m), 0.0))), MAJORITY.format(0)),
    "never": (lambda m: end(m, m.bipolar(m.node("Sub", votes(m), 2.5))), MAJORITY.format(3)),
    "of some outputs": (
        lambda m: end(m, m.bipolar(m.node("Sub", votes(m), np.arange(9) / 2))),
        MAJORITY.format(2),
    ),
    "the minority": (
        lambda m: end(m, m.bipolar(m.node("Neg", votes(m)))),
        "its votes have a negative scale; use a positive one",
    ),
    "the sign of a tie": (
        lambda m: end(m, m.node("Sign", votes(m))),
        (
            "Sign(0) is 0, neither -1 nor +1, and as many groups can vote +1 as -1; use "
            "BipolarQuant, where 0 gives +1"
        ),
    ),
    "votes of 2 bits": (
        lambda m: end(m, m.quant(votes(m), 2, signed=1)),
        "votes may only be shifted, scaled and binarised; put a BipolarQuant behind their sum",
    ),
    "limited votes": (
        lambda m: end(m, m.node("Relu", votes(m))),
        "votes may only be shifted, scaled and binarised; put a BipolarQuant behind their sum",
    ),
    # what is not joined
    "a layer of votes": (
        lambda m: end(m, product(m, votes(m), 9)),
        "its input is not quantised; put a BipolarQuant before it",
    ),
    "a layer of a group": (
        lambda m: end(m, product(m, taken(m, inputs(m), 2, 8), 9)),
        (
            "its input is a part of a layer: node 3 (MatMul) -> tensor 11 takes the inputs 2 to 7 "
            f"of 12; {JOIN}"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_votes(case: str, tmp_path: Path) -> None:
    build, message = CASES[case]
    refused_node(tmp_path / "m.onnx", SHAPE, build, message)


def ballots_of_maps(model: Model, pads: int = 1) -> list[str]:
    return [model.bipolar(y) for y in windows(model, inputs(model), RNG, (0, 9, 18), (pads,) * 4)]


def colours(model: Model) -> str:
    """Two padded colours of one grid each."""
    shifted = model.node("Sub", "0", np.array([1, 2]).reshape(2, 1, 1))
    bits = [model.bipolar(y) for y in windows(model, shifted, RNG, (0, 9, 18))]
    return end(model, model.node("Sum", *bits))


def kernels(model: Model) -> str:
    """Two groups of one channel, of 3 x 3 and of 1 x 1."""
    x = inputs(model)
    one, other = (
        model.bipolar(conv(model, part(model, x, k, k + 1), signs(RNG, 4, 1, w, w), (p,) * 4))
        for k, w, p in ((0, 3, 1), (1, 1, 0))
    )
    return end(model, model.node("Add", one, other))


def negative(model: Model) -> str:
    x = model.bipolar(model.node("Sum", *ballots_of_maps(model)))
    return end(model, max_pool(model, model.node("Neg", x)))


MAPS: dict[str, tuple[Callable[[Model], str], str]] = {
    "colours shifted apart": (colours, INPUTS),
    "different kernels": (kernels, OUTPUTS),
    "a pool of votes": (
        lambda m: end(m, max_pool(m, m.node("Sum", *ballots_of_maps(m)))),
        (
            "a pool of votes, which are more than 1 bit; pool before them, or behind the sign of "
            "their sum"
        ),
    ),
    "a pool of the negative": (
        negative,
        (
            "a pool of the negative of a vote of 2 groups, whose tie is not turned; pool before "
            "the scale"
        ),
    ),
    "padded votes": (
        lambda m: end(
            m, m.node("Pad", m.node("Sum", *ballots_of_maps(m)), m.constant([0, 0, 1, 1] * 2, int))
        ),
        "it pads sums, before their quantiser; pad behind the quantiser, by 0",
    ),
    "a convolution of a group": (
        lambda m: end(m, conv(m, ballots_of_maps(m)[1], signs(RNG, 4, 9, 3, 3))),
        (
            "its input is a part of a layer: node 5 (Conv) -> tensor 18 takes the inputs 9 to 17 "
            f"of 18; {JOIN}"
        ),
    ),
    "the sign of a group at a border": (
        lambda m: end(m, m.node("Sign", windows(m, inputs(m), RNG, (0, 9))[0])),
        (
            "Sign(0) is 0, neither -1 nor +1, and 9 of 9 outputs can reach 0 (the first is 0); use "
            "BipolarQuant, where 0 gives +1"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MAPS)
def test_bad_votes_of_convolutions(case: str, tmp_path: Path) -> None:
    build, message = MAPS[case]
    refused_node(tmp_path / "m.onnx", IMAGE, build, message)


def test_a_group_gives_no_scores(tmp_path: Path) -> None:
    model = Model(SHAPE)
    path = model.save(tmp_path / "m.onnx", product(model, part(model, inputs(model), 0, 9), 9))
    refused(
        path,
        "output '11' is a part of a layer: node 3 (MatMul) -> tensor 11 takes the inputs 0 to 8 of "
        f"12; {JOIN}",
    )


def test_votes_are_no_scores(tmp_path: Path) -> None:
    model = Model(SHAPE)
    path = model.save(tmp_path / "m.onnx", votes(model))
    refused(
        path,
        f"output '{model.count}' is not the scores of a layer; end the network before its last "
        "quantiser or clip",
    )
