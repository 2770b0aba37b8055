"""Datasheets: ours can be read back, and a wrong one is refused."""

import re
import tomllib
from pathlib import Path

import pytest
from plans import array, plan_of

from binohm.gen.errors import ConfigError
from binohm.gen.macros.datasheet import Timing, Write, digital, load, render

ARRAYS = [
    array("sa", 8, 3, bias_rows=5, per_cycle=2),
    array("pcsa", 65, 3),
    array("sa", 8, 3, ref_bits=5, ref_per_column=True),
]

SILICON = """
schema = 1
[macros.rram]
readout = "sa"
cell = "2t2r"
rows = 128
columns = 64
bias_rows = 16
adc_bits = 0
endurance_writes = 1000000
commands.read = {latency = 44, interval = 44, outstanding = 1}
commands.set = {latency = 200, interval = 200, outstanding = 1}
timing = {clock_period_ns = 10.0, setup_ns = 0.5}
write = {pulses = 1, pulse_ns = 100.0}
"""


def test_digital_views_read_back(tmp_path: Path) -> None:
    path = tmp_path / "datasheet.toml"
    path.write_text(render(plan_of("t", ARRAYS)), encoding="utf-8")
    macros = load(path).macros
    assert macros == {f"binohm_t_{kind.name}": digital(kind) for kind in ARRAYS}
    assert [macro.array for macro in macros.values()] == ARRAYS
    read = macros["binohm_t_sa_2t2r_8x3_b5_p2"].commands["read"]
    assert (read.latency, read.interval, read.outstanding) == (3, 2, 2)
    assert all(set(macro.commands) == {"read"} for macro in macros.values())


def test_text_is_plain_toml() -> None:
    read = tomllib.loads(render(plan_of("t", ARRAYS)))
    assert read["macros"]["binohm_t_pcsa_2t2r_65x3"] == {
        "readout": "pcsa",
        "cell": "2t2r",
        "rows": 65,
        "columns": 3,
        "bias_rows": 0,
        "adc_bits": 0,
        "per_cycle": 3,
        "commands": {"read": {"latency": 1, "interval": 1, "outstanding": 1}},
    }


def test_silicon_has_times_pulses_and_endurance(tmp_path: Path) -> None:
    path = tmp_path / "silicon.toml"
    path.write_text(SILICON, encoding="utf-8")
    macro = load(path).macros["rram"]
    assert macro.timing == Timing(clock_period_ns=10.0, setup_ns=0.5)
    assert macro.write == Write(pulses=1, pulse_ns=100.0)
    assert macro.endurance_writes == 1000000
    assert set(macro.commands) == {"read", "set"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rows = 128", "rows = 0", "macros.rram.rows: Input should be greater than or equal to 1"),
        ("rows = 128", "lines = 128", "macros.rram.rows: Field required"),
        ("latency = 44", "latency = -1", "macros.rram.commands.read.latency: Input should be"),
        ("commands.set", "commands.erase", "macros.rram.commands.erase.[key]: Input should be"),
        ("setup_ns", "hold_ns", "macros.rram.timing.hold_ns: Extra inputs are not permitted"),
        ("adc_bits = 0", "adc_bits = 4", "macros.rram: adc_bits = 4 with readout sa"),
        ("adc_bits = 0", "adc_bits = 0\nref_bits = 4", "macros.rram: bias_rows and ref_bits exclu"),
        ("adc_bits = 0", "adc_bits = 0\nref_bits = 15", "macros.rram.ref_bits: Input should be le"),
        ("adc_bits = 0", "adc_bits = 0\nper_cycle = 65", "macros.rram: per_cycle = 65 of 64 colum"),
        (
            "adc_bits = 0",
            "adc_bits = 0\nref_per_column = true",
            "macros.rram: ref_per_column needs",
        ),
        ('readout = "sa"', 'readout = "pcsa"', "macros.rram: bias_rows and ref_bits are for reado"),
        ("commands.read", "commands.reset", "macros.rram: commands.read is missing: every macro"),
        ("schema = 1", "schema = 2", "schema: Input should be 1, not 2"),
        ("schema = 1", "schema 1", "not TOML: "),
    ],
)
def test_wrong_key_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(SILICON.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{path}: {message}')}"):
        load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: No such file or directory$"):
        load(tmp_path / "none.toml")
