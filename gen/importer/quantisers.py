"""The quantisers of QONNX, from all of the domains they have lived in.

``BipolarQuant`` and a signed 1-bit ``Quant`` give +1 at zero. A ``Quant`` clamps and rounds
``x / scale + zero`` and undoes the shift and the scale; ``MultiThreshold`` counts the thresholds
that are not above ``x``.
"""

from collections.abc import Callable
from fractions import Fraction

from binohm.gen.importer.activations import Step, apply
from binohm.gen.importer.exact import Exact, Number, Surd, ceil, floor, round_half_even, sign
from binohm.gen.importer.moves import Call, Rule, axis_of
from binohm.gen.importer.signals import Value, affine

__all__ = ["QUANTISERS"]

BIPOLAR = Step(Fraction(-1), Fraction(1))
HALF = Fraction(1, 2)
ONE, ZERO = Exact.full((), 1), Exact.full((), 0)


def _away(rule: Callable[[Number], int]) -> Callable[[Number], int]:
    """A rule for positive numbers, mirrored for negative ones."""
    return lambda number: rule(number) if sign(number) >= 0 else -rule(-number)


ROUNDINGS: dict[str, Callable[[Number], int]] = {
    "ROUND": round_half_even,
    "HALF_EVEN": round_half_even,
    "CEIL": ceil,
    "FLOOR": floor,
    "UP": _away(ceil),
    "DOWN": _away(floor),
    "HALF_UP": _away(lambda number: floor(number + HALF)),
    "HALF_DOWN": _away(lambda number: ceil(number - HALF)),
}
"""Rounding modes of QONNX: UP is away from zero, DOWN towards it."""


def _bipolar_quant(call: Call) -> Value:
    return affine(apply(BIPOLAR, call.value(0)), _scale(call, 1), ZERO)


def _scale(call: Call, position: int) -> Exact:
    scale = call.constant(position)
    if any(sign(number) <= 0 for number in scale.used()):
        raise ValueError("its scale must be positive; train or export the model again")
    return scale


def _quant(call: Call) -> Value:
    x, scale, zero = call.value(0), _scale(call, 1), call.constant(2)
    bits = call.constant(3).scalar()
    if isinstance(bits, Surd) or bits.denominator != 1 or not 1 <= bits <= 32:
        raise ValueError(f"its bit width is {bits}; 1 to 32 is needed")
    width, signed = int(bits), bool(call.node.get("signed", 1))
    narrow = bool(call.node.get("narrow", 1))
    name = call.text("rounding_mode", "ROUND").upper()
    if name not in ROUNDINGS:
        raise ValueError(f"its rounding mode is {name!r}; one of {', '.join(ROUNDINGS)} is needed")
    # A positive scale moves no sign: weights of any number of values then cost nothing.
    plain = width == 1 and signed and zero.is_all(0)
    y = x if plain else affine(x, ONE / scale, zero)
    rule = ROUNDINGS[name]
    low = -(1 << width - 1) + narrow if signed else 0
    high = (1 << width - 1) - 1 if signed else (1 << width) - 1 - narrow
    if width == 1 and signed:
        y = apply(BIPOLAR, y)
    elif (low, high) == (0, 1):
        y = _one_bit(y, rule)
    else:
        y = apply(lambda number: Fraction(min(max(rule(number), low), high)), y)
    return affine(affine(y, ONE, ZERO - zero), scale, ZERO)


def _one_bit(y: Value, rule: Callable[[Number], int]) -> Value:
    """Clamp to 0 and 1 and round: a step where the rule begins to give 1."""
    first = next(at for at in (Fraction(0), HALF, Fraction(1)) if rule(at + Fraction(1, 8)) > 0)
    step = Step(Fraction(0), Fraction(1), strict=rule(first) == 0)
    return apply(step, affine(y, ONE, Exact.full((), -first)))


def _multi_threshold(call: Call) -> Value:
    x, thresholds = call.value(0), call.constant(1)
    scale, bias = call.real("out_scale", 1.0), call.real("out_bias", 0.0)
    if len(thresholds.shape) != 2 or 0 in thresholds.shape:
        raise ValueError(
            f"thresholds of shape {thresholds.shape}; one row for each channel is needed"
        )
    # Without a layout the executor takes three axes for NWC, and channels first otherwise.
    layout = call.text("data_layout", "") or ("NWC" if len(x.shape) == 3 else "NC")
    axis = axis_of(layout.index("C") if "C" in layout else 1, len(x.shape))
    channels, count = thresholds.shape
    if channels not in (1, x.shape[axis]):
        raise ValueError(
            f"{channels} rows of thresholds for {x.shape[axis]} channels; use one for each"
        )
    if count == 1:
        shape = [channels if k == axis else 1 for k in range(len(x.shape))]
        below = (ZERO - thresholds).at(lambda index: index.reshape(shape))
        y = apply(Step(Fraction(0), Fraction(1)), affine(x, ONE, below))
    else:
        rows = thresholds.numbers()
        if any(rows[k] != rows[k % count] for k in range(len(rows))):
            raise ValueError("several thresholds that differ by channel; use one row")
        y = apply(lambda number: Fraction(sum(t <= number for t in rows[:count])), x)
    return affine(y, Exact.full((), scale), Exact.full((), bias))


QUANTISERS: dict[str, Rule] = {
    "BipolarQuant": _bipolar_quant,
    "Quant": _quant,
    "IntQuant": _quant,
    "MultiThreshold": _multi_threshold,
}
