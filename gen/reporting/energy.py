"""Energy and time of an image: events times what each costs.

The events come from :mod:`binohm.sim.events`, as mappings of its ``LayerEvents``; what one costs
follows from a :class:`~binohm.gen.reporting.technology.Technology`. Nothing else is in the sum: no
clock, no leakage, no control, no pads, and of programming the pulses that are counted alone. It is
the output of a behavioural model.

:func:`baseline` is what the paper of input splitting compares with (Kim et al., arXiv 1811.02187):
the same weights, unsplit, in arrays of the same rows and columns, where every column sum goes
through a converter that resolves all of it (8 bits for 128 rows, 9 for 256, 10 for 512), and the
parts are added digitally.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from binohm.gen.config import ArrayConfig, Config
from binohm.gen.mapping import map_network
from binohm.gen.network import Dense, Network
from binohm.gen.plan import Plan
from binohm.gen.reporting.technology import Technology

__all__ = ["NOTE", "PARTS", "UNPRICED", "baseline", "costs", "figures", "prices"]

NOTE = (
    "Energies are outputs of a behavioural model, counted events times assumed costs. They compare "
    "mappings with each other and must not be compared with measured TOPS/W."
)

PARTS = {
    "lines": ("gates", "bitline_devices"),
    "cells": ("lrs", "hrs", "bias_lrs", "bias_hrs"),
    "sensing": ("sense_strobes", "conversions"),
    "logic": ("popcount_bits", "adder_bits", "compare_bits"),
    "memory": ("rom_bits",),
    "streams": ("stream_toggles",),
    "writes": ("set_pulses", "reset_pulses", "verifies"),
}
"""Events by the part of the design that spends the energy."""

UNPRICED = {
    "activations", "macro_reads", "line_drives", "comparisons", "transfers", "stream_bits",
}  # fmt: skip
"""Counted, but paid for by other events."""

Layers = Sequence[Mapping[str, Any]]


def prices(technology: Technology, cell: str, adc_bits: int) -> dict[str, float]:
    """Energy in fJ of one of each event that costs any, in arrays of ``cell``."""
    cells, lines, digital = technology.cells, technology.lines, technology.digital
    sensing, write = technology.sensing, technology.write
    lrs, hrs = (
        cells.read_v**2 / ohm * cells.read_ns * 1e6 for ohm in (cells.lrs_ohm, cells.hrs_ohm)
    )
    # Bias rows of single-ended arrays are read at half the voltage: their pair counts once.
    bias = 1.0 if cell == "2t2r" else 0.25
    pulse = write.pulse_v**2 / cells.lrs_ohm * write.pulse_ns * 1e6
    power = sensing.converter_uw + adc_bits * sensing.converter_uw_per_bit
    return {
        "gates": lines.ff_per_gate * lines.gate_v**2,
        "bitline_devices": lines.ff_per_device * cells.read_v**2,
        "lrs": lrs,
        "hrs": hrs,
        "bias_lrs": bias * lrs,
        "bias_hrs": bias * hrs,
        "sense_strobes": sensing.sense_fj,
        "conversions": power * (adc_bits + 1) * sensing.converter_ns,
        "popcount_bits": digital.popcount_bit_fj,
        "adder_bits": digital.adder_bit_fj,
        "compare_bits": digital.compare_bit_fj,
        "rom_bits": digital.rom_bit_fj,
        "stream_toggles": digital.toggle_fj,
        "set_pulses": pulse,
        "reset_pulses": pulse,
        "verifies": lrs + sensing.sense_fj,
    }


def costs(layer: Mapping[str, Any], technology: Technology) -> dict[str, float]:
    """Energy in fJ of all events of a layer, by part."""
    price = prices(technology, layer["cell"], layer["adc_bits"])
    return {
        part: sum(layer["counts"][event] * price[event] for event in events)
        for part, events in PARTS.items()
    }


def baseline(network: Network, plan: Plan) -> tuple[Network, Plan]:
    """The same network unsplit, in arrays of the same sizes, with a converter at every column.

    Only the shapes of the network that is returned mean anything: its thresholds are all 0.

    Raises
    ------
    CapacityError
        If it needs too many arrays.
    """
    layers = tuple(
        _unsplit(layer) if isinstance(layer, Dense) else layer for layer in network.layers
    )
    arrays = {
        layer.name: ArrayConfig(
            readout="adc",
            cell=layer.array.cell,
            rows=layer.array.rows,
            columns=layer.array.own_columns,
        )
        for layer in plan.layers
    }
    whole = replace(network, layers=layers)
    return whole, map_network(whole, Config(layers=arrays))


def _unsplit(layer: Dense) -> Dense:
    zeros = np.zeros((1, layer.outputs), np.int64)
    return replace(layer, theta=zeros, flip=zeros > 0, bounds=())


def figures(
    build: Layers,
    converters: Layers,
    images: int,
    technology: Technology,
    cycles: Mapping[str, int | None],
) -> dict[str, Any]:
    """What an image takes, ready for JSON.

    Parameters
    ----------
    build, converters : sequence of mappings
        ``LayerEvents`` of the build and of its :func:`baseline`, over ``images`` images each.
    cycles : mapping
        ``latency`` and ``interval`` of the build, where they are known.
    """
    mine, other = (_design(layers, images, technology) for layers in (build, converters))
    period = technology.clock.period_ns
    return {
        "note": NOTE,
        "activity": f"of {images} images",
        "clock_period_ns": period,
        "time_ns": {name: period * n for name, n in cycles.items() if n is not None},
        "build": mine,
        "baseline": other,
        "ratio": {
            "sensing": _ratio(other["parts_pj"]["sensing"], mine["parts_pj"]["sensing"]),
            "total": _ratio(other["total_pj"], mine["total_pj"]),
        },
    }


def _design(layers: Layers, images: int, technology: Technology) -> dict[str, Any]:
    """Per image: energies in pJ, by layer and part, and events."""
    rows = []
    for layer in layers:
        parts = {part: fj / 1000 / images for part, fj in costs(layer, technology).items()}
        rows.append({"name": layer["name"], "total_pj": sum(parts.values()), "parts_pj": parts})
    totals = {part: sum(row["parts_pj"][part] for row in rows) for part in PARTS}
    events = {
        name: sum(layer["counts"][name] for layer in layers) / images
        for name in layers[0]["counts"]
    }
    bits = {layer["adc_bits"] for layer in layers if layer["adc_bits"]}
    return {
        "total_pj": sum(totals.values()),
        "parts_pj": totals,
        "layers": rows,
        "events": events,
        "adc_bits": sorted(bits),
        "sense_amplifiers": sum(layer["converters"] for layer in layers if not layer["adc_bits"]),
        "converters": sum(layer["converters"] for layer in layers if layer["adc_bits"]),
    }


def _ratio(whole: float, part: float) -> float | None:
    return whole / part if part else None
