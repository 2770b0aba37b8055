"""2T2R pairs in integers: the sign is that of the pulse difference, noise has no order, files."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest

from binohm.sim.device.map import mixed
from binohm.sim.device.pair import PairDevice, PairMap, draw_pairs
from binohm.sim.training.pairs import DevicePairs, IdealPairs

PULSES = 64


def every_pair() -> tuple[np.ndarray, np.ndarray]:
    """All numbers of pulses on both branches."""
    n1, n2 = np.meshgrid(np.arange(PULSES + 1), np.arange(PULSES + 1), indexing="ij")
    return n1.astype(np.int16), n2.astype(np.int16)


def filled(pairs: DevicePairs | IdealPairs, n1: np.ndarray, n2: np.ndarray) -> None:
    pairs.pulse(n1)
    pairs.pulse(-n2)


@pytest.mark.parametrize("nonlinearity", [0.01, 0.1, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
def test_matched_pairs_read_the_sign_of_the_difference(nonlinearity: float) -> None:
    """Every pair of pulse counts, from near-linear to strongly nonlinear; also levels are exact."""
    n1, n2 = every_pair()
    map = draw_pairs(PairDevice.matched(nonlinearity), *n1.shape, PULSES, seed=3, number=0)
    pairs = DevicePairs(map, 0)
    filled(pairs, n1, n2)
    np.testing.assert_array_equal(pairs.positive(), n1 >= n2)
    np.testing.assert_array_equal(pairs.levels(), np.stack([n1, n2], axis=-1).reshape(-1, 2))


@pytest.mark.parametrize("nonlinearity", [0.01, 4, 10])
def test_any_range_of_pulses_keeps_the_sign(nonlinearity: float) -> None:
    for pulses in (4, 7, 256, 2000):
        n = np.random.default_rng(pulses).integers(0, pulses + 1, (2, 50, 40)).astype(np.int16)
        map = draw_pairs(PairDevice.matched(nonlinearity), 50, 40, pulses, seed=3, number=0)
        pairs = DevicePairs(map, 0)
        filled(pairs, *n)
        np.testing.assert_array_equal(pairs.positive(), n[0] >= n[1])


def test_mismatch_breaks_the_sign() -> None:
    """The property is not one of the test: with mismatch alone, or noise alone, it fails."""
    n1, n2 = every_pair()
    for device in (
        dataclasses.replace(PairDevice.matched(), gain_sigma=0.05),
        dataclasses.replace(PairDevice.matched(), start_sigma=0.45),
        dataclasses.replace(PairDevice.matched(), cycle_sigma=0.2),
        dataclasses.replace(PairDevice.matched(), offset_a=1e-7),
    ):
        pairs = DevicePairs(draw_pairs(device, *n1.shape, PULSES, seed=3, number=0), 0)
        filled(pairs, n1, n2)
        wrong = np.count_nonzero(pairs.positive() != (n1 >= n2))
        assert 0 < wrong < n1.size // 4


def test_matched_pairs_are_ideal_pairs() -> None:
    """The same after any pulses and resets, with pulses lost at the end of the range."""
    rng = np.random.default_rng(4)
    ideal = IdealPairs(6, 5, PULSES)
    pairs = DevicePairs(draw_pairs(PairDevice.matched(7.0), 6, 5, PULSES, seed=1, number=2), 2)
    for _ in range(60):
        rows = slice(2, 5) if rng.random() < 0.5 else slice(0, 6)
        given = rng.integers(-9, 10, (rows.stop - rows.start, 5)).astype(np.int16)
        where, turn = rng.random((6, 5)) < 0.05, rng.random() < 0.2
        for array in (ideal, pairs):
            array.pulse(given, rows.start)
            array.reset(where)
            if turn:
                array.exchange()
        np.testing.assert_array_equal(pairs.levels(), ideal.levels())
        np.testing.assert_array_equal(pairs.levels(some := np.array([7, 3])), ideal.levels(some))
        np.testing.assert_array_equal(pairs.reach(5), ideal.reach(5))
        np.testing.assert_array_equal(pairs.positive(slice(1, 4)), ideal.positive(slice(1, 4)))
    assert np.max(ideal.levels()) == PULSES


@pytest.mark.parametrize(
    "device", [PairDevice(offset_a=5e-8), PairDevice(lrs_ohm=1e3, read_v=1.0, gain_sigma=1.0)]
)
def test_a_device_is_what_the_page_says(device: PairDevice) -> None:
    """One device after another, in Python integers; also currents of more than 32 bits."""
    map = draw_pairs(device, 3, 4, 8, seed=9, number=5)
    pairs = DevicePairs(map, 5)
    rng = np.random.default_rng(2)
    shape = (3, 4, 2)
    n, w = np.zeros(shape, int), np.zeros(shape, int)
    e = np.zeros(shape, int)

    def noise(kind: int, i: int, j: int, k: int) -> int:
        index = (i * 4 + j) * 2 + k
        return int(map.noise[int(mixed(9, 5, kind, index, int(w[i, j, k]), 0)[0]) % 4096])

    for _ in range(25):
        given = rng.integers(-3, 4, (3, 4)).astype(np.int16)
        where = rng.random((3, 4)) < 0.2
        pairs.pulse(given)
        pairs.reset(where)
        for i, j in np.ndindex(3, 4):
            k = int(given[i, j] < 0)
            for _ in range(abs(int(given[i, j]))):
                w[i, j, k] += 1
                if (at := n[i, j, k]) < 8:
                    rise = int(map.response[at + 1] - map.response[at])
                    e[i, j, k] += rise * noise(4, i, j, k) >> 16
                    n[i, j, k] += 1
            for k in (0, 1) if where[i, j] else ():
                w[i, j, k] += 1
                n[i, j, k] = 0
                e[i, j, k] = map.spread * noise(5, i, j, k) >> 16
        current = map.base + (map.gain * map.response[n] >> 16) + e
        np.testing.assert_array_equal(pairs.currents, current)
        sign = [[int(c[0]) - int(c[1]) + int(map.offset[j]) >= 0 for j, c in enumerate(row)]
                for row in current]  # fmt: skip
        assert pairs.positive().tolist() == sign
        levels = [[sum(x >= t for t in map.ladder) for x in c] for row in current for c in row]
        assert pairs.levels().tolist() == levels
        assert pairs.levels(np.array([5, 2])).tolist() == [levels[5], levels[2]]
        for level in (1, 4, 8):
            reached = np.stack(pairs.reach(level), axis=-1).reshape(-1, 2)
            np.testing.assert_array_equal(reached, np.array(levels) >= level)


def test_exchange_cancels_mismatch() -> None:
    """As many pulses on both branches leave a weight of unlike devices where it was."""
    device = dataclasses.replace(PairDevice.matched(), gain_sigma=0.2)
    moved = {}
    for exchange in (False, True):
        pairs = DevicePairs(draw_pairs(device, 30, 30, PULSES, seed=1, number=0), 0)
        eight = np.full((30, 30), 8, np.int16)
        for _ in range(8):
            filled(pairs, eight, eight)
            n1, n2 = pairs.levels().T
            pairs.reset(np.ones((30, 30), np.bool_))
            if exchange:
                pairs.exchange()
            pairs.pulse((n1 - n2).reshape(30, 30))
        n1, n2 = pairs.levels().T
        moved[exchange] = float(np.abs(n1 - n2).mean())
    assert moved[True] < moved[False] / 4


def test_rows_may_come_in_any_order() -> None:
    rng = np.random.default_rng(8)
    given = rng.integers(-5, 6, (7, 3)).astype(np.int16)
    map = draw_pairs(PairDevice(), 7, 3, PULSES, seed=5, number=1)
    whole, parts = DevicePairs(map, 1), DevicePairs(map, 1)
    whole.pulse(given)
    for row in (3, 0, 6, 5, 1, 2, 4):
        half = given[row : row + 1] // 2
        parts.pulse(half, row)
        parts.pulse(given[row : row + 1] - half, row)
    np.testing.assert_array_equal(parts.currents, whole.currents)


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    device = dataclasses.replace(PairDevice.matched(0.01), cycle_sigma=0.2)
    map = draw_pairs(device, 200, 200, PULSES, seed=5, number=1)
    pairs = DevicePairs(map, 1)
    pairs.pulse(np.full((200, 200), 25, np.int16))
    found = pairs.currents[..., 0] - map.base[..., 0] - map.response[25]
    step = map.response[25] / 25
    assert abs(found.mean() / step) < 0.02
    assert abs(found.std() / step - 0.2 * 5) < 0.02


def test_file_holds_the_map() -> None:
    map = draw_pairs(PairDevice(offset_a=1e-7), 3, 5, 16, seed=11, number=2)
    again = PairMap.from_text(map.text(), "a.hex")
    for item in dataclasses.fields(map):
        np.testing.assert_array_equal(getattr(again, item.name), getattr(map, item.name))
    lines = map.text().splitlines()
    assert len(lines) == 8 + 4096 + 17 + 16 + 5 + 30
    assert lines[:4] == ["62696e6f68750001", "0000001000050003", f"{11:016x}", f"{map.spread:016x}"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[17:], "not a map of an update array of this version; make it again"),
        (lambda text: text[:-17], "4139 words instead of 4140 for 2 rows, 3 columns and 10 pulses"),
        (lambda text: "x" + text[1:], "line 1 is not 16 lower-case hexadecimal digits"),
        (lambda text: text[1:], "not lines of 16 hexadecimal digits"),
    ],
)
def test_a_damaged_file_is_refused(change: Callable[[str], str], message: str) -> None:
    text = draw_pairs(PairDevice(), 2, 3, 10, seed=1, number=0).text()
    with pytest.raises(ValueError, match=f"^a.hex: {message}$"):
        PairMap.from_text(change(text), "a.hex")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nonlinearity": 11.0}, "nonlinearity = 11: must be 0.01 to 10"),
        ({"read_v": 2.0}, "read_v = 2: must be 0.01 to 1 V"),
        ({"gain_sigma": "5"}, "gain_sigma must be a number, not '5'"),
        ({"hrs_ohm": 9e4}, "hrs_ohm = 90000: must be above lrs_ohm = 100000"),
        ({"cycle_sigma": 0.0}, "reset_sigma = 0.1: needs cycle_sigma above 0"),
    ],
)
def test_parameters_are_checked(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        PairDevice(**values)


def test_a_curve_that_ends_flat_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^nonlinearity = 10 with 4096 pulses: the last ones add"):
        PairDevice.matched(10.0).response(4096)
    with pytest.raises(ValueError, match=r"^pulses = 3: must be 4 to 4096$"):
        draw_pairs(PairDevice(), 2, 2, 3, seed=1, number=0)
    with pytest.raises(ValueError, match=r"^seed = -1: must be 0 to 4294967295$"):
        draw_pairs(PairDevice(), 2, 2, 8, seed=-1, number=0)
