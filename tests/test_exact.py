"""Sums of square roots, against decimals of 500 digits."""

import math
from decimal import Decimal, getcontext, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from binohm.gen.importer.exact import (
    Exact,
    Number,
    Surd,
    ceil,
    combine,
    floor,
    is_zero,
    magnitude,
    round_half_even,
    sign,
    square_root,
)

FEW = settings(max_examples=60, deadline=None)
ROOTS = st.fractions(0, 50, max_denominator=12).map(lambda q: (q, square_root(q)))
FACTORS = st.fractions(-9, 9, max_denominator=8)
SUMS = st.lists(st.tuples(FACTORS, ROOTS), min_size=1, max_size=4)
ZERO = Decimal(10) ** -300
"""No sum drawn here that is not zero is smaller: its norm is a rational of few digits."""


@pytest.fixture(autouse=True)
def _digits() -> object:
    with localcontext(prec=500):
        yield


def decimal(value: Fraction | int) -> Decimal:
    return Decimal(Fraction(value).numerator) / Decimal(Fraction(value).denominator)


def both(terms: list[tuple[Fraction, tuple[Fraction, Number]]]) -> tuple[Number, Decimal]:
    """A sum of roots, exactly and as a decimal."""
    exact: Number = Fraction(0)
    for factor, (_, root) in terms:
        exact = exact + factor * root
    return exact, sum((decimal(c) * decimal(q).sqrt() for c, (q, _) in terms), Decimal(0))


def sign_of(value: Decimal) -> int:
    return 0 if abs(value) < ZERO else int(value.copy_sign(Decimal(1)) == value) * 2 - 1


@FEW
@given(SUMS, SUMS)
def test_arithmetic_is_exact(one: object, two: object) -> None:
    (a, x), (b, y) = both(one), both(two)  # type: ignore[arg-type]
    for exact, near in ((a + b, x + y), (a - b, x - y), (a * b, x * y), (-a, -x)):
        assert sign(exact) == sign_of(near)
        assert sign(magnitude(exact)) == abs(sign_of(near))
        for shift in (Fraction(0), Fraction(1, 3)):
            moved = near + decimal(shift)
            whole = moved.to_integral_value("ROUND_HALF_EVEN")
            if abs(moved - whole) < ZERO:  # a decimal of a whole number may lie below it
                assert floor(exact + shift) == ceil(exact + shift) == int(whole)
            else:
                assert floor(exact + shift) == math.floor(moved)
                assert ceil(exact + shift) == math.floor(moved) + 1
    assert (a == b) == (sign_of(x - y) == 0)
    assert (a < b, a >= b) == (sign_of(x - y) < 0, sign_of(x - y) >= 0)
    assert (b > a, b <= a) == (sign_of(x - y) < 0, sign_of(x - y) >= 0)


@FEW
@given(SUMS, st.lists(st.tuples(FACTORS, ROOTS), min_size=1, max_size=2))
def test_division_undoes_multiplication(one: object, two: object) -> None:
    (a, _), (b, y) = both(one), both(two)  # type: ignore[arg-type]
    if sign_of(y):
        assert is_zero(a / b * b - a)
        assert is_zero(1 / b * b - 1)


@FEW
@given(st.fractions(0, 1000), st.fractions(0, 1000))
def test_equal_roots_merge(p: Fraction, q: Fraction) -> None:
    root = square_root(p * p * q)
    assert is_zero(root - p * square_root(q))
    assert is_zero(root * root - p * p * q)
    assert square_root(q * q) == q and isinstance(square_root(q * q), Fraction)


def test_a_difference_far_below_float64_has_its_sign() -> None:
    """Convergents of sqrt(2): p*p - 2*q*q is +1 and -1 in turn, at any size."""
    p, q, root = 1, 1, square_root(Fraction(2))
    for step in range(400):
        assert sign(root * q - p) == (1 if step % 2 == 0 else -1)
        assert floor(root * q) == (p if step % 2 == 0 else p - 1)
        p, q = p + 2 * q, p + q
    assert float(root * q - p) == 0.0


def test_rounding_goes_to_even() -> None:
    halves = [Fraction(k, 2) for k in range(-5, 6)]
    assert [round_half_even(h) for h in halves] == [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2]
    assert round_half_even(square_root(Fraction(2))) == 1
    assert round_half_even(square_root(Fraction(3))) == 2
    assert round_half_even(-square_root(Fraction(3))) == -2


def test_division_by_three_roots_is_refused() -> None:
    three = square_root(Fraction(2)) + square_root(Fraction(3)) + square_root(Fraction(5))
    with pytest.raises(ValueError, match=r"^cannot divide by a sum of three or more"):
        1 / three
    with pytest.raises(ValueError, match=r"^the square root of -1"):
        square_root(Fraction(-1))
    with pytest.raises(
        ValueError,
        match=r"^the square root of 1\.41421",
    ):
        square_root(square_root(Fraction(2)))


def test_other_types_are_not_numbers() -> None:
    root = square_root(Fraction(2))
    assert root != "2" and root != 1.5
    for operate in (
        lambda: root + 1.5,
        lambda: root - 1.5,
        lambda: root * 1.5,
        lambda: root / 1.5,
        lambda: root < 1.5,
    ):
        with pytest.raises(TypeError):
            operate()
    with pytest.raises(TypeError):
        hash(root)


def test_tensors_keep_every_bit_of_any_type() -> None:
    assert Exact.of(np.array([0.1], np.float32)).numbers() == [Fraction(float(np.float32(0.1)))]
    assert Exact.of(np.array([1 << 62, 1], np.int64)).numbers() == [1 << 62, 1]
    assert Exact.of(np.array([0.1], np.float16)).numbers() == [Fraction(float(np.float16(0.1)))]
    assert Exact.of(np.array([True, False])).numbers() == [1, 0]
    assert Exact.of(np.array([(1 << 64) - 1], np.uint64)).numbers() == [(1 << 64) - 1]


def test_tensors_broadcast_and_compute_each_pair_once() -> None:
    a = Exact.of(np.array([[1.0, 2.0, 1.0, 2.0]]))
    b = Exact.of(np.array([[0.5], [0.25]]))
    calls = []

    def multiply(x: Number, y: Number) -> Number:
        calls.append((x, y))
        return x * y

    product = combine(multiply, a, b)
    assert product.shape == (2, 4)
    assert [float(n) for n in product.numbers()] == [0.5, 1, 0.5, 1, 0.25, 0.5, 0.25, 0.5]
    assert len(calls) == 4


def test_integers_divide_as_integers() -> None:
    a, b = Exact.of(np.array([7, -7])), Exact.of(np.array(2))
    assert (a / b).integers().tolist() == [3, -3]
    assert (a / Exact.of(np.array(2.0))).numbers() == [Fraction(7, 2), Fraction(-7, 2)]
    with pytest.raises(ValueError, match=r"^division by zero; train or export the model again$"):
        a / Exact.of(np.array([1, 0]))
    with pytest.raises(ValueError, match=r"^fractions, where whole numbers are needed"):
        Exact.of(np.array([0.5])).integers()
    with pytest.raises(ValueError, match=r"^a tensor of shape \(2,\), where one number"):
        a.scalar()


def test_values_in_use_are_listed() -> None:
    tensor = Exact.of(np.array([3.0, 4.0, 5.0])).at(lambda index: index[1:])
    assert tensor.used() == [4, 5]
    assert Exact.full((2, 2), 3).is_all(3) and not tensor.is_all(4)
    assert isinstance(square_root(Fraction(2)), Surd)
    assert repr(square_root(Fraction(2))) == "1.41421356"
    assert getcontext().prec == 500
