"""The function unit, from its configuration to its Verilog behind both buses."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from binohm.gen.cfu.config import UnitConfig, unit_config
from binohm.gen.cfu.unit import write_unit
from binohm.gen.cli.actions import check_macro
from binohm.gen.errors import ConfigError, OutputError
from binohm.gen.macros import macro_views
from binohm.sim.kernel_cells import DeviceCells, draw_map, spread
from binohm.sim.runner import run_bench
from binohm.sim.tools import environment

slow = pytest.mark.slow

SMALL = {"slots": 3, "rows": 3, "columns": 3, "positions": 4, "windows": 30}
SIZES: dict[str, dict[str, Any]] = {
    "small": SMALL,
    "one": {"slots": 1, "rows": 1, "columns": 1, "positions": 1, "windows": 1, "complement": False,
            "accumulator_bits": 8},
    "wide": {"slots": 8, "rows": 5, "columns": 13, "positions": 2, "windows": 17,
             "complement": False},
    "words": {"slots": 8, "rows": 1, "columns": 32, "positions": 1, "windows": 24,
              "accumulator_bits": 32},
    "many": {"slots": 65, "rows": 3, "columns": 3, "positions": 8, "windows": 20,
             "accumulator_bits": 9},
}  # fmt: skip

Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path, simulator: str) -> Run:
    """Generate a unit and run a bench on it: ``run(sizes, port="pcpi", jitter=True)``."""

    def go(
        sizes: dict[str, Any],
        *,
        port: str = "cfu",
        bench: str = "cfu",
        jitter: bool = False,
        view: str = "digital",
        kernels: list[int] | None = None,
        map: str | None = None,
    ) -> None:
        config, unit = unit_config({"name": "t", **sizes}), tmp_path / "unit"
        write_unit(unit, config, kernels=kernels, map=map)
        if jitter:
            text = macro_views.render_written(config, jitter=True)
            (unit / "macros" / "digital.v").write_text(text)
        facts = {"port": repr(port), "sizes": config.model_dump(exclude={"name"})}
        facts |= {"jitter": jitter, "kernels": kernels}
        run_bench(
            [unit / file for file in (unit / f"{view}.f").read_text().split()],
            top=f"binohm_t_{port}",
            bench=f"binohm.sim.benches.{bench}",
            build_dir=unit,
            simulator=simulator,
            variables={f"FACT_{key.upper()}": str(value) for key, value in facts.items()},
        )

    return go


@pytest.mark.parametrize(
    "sizes", ["small", *(pytest.param(name, marks=slow) for name in SIZES if name != "small")]
)
def test_matches_model_on_the_cfu_bus(run: Run, sizes: str) -> None:
    run(SIZES[sizes])


@pytest.mark.slow
def test_matches_model_on_pcpi(run: Run) -> None:
    run(SMALL, port="pcpi")


@slow
def test_matches_model_whatever_the_macro_takes(run: Run) -> None:
    """Random latency, and so requests that wait."""
    run(SMALL, jitter=True)


@pytest.mark.slow
def test_matches_devices(run: Run) -> None:
    """Devices that spread, need several pulses, and are read with noise; equal bit for bit."""
    device = spread(1.5, 0.2, read_noise=0.05, pulses_set=2.0, pulses_sigma=0.4, stuck_hrs=0.02)
    rng = np.random.default_rng(5)
    run(
        SMALL,
        bench="cfu_device",
        view="device",
        kernels=[int(kernel) for kernel in rng.integers(0, 512, 3)],
        map=draw_map(device, 3, 9, seed=7).text(),
    )


def test_what_the_devices_turn_over() -> None:
    """A wide window reads right with a wide spread, a narrow one only with a small one."""
    rng = np.random.default_rng(1)
    kernels = [int(kernel) for kernel in rng.integers(0, 512, 512)]
    right = np.array([[1 if kernel >> k & 1 else -1 for k in range(9)] for kernel in kernels])

    def errors(window: float, sigma: float) -> int:
        cells = DeviceCells(draw_map(spread(window, sigma), 512, 9, seed=3), kernels)
        return int((cells.kernels() != right).sum())

    assert errors(50, 0.25) == 0
    assert errors(1.09, 0.01) == 0
    narrow = [errors(1.09, sigma) for sigma in (0.03, 0.06, 0.25)]
    assert 0 < narrow[0] < narrow[1] < narrow[2] < 512 * 9 // 2


@pytest.mark.slow
@pytest.mark.parametrize("loaded", [True, False])
def test_the_written_view_conforms(tmp_path: Path, simulator: str, loaded: bool) -> None:
    """To the datasheet that is written beside it; with cells from an image, and from pulses."""
    write_unit(tmp_path / "unit", unit_config({"name": "t", **SMALL}))
    macros = tmp_path / "unit" / "macros"
    figures = check_macro(
        [macros / "digital.v"], macros / "datasheet.toml", simulator, parameters=loaded
    )
    assert figures["ok"], figures


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A unit with an image and a map."""
    out = tmp_path_factory.mktemp("unit") / "unit"
    write_unit(out, unit_config({"name": "t", **SIZES["wide"]}), kernels=[1, 2**65 - 1], map="0\n")
    return out


@pytest.mark.parametrize("port", ["cfu", "pcpi"])
@pytest.mark.parametrize("view", ["digital", "device", "asic"])
def test_verilog_is_lint_clean(written: Path, port: str, view: str) -> None:
    assert lint(written, port, view, waived=True) == ""


def lint(unit: Path, port: str, view: str, *, waived: bool) -> str:
    """What Verilator says."""
    command = ["verilator", "--lint-only", "--quiet", "-Wall", "--top-module", f"binohm_t_{port}"]
    done = subprocess.run(
        [*command, *(["lint.vlt"] if waived else []), "-f", f"{view}.f"],
        cwd=unit, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    return done.stderr


def test_waivers_are_all_needed(written: Path) -> None:
    seen = {
        (rule, folder)
        for port in ("cfu", "pcpi")
        for rule, folder in re.findall(
            r"%Warning-(\w+): (\w+)/", lint(written, port, "digital", waived=False)
        )
    }
    waived = re.findall(r'-rule (\w+) -file "\*(\w+)/\*"', (written / "lint.vlt").read_text())
    assert set(waived) == seen


def test_same_unit_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    config = unit_config({"name": "t", **SIZES["wide"]})
    write_unit(tmp_path / "unit", config, kernels=[1, 2**65 - 1], map="0\n")
    for path in written.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "unit" / path.relative_to(written)).read_bytes()


def test_files_of_a_unit(written: Path) -> None:
    assert sorted(str(path.relative_to(written)) for path in written.rglob("*.*")) == [
        "asic.f", "device.f", "device/kernels.hex", "digital.f", "lint.vlt", "macros/asic.v",
        "macros/datasheet.toml", "macros/device.sv", "macros/digital.v", "macros/stubs.v",
        "mem/kernels.hex", "rtl/binohm_t_cfu.v", "rtl/binohm_t_kernel_store.v",
        "rtl/binohm_t_pcpi.v", "rtl/binohm_t_ram.v", "t.h", "unit.json",
    ]  # fmt: skip
    image = (written / "mem" / "kernels.hex").read_text().split()
    assert image == [f"{1:017x}", f"{2**65 - 1:017x}", *["0" * 17] * 6]
    store = (written / "rtl" / "binohm_t_kernel_store.v").read_text()
    assert '.INIT("mem/kernels.hex")' in store and '.MAP("device/kernels.hex")' in store
    header = (written / "t.h").read_text().splitlines()
    for line in ("T_SLOTS 8", "T_NUMBER_BITS 4", "T_NUMBERS 8", "T_NONE 15", "T_GET_SIZE 6"):
        assert f"#define {line}" in header


@pytest.mark.slow
def test_a_unit_in_the_way_is_kept(written: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="exists; replace it with --force"):
        write_unit(written, unit_config({}))
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not a build of ours"):
        write_unit(tmp_path, unit_config({}), force=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"slots": 0}, "unit.slots = 0: must be an integer from 1 to 1024"),
        ({"rows": 17}, "unit.rows = 17: must be an integer from 1 to 16"),
        ({"windows": "8"}, "unit.windows = '8': must be an integer from 1 to 1024"),
        ({"complement": 1}, "unit.complement = 1: must be true or false"),
        ({"name": "A"}, "unit.name = 'A': must be 1 to 64 of a-z, 0-9 and _, the first a letter"),
        ({"columns": 30, "positions": 4},
         "unit: columns + positions - 1 = 33: must be 1 to 32; set fewer positions"),
        ({"slot": 1}, ("unit.slot: unknown; the keys are name, slots, rows, columns, positions, "
         "windows, complement, accumulator_bits")),
    ],
)  # fmt: skip
def test_configuration_is_checked(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        unit_config(values)


@pytest.mark.parametrize(
    ("slots", "complement", "bits", "numbers"),
    [(1, True, 2, 16), (15, True, 5, 6), (16, True, 6, 5), (127, True, 8, 4), (128, True, 9, 3),
     (256, True, 10, 3), (512, True, 11, 2), (512, False, 10, 3), (14, False, 4, 8),
     (15, False, 5, 6)],
)  # fmt: skip
def test_numbers_are_as_short_as_may_be(
    slots: int, complement: bool, bits: int, numbers: int
) -> None:
    """docs/soc.md has these."""
    config = UnitConfig(slots=slots, complement=complement)
    assert (config.number_bits, config.numbers) == (bits, numbers)


def test_the_page_keeps_its_word(tmp_path: Path) -> None:
    """Its Python runs, and its registers and functions are those of the header."""
    page = (Path(__file__).parent.parent / "docs" / "soc.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True, capture_output=True)
    defined = dict(
        line.removeprefix("#define ").split()
        for line in (tmp_path / "unit" / "bdpe.h").read_text().splitlines()
        if line.startswith("#define BDPE_")
    )
    instructions, registers = page.split("Registers of `set`:")
    setters, getters = registers.split("Registers of `get`:")
    for part, text in (("", instructions), ("SET_", setters), ("GET_", getters)):
        rows = re.findall(r"^\| (\d) \| `(\w+)` \|", text, re.MULTILINE)
        assert len(rows) == {"": 8, "SET_": 9, "GET_": 7}[part]
        for number, name in rows:
            assert defined[f"BDPE_{part}{name.upper()}"] == number
    defaults = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \| (\d+)", page, re.MULTILINE)
    for name, other, value in defaults:
        for key in filter(None, (name, other)):
            assert getattr(UnitConfig(), key) == int(value)
    assert len(defaults) == 5


@pytest.mark.parametrize(
    ("kernels", "message"),
    [
        ([0] * 4, "4 kernels, but unit.slots = 3: give more slots, or fewer kernels"),
        ([0, 512], "kernel 1 = 512: must be 0 to 511, for 3 x 3 bits"),
    ],
)
def test_kernels_are_checked(tmp_path: Path, kernels: list[int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        write_unit(tmp_path / "unit", unit_config(SMALL), kernels=kernels)
    assert not (tmp_path / "unit").exists()
