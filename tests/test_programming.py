"""Programming a whole design: from blank arrays of devices to the right results."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_build import small_network

from binohm.gen.config import Config
from binohm.gen.emit import write_build
from binohm.gen.mapping import map_network
from binohm.gen.plan import Plan
from binohm.sim import programming
from binohm.sim.device.draw import draw
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.physics import Device
from binohm.sim.device.program import LEAVE
from binohm.sim.runner import run_bench

Maps = dict[str, DeviceMap]

MIXED: dict[str, Any] = {
    "array": {"rows": 16, "columns": 8, "bias_rows": 16},
    "layers": {
        "fc0": {"readout": "adc", "cell": "2t2r", "rows": 8, "spare_columns": 1},
        "fc1": {"readout": "sa", "bias_rows": 14, "spare_columns": 2},
        "out": {"readout": "pcsa", "engines": 2, "slices_per_read": 1},
    },
    "host": {"input_bytes": 3, "output_bytes": 4, "programming": True},
}
SINGLE: dict[str, Any] = {
    "array": {"rows": 16, "columns": 35, "bias_rows": 14, "cell": "1t1r"},
    "layers": {"out": {"readout": "pcsa"}},
    "host": {"programming": True},
}
SLOW = Device(
    lrs_sigma_d2d=0.0, hrs_sigma_d2d=0.0, threshold_sigma_v=0.0, line_ohm=0.0,
    pulses_set=2.0, pulses_reset=3.0, pulses_sigma=0.5,
)  # fmt: skip
"""Perfect but for the pulses that they take."""


def faulty(plan: Plan, maps: Maps) -> tuple[Maps, list[list[Any]]]:
    """One device in 30 stuck in either state, or not far enough from the other to verify."""
    rng = np.random.default_rng(5)
    changed, injected = {}, []
    for layer in plan.layers:
        for tile in layer.tiles:
            map = maps[tile.name]
            kind = rng.choice(4, map.stuck.shape, p=[0.967, 0.011, 0.011, 0.011])
            kind[-1] = kind[:, -2:] = 0
            if map.cell == "1t1r":
                kind[: map.rows, :, 1] = 0
            middle = map.read_pa_ohm * 2 // (map.verify_set + map.verify_reset) - map.series
            changed[tile.name] = replace(
                map,
                stuck=np.where(kind < 3, kind, 0),
                r_lrs=np.where(kind == 3, middle, map.r_lrs),
            )
            injected += [
                [tile.name, *place, bool(kind[tuple(place)] == 1)]
                for place in np.argwhere(kind > 0).tolist()
            ]
    return changed, injected


@pytest.fixture
def programmed(tmp_path: Path, simulator: str) -> Callable[..., None]:
    """Build, program from blank and use it: a build's configuration, and what its maps are."""

    def run(settings: dict[str, Any], device: Device, *, faults: bool = False) -> None:
        network = small_network("step" if settings is SINGLE else "unsigned")
        config = Config.model_validate(settings)
        plan = map_network(network, config)
        maps, injected = draw(device, plan, 3), []
        if faults:
            maps, injected = faulty(plan, maps)
        out = tmp_path / "out"
        texts = {name: map.text() for name, map in maps.items()}
        write_build(out, network, plan, config={}, bench_files={}, device=texts)
        (out / "injected.json").write_text(json.dumps(injected))
        wear = tmp_path / "wear.vlt"
        wear.write_text(
            f'`verilator_config\npublic_flat_rd -module "binohm_{plan.name}_device" -var "wear"\n'
        )
        run_bench(
            [out / name for name in (out / "device.f").read_text().split()],
            top=f"binohm_{plan.name}",
            bench="binohm.sim.benches.programming",
            build_dir=out,
            simulator=simulator,
            public=[wear],
            plusargs=["+binohm_blank"],
            variables={"EXACT": str(int(not faults))},
        )

    return run


@pytest.mark.slow
@pytest.mark.parametrize("settings", [MIXED, SINGLE], ids=["mixed", "single"])
def test_perfect_devices_compute_what_golden_does(
    programmed: Callable[..., None], settings: dict[str, Any]
) -> None:
    programmed(settings, SLOW)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [MIXED, SINGLE], ids=["mixed", "single"])
def test_failures_found_are_failures_injected(
    programmed: Callable[..., None], settings: dict[str, Any]
) -> None:
    programmed(settings, SLOW, faults=True)


def test_lines_are_packed_by_words() -> None:
    row = np.array([1, -1, 0, LEAVE] + [-1] * 28 + [1])
    assert programming.words(row) == [(0b1001, 0xFFFFFFFA), (1, 0)]
