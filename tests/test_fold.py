"""Thresholds and rankings, against decimals, float64 and every sum that can occur."""

import itertools
import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from binohm.gen.importer import fold
from binohm.gen.importer.exact import Number, sign, square_root
from binohm.gen.importer.fold import Ranking, reaches_zero, threshold

FEW = settings(max_examples=100, deadline=None)
MANY = settings(max_examples=400, deadline=None)

SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)
GAMMA = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5]), SINGLE)
BETA = st.one_of(st.just(0.0), SINGLE)
MEAN = st.one_of(st.integers(-9, 9).map(float), SINGLE)
VARIANCE = st.one_of(st.sampled_from([1.0, 4.0, 2.25]), st.floats(0, width=32, max_value=2.0**100))
EPSILON = st.sampled_from([1e-5, 1e-3, 0.25, 1e-30, 1e-12, 1e-45])


def single(value: float) -> Fraction:
    """What a file stores."""
    return Fraction(float(np.float32(value)))


def folded(parameters: Sequence[float], epsilon: float) -> tuple[Number, Number]:
    """Scale and offset of a batch normalisation."""
    gamma, beta, mean, variance = map(single, parameters)
    scale = gamma / square_root(variance + single(epsilon))
    return scale, beta - mean * scale


def bits(theta: int, flip: bool, sums: Sequence[int]) -> list[bool]:
    return [(s >= theta) != flip for s in sums]


@pytest.mark.slow
@MANY
@given(GAMMA, BETA, MEAN, VARIANCE, EPSILON, st.integers(1, 20), st.booleans())
@example(1.0, 0.0, 3.0, 4.0, 1e-5, 5, False)  # exactly zero at s = 3
@example(-1.0, 0.0, 3.0, 4.0, 1e-5, 5, False)
@example(0.0, 0.0, 3.0, 4.0, 1e-5, 5, False)
@example(0.0, -1e-45, 3.0, 4.0, 1e-5, 5, False)
@example(1.0, -1.0, 0.0, 4.0, 1e-30, 5, False)  # float64 finds zero at s = 2: it is below
def test_thresholds_equal_decimals_of_900_digits(
    gamma: float, beta: float, mean: float, variance: float, epsilon: float, n: int, strict: bool
) -> None:
    theta, flip = threshold(*folded((gamma, beta, mean, variance), epsilon), -n, n, strict=strict)
    sums = range(-n, n + 1)
    with localcontext(prec=900):
        g, b, m, v, e = (
            Decimal(float(np.float32(x))) for x in (gamma, beta, mean, variance, epsilon)
        )
        values = [g * (s - m) / (v + e).sqrt() + b for s in sums]
        expected = [value > 0 if strict else value >= 0 for value in values]
        tiny = Decimal(10) ** -600  # a division may leave an error where zero is meant
        expected = [
            want if abs(x) > tiny else not strict for want, x in zip(expected, values, strict=True)
        ]
    assert bits(theta, flip, sums) == expected
    assert -n <= theta <= n + 1
    assert flip == (single(gamma) < 0)


EIGHTHS = st.integers(-24, 24).map(lambda k: k / 8)


@MANY
@given(EIGHTHS, EIGHTHS, EIGHTHS, st.integers(0, 40), EPSILON, st.integers(1, 65))
@example(1.0, 0.0, 3.0, 32, 1e-5, 8)
def test_thresholds_equal_a_float64_reference_ties_included(
    gamma: float, beta: float, mean: float, eighths: int, epsilon: float, n: int
) -> None:
    """Coarse parameters: float64 is exact at ties and far from zero elsewhere."""
    assume(epsilon >= 1e-5)
    variance, s = eighths / 8, np.arange(-n, n + 1)
    reference = gamma * (s - mean) / np.sqrt(variance + float(np.float32(epsilon))) + beta >= 0
    theta, flip = threshold(*folded((gamma, beta, mean, variance), epsilon), -n, n)
    assert ((s >= theta) != flip).tolist() == reference.tolist()


def test_a_threshold_that_float64_misses() -> None:
    """``q * sqrt(2) * s - p`` at s = 1 for convergents p/q: float64 gives zero for most."""
    p, q, wrong = 1, 1, 0
    for step in range(60):
        theta, flip = threshold(q * square_root(Fraction(2)), Fraction(-p), 0, 2)
        assert (theta, flip) == (1 if step % 2 == 0 else 2, False)
        wrong += (q * math.sqrt(2) - p >= 0) != (theta == 1)
        p, q = p + 2 * q, p + q
    assert wrong > 10


def test_thresholds_are_the_smallest_integers_and_clamped() -> None:
    def at(scale: Fraction | int, offset: Fraction | int) -> tuple[int, bool]:
        return threshold(Fraction(scale), Fraction(offset), -4, 4)

    assert at(1, 0) == (0, False) and at(-1, 0) == (1, True)
    assert at(1, Fraction(-1, 2)) == (1, False) and at(-1, Fraction(1, 2)) == (1, True)
    assert at(1, 100) == (-4, False) and at(1, -100) == (5, False)
    assert at(-1, 100) == (5, True) and at(-1, -100) == (-4, True)
    assert at(0, 0) == (-4, False) and at(0, -1) == (5, False)
    assert threshold(Fraction(0), Fraction(0), -4, 4, strict=True) == (5, False)


@FEW
@given(
    st.fractions(-2, 2, max_denominator=2),
    st.fractions(-6, 6, max_denominator=2),
    st.sampled_from([Fraction(1), Fraction(2), Fraction(4)]),
    st.integers(1, 2),
)
@example(Fraction(1), Fraction(5), Fraction(1), 1)  # at the least sum
@example(Fraction(1), Fraction(-5), Fraction(1), 1)  # at the largest one
@example(Fraction(1), Fraction(-6), Fraction(1), 1)  # one beyond it
def test_zero_is_reached_where_a_sum_gives_it(
    scale: Fraction, offset: Fraction, square: Fraction, step: int
) -> None:
    a = scale * square_root(square)
    sums = range(-5, 6, step)
    expected = any(sign(a * s + offset) == 0 for s in sums)
    assert reaches_zero(a, offset, -5, 5, step) == expected


def winner(values: Sequence[Number]) -> int:
    """Lowest class of the best, compared exactly."""
    best = 0
    for c, value in enumerate(values):
        if sign(value - values[best]) > 0:
            best = c
    return best


def pairs(ranking: Ranking, a: Sequence[int], b: Sequence[int]) -> tuple[int, int]:
    """How many pairs of scores of two classes there are, and how many change order."""
    total = flips = 0
    sums = [
        range(low, high + 1, ranking.step) if sign(scale) else [low]
        for scale, low, high in zip(ranking.scale, ranking.low, ranking.high, strict=True)
    ]
    for i, j in itertools.combinations(range(len(a)), 2):
        for s, t in itertools.product(sums[i], sums[j]):
            exact = ranking.scale[i] * s + ranking.offset[i]
            other = ranking.scale[j] * t + ranking.offset[j]
            total += 1
            flips += (sign(exact - other) >= 0) != (a[i] * s + b[i] >= a[j] * t + b[j])
    return total, flips


FINE = st.fractions(-3, 3, max_denominator=6)
COARSE = st.integers(-3, 3).map(Fraction)
ROOT = st.sampled_from([Fraction(1), Fraction(4), Fraction(2), Fraction(3)])


@pytest.mark.slow
@FEW
@given(st.data(), st.booleans(), st.integers(2, 4), st.integers(1, 2))
def test_integers_rank_every_vector_of_sums_alike(
    data: st.DataObject, shared: bool, classes: int, step: int
) -> None:
    numbers = data.draw(st.sampled_from([FINE, COARSE]))
    lists = st.lists(numbers, min_size=classes, max_size=classes)
    scale: list[Number] = list(data.draw(lists))
    if shared:
        scale = [scale[0] * square_root(data.draw(ROOT))] * classes
    else:
        scale = [value * square_root(data.draw(ROOT)) for value in scale]
    offset: list[Number] = list(data.draw(lists))
    assume(any(sign(value) for value in scale))
    n = 4 if classes < 4 else 2
    ranking = Ranking(scale, offset, [-n] * classes, [n] * classes, step)
    a, b, remark = ranking.integers()
    assert a.dtype == b.dtype == np.int64
    assert remark in {
        "scalar affine of the scores: dropped",
        "scalar affine of the scores: negates the scores",
        "affine of the scores: integers, proved to keep the order",
    }
    for sums in itertools.product(range(-n, n + 1, step), repeat=classes):
        exact = [x * s + y for x, s, y in zip(scale, sums, offset, strict=True)]
        assert winner(exact) == int(np.argmax(a * np.array(sums) + b))


def test_scalar_affine_is_dropped_or_negates() -> None:
    def integers(scale: Number, offset: int = 7) -> tuple[list[int], list[int], str]:
        a, b, remark = Ranking([scale] * 3, [Fraction(offset)] * 3, [-9] * 3, [9] * 3, 2).integers()
        return a.tolist(), b.tolist(), remark

    root = square_root(Fraction(2))
    assert integers(root) == ([1, 1, 1], [0, 0, 0], "scalar affine of the scores: dropped")
    negated = "scalar affine of the scores: negates the scores"
    assert integers(-root) == ([-1, -1, -1], [0, 0, 0], negated)


def test_offsets_stay_small_with_one_scale() -> None:
    """Sums of one parity differ by even numbers: offsets of whole numbers suffice here."""
    tenth = Fraction(float(np.float32(0.1)))
    offset = [Fraction(float(np.float32(x))) for x in (0.33, -0.21, 0.05)]
    a, b, _ = Ranking([tenth] * 3, offset, [-64] * 3, [64] * 3, 2).integers()
    assert a.tolist() == [1, 1, 1] and b.tolist() == [3, -2, 1]


def test_integers_are_kept_as_they_are() -> None:
    scale, offset = [Fraction(1), Fraction(2)], [Fraction(3), Fraction(-5)]
    a, b, _ = Ranking(scale, offset, [-8] * 2, [8] * 2, 2).integers()
    assert (a.tolist(), b.tolist()) == ([1, 2], [3, -5])


def test_a_common_multiple_off_the_search_is_tried() -> None:
    """A tie at the largest sums needs the very ratio 1 : 1031/1030, or that of a multiple."""
    scale = [Fraction(1), Fraction(1031, 1030)]
    a, b, _ = Ranking(scale, [Fraction(0)] * 2, [-1031] * 2, [1031] * 2, 1).integers()
    assert (a.tolist(), b.tolist()) == ([1030, 1031], [0, 0])


def test_ten_classes_of_a_trained_size_are_proved() -> None:
    """All 190,125 pairs, in float64, which tells them apart here."""
    rng = np.random.default_rng(5)
    variance = rng.uniform(20, 300, 10).astype(np.float32)
    gamma, beta = rng.uniform(0.3, 2, 10).astype(np.float32), rng.normal(size=10)
    scale = [single(g) / square_root(single(v)) for g, v in zip(gamma, variance, strict=True)]
    ranking = Ranking(scale, [single(x) for x in beta], [-64] * 10, [64] * 10, 2)
    a, b, _ = ranking.integers()
    sums = np.arange(-64, 65, 2)[None]
    factor = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64))
    exact = factor[:, None] * sums + beta.astype(np.float32).astype(np.float64)[:, None]
    score = a[:, None] * sums + b[:, None]
    for i, j in itertools.combinations(range(10), 2):
        gap = exact[i][:, None] - exact[j][None]
        assert np.abs(gap).min() > 1e-12
        assert np.array_equal(gap >= 0, score[i][:, None] >= score[j][None])
    assert max(abs(a)) < 1 << 20


HUGE = Fraction(1 << 29)


@pytest.mark.parametrize(
    ("scale", "offset"),
    [
        ((1, 1, 1), (0, Fraction(1, 3), HUGE / 2 + Fraction(1, 5))),
        ((-1, -1, -1), (0, Fraction(1, 3), HUGE / 2 + Fraction(1, 5))),
        ((1, Fraction(3, 2), -2), (Fraction(1, 7), Fraction(1, 11), HUGE / 4 + Fraction(1, 5))),
        ((1, Fraction(3, 2), 0), (Fraction(1, 7), HUGE / 4 + Fraction(1, 5), HUGE / 4)),
    ],
)
def test_rounding_counts_the_pairs_that_change_order(
    scale: Sequence[Fraction], offset: Sequence[Fraction]
) -> None:
    offset = [Fraction(value) for value in offset]
    ranking = Ranking([Fraction(x) for x in scale], offset, [-5] * 3, [7] * 3, 2)
    # Any integers have a count, proved ones included.
    proof = fold._Shared(ranking) if len(set(scale)) == 1 else fold._Sorted(ranking)
    for k in (1, 2, 3):
        for shift in itertools.product((-3, 0, 1), repeat=3):
            a = [k * round(x) for x in scale]
            b = [k * round(x) + d for x, d in zip(offset, shift, strict=True)]
            total, flips = pairs(ranking, a, b)
            if len(set(scale)) == 1 or all(
                (x > 0) == (y > 0) for x, y in zip(a, scale, strict=True)
            ):
                found = proof.flips(np.array(a), np.array(b))
                assert (proof.pairs, found) == (total, flips)
                if len(set(scale)) == 1:
                    assert proof.holds(np.array(a), np.array(b)) == (flips == 0)


def test_what_cannot_be_proved_is_refused_or_rounded() -> None:
    """Offsets that differ by a hair at 2**28: no factor is left to resolve it."""
    offset = [Fraction(0), HUGE / 2, HUGE / 2 + Fraction(1, 1000)]
    scale = [Fraction(1), Fraction(1), Fraction(2)]
    ranking = Ranking(scale, offset, [-4] * 3, [4] * 3, 2)
    with pytest.raises(
        ValueError,
        match=r"^no integers below 2\*\*30 are proved to rank the scores of the classes as their "
        r"scales and offsets do; use one scale for all classes, or allow rounding$",
    ):
        ranking.integers()
    a, b, remark = ranking.integers(rounding=True)
    total, flips = pairs(ranking, a.tolist(), b.tolist())
    assert remark == (
        f"affine of the scores: rounded, {flips} of {total} pairs of scores of two classes "
        "change order"
    )
    assert 0 < flips < 5


SIGNS = [list(x) for x in itertools.product((-1, 1), repeat=4)]


@pytest.mark.parametrize("pattern", range(16))
def test_sums_that_never_occur_together_prove_nothing_wrong(pattern: int) -> None:
    """The offsets of the test before; every weight vector of the last class, every image."""
    weights = np.array([SIGNS[5], SIGNS[15], SIGNS[pattern]])
    offset = [Fraction(0), HUGE / 2, HUGE / 2 + Fraction(1, 1000)]
    scale = [Fraction(1), Fraction(1), Fraction(2)]
    apart = (4 - weights @ weights.T) // 2
    ranking = Ranking(scale, offset, [-4] * 3, [4] * 3, 2, apart)
    a, b, remark = ranking.integers(rounding=True)
    occur = {tuple((weights @ x).tolist()) for x in SIGNS}
    changed = {
        (s[1], s[2])
        for s in occur
        if (s[1] + offset[1] >= 2 * s[2] + offset[2]) != (a[1] * s[1] + b[1] >= a[2] * s[2] + b[2])
    }
    if remark == "affine of the scores: integers, proved to keep the order":
        assert not changed
    else:
        assert f"rounded, {len(changed)} of 75 pairs" in remark and changed
        with pytest.raises(ValueError, match=r"^no integers below 2\*\*30 are proved"):
            ranking.integers()
    assert bool(changed) == (apart[1, 2] != 3)


def test_a_hair_is_told_from_a_tie() -> None:
    """Offsets of 2**-200: the order takes more digits than the first try."""
    hair = Fraction(1, 1 << 200)
    scale = [Fraction(1), Fraction(2), Fraction(2)]
    ranking = Ranking(scale, [Fraction(0), hair, -hair], [-4] * 3, [4] * 3, 2)
    _, _, remark = ranking.integers(rounding=True)
    # Class 0 loses to class 1 by a hair at s = -4, 0 and 4, where integers see a tie.
    assert remark == (
        "affine of the scores: rounded, 3 of 75 pairs of scores of two classes change order"
    )


def test_scores_that_are_too_many_to_sort_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "ITEMS", 50)
    ranking = Ranking([Fraction(1), Fraction(2)], [Fraction(0)] * 2, [-99] * 2, [99] * 2, 2)
    with pytest.raises(ValueError, match=r"^no integers below 2\*\*30 are proved"):
        ranking.integers()
    _, _, remark = ranking.integers(rounding=True)
    assert remark == (
        "affine of the scores: rounded, 0 of 625 pairs of scores of two classes "
        "(a sample of them) change order"
    )


def test_useless_scores_are_refused() -> None:
    def refused(scale: Sequence[int], offset: Sequence[int], message: str) -> None:
        numbers = [list(map(Fraction, values)) for values in (scale, offset)]
        with pytest.raises(ValueError, match=f"^{message}$"):
            Ranking(*numbers, [-4] * 2, [4] * 2, 2).integers(rounding=True)

    refused((0, 0), (1, 2), "the scores do not depend on the image: their scales are all zero")
    message = r"the offsets of the scores are more than 2\*\*30 times their scales"
    refused((1, 1), (0, 1 << 30), message)
    refused((1, 2), (0, 1 << 30), message)
