"""Programming a whole design: from blank arrays of devices to the right results."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_build import small_network

from binohm.gen.config import Config
from binohm.gen.emit import write_build
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim import programming
from binohm.sim.device.draw import draw
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.physics import Device
from binohm.sim.device.program import LEAVE
from binohm.sim.runner import run_bench

Design = tuple[Network, dict[str, Any]]
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
    "array": {"rows": 16, "columns": 9, "bias_rows": 14, "cell": "1t1r"},
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


def run(
    out: Path,
    simulator: str,
    network: Network,
    settings: dict[str, Any],
    device: Device,
    *,
    faults: bool = False,
    firmware: str = "",
    blank: bool = True,
) -> dict[str, int]:
    """Build in ``out``, program and use it; what the bench counts."""
    plan = map_network(network, Config.model_validate(settings))
    maps, injected = draw(device, plan, 3), []
    if faults:
        maps, injected = faulty(plan, maps)
    texts = {name: map.text() for name, map in maps.items()}
    write_build(out, network, plan, config={}, bench_files={}, device=texts)
    (out / "injected.json").write_text(json.dumps(injected))
    wear = out / "wear.vlt"
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
        plusargs=["+binohm_blank"] if blank else [],
        variables={
            "EXACT": str(int(not faults)),
            "FIRMWARE": firmware,
            "BLANK": str(int(blank)),
        },
    )
    return dict(json.loads((out / "programmed.json").read_text()))


@pytest.fixture(params=["mixed", "single"])
def design(request: pytest.FixtureRequest) -> Design:
    """Every readout; one device a cell, and two."""
    if request.param == "mixed":
        return small_network(), MIXED
    return small_network("step"), SINGLE


@pytest.mark.slow
def test_perfect_devices_compute_what_golden_does(
    tmp_path: Path, simulator: str, design: Design
) -> None:
    facts = run(tmp_path / "out", simulator, *design, SLOW)
    assert facts["failures_injected"] == facts["failures_found"] == facts["false_reports"] == 0
    assert facts["most_pulses"] > 3


@pytest.mark.slow
def test_failures_found_are_failures_injected(
    tmp_path: Path, simulator: str, design: Design
) -> None:
    facts = run(tmp_path / "out", simulator, *design, SLOW, faults=True)
    assert facts["failures_injected"] == facts["failures_found"] > 4
    assert facts["false_reports"] == 0


@pytest.mark.slow
def test_arrays_that_hold_their_weights_get_no_pulse(tmp_path: Path) -> None:
    facts = run(tmp_path / "out", "icarus", small_network(), MIXED, SLOW, blank=False)
    assert facts["cells"] > 400 and facts["pulses"] == facts["failures_found"] == 0


CONNECT = """
static uint32_t (*reads)(uint32_t);
static void (*writes)(uint32_t, uint32_t);
void connect(void *r, void *w) { reads = r; writes = w; }
uint32_t read32(uint32_t address) { return reads(address); }
void write32(uint32_t address, uint32_t value) { writes(address, value); }
"""


@pytest.mark.slow
def test_the_c_code_of_the_docs_works(tmp_path: Path) -> None:
    """Compiled as it stands there, in place of our own host; only the names of registers differ."""
    page = (Path(__file__).parent.parent / "docs" / "programming.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    source, library = tmp_path / "firmware.c", tmp_path / "firmware.so"
    source.write_text(code + CONNECT, encoding="utf-8")
    compiler = ["c++", "-x", "c", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*compiler, "-o", str(library), str(source)], check=True)
    facts = run(
        tmp_path / "out", "icarus", small_network(), MIXED, SLOW, faults=True, firmware=str(library)
    )
    assert facts["failures_found"] > 10


def test_lines_are_packed_by_words() -> None:
    row = np.array([1, -1, 0, LEAVE] + [-1] * 28 + [1])
    assert programming.words(row) == [(0b1001, 0xFFFFFFFA), (1, 0)]
