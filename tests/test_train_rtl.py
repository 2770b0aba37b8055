"""``binohm train ... --rtl``: the trainer in Verilog beside the golden model, by command."""

import json
from pathlib import Path
from typing import Any

import pytest

from binohm.gen.__main__ import main
from binohm.gen.cli import on_array

TINY = ("--hidden", "4", "--epochs", "1")


def train(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["train", "digits", *map(str, arguments)])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.mark.slow
def test_steps_beside_golden(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], simulator: str
) -> None:
    """Devices learn in Verilog as in golden; the Verilog stays where it was asked for."""
    out, kept = tmp_path / "net.npz", tmp_path / "trainer"
    given = ("--on-array", "--nonlinearity", 4, "--rtl", 2, "--simulator", simulator)
    status, text, _ = train(capsys, "-o", out, *TINY, *given, "--verilog", kept, "--json")
    assert status == 0
    figures = json.loads(text)
    assert (figures["rtl_steps_equal"], figures["rtl_steps_unequal"]) == (2, 0)
    assert figures["rtl"]["batches"] == 2 and figures["rtl"]["cycles"]["backward"] > 0
    assert out.is_file()
    assert (kept / "rtl" / "binohm_trainer.v").is_file()
    assert sorted(path.name for path in (kept / "device").iterdir()) == [
        "l1_update.hex", "l2_update.hex",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_first_divergence_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A golden model with another margin than the Verilog: exit 1, no network."""
    write = on_array.write_trainer

    def tampered(directory: Path, *arguments: Any, **named: Any) -> None:
        write(directory, *arguments, **named)
        facts = json.loads((directory / "trainer.json").read_text())
        facts["rule"]["margin"] += 40
        (directory / "trainer.json").write_text(json.dumps(facts))

    monkeypatch.setattr(on_array, "write_trainer", tampered)
    out = tmp_path / "net.npz"
    given = ("--on-array", "--rtl", 1, "--simulator", "icarus")
    status, _, err = train(capsys, "-o", out, *TINY, *given)
    assert status == 1
    assert "the Verilog differs from the golden model: after step 1, " in err
    assert not out.exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--rtl", 2), "rtl = 2: is for training on the array; add --on-array"),
        (("--by-row",), "by_row = True: is for training on the array; add --on-array"),
        (
            ("--on-array", "--method", "software", "--rtl", 2),
            "--method software: is not built; drop --rtl and --verilog",
        ),
    ],
)
def test_refusals(
    given: tuple[object, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = train(capsys, "-o", tmp_path / "net.npz", *given)
    assert (status, err) == (2, f"binohm: error: {message}\n")
    assert not list(tmp_path.iterdir())
