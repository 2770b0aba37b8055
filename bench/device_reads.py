"""What devices cost: wrongly read weights, accuracy of networks on them, and time.

All by :mod:`binohm.sim.device`. TFC_1W1A needs ``$BINOHM_DATA``.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from bit_errors import percent, tfc

from binohm.gen.cli import actions
from binohm.gen.config import load
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Array, Cell, Readout
from binohm.sim import golden
from binohm.sim.datasets import load as load_data
from binohm.sim.device.draw import draw, draw_tile
from binohm.sim.device.network import Devices
from binohm.sim.device.physics import Device
from binohm.sim.device.read import Reader
from binohm.sim.device.state import SET, State
from binohm.sim.run import run

__all__ = ["accuracies", "error_rates", "low_gate", "speeds"]

Figures = dict[str, tuple[Any, str]]

SPREADS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Sigma of the logarithm of the resistance, of both states and from device to device."""

SMALL = (0.0, 0.005, 0.01, 0.02, 0.05)
"""Spreads at the smallest window."""

GATE_SPREADS = (0.1, 0.2, 0.3, 0.4)

CELLS = ("1t1r", "2t2r")
SIDE, TILES = 512, 4
"""A million cells for an error rate."""

PULSES = 100
IMAGES = 10_000
SPEED_IMAGES = 1000
RTL_IMAGES = 200


def error_rates() -> Figures:
    """Weights that a pre-charged sense amplifier reads wrongly, by cell and spread."""
    figures: Figures = {}
    for cell in CELLS:
        rates = {f"{s:g}": error_rate(cell, equal_spread(s)) for s in SPREADS}
        figures[f"ber_{cell}"] = (rates, "1")
        narrow = {
            f"{s:g}": error_rate(cell, replace(equal_spread(s), hrs_ohm=1.09e5)) for s in SMALL
        }
        figures[f"pcsa_read_error_window_1.09_{cell}"] = (narrow, "1")
        wide = replace(equal_spread(math.sqrt(math.log(1 + 0.25**2))), hrs_ohm=5e6)
        figures[f"pcsa_read_error_sigma_25_window_50_{cell}"] = (error_rate(cell, wide), "1")
    figures["ber_cells"] = (TILES * SIDE * SIDE, "1")
    return figures


def equal_spread(sigma: float) -> Device:
    """Default devices, of which both states have one spread."""
    return Device(lrs_sigma_d2d=sigma, hrs_sigma_d2d=sigma)


def low_state_spread(sigma: float) -> Device:
    """Default devices that vary in the low state alone."""
    return Device(lrs_sigma_d2d=sigma, hrs_sigma_d2d=0.0)


def array_of(readout: Readout, cell: str, rows: int, columns: int, **more: Any) -> Array:
    """An array that answers in a cycle."""
    kind: Cell = cell  # type: ignore[assignment]
    given = {"bias_rows": 0, "adc_bits": 0, **more}
    return Array(
        readout, kind, rows, columns, **given, per_cycle=columns, latency=1, interval=1,
        outstanding=1,
    )  # fmt: skip


def error_rate(cell: str, device: Device) -> float:
    """Fraction of random weights whose sign is not the one that was stored."""
    array = array_of("pcsa", cell, SIDE, SIDE)
    rng = np.random.default_rng(0)
    wrong = 0
    for tile in range(TILES):
        weights = rng.choice(np.array([-1, 1], np.int8), (SIDE, SIDE))
        reader = Reader(array, State(draw_tile(device, array, SIDE, 1, tile), tile, weights))
        numbers = np.arange(SIDE)
        matches = reader.compare(
            numbers, weights > 0, np.ones_like(weights), np.zeros_like(numbers), numbers
        )
        wrong += int((~matches).sum())
    return wrong / (TILES * SIDE * SIDE)


def low_gate() -> Figures:
    """What a low gate voltage does to the spread of currents, and to the accuracy."""
    figures: Figures = {}
    sigma = Device().lrs_sigma_d2d
    alone = Device(
        lrs_sigma_d2d=sigma, lrs_sigma_c2c=sigma, hrs_sigma_c2c=sigma, line_ohm=0.0,
        threshold_sigma_v=0.0,
    )  # fmt: skip
    low = replace(alone.low_gate(), line_ohm=0.0)
    normal_spreads, low_spreads = current_spreads(alone), current_spreads(low)
    for index, name in enumerate(("c2c", "d2d")):
        before, after = normal_spreads[index], low_spreads[index]
        figures[f"low_vg_{name}_reduction"] = (round(100 * (1 - after / before), 1), "%")
    figures["low_vg_access_ohm"] = (round(low.access_ohm), "ohm")
    return figures | gate_accuracies()


def gate_accuracies() -> Figures:
    """Accuracy of TFC_1W1A lost to spread, in 1T1R arrays that add currents; by gate voltage."""
    network, settings = tfc(), MAPPINGS["1t1r_sa"]
    perfect = accuracy(network, settings, Device.ideal())

    def lost(device: Device) -> float:
        return round(perfect - accuracy(network, settings, device), 2)

    figures: Figures = {}
    gates: dict[str, Callable[[Device], Device]] = {
        "normal_vg": lambda device: device,
        "low_vg": Device.low_gate,
    }
    for name, gate in gates.items():
        for suffix, spread in (("spread", equal_spread), ("lrs_spread", low_state_spread)):
            losses = {f"{s:g}": lost(gate(spread(s))) for s in GATE_SPREADS}
            figures[f"{name}_accuracy_loss_by_{suffix}"] = (losses, "points")
        figures[f"{name}_accuracy_loss_points"] = (lost(gate(Device())), "points")
    return figures


def current_spreads(device: Device) -> tuple[float, float]:
    """Relative spread of the low-state current: over the writes of a device, and over devices."""
    array = array_of("sa", "1t1r", 64, 64)
    weights = np.ones((64, 64), np.int8)
    state = State(draw_tile(device, array, 1, 1, 0), 0, weights)
    on = np.ones(64, np.bool_)
    taken = []
    for _ in range(PULSES):
        for row in range(64):
            state.pulse(SET, row, on, on)
        taken.append(state.currents[:64, :64, 0].astype(np.float64))
    writes = np.array(taken)
    own = writes.mean(axis=0)
    return float((writes.std(axis=0) / own).mean()), float(own.std() / own.mean())


WIDE = ("array.rows=784", "array.columns=64", "array.bias_rows=128")
"""Arrays that hold every layer of TFC_1W1A whole, as sense amplifiers need."""

MAPPINGS = {
    "1t1r_pcsa": ("array.cell=1t1r", "array.readout=pcsa"),
    "2t2r_pcsa": ("array.cell=2t2r", "array.readout=pcsa"),
    "1t1r_sa": ("array.cell=1t1r", *WIDE),
    "2t2r_sa": ("array.cell=2t2r", *WIDE),
    "complementary_sa": ("array.cell=complementary", *WIDE),
}


def accuracies() -> Figures:
    """Accuracy of TFC_1W1A on device maps, by mapping and spread; other layers as by default."""
    network = tfc()
    figures: Figures = {}
    for name, settings in MAPPINGS.items():
        values = {
            f"{s:g}": accuracy(network, settings, equal_spread(s) if s else Device.ideal())
            for s in (0.0, *SPREADS)
        }
        figures[f"tfc_accuracy_{name}"] = (values, "%")
    figures["tfc_accuracy_images"] = (IMAGES, "1")
    return figures


def accuracy(network: Network, settings: tuple[str, ...], device: Device) -> float:
    """On the first test images, mean over three maps."""
    plan = map_network(network, load(None, list(settings)))
    images, labels = load_data("mnist")
    found = [
        percent(
            Devices(network, plan, draw(device, plan, seed)).forward(images[:IMAGES]).predictions,
            labels[:IMAGES],
        )
        for seed in range(1, 4)
    ]
    return round(float(np.mean(found)), 2)


def speeds() -> Figures:
    """Reads a second in NumPy and on Verilator; what devices cost over golden."""
    noisy = replace(Device(), read_noise=0.02, sense_offset_a=1e-7)
    array = array_of("sa", "2t2r", 128, 128, bias_rows=48)
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-1, 1], np.int8), (176, 128))
    state = State(draw_tile(noisy, array, 1, 1, 0), 0, weights)
    x = rng.integers(0, 2, (1000, 176))
    numbers = np.arange(1000)
    seconds = least(lambda: Reader(array, state).read(x, 0 * x, numbers, 0 * numbers))
    network, images = tfc(), load_data("mnist")[0][:SPEED_IMAGES]
    plan = map_network(network, load(None))
    devices = Devices(network, plan, draw(noisy, plan, 1))
    ours = least(lambda: devices.forward(images))
    plain = least(lambda: golden.forward(network, images, plan.layers))
    return {
        "numpy_128x128_1000_reads_s": (round(seconds, 4), "s"),
        "numpy_reads_per_s": (round(1000 / seconds), "1/s"),
        "numpy_device_to_golden_ratio": (round(ours / plain, 2), "1"),
        **on_verilator(network, images[:RTL_IMAGES]),
    }


def on_verilator(network: Network, images: np.ndarray) -> Figures:
    """The same network, through the device view; every score must be that of NumPy."""
    settings = ["device.seed=1", "device.read_noise=0.02", "device.sense_offset_a=1e-7"]
    with TemporaryDirectory() as place:
        target = Path(place) / "tfc"
        actions.build(network, target, None, settings)
        result = run(target, images, view="device", processes=1)
    assert result.mismatches == 0
    plan = map_network(network, load(None))
    reads = sum(layer.activations * len(layer.tiles) for layer in plan.layers)
    return {
        "verilator_device_images_per_s": (round(len(images) / result.seconds, 1), "1/s"),
        "verilator_reads_per_s": (round(reads * len(images) / result.seconds), "1/s"),
    }


def least(work: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest of some runs."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)
