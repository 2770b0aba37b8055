"""Maps drawn from a seed.

The map of a tile depends on the devices, the seed, its array and its number in the plan, and on
no other tile. All random numbers are drawn whatever the parameters: another sigma stretches the
same spread.

What is calibrated and not drawn: the unit, which is the difference of the nominal currents in
the middle of the array, before any drift; and the levels of verification, a sixteenth of it above
and below the middle between the two currents.
"""

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from binohm.gen.plan import Array, Plan
from binohm.sim.device.map import TABLE, DeviceMap, reads_per_image
from binohm.sim.device.physics import SERIES_LIMIT, Device

__all__ = ["draw", "draw_tile", "quantiles"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PICO = 1e12
LARGEST = (1 << 32) - 1
MOST_DEVICES = 1 << 25


def draw(device: Device, plan: Plan, seed: int) -> dict[str, DeviceMap]:
    """The map of every tile of a plan, by its name.

    Parameters
    ----------
    device : Device
    plan : Plan
    seed : int
        0 to 2**32 - 1.

    Raises
    ------
    ValueError
        If the plan has more than 2**25 devices, which would take gigabytes.
    """
    devices = sum(
        2 * (layer.array.lines + 1) * (layer.array.columns + 2) * len(layer.tiles)
        for layer in plan.layers
    )
    if devices > MOST_DEVICES:
        raise ValueError(
            f"the arrays have {devices} devices, more than maps can have in all, {MOST_DEVICES}"
        )
    return {
        tile.name: draw_tile(device, layer.array, reads_per_image(layer, tile), seed, tile.id)
        for layer in plan.layers
        for tile in layer.tiles
    }


def draw_tile(
    device: Device, array: Array, reads_per_image: int, seed: int, tile: int
) -> DeviceMap:
    """The map of tile number ``tile``, an ``array`` that is read so often for an image."""
    if not 0 <= seed <= LARGEST:
        raise ValueError(f"seed = {seed}: must be 0 to {LARGEST}")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, tile])))
    shape = (array.lines + 1, array.columns + 2, 2)
    z = {
        name: rng.standard_normal(shape)
        for name in ("lrs", "hrs", "threshold", "endurance", "set", "reset")
    }
    choice = rng.random(shape)
    offsets = rng.standard_normal(array.columns), rng.standard_normal(array.lines)
    low, high = _nominal(device, array)
    unit = low - high
    if unit < 1:
        raise ValueError(
            f"lrs_ohm = {device.lrs_ohm:g}, hrs_ohm = {device.hrs_ohm:g}: the currents of the two "
            "states must differ by 1 pA at least"
        )
    offset = device.sense_offset_a * PICO * _gain(array)
    time = 1 + device.retention_s
    lrs = device.lrs_ohm * time**device.drift_lrs
    hrs = device.hrs_ohm * time**device.drift_hrs
    return DeviceMap(
        readout=array.readout,
        cell=array.cell,
        rows=array.rows,
        bias_rows=array.bias_rows,
        columns=array.columns,
        reads_per_image=reads_per_image,
        seed=seed,
        read_pa_ohm=round(device.read_v * PICO),
        unit=unit,
        verify_set=(low + high) // 2 + unit // 16,
        verify_reset=(low + high) // 2 - unit // 16,
        normals=_rounded(quantiles() / math.sqrt(2) * 65536),
        lrs_table=_rounded(np.exp(device.lrs_sigma_c2c * quantiles()) * 65536),
        hrs_table=_rounded(np.exp(device.hrs_sigma_c2c * quantiles()) * 65536),
        noise_scale=_noise(device, array, low, high),
        column_offset=_rounded(offset * offsets[0]),
        row_offset=_rounded(offset * offsets[1]),
        r_lrs=_clipped(lrs * np.exp(device.lrs_sigma_d2d * z["lrs"]), 1, LARGEST),
        r_hrs=_clipped(hrs * np.exp(device.hrs_sigma_d2d * z["hrs"]), 1, LARGEST),
        series=_series(device, z["threshold"]),
        pulses_set=_spread(device.pulses_set, device.pulses_sigma, z["set"], 15),
        pulses_reset=_spread(device.pulses_reset, device.pulses_sigma, z["reset"], 15),
        stuck=_stuck(device, choice),
        endurance=_spread(device.endurance_median, device.endurance_sigma, z["endurance"], LARGEST),
    )


def _nominal(device: Device, array: Array) -> tuple[int, int]:
    """Currents of the two states in the middle of an array, pA."""
    series = device.access_ohm + device.line_ohm * (array.lines + array.columns) / 2
    low, high = (
        math.floor(device.read_v * PICO / (round(ohm) + round(series)))
        for ohm in (device.lrs_ohm, device.hrs_ohm)
    )
    return low, high


def _single(array: Array) -> bool:
    """Whether one device of a cell is compared with a reference, not with the other device."""
    return array.cell == "1t1r" or (array.cell == "complementary" and array.readout != "pcsa")


def _gain(array: Array) -> float:
    """What a current at the sense amplifier is in the sums of :mod:`binohm.sim.device.read`."""
    gain = 2.0 if _single(array) else 1.0
    return gain / 2 if array.readout == "adc" else gain


def _noise(device: Device, array: Array, low: int, high: int) -> Ints:
    """Standard deviation by number of lines, if half of the data cells are in the low state.

    Each device on the way to the sense amplifier adds its own: a pair its two, a single-ended cell
    one of two, and the reference, its high-state device for a converter and else half of both.
    """
    both, one = float(low) ** 2 + float(high) ** 2, float(high) ** 2
    variance = both
    if _single(array):
        variance = both / 2 + (one if array.readout == "adc" else both / 4)
    lines = np.arange(max(array.lines, array.columns) + 1)
    return _rounded(_gain(array) * device.read_noise * np.sqrt(variance * lines))


def _series(device: Device, z: Floats) -> Ints:
    """Transistors and wires."""
    lines, columns, _ = z.shape
    distance = np.arange(lines)[:, None, None] + np.arange(columns)[:, None]
    access = device.access_ohm * np.exp(device.threshold_sigma_v / device.overdrive_v * z)
    return _clipped(access + device.line_ohm * distance, 0, SERIES_LIMIT)


def _stuck(device: Device, choice: Floats) -> Ints:
    """1 where stuck in the low state, 2 in the high state; reference devices are not."""
    stuck = np.where(choice < device.stuck_lrs, 1, np.where(1 - choice <= device.stuck_hrs, 2, 0))
    stuck[-1] = stuck[:, -2:] = 0
    return stuck.astype(np.int64)


def _spread(median: float, sigma: float, z: Floats, most: int) -> Ints:
    return _clipped(median * np.exp(sigma * z), 1, most)


@cache
def quantiles() -> Floats:
    """The normal law in 4096 equally likely values."""
    law = NormalDist()
    return np.array([law.inv_cdf((k + 0.5) / TABLE) for k in range(TABLE)])


def _rounded(values: Floats) -> Ints:
    return np.rint(values).astype(np.int64)


def _clipped(values: Floats, low: int, high: int) -> Ints:
    return _rounded(np.clip(values, low, high))
