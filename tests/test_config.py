"""Configurations: defaults, limits, and every message."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from binohm.gen.config import Config, load, template
from binohm.gen.errors import ConfigError

LIMITS = [
    ("array.rows", 1, 4096, "1 to 4096 rows"),
    ("array.columns", 1, 4096, "1 to 4096 columns"),
    ("array.bias_rows", 0, 4096, "0 to 4096 rows"),
    ("array.reference_bits", 1, 14, '"auto" or 1 to 14 bits'),
    ("array.adc_bits", 1, 13, '"auto" or 1 to 13 bits'),
    ("array.columns_per_cycle", 1, 4096, '"auto" or 1 to 4096 columns'),
    ("array.engines", 1, 1048576, '"auto" or 1 to 1048576 engines'),
    ("array.slices_per_read", 1, 1048576, '"auto" or 1 to 1048576 arrays'),
    ("layers.fc1.rows", 1, 4096, "1 to 4096 rows"),
    ("host.input_bytes", 1, 64, "1 to 64 bytes"),
    ("host.output_bytes", 1, 64, "1 to 64 bytes"),
    ("goal.interval", 1, 1000000000, '"input" or 1 to 1000000000 clock cycles'),
]
CHOICES = [
    ("array.cell", ["complementary", "1t1r", "2t2r"], '"complementary", "1t1r" or "2t2r"'),
    ("array.readout", ["auto", "sa", "adc", "pcsa"], '"auto", "sa", "adc" or "pcsa"'),
    ("array.lossy", ["true", "false"], "true or false"),
    ("array.threshold", ["bias", "reference"], '"bias" or "reference"'),
    ("array.reference_per_column", ["true", "false"], "true or false"),
    ("host.scores", ["true", "false"], "true or false"),
    ("array.adc_bits", ["auto", "7"], '"auto" or 1 to 13 bits'),
    ("goal.interval", ["input", "98"], '"input" or 1 to 1000000000 clock cycles'),
    ("design.name", ["tfc", "a", "x" * 64], "1 to 64 of a-z, 0-9 and _, the first a letter"),
]


def refusal(path: Path | None, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return str(caught.value)


def get(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


def test_template_holds_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "binohm.toml"
    path.write_text(template(), encoding="utf-8")
    assert load(path) == load(None) == Config()


def test_template_names_every_key_with_its_range() -> None:
    text = template()
    written = tomllib.loads(text.replace('# name = "..."', 'name = "x"'))
    for section, field in Config.model_fields.items():
        if section not in ("layers", "device", "storage"):
            assert list(written[section]) == list(field.annotation.model_fields)  # type: ignore
    for key, _, _, allowed in LIMITS:
        assert f"# Range: {allowed}.\n{key.split('.')[-1]} = " in text
    for key, _, allowed in CHOICES:
        assert f"# Range: {allowed}.\n" in text, key


@pytest.mark.parametrize(("key", "low", "high", "allowed"), LIMITS)
def test_limits_are_as_stated(key: str, low: int, high: int, allowed: str) -> None:
    for value in (low, high):
        assert get(load(None, [f"{key}={value}"]), key) == value
    for value in (low - 1, high + 1, 10**30):
        assert refusal(None, f"{key}={value}") == f"--set {key} = {value}: must be {allowed}"
    for text in ("1.0", "true", '"1"', "[1]"):
        assert refusal(None, f"{key}={text}") == f"--set {key} = {text}: must be {allowed}"
    assert refusal(None, f"{key}=many") == f'--set {key} = "many": must be {allowed}'


@pytest.mark.parametrize(("key", "values", "allowed"), CHOICES)
def test_choices_are_as_stated(key: str, values: list[str], allowed: str) -> None:
    for value in values:
        load(None, [f"{key}={value}"])
    assert refusal(None, f"{key}=No-such") == f'--set {key} = "No-such": must be {allowed}'
    assert refusal(None, f"{key}=-1") == f"--set {key} = -1: must be {allowed}"


@pytest.mark.parametrize("name", ["", "1a", "a-b", "A", "a" * 65, "a\\nb"])
def test_design_name_is_an_identifier(name: str) -> None:
    assert refusal(None, f'design.name="{name}"') == (
        f'--set design.name = "{name}": must be 1 to 64 of a-z, 0-9 and _, the first a letter'
    )


def test_layers_override_the_arrays(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[array]\nrows = 64\n[layers.fc1]\nreadout = "pcsa"\n', encoding="utf-8")
    config = load(path, ["array.columns=32", "layers.fc2.rows=16", "layers.fc2.rows = 17"])
    assert config.for_layer("fc1") == config.array.model_copy(update={"readout": "pcsa"})
    assert config.for_layer("fc2").rows == 17
    assert config.for_layer("fc2").columns == 32
    assert config.for_layer("other") == config.array
    assert (config.array.rows, config.array.columns) == (64, 32)


def test_unknown_keys_are_refused_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[array]\nrow = 64\n", encoding="utf-8")
    assert refusal(path) == f"{path}: array.row: unknown key; did you mean rows?"
    assert refusal(None, "arrays.rows=1") == "--set arrays: unknown key; did you mean array?"
    assert refusal(None, "layers.fc1.readouts=sa") == (
        "--set layers.fc1.readouts: unknown key; did you mean readout?"
    )
    assert refusal(None, "host.width=1") == (
        "--set host.width: unknown key; known are input_bytes, output_bytes, scores, programming, "
        "bus, wishbone_base"
    )
    assert refusal(None, "width=1") == (
        "--set width: unknown key; known are design, array, layers, host, goal, device, storage"
    )


def test_unknown_layers_are_refused_with_the_nearest() -> None:
    config = load(None, ["layers.fc.rows=4"])
    with pytest.raises(ConfigError) as caught:
        config.check_layers(["conv", "fc1"])
    assert str(caught.value) == "layers.fc: the network has no such layer; did you mean fc1?"
    config = load(None, ["layers.zzz.rows=4"])
    with pytest.raises(ConfigError) as caught:
        config.check_layers(["conv", "fc1"])
    assert str(caught.value) == "layers.zzz: the network has no such layer; known are conv, fc1"
    config.check_layers(["zzz"])


def test_values_where_tables_belong() -> None:
    assert refusal(None, "array=3") == "--set array = 3: must be a table of keys"
    assert refusal(None, "layers=3") == "--set layers = 3: must be a table of keys"
    assert refusal(None, "layers.fc1=sa") == '--set layers.fc1 = "sa": must be a table of keys'
    assert refusal(None, "array.rows.x=3") == (
        '--set array.rows = {"x": 3}: must be 1 to 4096 rows'
    )
    assert refusal(None, "array=3", "array.rows=3") == (
        "--set array.rows=3: array is a value and has no keys"
    )


@pytest.mark.parametrize("text", ["array.rows", "=3", "array.=3", ".rows=3", ""])
def test_overrides_have_a_key_and_a_value(text: str) -> None:
    assert refusal(None, text) == f"--set {text}: must be KEY=VALUE, such as array.rows=64"


@pytest.mark.parametrize("value", ["", "a b", "[1", "'", "1 2"])
def test_override_values_are_toml_or_words(value: str) -> None:
    text = f"array.rows={value}"
    assert refusal(None, text) == f"--set {text}: the value is neither TOML nor a bare word"


def test_an_override_is_one_line() -> None:
    text = "array.rows=2\nother=3"
    assert refusal(None, text) == f"--set {text}: the value has more than one line"


def test_the_source_of_a_mistake_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[array]\nrows = 0\ncolumns = 2\n", encoding="utf-8")
    assert refusal(path) == f"{path}: array.rows = 0: must be 1 to 4096 rows"
    assert refusal(path, "array.columns=1") == f"{path}: array.rows = 0: must be 1 to 4096 rows"
    assert refusal(path, "array.rows=-1") == "--set array.rows = -1: must be 1 to 4096 rows"
    assert load(path, ["array.rows=1"]).array.columns == 2


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert refusal(missing) == f"{missing}: no such file; `binohm init` writes one"
    assert refusal(tmp_path) == f"{tmp_path}: a folder, not a configuration file"
    assert refusal(missing / "x") == f"{missing / 'x'}: no such file; `binohm init` writes one"
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert refusal(binary) == f"{binary}: not a text file in UTF-8"
    assert refusal(binary / "x") == f"{binary / 'x'}: cannot be read (Not a directory)"


def test_syntax_errors_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[array]\nrows = = 3\n", encoding="utf-8")
    assert refusal(path) == f"{path}: not valid TOML: Invalid value (at line 2, column 8)"
    path.write_text("a = " + "[" * 100_000, encoding="utf-8")
    assert refusal(path).startswith(f"{path}: not valid TOML: ")
