"""Whole networks on device maps: ideal devices are golden; others are what a slow loop says."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from mapping_cases import Case, cases
from numpy.typing import NDArray
from small_build import MIXED, small_network

from binohm.gen.config import Config
from binohm.gen.mapping import map_network
from binohm.sim import golden
from binohm.sim.device.draw import draw
from binohm.sim.device.network import Devices
from binohm.sim.device.physics import Device

NOISY = Device(
    lrs_sigma_d2d=0.3, lrs_sigma_c2c=0.1, hrs_sigma_c2c=0.2, read_noise=0.1, sense_offset_a=1e-6,
    stuck_lrs=0.02, stuck_hrs=0.01, line_ohm=20.0,
)  # fmt: skip


def same(one: golden.Trace, other: golden.Trace) -> bool:
    """Whether two traces agree in everything."""
    pairs = [
        (one.input, other.input),
        *zip(one.hidden, other.hidden, strict=True),
        (one.scores, other.scores),
        (one.predictions, other.predictions),
    ]
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in pairs)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_ideal_devices_are_golden(case: Case) -> None:
    plan = map_network(case.network, case.config)
    devices = Devices(case.network, plan, draw(Device.ideal(), plan, 1))
    expected = golden.forward(case.network, case.images, plan.layers)
    assert same(devices.forward(case.images, first=3), expected)
