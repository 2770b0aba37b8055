"""Reads of device arrays: equal to a slow loop, to golden where ideal, and monotone."""

import time
from typing import Any

import numpy as np
import pytest
from device_loop import Loop, hashed, random_map
from numpy.typing import NDArray

from binohm.gen.combinations import CELLS
from binohm.gen.plan import Array, Cell, Readout
from binohm.sim.device.draw import draw_tile
from binohm.sim.device.map import mixed
from binohm.sim.device.physics import Device
from binohm.sim.device.read import Reader
from binohm.sim.device.state import State

SHAPES = ((1, 1), (3, 8), (13, 2), (8, 13))


def array_of(
    readout: Readout, cell: Cell, rows: int, columns: int, bits: int | None = None
) -> Array:
    """An array with bias rows where it may have them."""
    bias = 3 if readout == "sa" else 0
    width = (bits or rows.bit_length()) if readout == "adc" else 0
    return Array(readout, cell, rows, columns, bias, width, 1, 1, 1, 1)


def random_weights(rng: np.random.Generator, array: Array) -> NDArray[np.int8]:
    weights = rng.choice(np.array([-1, 1], np.int8), (array.lines, array.columns))
    weights[array.rows :] = rng.integers(-1, 2, (array.bias_rows, array.columns))
    return weights


def random_drive(
    rng: np.random.Generator, array: Array, count: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Any legal drive, bias rows off and negative too."""
    x = rng.integers(-1, 2, (count, array.lines))
    if array.cell != "complementary":
        x[:, : array.rows] = np.abs(x[:, : array.rows])
    return x > 0, x < 0


def test_random_numbers_are_those_of_the_map() -> None:
    """By hand: one step from (0, 1) is 0x9E3779B1, mixed; and all of it in Python."""
    assert mixed(0, 0, 0, 0, 0, 0).tolist() == [0]
    h = 0x9E3779B1
    h ^= h >> 15
    h = h * 0x85EBCA6B % 2**32
    assert mixed(0, 1).tolist() == mixed(1, 0).tolist() == [h ^ h >> 13] == [4068589060]
    assert mixed(1, 2, 3, 4, 5, 6).tolist() == [hashed(1, 2, 3, 4, 5, 6)] == [1679285430]
    values = np.arange(5) * 0x3FFFFFFF
    assert mixed(7, 1, 2, values[:, None], 3, values).tolist() == [
        [hashed(7, 1, 2, int(a), 3, int(b)) for b in values] for a in values
    ]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["sa", "adc"])
def test_columns_are_read_as_by_the_loop(readout: Readout, cell: Cell) -> None:
    rng = np.random.default_rng(3)
    wrong = total = 0
    for rows, columns in SHAPES:
        array = array_of(readout, cell, rows, columns)
        weights = random_weights(rng, array)
        map = random_map(rng, array)
        x_p, x_n = random_drive(rng, array, 12)
        images, reads = rng.integers(0, 1 << 32, 12), rng.integers(0, 99, 12)
        codes = rng.integers(-3, 4, 12) * (readout == "sa")
        loop = Loop(array, map, 5, weights)
        expected = [
            loop.read(x_p[n], x_n[n], int(images[n]), int(reads[n]), int(codes[n]))
            for n in range(12)
        ]
        reader = Reader(array, State(map, 5, weights))
        found = reader.read(x_p, x_n, images, reads, codes[:, None])
        assert found.tolist() == expected
        wrong += (found != ideal(array, weights, x_p, x_n, codes[:, None])).sum()
        total += found.size
    assert 0.02 < wrong / total < 0.8


def ideal(
    array: Array, weights: NDArray[Any], x_p: NDArray[Any], x_n: NDArray[Any], codes: Any = 0
) -> NDArray[Any]:
    """What the array would return without any error."""
    x = x_p.astype(np.int64) - x_n
    sums = x @ weights.astype(np.int64)
    if array.readout == "sa":
        return np.asarray(2 * (sums + codes) + 1 > 0)
    return np.asarray((sums + np.abs(x).sum(axis=1, keepdims=True)) // 2)


@pytest.mark.parametrize("cell", CELLS)
def test_words_are_compared_as_by_the_loop(cell: Cell) -> None:
    rng = np.random.default_rng(4)
    for rows, columns in SHAPES:
        array = array_of("pcsa", cell, rows, columns)
        weights = random_weights(rng, array)
        map = random_map(rng, array)
        loop, reader = Loop(array, map, 9, weights), Reader(array, State(map, 9, weights))
        row = rng.integers(0, rows, 12)
        col_x, col_en = rng.random((12, columns)) < 0.5, rng.random((12, columns)) < 0.8
        images, reads = rng.integers(0, 1 << 32, 12), rng.integers(0, 99, 12)
        expected = [
            loop.compare(int(row[n]), col_x[n], col_en[n], int(images[n]), int(reads[n]))
            for n in range(12)
        ]
        assert reader.compare(row, col_x, col_en, images, reads).tolist() == expected


@pytest.mark.parametrize("cell", CELLS)
def test_matches_are_what_comparing_gives(cell: Cell) -> None:
    rng = np.random.default_rng(5)
    for rows, columns in (*SHAPES, (40, 65)):
        array = array_of("pcsa", cell, rows, columns)
        weights = random_weights(rng, array)
        for device in (Device.ideal(), Device(read_noise=0.1, lrs_sigma_d2d=0.6)):
            map = draw_tile(device, array, 7, 1, 2)
            for own in (map, random_map(rng, array)):
                reader = Reader(array, State(own, 2, weights))
                inputs = rng.integers(-1, 2, (6, columns))
                images = rng.integers(0, 1 << 32, 6)
                row, reads = rng.integers(0, rows, 9), rng.integers(0, 99, 9)
                expected = [
                    reader.compare(np.full(6, r), inputs > 0, inputs != 0, images, k).sum(axis=1)
                    for r, k in zip(row, reads, strict=True)
                ]
                found = reader.matches(row, reads, inputs, images)
                assert np.array_equal(found, np.transpose(expected))


def test_rows_are_read_as_by_the_loop() -> None:
    rng = np.random.default_rng(6)
    for rows, columns in SHAPES:
        array = array_of("adc", "1t1r", rows, columns, bits=columns.bit_length())
        weights = random_weights(rng, array)
        map = random_map(rng, array)
        loop, reader = Loop(array, map, 4, weights), Reader(array, State(map, 4, weights))
        on = rng.random((12, columns)) < 0.6
        counts = rng.integers(0, 1 << 32, 12)
        expected = [loop.transposed(on[n], int(counts[n])) for n in range(12)]
        assert reader.transposed(on, counts).tolist() == expected


@pytest.mark.parametrize("cell", CELLS)
def test_ideal_devices_have_no_error(cell: Cell) -> None:
    rng = np.random.default_rng(7)
    for rows, columns in (*SHAPES, (65, 40)):
        for readout in ("sa", "adc"):
            array = array_of(readout, cell, rows, columns)
            weights = random_weights(rng, array)
            map = draw_tile(Device.ideal(), array, 1, 1, 0)
            x_p, x_n = random_drive(rng, array, 20)
            if readout == "adc":
                assert not array.bias_rows
            found = Reader(array, State(map, 0, weights)).read(x_p, x_n, 0, 0)
            assert np.array_equal(found, ideal(array, weights, x_p, x_n))
    array = array_of("adc", "1t1r", 13, 40, bits=6)
    weights = random_weights(rng, array)
    on = rng.random((20, 40)) < 0.5
    reader = Reader(array, State(draw_tile(Device.ideal(), array, 1, 1, 0), 0, weights))
    assert np.array_equal(reader.transposed(on, 0), on @ (weights.T > 0).astype(np.int64))


@pytest.mark.parametrize("cell", CELLS)
def test_more_matches_never_give_less(cell: Cell) -> None:
    """One more cell of a driven row in the low state never lowers a count: whatever the map."""
    rng = np.random.default_rng(8)
    array = array_of("adc", cell, 13, 8)
    map = random_map(rng, array)
    map.stuck[:] = 0
    weights = random_weights(rng, array)
    x_p, x_n = random_drive(rng, array, 30)
    before = Reader(array, State(map, 1, weights)).read(x_p, x_n, 0, 0)
    assert before.max() < 15
    for row in range(13):
        better = weights.copy()
        better[row] = 1
        after = Reader(array, State(map, 1, better)).read(x_p, x_n, 0, 0)
        driven = x_p[:, row]
        assert (after[driven] >= before[driven]).all()


def test_a_pair_is_symmetric() -> None:
    """2t2r: swapping the devices of all cells turns every sign over, noise and offset apart."""
    rng = np.random.default_rng(9)
    array = array_of("pcsa", "2t2r", 16, 8)
    map = random_map(rng, array)
    for values in (map.stuck, map.noise_scale, map.column_offset):
        values[:] = 0
    map.lrs_table[:] = map.hrs_table[:] = 65536
    weights = random_weights(rng, array)
    rows, ones = np.arange(16), np.ones((16, 8), np.bool_)
    before = Reader(array, State(map, 1, weights)).compare(rows, ones, ones, 0, 0)
    for values in (map.r_lrs, map.r_hrs, map.series):
        values[:] = values[..., ::-1].copy()
    after = Reader(array, State(map, 1, -weights)).compare(rows, ones, ones, 0, 0)
    assert np.array_equal(after, ~before)
    assert 0 < before.mean() < 1


def test_noise_depends_on_image_read_and_column_alone() -> None:
    rng = np.random.default_rng(10)
    array = array_of("adc", "2t2r", 16, 8)
    map = draw_tile(Device(read_noise=0.5), array, 4, 3, 2)
    reader = Reader(array, State(map, 2, random_weights(rng, array)))
    x = np.repeat(rng.random((1, 16)) < 0.5, 60, axis=0)
    off = np.zeros_like(x)
    images, reads = np.repeat(np.arange(15), 4), np.tile(np.arange(4), 15)
    found = reader.read(x, off, images, reads)
    order = rng.permutation(60)
    assert np.array_equal(reader.read(x, off, images[order], reads[order]), found[order])
    assert np.array_equal(reader.read(x[:1], off[:1], images[7:8], reads[7:8]), found[7:8])
    assert len(np.unique(found, axis=0)) > 50


def test_noise_has_the_deviation_asked_for() -> None:
    """Counts of one driven row scatter like the noise of its pair: 5 % of the current."""
    array = Array("adc", "1t1r", 1, 4000, 0, 13, 1, 1, 1, 1)
    device = Device(
        lrs_sigma_d2d=0, hrs_sigma_d2d=0, threshold_sigma_v=0, line_ohm=0, read_noise=0.05
    )
    map = draw_tile(device, array, 1, 1, 0)
    low, high = (0.55e12 / (ohm + device.access_ohm) for ohm in (1e5, 1.7e6))
    wanted = 0.05 * np.sqrt((low**2 + high**2) / 2 + high**2)
    assert abs(map.noise_scale[1] / wanted - 1) < 1e-3
    assert np.array_equal(map.noise_scale[[0, 1, 4]], [0, *map.noise_scale[1] * np.array([1, 2])])
    normals = map.normals[np.random.default_rng(0).integers(0, 4096, (2, 100000))].sum(axis=0)
    assert abs((normals / 65536).std() - 1) < 0.01
    assert abs(normals.mean() / 65536) < 0.01


def refusal(action: Any) -> str:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        action()
    return str(caught.value)


def test_drives_that_cannot_be_are_refused() -> None:
    rng = np.random.default_rng(11)
    array = array_of("sa", "2t2r", 3, 2)
    reader = Reader(array, State(random_map(rng, array), 0, random_weights(rng, array)))
    on, off = np.ones((1, 6), np.bool_), np.zeros((1, 6), np.bool_)
    assert refusal(lambda: reader.read(off, on, 0, 0)) == (
        "rows of 2t2r cells cannot be driven with -1"
    )
    assert refusal(lambda: reader.read(on, on, 0, 0)) == "a line is driven with both +1 and -1"
    assert refusal(lambda: reader.read(on[:, 1:], off, 0, 0)) == (
        "drive must have shape (N, 6), not (1, 5)"
    )
    assert refusal(lambda: reader.compare(np.zeros(1, int), on, on, 0, 0)) == (
        "the readout is sa, not pcsa"
    )
    assert refusal(lambda: reader.transposed(on, 0)) == "the readout is sa, not adc"
    other = array_of("adc", "2t2r", 3, 2)
    assert refusal(lambda: Reader(other, State(random_map(rng, array), 0))) == (
        "the map is of sa 2t2r 3+3 x 2, but the array is adc 2t2r 3+0 x 2"
    )
    reader = Reader(other, State(random_map(rng, other), 0))
    assert refusal(lambda: reader.transposed(on[:, :2], 0)) == (
        "2t2r cells have no transposed read"
    )


def test_currents_that_float64_cannot_add_are_refused() -> None:
    array = Array("adc", "2t2r", 4096, 1, 0, 13, 1, 1, 1, 1)
    map = draw_tile(Device.ideal(), array, 1, 1, 0)
    map.r_lrs[:], map.series[:] = 1, 0
    assert refusal(lambda: Reader(array, State(map, 0))) == (
        "the largest current is 550000000000 pA: too large to add up 4096 of them exactly"
    )


@pytest.mark.parametrize("cell", CELLS)
def test_a_thousand_vectors_take_far_less_than_a_second(cell: Cell) -> None:
    rng = np.random.default_rng(12)
    array = Array("sa", cell, 128, 128, 48, 0, 128, 2, 1, 2)
    weights = random_weights(rng, array)
    map = draw_tile(Device(read_noise=0.05), array, 1, 1, 0)
    reader = Reader(array, State(map, 0, weights))
    x_p, x_n = random_drive(rng, array, 1000)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        reader.read(x_p, x_n, np.arange(1000), 0)
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.5
