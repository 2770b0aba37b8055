"""Pulses and verification: against a loop over single devices, and what must hold of any."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from device_loop import hashed, random_map
from numpy.typing import NDArray
from test_device_read import array_of, random_weights

from binohm.gen.combinations import CELLS
from binohm.gen.plan import Cell
from binohm.sim.device.draw import draw_tile
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.physics import Device
from binohm.sim.device.state import RESET, SET, VERIFY_RESET, VERIFY_SET, State


@dataclass
class One:
    """One device, pulse by pulse."""

    map: DeviceMap
    tile: int
    at: tuple[int, int, int]
    low: bool = False
    writes: int = 0
    wear: int = 0
    sets: int = 0
    resets: int = 0

    def __post_init__(self) -> None:
        self.stuck = int(self.map.stuck[self.at])
        if self.stuck:
            self.low = self.stuck == 1

    def pulse(self, target: bool) -> None:
        self.wear += 1
        self.stuck = self.stuck or int(self.wear > self.map.endurance[self.at])
        if self.stuck:
            return
        if target:
            self.sets, self.resets = self.sets + 1, 0
        else:
            self.sets, self.resets = 0, self.resets + 1
        needed = (self.map.pulses_set if target else self.map.pulses_reset)[self.at]
        if self.low == target:
            self.writes += 1
            self.sets = self.resets = 0
        elif (self.sets if target else self.resets) == needed:
            self.low = target
            self.writes += 1
            self.sets = self.resets = 0

    def current(self) -> int:
        line, column, k = self.at
        device = (line * (self.map.columns + 2) + column) * 2 + k
        h = hashed(self.map.seed, self.tile, 2, device, self.writes, 0) & 4095
        own = self.map.r_lrs if self.low else self.map.r_hrs
        table = self.map.lrs_table if self.low else self.map.hrs_table
        ohm = max(1, int(own[self.at]) * int(table[h]) >> 16)
        return self.map.read_pa_ohm // (ohm + int(self.map.series[self.at]))


@pytest.mark.parametrize("cell", CELLS)
def test_pulses_are_those_of_single_devices(cell: Cell) -> None:
    rng = np.random.default_rng(1)
    array = array_of("sa", cell, 3, 4)
    map = random_map(rng, array)
    state = State(map, 7)
    single = {
        (line, c, k): One(map, 7, (line, c, k))
        for line in range(6)
        for c in range(4)
        for k in (0, 1)
    }
    flips = 0
    for _ in range(400):
        command = int(rng.choice([SET, RESET, VERIFY_SET, VERIFY_RESET]))
        row, col_x, col_en = int(rng.integers(6)), rng.random(4) < 0.5, rng.random(4) < 0.8
        there = [cell != "1t1r" or row >= 3 or bool(x) for x in col_x]
        chosen = [single[row, c, int(not x)] for c, x in enumerate(col_x)]
        before = state.low.copy()
        if command in (SET, RESET):
            for one, enabled, exists in zip(chosen, col_en, there, strict=True):
                if enabled and exists:
                    one.pulse(command == SET)
            state.pulse(command, row, col_x, col_en)
        else:
            level = [
                one.current() >= map.verify_set
                if command == VERIFY_SET
                else one.current() <= map.verify_reset
                for one in chosen
            ]
            expected = [
                bool(e) and (ok or not t) for e, ok, t in zip(col_en, level, there, strict=True)
            ]
            assert state.verify(command, row, col_x, col_en).tolist() == expected
        flips += (before != state.low).sum()
        for at, one in single.items():
            assert (one.low, one.writes, one.wear) == (
                state.low[at], state.writes[at], state.wear[at],
            )  # fmt: skip
            assert one.current() == state.currents[at]
    assert flips > 30
    assert state.stuck[:-1, :-2].sum() > (map.stuck > 0).sum()


def test_a_new_array_is_in_the_high_state() -> None:
    rng = np.random.default_rng(2)
    map = random_map(rng, array_of("sa", "2t2r", 5, 6))
    state = State(map, 0)
    assert np.array_equal(state.low[:-1, :-2], map.stuck[:-1, :-2] == 1)
    assert not state.writes[:-1, :-2].any()
    assert state.low[:-1, 6].all() and not state.low[:, 7].any() and not state.low[-1, :-2].any()
    assert (state.writes[:, 6:] == 1).all() and (state.writes[-1] == 1).all()


@pytest.mark.parametrize("cell", CELLS)
def test_weights_are_loaded_as_pairs(cell: Cell) -> None:
    rng = np.random.default_rng(3)
    array = array_of("sa", cell, 5, 6)
    map = random_map(rng, array)
    weights = random_weights(rng, array)
    state = State(map, 0, weights)
    free = map.stuck[:-1, :-2] == 0
    for k, sign in ((0, 1), (1, -1)):
        wanted = weights == sign
        if k and cell == "1t1r":
            wanted[:5] = False
        assert np.array_equal(state.low[:-1, :-2, k][free[..., k]], wanted[free[..., k]])
    assert np.array_equal(state.low[:-1, :-2][~free], map.stuck[:-1, :-2][~free] == 1)
    assert (state.writes == 1).all() and not state.wear.any()


def test_a_write_draws_the_resistance_again() -> None:
    """Cycle to cycle: the logarithm of a resistance scatters as asked for, about its own median."""
    array = array_of("pcsa", "2t2r", 4, 500)
    device = Device(
        lrs_sigma_c2c=0.1, hrs_sigma_c2c=0.3, k_a_per_v2=1.0, threshold_sigma_v=0, line_ohm=0
    )
    map = draw_tile(device, array, 1, 5, 0)
    state = State(map, 0, np.ones((4, 500), np.int8))
    ones = np.ones(500, np.bool_)
    seen: dict[int, list[NDArray[Any]]] = {0: [], 1: []}
    for _ in range(60):
        state.pulse(SET, 0, ones, ones)
        state.pulse(RESET, 0, ~ones, ones)
        for k in (0, 1):
            seen[k].append(np.log(map.read_pa_ohm / state.currents[0, :500, k]))
    for k, sigma, own in ((0, 0.1, map.r_lrs), (1, 0.3, map.r_hrs)):
        values = np.array(seen[k])
        assert abs(values.std(axis=0).mean() / sigma - 1) < 0.02
        assert abs((values - np.log(own[0, :500, k])).mean()) < 0.01
    assert (state.writes[0, :500] == 61).all() and (state.writes[1] == 1).all()


def refusal(action: Any) -> str:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        action()
    return str(caught.value)


def test_wrong_arguments_are_refused() -> None:
    rng = np.random.default_rng(4)
    state = State(random_map(rng, array_of("sa", "2t2r", 2, 3)), 0)
    on = np.ones(3, np.bool_)
    assert refusal(lambda: state.pulse(0, 0, on, on)) == "command must be one of (2, 3), not 0"
    assert refusal(lambda: state.verify(2, 0, on, on)) == "command must be one of (4, 5), not 2"
    assert refusal(lambda: state.pulse(SET, 5, on, on)) == "row = 5: must be 0 to 4"
    assert refusal(lambda: state.pulse(SET, 0, on[1:], on)) == (
        "columns must be bool of shape (3,), not bool of shape (2,)"
    )
    assert refusal(lambda: State(state.map, 0, np.ones((2, 3), np.int8))) == (
        "weights must have shape (5, 3), not (2, 3)"
    )
    assert refusal(lambda: State(state.map, 0, np.zeros((5, 3), np.int8))) == (
        "weights must be -1 or +1, in bias rows also 0"
    )
