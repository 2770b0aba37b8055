"""Device maps: their text, what is refused, and the statistics of those that are drawn."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from device_loop import random_map
from plans import plan_of
from test_device_read import array_of

from binohm.gen.combinations import CELLS, READOUTS
from binohm.gen.plan import Array, Cell, Readout, Tile
from binohm.sim.device.draw import draw, draw_tile
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.physics import RANGES, Device

ARRAY = Array("pcsa", "2t2r", 100, 100, 0, 0, 100, 1, 1, 1)


def refusal(action: Any) -> str:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        action()
    return str(caught.value)


def equal(one: DeviceMap, other: DeviceMap) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in fields(DeviceMap)
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", READOUTS)
def test_text_holds_everything(readout: Readout, cell: Cell) -> None:
    rng = np.random.default_rng(1)
    for rows, columns in ((1, 1), (3, 8), (13, 2)):
        map = random_map(rng, array_of(readout, cell, rows, columns))
        text = map.text()
        assert equal(DeviceMap.from_text(text, "x"), map)
        assert len(text) == 17 * len(text.splitlines())


def test_words_stand_where_they_should() -> None:
    """Every field once, read by hand from the text."""
    rng = np.random.default_rng(2)
    map = random_map(rng, array_of("sa", "complementary", 2, 5))
    words = [int(line, 16) for line in map.text().splitlines()]
    assert words[0] == 0x62696E6F686D0001
    assert words[1] == 2 | 3 << 16 | 5 << 32 | 0 << 48 | 2 << 52
    numbers = (map.reads_per_image, map.seed, map.read_pa_ohm, map.unit)
    assert tuple(words[2:8]) == (*numbers, map.verify_set, map.verify_reset)
    assert not any(words[8:16])
    at = 16
    for table in (
        map.normals, map.lrs_table, map.hrs_table, map.noise_scale, map.column_offset,
        map.row_offset,
    ):  # fmt: skip
        assert [word - (word >> 63 << 64) for word in words[at : at + len(table)]] == list(table)
        at += len(table)
    assert len(map.noise_scale) == 6
    for line in range(6):
        for column in range(7):
            for k in (0, 1):
                here = (line, column, k)
                assert words[at] == map.r_lrs[here] | map.r_hrs[here] << 32
                low = map.series[here] | map.pulses_set[here] << 20 | map.pulses_reset[here] << 24
                assert words[at + 1] == low | map.stuck[here] << 28 | map.endurance[here] << 32
                at += 2
    assert at == len(words)


def test_damaged_texts_are_refused() -> None:
    rng = np.random.default_rng(3)
    text = random_map(rng, array_of("adc", "1t1r", 2, 3)).text()

    def refused(changed: str) -> str:
        return refusal(lambda: DeviceMap.from_text(changed, "d/a.hex"))

    words = 16 + 3 * 4096 + 4 + 3 + 2 + 2 * 3 * 5 * 2
    assert len(text.splitlines()) == words
    assert refused(text[:-1]) == "d/a.hex: not lines of 16 hexadecimal digits"
    assert refused(text.replace("\n", " ")) == "d/a.hex: not lines of 16 hexadecimal digits"
    assert refused(text[17:]) == "d/a.hex: not a device map of this version; build again"
    assert refused("") == "d/a.hex: not a device map of this version; build again"
    assert refused(text[:-17]) == (
        f"d/a.hex: {words - 1} words instead of {words} for 2 lines and 3 columns"
    )
    assert refused(text[:40] + "G" + text[41:]) == (
        "d/a.hex: line 3 is not 16 lower-case hexadecimal digits"
    )
    assert refused(f"{text[:17]}{0x0230000300000002:016x}{text[33:]}") == (
        "d/a.hex: unknown readout 0 or cell 35"
    )
    zeros = "0" * 16
    assert refused(text[: 17 * 5] + zeros + text[17 * 5 + 16 :]) == (
        "d/a.hex: unit = 0: must be 1 to 1099511627776"
    )


def test_values_out_of_range_are_refused() -> None:
    rng = np.random.default_rng(4)
    map = random_map(rng, array_of("adc", "2t2r", 2, 3))
    assert refusal(lambda: replace(map, cell="3t3r")) == (
        "cell must be one of 1t1r, 2t2r, complementary, not '3t3r'"
    )
    assert refusal(lambda: replace(map, readout="dac")) == (
        "readout must be one of sa, adc, pcsa, not 'dac'"
    )
    assert refusal(lambda: replace(map, r_lrs=map.r_lrs * 0)) == (
        "r_lrs = 0: must be 1 to 4294967295"
    )
    assert refusal(lambda: replace(map, r_hrs=map.r_hrs[1:])) == (
        "r_hrs must be int64 of shape (3, 5, 2), not int64 of shape (2, 5, 2)"
    )
    assert refusal(lambda: replace(map, series=map.series / 2)) == (
        "series must be int64 of shape (3, 5, 2), not float64 of shape (3, 5, 2)"
    )
    assert refusal(lambda: replace(map, seed=-1)) == "seed = -1: must be 0 to 4294967295"
    stuck = map.stuck.copy()
    stuck[0, 3, 0] = 1
    assert refusal(lambda: replace(map, stuck=stuck)) == "reference devices must not be stuck"
    assert refusal(lambda: map.require(array_of("adc", "2t2r", 2, 3), 4)) == (
        "the map has 3 reads per image, but the plan 4"
    )


def test_maps_of_tiles_are_independent_and_repeatable() -> None:
    one = draw_tile(Device(), ARRAY, 1, 1, 4)
    assert equal(one, draw_tile(Device(), ARRAY, 1, 1, 4))
    for other in (draw_tile(Device(), ARRAY, 1, 2, 4), draw_tile(Device(), ARRAY, 1, 1, 5)):
        assert (other.r_lrs != one.r_lrs).mean() > 0.99
        assert abs(np.corrcoef(other.r_lrs.ravel(), one.r_lrs.ravel())[0, 1]) < 0.03


def test_spread_is_what_was_asked_for() -> None:
    """20 000 devices: medians within 1 %, sigmas of the logarithms within 3 %."""
    device = Device(
        lrs_sigma_d2d=0.25, hrs_sigma_d2d=0.6, sense_offset_a=2e-7, endurance_median=1e6,
        endurance_sigma=0.5, pulses_set=4, pulses_reset=6, pulses_sigma=0.3, line_ohm=0,
    )  # fmt: skip
    map = draw_tile(device, ARRAY, 1, 1, 0)
    for values, median, sigma in (
        (map.r_lrs, 1e5, 0.25),
        (map.r_hrs, 1.7e6, 0.6),
        (map.series, device.access_ohm, 2.5e-3 / 0.7),
        (map.endurance, 1e6, 0.5),
        (map.pulses_set, 4, 0.3),
        (map.pulses_reset, 6, 0.3),
    ):
        logs = np.log(values)
        assert abs(np.exp(np.median(logs)) / median - 1) < 0.02
        assert abs(logs.std() / sigma - 1) < 0.06
    assert abs(map.column_offset.std() / 2e5 - 1) < 0.2
    pairs = np.corrcoef([map.r_lrs.ravel(), map.r_hrs.ravel(), map.endurance.ravel()])
    assert np.abs(pairs - np.eye(3)).max() < 0.03
    table = np.log(draw_tile(Device(lrs_sigma_c2c=0.4), ARRAY, 1, 1, 0).lrs_table / 65536)
    assert abs(table.std() / 0.4 - 1) < 0.001 and abs(table.mean()) < 1e-4


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", READOUTS)
def test_noise_is_that_of_the_devices_on_the_way(readout: Readout, cell: Cell) -> None:
    """Every current scatters by 3 %; the formulas of the readouts make 4000 sums of 64 lines."""
    rng = np.random.default_rng(5)
    lines = 1 if readout == "pcsa" else 64
    array = Array(readout, cell, lines, 64, 0, 7 * (readout == "adc"), 64, 1, 1, 1)
    device = replace(Device.ideal(), read_noise=0.03, sense_offset_a=1e-7)
    map = draw_tile(device, array, 1, 1, 0)
    low, high = (0.55e12 / (ohm + device.access_ohm) for ohm in (1e5, 1.7e6))

    def current(state: Any) -> Any:
        mean = np.where(np.broadcast_to(state, (4000, lines)), low, high)
        return mean * (1 + 0.03 * rng.standard_normal((4000, lines)))

    plus = np.tile([True, False], 2000)[:, None] if lines == 1 else np.arange(64) % 2 == 0
    a, b, ref_low, ref_high = current(plus), current(~plus), current(True), current(False)
    offset = 1e5 * rng.standard_normal(4000)
    if cell == "1t1r" or (cell == "complementary" and readout != "pcsa"):
        total = (a - ref_high).sum(1) if readout == "adc" else (2 * a - ref_low - ref_high).sum(1)
        worth = 1 if readout == "adc" else 2
    else:
        total = (a - b).sum(1) / (2 if readout == "adc" else 1)
        worth = 0.5 if readout == "adc" else 1.0
    if lines == 1:
        total = total - np.where(plus[:, 0], total[::2].mean(), total[1::2].mean())
    assert abs(map.noise_scale[lines] / total.std() - 1) < 0.05
    assert abs(map.column_offset.std() / (worth * offset.std()) - 1) < 0.3


def test_stuck_devices_are_as_many_as_asked_for() -> None:
    map = draw_tile(Device(stuck_lrs=0.03, stuck_hrs=0.1), ARRAY, 1, 1, 0)
    cells = map.stuck[:-1, :-2]
    assert abs((cells == 1).mean() - 0.03) < 0.004
    assert abs((cells == 2).mean() - 0.1) < 0.007
    assert not draw_tile(Device(), ARRAY, 1, 1, 0).stuck.any()
    everything = draw_tile(Device(stuck_lrs=0.5, stuck_hrs=0.5), ARRAY, 1, 1, 0).stuck
    assert everything[:-1, :-2].all() and not everything[-1].any()
    more = draw_tile(Device(stuck_lrs=0.06, stuck_hrs=0.2), ARRAY, 1, 1, 0).stuck
    assert np.array_equal(more[map.stuck > 0], map.stuck[map.stuck > 0])


def test_wires_add_up_along_line_and_column() -> None:
    device = Device(threshold_sigma_v=0, line_ohm=10)
    series = draw_tile(device, ARRAY, 1, 1, 0).series
    assert np.array_equal(
        series - series[0, 0, 0],
        np.broadcast_to(10 * np.add.outer(range(101), range(102))[..., None], series.shape),
    )
    assert series[0, 0, 0] == round(device.access_ohm)


def test_drift_is_applied_when_the_map_is_drawn() -> None:
    fresh = draw_tile(Device(), ARRAY, 1, 1, 0)
    old = draw_tile(Device(retention_s=1e6, drift_lrs=0.02, drift_hrs=-0.05), ARRAY, 1, 1, 0)
    assert np.allclose(old.r_lrs / fresh.r_lrs, (1e6 + 1) ** 0.02, rtol=1e-4)
    assert np.allclose(old.r_hrs / fresh.r_hrs, (1e6 + 1) ** -0.05, rtol=1e-4)
    assert old.unit == fresh.unit


def test_unit_and_levels_lie_between_the_nominal_currents() -> None:
    """NeuroSim's numbers by hand: 0.55 V over 125 kOhm and 1725 kOhm of cell and transistor."""
    device = replace(Device.ideal(), k_a_per_v2=1 / (25e3 * 0.7))
    map = draw_tile(device, ARRAY, 1, 1, 0)
    low, high = int(0.55e12 / 125e3), int(0.55e12 / 1725e3)
    assert (low, high) == (4_400_000, 318_840)
    assert map.unit == low - high
    assert map.verify_set == (low + high) // 2 + map.unit // 16
    assert map.verify_reset == (low + high) // 2 - map.unit // 16


@pytest.mark.parametrize("name", list(RANGES))
def test_parameters_out_of_range_are_refused(name: str) -> None:
    low, high, unit = RANGES[name]
    span = f"{low:g} to {high:g} {unit}".rstrip()
    for value in (np.nextafter(low, -np.inf), high * 1.001, float("nan"), float("inf")):
        text = refusal(lambda value=value: Device(**{name: float(value)}))
        assert text == f"{name} = {float(value):g}: must be {span}"
    assert refusal(lambda: Device(**{name: "1"})) == f"{name} must be a number, not '1'"


def test_devices_that_cannot_be_are_refused() -> None:
    assert refusal(lambda: Device(hrs_ohm=8e4)) == (
        "hrs_ohm / lrs_ohm = 0.8: the resistance window must be above 1"
    )
    assert refusal(lambda: Device(stuck_lrs=0.6, stuck_hrs=0.5)) == (
        "stuck_lrs + stuck_hrs = 1.1: must be at most 1"
    )
    assert refusal(lambda: Device(gate_v=0.41)) == (
        "gate_v = 0.41: must be at least 0.4167 V, or the access transistor has more than "
        "1048575 ohm"
    )
    tight = replace(Device.ideal(), lrs_ohm=1e8, hrs_ohm=1e8 + 1)
    assert refusal(lambda: draw_tile(tight, ARRAY, 1, 1, 0)) == (
        "lrs_ohm = 1e+08, hrs_ohm = 1e+08: the currents of the two states must differ by 1 pA at "
        "least"
    )
    assert refusal(lambda: draw_tile(Device(), ARRAY, 1, 1 << 32, 0)) == (
        "seed = 4294967296: must be 0 to 4294967295"
    )


def test_maps_that_nobody_could_hold_are_refused() -> None:
    plan = plan_of("big", [replace(ARRAY, rows=4095, columns=4094)])
    (layer,) = plan.layers
    tiles = tuple(Tile(f"t{k}", k, 0, (0, 1), (0, 1, 1)) for k in range(2))
    plan = replace(plan, layers=(replace(layer, tiles=tiles),))
    assert refusal(lambda: draw(Device(), plan, 1)) == (
        "the arrays have 67108864 devices, more than maps can have in all, 33554432"
    )


def test_a_low_gate_voltage_cuts_the_spread_as_published() -> None:
    """Zhang et al.: 74.8 % from cycle to cycle, 59.9 % from device to device; to first order."""
    array = Array("pcsa", "2t2r", 200, 200, 0, 0, 200, 1, 1, 1)

    def spread(device: Device) -> float:
        """Of the LRS currents of a map, over their mean."""
        map = draw_tile(device, array, 1, 1, 0)
        current = map.read_pa_ohm // (map.r_lrs + map.series)
        return float(current.std() / current.mean())

    device = Device(lrs_sigma_d2d=0.05, line_ohm=0)
    cut = 1 - spread(device.low_gate()) / spread(device)
    assert abs(cut - 0.599) < 0.01
    equal_transistors = replace(device.low_gate(), threshold_sigma_v=0)
    cut = 1 - spread(equal_transistors) / spread(replace(device, threshold_sigma_v=0))
    assert abs(cut - 0.748) < 0.01


def test_low_gate_without_a_transistor_is_the_first_order_calibration() -> None:
    device = Device(k_a_per_v2=0.01, gate_v=5, lrs_sigma_d2d=0.1)
    low = replace(device, lrs_ohm=1e5).low_gate()
    assert abs(low.access_ohm / 1e5 - 2.97) < 0.01
    assert abs(low.threshold_sigma_v / low.overdrive_v / 0.1 - 0.417) < 0.001
    assert refusal(lambda: device.low_gate(c2c=0.3, d2d=0.4)) == (
        "c2c = 0.3, d2d = 0.4: must be 0 < d2d <= c2c < 1"
    )
