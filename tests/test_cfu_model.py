"""The model of the function unit: by hand, and a convolution by its instructions."""

from collections.abc import Iterator

import numpy as np
import pytest

from binohm.sim import cfu
from binohm.sim.cfu import ADD, DOT, GET, ROW, SET, SIGN, SUM, WINDOW, Sizes, Unit

SIZES = Sizes(
    slots=5, rows=3, columns=3, positions=4, windows=6, complement=True, accumulator_bits=16
)


def program(unit: Unit, slot: int, kernel: int) -> None:
    for value, register in ((slot, cfu.SLOT), (kernel, cfu.KERNEL), (1, cfu.PROGRAM)):
        assert unit.execute(SET, value, register) == 0


def test_by_hand() -> None:
    """A kernel of +1 alone over a row of pixels 1 0 1 1 0 0, with nothing above and below."""
    unit = Unit(SIZES)
    program(unit, 2, 0b111_111_111)
    assert unit.execute(GET, 0, cfu.PULSES) == 9  # as made no device is set: nine a are to be
    unit.execute(SET, 0b010, cfu.ROWS)
    for row in (0, 0b001101, 0):
        unit.execute(ROW, row, 0)
    unit.execute(DOT, 0xFFFFFFF4, 0)
    assert [unit.execute(SUM, p, 0) for p in range(4)] == [1, 1, 1, 0xFFFFFFFF]


def test_windows_and_refusals() -> None:
    unit = Unit(SIZES)
    for row in (0b100000, 0b000001, 0b100001):
        unit.execute(ROW, row, 0)
    assert unit.execute(WINDOW, 0, 0) == 0b001_001_000
    assert unit.execute(WINDOW, 0, 3) == 0b100_000_100
    assert unit.execute(GET, 0, cfu.STATUS) == 0
    for command in ((8, 0, 0), (SUM, 4, 0), (SET, 5, cfu.SLOT), (SET, 0, 9), (GET, 0, 7)):
        assert unit.execute(*command) == 0
        assert unit.execute(GET, 0, cfu.STATUS) == 1
        unit.execute(SET, 0, cfu.CLEAR)
    unit.execute(SET, 5, cfu.CHANNEL)
    unit.execute(DOT, 0xFFFFFFF0, 0)
    assert unit.execute(GET, 0, cfu.STATUS) == 0  # none beyond the last window is nothing
    unit.execute(DOT, 0xFFFFFFF0, 0)
    assert unit.execute(GET, 0, cfu.STATUS) == 1


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_a_convolution(padding: int) -> None:
    """As docs/soc.md outlines it, with misses; against a sum over pixels."""
    rng = np.random.default_rng(padding)
    channels, outputs, height, width = 6, 4, 5, 11
    image = rng.choice([-1, 1], (channels, height, width))
    kept = rng.integers(0, 512, SIZES.slots)
    kernels = rng.choice([*kept, *(511 - kept), 0b101010101], (outputs, channels))
    theta, flip = rng.integers(-9, 10, outputs), rng.integers(0, 2, outputs)
    weights = np.array([[signs(kernel) for kernel in row] for row in kernels])
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    high, wide = height + 2 * padding - 2, width + 2 * padding - 2
    want = np.zeros((outputs, high, wide), np.int64)
    for y in range(high):
        for x in range(wide):
            want[:, y, x] = (weights * padded[:, y : y + 3, x : x + 3]).sum((1, 2, 3))

    unit = Unit(SIZES)
    for slot, kernel in enumerate(kept):
        program(unit, slot, int(kernel))
    found = np.zeros((outputs, high, wide + 3), np.int64)
    bits = np.zeros_like(found)
    for y in range(high):
        rows = [y + r - padding for r in range(3)]
        unit.execute(SET, sum((0 <= row < height) << r for r, row in enumerate(rows)), cfu.ROWS)
        for x in range(0, wide, 4):
            fill(unit, image, rows, x - padding)
            for o in range(outputs):
                misses = [c for c in range(channels) if number(kept, kernels[o, c]) is None]
                full, misses = misses[::2], misses[1::2]
                words(unit, [*fields(unit.sizes, kept, kernels[o], full)])
                for c in misses:
                    for p in range(4):
                        seen = unit.execute(WINDOW, c, p)
                        mask = unit.rows_present[:, None] * unit.columns_present[p : p + 3]
                        missing = (signs(kernels[o, c]) * signs(seen) * mask).sum()
                        unit.execute(ADD, int(missing) % 2**32, p)
                found[o, y, x : x + 4] = [signed(unit.execute(SUM, p, 0)) for p in range(4)]
                answer = unit.execute(SIGN, int(theta[o]) % 2**32, int(flip[o]))
                bits[o, y, x : x + 4] = [answer >> p & 1 for p in range(4)]
    assert (found[:, :, :wide] == want).all()
    expected = (want >= theta[:, None, None]) ^ flip[:, None, None].astype(bool)
    assert (bits[:, :, :wide] == expected).all()
    assert unit.hits + unit.misses == outputs * channels * high * -(-wide // 4)
    assert unit.hits > unit.misses > 0


def signs(bits: int) -> np.ndarray:
    return np.array([1 if bits >> k & 1 else -1 for k in range(9)]).reshape(3, 3)


def signed(word: int) -> int:
    return word - 2**32 if word >> 31 else word


def number(kept: np.ndarray, kernel: int) -> int | None:
    for slot, stored in enumerate(kept):
        for invert in (0, 1):
            if kernel == (511 - stored if invert else stored):
                return 2 * slot + invert
    return None


def fill(unit: Unit, image: np.ndarray, rows: list[int], first: int) -> None:
    """Rows of all channels, from column ``first``, which may be left of the image."""
    _, height, width = image.shape
    inside = sum((0 <= first + j < width) << j for j in range(6))
    unit.execute(SET, inside, cfu.COLUMNS)
    unit.execute(SET, first + 2, cfu.SHIFT)
    unit.execute(SET, 0, cfu.WINDOW_AT)
    for channel in image:
        for row in rows:
            pixels = channel[row] if 0 <= row < height else np.ones(width)
            unit.execute(ROW, sum((pixel > 0) << k for k, pixel in enumerate(pixels)), 0)


def fields(sizes: Sizes, kept: np.ndarray, kernels: np.ndarray, full: list[int]) -> Iterator[int]:
    """Numbers, or what is in full, or a miss that is left to the processor."""
    for channel, kernel in enumerate(kernels):
        found = number(kept, kernel)
        if found is not None:
            yield found
        elif channel in full:
            yield sizes.codes
            for part in range(sizes.kernel_fields):
                yield int(kernel) >> part * sizes.number_bits & (1 << sizes.number_bits) - 1
        else:
            yield sizes.codes + 1


def words(unit: Unit, codes: list[int]) -> None:
    """None fills the last word."""
    sizes = unit.sizes
    codes += [sizes.none] * (-len(codes) % sizes.numbers)
    for start in range(0, len(codes), sizes.numbers):
        part = codes[start : start + sizes.numbers]
        unit.execute(DOT, sum(n << k * sizes.number_bits for k, n in enumerate(part)), 0)
