"""What the bench of devices measures, where the answer is known."""

from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network

from binohm.sim.device.physics import Device

BENCH = str(Path(__file__).parent.parent / "bench")


def test_weights_are_flipped_at_their_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCH)
    from bit_errors import flipped

    network = random_network(np.random.default_rng(1), (200, 100, 100))
    for rate in (0.0, 0.1, 1.0):
        other = flipped(network, rate, np.random.default_rng(2))
        pairs = list(zip(network.layers, other.layers, strict=True))
        shares = [(a.weights != b.weights).mean() for a, b in pairs]
        assert shares == pytest.approx([rate] * 2, abs=0.01)
        assert (network.hidden[0].theta == other.hidden[0].theta).all()


def test_misread_weights_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCH)
    import device_reads

    monkeypatch.setattr(device_reads, "SIDE", 32)
    for cell in device_reads.CELLS:
        assert device_reads.error_rate(cell, Device.ideal()) == 0
        # Every cell reads as one value: half of the weights are wrong.
        stuck = Device(lrs_sigma_d2d=0.0, hrs_sigma_d2d=0.0, threshold_sigma_v=0.0, stuck_lrs=1.0)
        assert device_reads.error_rate(cell, stuck) == pytest.approx(0.5, abs=0.04)


def test_the_spread_of_currents_is_that_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCH)
    import device_reads

    monkeypatch.setattr(device_reads, "PULSES", 30)
    plain = {"line_ohm": 0.0, "threshold_sigma_v": 0.0}
    writes, devices = device_reads.current_spreads(
        Device(lrs_sigma_d2d=0.0, lrs_sigma_c2c=0.05, **plain)
    )
    assert writes == pytest.approx(0.05 * 0.8, rel=0.05)  # R / (R + R_t)
    assert devices < 0.012
    writes, devices = device_reads.current_spreads(Device(lrs_sigma_d2d=0.05, **plain))
    assert writes == 0 and devices == pytest.approx(0.05 * 0.8, rel=0.05)
