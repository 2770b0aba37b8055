"""The list of deliberate faults fits the project: each can be made, and its tests exist."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_fault_can_be_made() -> None:
    """Its text stands once in its file, and its tests are in files that define them."""
    mutants = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
    assert len({mutant["name"] for mutant in mutants}) == len(mutants)
    for mutant in mutants:
        count = (ROOT / mutant["file"]).read_text(encoding="utf-8").count(mutant["old"])
        assert count == 1, f"{mutant['name']}: its text stands {count} times in {mutant['file']}"
        assert mutant["old"] != mutant["new"], mutant["name"]
        for test in mutant["tests"]:
            file, _, name = test.partition("::")
            text = (ROOT / file).read_text(encoding="utf-8")
            assert f"def {name.partition('[')[0]}" in text, f"{mutant['name']}: there is no {test}"
