# amaranth: UnusedElaboratable=no
"""The whole design as its host sees it, and what the host's software is written with."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from small_build import MIXED, small_build, small_network

from binohm.gen.config import load
from binohm.gen.errors import ConfigError
from binohm.gen.host_files import registers
from binohm.gen.plan import Plan
from binohm.hdl.host.wishbone import WishboneBridge
from binohm.sim.runner import run_bench

BASE = 0x3004_0000
BUSES: dict[str, dict[str, Any]] = {
    "axi4lite": {},
    "wishbone": {"bus": "wishbone", "wishbone_base": BASE},
}


@cache
def design(directory: Path, bus: str) -> Plan:
    return small_build(
        directory, small_network(), {**MIXED, "host": {**MIXED["host"], **BUSES[bus]}}
    )


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the builds of both buses are."""
    return tmp_path_factory.mktemp("host")


@pytest.mark.slow
@pytest.mark.parametrize("bus", BUSES)
def test_masters_that_stall_and_frames_that_are_wrong(
    builds: Path, bus: str, simulator: str
) -> None:
    out = builds / bus
    plan = design(out, bus)
    assert plan.top == f"binohm_random{'_wishbone' if bus == 'wishbone' else ''}"
    run_bench(
        [out / name for name in (out / "digital.f").read_text().split()],
        top=plan.top,
        bench="binohm.sim.benches.host",
        build_dir=out,
        simulator=simulator,
        variables={"WISHBONE": str(BASE)} if bus == "wishbone" else {},
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["host.bus=ahb"], 'host.bus = "ahb": must be "axi4lite" or "wishbone"'),
        (
            ["host.wishbone_base=0x30000004"],
            "host.wishbone_base = 805306372: must be 0 to 4294963200, a multiple of 4096",
        ),
        (
            ["host.wishbone_base=0x100000000"],
            "host.wishbone_base = 4294967296: must be 0 to 4294963200, a multiple of 4096",
        ),
    ],
)
def test_settings_are_checked(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape('--set ' + message)}$"):
        load(None, settings)


def test_the_base_is_checked() -> None:
    for base in (4, 1 << 32):
        message = f"base must be 0 to 0xfffff000, a multiple of 4096, not {base:#x}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            WishboneBridge(base)


def test_plans_of_axi_are_what_they_were(builds: Path) -> None:
    """The key is only there with Wishbone, so that other builds keep their bytes."""
    for bus in BUSES:
        plan = design(builds / bus, bus)
        text = plan.to_json()
        assert ("wishbone" in text) == (bus == "wishbone")
        assert Plan.from_json(text) == plan


def test_map_is_the_same_in_c_json_and_markdown(builds: Path, tmp_path: Path) -> None:
    """The header compiles as C89 and as C++ and has the numbers of the hardware's own map."""
    plan = design(builds / "axi4lite", "axi4lite")
    host = builds / "axi4lite" / "host"
    rows = registers(plan)
    facts = json.loads((host / "registers.json").read_text())
    assert facts["top"] == "binohm_random"
    assert [(row["name"], row["offset"], row["access"]) for row in facts["registers"]] == [
        (row.name, row.offset, row.access) for row in rows
    ]
    page = (host / "registers.md").read_text()
    for row in rows:
        assert f"| `0x{row.offset:03x}` | {row.name} | {row.access} | {row.text} |\n" in page
    names = {f"BINOHM_RANDOM_{row.name}": row.offset for row in rows}
    names |= {
        f"BINOHM_RANDOM_{row.name}_{field.name}": field.mask for row in rows for field in row.fields
    }
    prints = "".join(f'  printf("%u\\n", {name});\n' for name in names)
    source = tmp_path / "map.c"
    source.write_text(
        f'#include <stdio.h>\n#include "registers.h"\nint main(void) {{\n{prints}  return 0;\n}}\n'
    )
    warned = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-I", str(host)]
    for flags in (["-x", "c", "-std=c89"], ["-x", "c++"]):
        command = ["c++", *flags, *warned, str(source), "-o", str(tmp_path / "map")]
        subprocess.run(command, check=True)
        done = subprocess.run([tmp_path / "map"], capture_output=True, text=True, check=True)
        assert [int(line) for line in done.stdout.split()] == [*names.values()]
