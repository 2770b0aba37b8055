"""Technology files: defaults with their sources, and mistakes in one line."""

import tomllib
from pathlib import Path

import pytest

from binohm.gen.errors import ConfigError
from binohm.gen.reporting.technology import LABELS, Technology, load, sources, template

KEYS = [
    f"{section}.{key}"
    for section, values in tomllib.loads(template()).items()
    for key in values
]  # fmt: skip


def written(path: Path, text: str) -> Path:
    file = path / "t.toml"
    file.write_text(text)
    return file


def test_every_value_has_a_source() -> None:
    found = sources()
    assert list(found) == KEYS
    for key, (value, label, text) in found.items():
        section, name = key.split(".")
        assert value == getattr(getattr(load(None), section), name)
        assert label in LABELS and len(text) > 20, key


def test_the_template_is_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, template())) == load(None) == load(written(tmp_path, ""))


def test_computed_values_follow_from_their_formulas() -> None:
    """The comments say how; the values are rounded to three digits."""
    technology = load(None)
    wire_ff_um, feature_um = 0.2, 0.04
    gate_ff = 0.044 * (5.245e-10 + 8.004e-10) * 1e9
    assert technology.lines.ff_per_gate == pytest.approx(
        12 * feature_um * wire_ff_um + gate_ff, rel=5e-3
    )
    assert technology.lines.ff_per_device == pytest.approx(4 * feature_um * wire_ff_um)
    scaling = 22 / 45 * (0.85 / 0.9) ** 2
    digital = technology.digital
    assert digital.adder_bit_fj == pytest.approx(100 / 32 * scaling, rel=5e-3)
    assert digital.popcount_bit_fj == digital.compare_bit_fj == digital.adder_bit_fj
    assert digital.rom_bit_fj == pytest.approx(10_000 / 64 * scaling, rel=5e-3)
    assert digital.toggle_fj == pytest.approx(100 * wire_ff_um * 0.85**2 / 2, rel=5e-3)


def test_a_file_says_what_differs(tmp_path: Path) -> None:
    found = load(written(tmp_path, "[cells]\nread_ns = 3\n[clock]\nperiod_ns = 2.5\n"))
    assert (found.cells.read_ns, found.clock.period_ns) == (3.0, 2.5)
    default = load(None)
    cells = default.cells.model_copy(update={"read_ns": 3.0})
    clock = default.clock.model_copy(update={"period_ns": 2.5})
    assert found == Technology(**{**dict(default), "cells": cells, "clock": clock})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cell]\n", "cell: unknown section; did you mean cells?"),
        ("[cells]\nlrs_om = 1\n", "cells.lrs_om: unknown key; did you mean lrs_ohm?"),
        (
            "[write]\nzzz = 1\n",
            "write.zzz: unknown key; known are pulse_v, pulse_ns",
        ),
        ("cells = 3\n", "cells = 3: must be a table of keys"),
        ("[cells]\nread_v = -0.1\n", "cells.read_v = -0.1: must be 0.001 to 100 V"),
        ("[cells]\nread_v = 1e9\n", "cells.read_v = 1000000000.0: must be 0.001 to 100 V"),
        ("[sensing]\nsense_fj = nan\n", "sensing.sense_fj = nan: must be 0 to 1e+09 fJ"),
        ("[clock]\nperiod_ns = inf\n", "clock.period_ns = inf: must be 0.001 to 1e+09 ns"),
        ("[clock]\nperiod_ns = true\n", "clock.period_ns = true: must be 0.001 to 1e+09 ns"),
        ('[cells]\nlrs_ohm = "1"\n', 'cells.lrs_ohm = "1": must be 1 to 1e+12 ohm'),
        (
            "[cells]\nhrs_ohm = 1e4\n",
            "cells.hrs_ohm = 10000: must be at least cells.lrs_ohm, 100000 ohm",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(error.value) == f"{file}: {message}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none: no such file; `binohm init --technology` write"):
        load(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"a folder, not a configuration file$"):
        load(tmp_path)
    with pytest.raises(ConfigError, match=r"t\.toml: not valid TOML: "):
        load(written(tmp_path, "[cells\n"))
