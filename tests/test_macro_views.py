"""The text of the macro views: names, lint, black boxes."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from plans import array, plan_of

from binohm.gen.errors import ConfigError
from binohm.gen.macros.macro_views import VIEWS, render, render_rom, render_stubs, render_table
from binohm.gen.plan import Storage
from binohm.sim.tools import environment, require

ARRAYS = [
    array("sa", 8, 3, bias_rows=5, per_cycle=2),
    array("sa", 1, 1),
    array("adc", 65, 8, adc_bits=3, per_cycle=8),
    array("adc", 1, 1, adc_bits=1),
    array("adc", 3, 5, adc_bits=4),
    array("pcsa", 65, 3),
    array("pcsa", 1, 1),
    array("sa", 8, 7, per_cycle=3, ref_bits=5, ref_per_column=True),
    array("sa", 65, 3, per_cycle=3, ref_bits=4, ref_per_column=True),
    array("sa", 3, 5, per_cycle=2, ref_bits=2),
    array("sa", 1, 1, ref_bits=1),
    array("adc", 65, 8, adc_bits=3, per_cycle=3, transposed=True),
    array("adc", 3, 5, adc_bits=8, per_cycle=5, transposed=True),
    array("adc", 1, 1, adc_bits=1, transposed=True),
]
PLAN = plan_of("t", ARRAYS)
MODULE = re.compile(r"^module (\w+)", re.MULTILINE)


def lint(place: Path, text: str, top: str, *settings: str) -> str:
    """What ``verilator --lint-only -Wall`` says; the name of our file is no matter."""
    require("verilator")
    (place / "lint.v").write_text(text, encoding="utf-8")
    command = ["verilator", "--lint-only", "-Wall", "-Wno-DECLFILENAME", *settings]
    done = subprocess.run(
        [*command, "--top-module", top, "lint.v"],
        cwd=place,
        env={**os.environ, **environment()},
        capture_output=True,
        text=True,
    )
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("view", [view for view in VIEWS if view != "storage"])
def test_views_are_clean(tmp_path: Path, view: str) -> None:
    text = render(PLAN, view) + (render_stubs(PLAN) if view == "asic" else "")
    for kind in ARRAYS:
        assert lint(tmp_path, text, f"binohm_t_{kind.name}") == ""


@pytest.mark.parametrize(
    ("cells", "size", "cached"),
    [((32, 32), (65, 3), False), ((32, 32), (33, 70), True), ((3, 4), (8, 6), True),
     ((1, 1), (2, 3), False), ((1, 1), (1, 1), True)],
)  # fmt: skip
def test_storage_is_clean(
    tmp_path: Path, cells: tuple[int, int], size: tuple[int, int], cached: bool
) -> None:
    plan = plan_of("t", [array("pcsa", *size)])
    plan = replace(plan, storage=Storage(*cells, 200, 44, 3, 1, 128, cached))
    text = render(plan, "storage")
    assert lint(tmp_path, text, f"binohm_t_{plan.arrays[0].name}") == ""


def test_a_storage_is_asked_for() -> None:
    message = "view storage: the plan has no storage; give the configuration [storage]"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        render(PLAN, "storage")


@pytest.mark.parametrize("depth", [1, 5])
def test_memories_are_clean(tmp_path: Path, depth: int) -> None:
    assert lint(tmp_path, render_rom(PLAN), "binohm_t_rom", "-GWIDTH=3", f"-GDEPTH={depth}") == ""
    assert lint(tmp_path, render_table(PLAN), "binohm_t_table", "-GWIDTH=3") == ""


def modules(text: str) -> Sequence[str]:
    return MODULE.findall(text)


def test_two_builds_share_no_module() -> None:
    names: list[str] = []
    for name in ("one", "two"):
        plan = plan_of(name, ARRAYS)
        for text in (
            render(plan, "jitter"),
            render_rom(plan),
            render_table(plan),
        ):
            names += modules(text)
            assert all(module.startswith(f"binohm_{name}_") for module in modules(text))
            assert set(re.findall(r"\bbinohm_\w+", text)) <= set(modules(text))
    assert len(set(names)) == len(names)


def test_view_holds_only_what_it_needs() -> None:
    assert modules(render(plan_of("t", ARRAYS[5:6]), "digital")) == [
        "binohm_t_pcsa_2t2r_65x3",
        "binohm_t_digital_pcsa",
    ]
    assert modules(render(plan_of("t", ARRAYS[:1] * 2), "digital")) == [
        "binohm_t_sa_2t2r_8x3_b5_p2",
        "binohm_t_digital_sa",
        "binohm_t_digital_walk",
    ]


def test_asic_names_black_boxes_without_parameters() -> None:
    text, stubs = render(PLAN, "asic"), render_stubs(PLAN)
    assert modules(stubs) == [f"rram_{kind.name}" for kind in ARRAYS]
    assert stubs.count("(* blackbox *)") == len(ARRAYS)
    for kind in ARRAYS:
        assert f"    rram_{kind.name} array (\n" in text
        assert f"module rram_{kind.name} (\n" in stubs


def test_unknown_view_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^view must be one of digital, asic, jitter, device, "):
        render(PLAN, "x")
