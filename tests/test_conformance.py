"""``binohm check-macro``: our views conform, and each broken macro is named by what it breaks."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from plans import array, plan_of

from binohm.gen.__main__ import main
from binohm.gen.cli.actions import check_macro
from binohm.gen.errors import ConfigError, ToolError
from binohm.gen.macros.datasheet import Macro, digital, text
from binohm.gen.macros.macro_views import render, render_stubs
from binohm.gen.macros.shim import described
from binohm.gen.macros.shim import render as render_shim
from binohm.gen.plan import Array, Cell
from binohm.sim.benches.conformance_rules import Sample, judge
from binohm.sim.device.draw import draw_tile
from binohm.sim.device.physics import Device

KINDS = [
    array("sa", 8, 7, bias_rows=5, per_cycle=2),
    array("sa", 9, 3, ref_bits=5, ref_per_column=True),
    array("adc", 9, 5, adc_bits=3, per_cycle=2),
    array("pcsa", 5, 9),
]
IDS = ("sa", "codes", "adc", "pcsa")
BOTH_WAYS = [
    array("adc", 9, 4, adc_bits=4, per_cycle=3, transposed=True),
    array("adc", 3, 8, adc_bits=2, per_cycle=8, transposed=True),
]
WRITES = ("set", "reset", "verify_set", "verify_reset")
CELLS: tuple[Cell, ...] = get_args(Cell)


def sheet(place: Path, macros: Mapping[str, Macro]) -> Path:
    path = place / "datasheet.toml"
    path.write_text(text(macros), encoding="utf-8")
    return path


def views(place: Path, kinds: list[Array], view: str) -> Path:
    path = place / f"view.{'sv' if view == 'device' else 'v'}"
    path.write_text(render(plan_of("t", kinds), view), encoding="utf-8")
    return path


def failures(figures: Mapping[str, Any]) -> list[str]:
    return [line for run in figures["runs"] for line in run["failures"]]


@pytest.mark.slow
def test_the_digital_view_conforms(tmp_path: Path, simulator: str) -> None:
    """All macros of a datasheet, from the file that a build has."""
    kinds = KINDS + BOTH_WAYS
    promised = sheet(tmp_path, {f"binohm_t_{kind.name}": digital(kind) for kind in kinds})
    source = views(tmp_path, kinds, "digital")
    figures = check_macro([source], promised, simulator, parameters=True)
    assert figures["ok"], failures(figures)
    assert [run["macro"] for run in figures["runs"]] == [f"binohm_t_{k.name}" for k in kinds]
    assert all(run["counts"]["read"] > 500 for run in figures["runs"])
    assert all(run["counts"]["set"] >= 3 for run in figures["runs"][len(KINDS) :])


def device_view(place: Path, kind: Array, simulator: str) -> dict[str, Any]:
    """What is found of the device view with devices that do not spread; it writes and verifies."""
    read = digital(kind)
    cycles = read.commands["read"]
    commands = {**read.commands, **dict.fromkeys(WRITES, cycles)}
    macro = read.model_copy(update={"commands": commands})
    (place / "map.hex").write_text(draw_tile(Device.ideal(), kind, 1, 3, 0).text())
    return check_macro(
        [views(place, [kind], "device")],
        sheet(place, {f"binohm_t_{kind.name}": macro}),
        simulator,
        parameters=True,
        device_map=place / "map.hex",
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_the_device_view_conforms(tmp_path: Path, kind: Array) -> None:
    """Its cells come from an image, and then from pulses that it answers and verifies."""
    cell = CELLS[KINDS.index(kind) % len(CELLS)]
    figures = device_view(tmp_path, replace(kind, cell=cell), "icarus")
    assert figures["ok"], failures(figures)
    counts = figures["runs"][0]["counts"]
    assert counts["read"] > 500 and min(counts[name] for name in WRITES) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH_WAYS[:1])
def test_the_device_view_conforms_both_ways(tmp_path: Path, kind: Array) -> None:
    figures = device_view(tmp_path, kind, "icarus")
    assert figures["ok"], failures(figures)
    assert figures["runs"][0]["counts"]["transposed_read"] > 500


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_the_device_view_conforms_with_every_cell(tmp_path: Path, kind: Array, cell: Cell) -> None:
    figures = device_view(tmp_path, replace(kind, cell=cell), "verilator")
    assert figures["ok"], failures(figures)


SHIMS = (
    "my_sa_2t2r_8x7_b5", "my_adc_1t1r_4x3", "pcsa_1t1r_1x1", "my_sa_1t1r_9x4_b2",
    "my_sa_complementary_5x6_r4c", "my_sa_2t2r_5x3_r4", "my_adc_complementary_9x3_q3",
    "my_pcsa_2t2r_4x9",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", [*SHIMS[:3], *(pytest.param(name, marks=pytest.mark.slow) for name in SHIMS[3:])]
)
def test_the_shim_conforms_as_it_is(tmp_path: Path, name: str) -> None:
    verilog, promised = render_shim(name)
    (tmp_path / "m.v").write_text(verilog)
    (tmp_path / "m.toml").write_text(promised)
    figures = check_macro([tmp_path / "m.v"], tmp_path / "m.toml", "icarus")
    assert figures["ok"], failures(figures)


def test_the_asic_view_conforms_with_an_array_behind_its_stub(
    tmp_path: Path, simulator: str
) -> None:
    kind = replace(KINDS[0], per_cycle=7)
    name = f"rram_{kind.name}"
    (tmp_path / "array.v").write_text(render_shim(name)[0])
    view = views(tmp_path, [kind], "asic")
    assert f"module {name} (" in render_stubs(plan_of("t", [kind]))
    promised = sheet(tmp_path, {f"binohm_t_{kind.name}": described(name)})
    figures = check_macro([view, tmp_path / "array.v"], promised, simulator)
    assert figures["ok"], failures(figures)


NAME = "my_sa_2t2r_8x7_b3"
STALLED = "    reg held; always @(posedge clk) held <= q_valid_kept & ~q_ready;"
SHORT = (
    "a response is dropped", "q moves", "reset clears the cells", "late",
    "columns in reverse order",
)  # fmt: skip
"""Those that every run of the tests sees."""

BROKEN = {
    "a response is dropped": (
        "q_valid_kept <= ~rst & ((busy && left == 0)",
        """if (busy && left == 0) count <= count + 1;
        q_valid_kept <= ~rst & ((busy && left == 0 && count != 9)""",
        r"q_valid: request 9: expected a response, found none \(writes\)",
    ),
    "a response comes twice": (
        "(q_valid_kept & ~q_ready));",
        """(q_valid_kept & ~(q_ready & (count != 5))));
        if (q_valid_kept & q_ready) count <= count + 1;""",
        r"q_valid: request 5: expected no further response, found one \(writes\)",
    ),
    "two responses are wrong": (
        "q_kept <= result;",
        """begin
            count <= count + 1;
            q_kept <= count == 90 ? 7'h2a : count == 91 ? 7'h15 : result;
        end""",
        r"q column \d: request \d+: expected [01], found [01] \(reads\)",
    ),
    "q moves": (
        "assign q = q_kept;",
        f"""always @(posedge clk) count <= count + 1;
    assign q = q_kept ^ (count[1:0] == 2 && held);
    {STALLED}""",
        r"q changed while stalled: request \d+: expected \w+, found \w+ \(under stalls\)",
    ),
    "q_valid falls": (
        "assign q_valid = q_valid_kept;",
        f"""always @(posedge clk) count <= count + 1;
    assign q_valid = q_valid_kept & ~(held & count[1:0] == 2);
    {STALLED}""",
        r"q_valid fell while stalled: request \d+: expected 1, found 0 \(under stalls\)",
    ),
    "q follows a pin of the request": (
        "assign q = q_kept;",
        "assign q = q_kept ^ {7{req_valid & cmd[2] & ~q_ready}};",
        (
            r"q is not registered: request \d+: expected \w+, found \w+ while other pins moved "
            r"\(while other pins move\)"
        ),
    ),
    "reset clears the cells": (
        "integer r, c, sum;",
        """integer r, c, sum;
    always @(posedge clk) if (rst) for (r = 0; r < LINES; r = r + 1) low_a[r] = 0;""",
        (
            r"q column \d: request \d+: expected [01], found [01] "
            r"\(after a reset, which keeps the cells\)"
        ),
    ),
    "reset drops nothing": (
        "q_valid_kept <= ~rst & (",
        "if (rst) count <= count + 1; q_valid_kept <= ~(rst & count < 8) & (",
        r"q_valid: request \d+: expected no further response, found one \(resets in between\)",
    ),
    "late": (
        "accepted ? LATENCY - 2",
        "accepted ? LATENCY - 1",
        r"latency: request 0: expected a response 4 cycles after it, found it 5 after \(writes\)",
    ),
    "early": (
        "accepted ? LATENCY - 2",
        "accepted ? LATENCY - 3",
        r"latency: request 0: expected a response 4 cycles after it, found it 3 after \(writes\)",
    ),
    "slow to accept": (
        "assign req_ready = ~busy & (~q_valid_kept | q_ready);",
        "assign req_ready = ~busy & ~q_valid_kept;",
        (
            r"req_ready: request 1: expected 1 in cycle 4 after the request before, "
            r"found 0 until 5 \(writes\)"
        ),
    ),
    "columns in reverse order": (
        "assign result = computed;",
        """genvar g;
    generate for (g = 0; g < 7; g = g + 1) assign result[g] = computed[6-g]; endgenerate""",
        r"q has its columns in reverse order: request \d+: expected \[.*\], found \[.*\] \(reads\)",
    ),
    "two columns change places": (
        "assign result = computed;",
        "assign result = {computed[6:4], computed[2], computed[3], computed[1:0]};",
        r"q column [23]: request \d+: expected [01], found [01] \(reads\)",
    ),
    "a bias row is forgotten": (
        "for (r = 0; r < LINES; r = r + 1) begin",
        "for (r = 0; r < LINES - 1; r = r + 1) begin",
        r"q column \d: request \d+: expected [01], found [01] \(reads\)",
    ),
    "no half step": (
        "computed[c] = sum >= 0;",
        "computed[c] = sum > 0;",
        r"q column \d: request \d+: expected 1, found 0 \(reads\)",
    ),
    "sets all columns": (
        "low_a[row_kept] | (col_en_kept & col_x_kept);",
        "low_a[row_kept] | col_x_kept;",
        r"q column \d: request \d+: expected [01], found [01] \(reads\)",
    ),
    "resets all columns": (
        "low_b[row_kept] & ~(col_en_kept & ~col_x_kept);",
        "low_b[row_kept] & col_x_kept;",
        r"q column \d: request \d+: expected [01], found [01] \(reads\)",
    ),
    "verifies the other device": (
        "(col_x_kept[c] ? low_a[row_kept][c] : low_b[row_kept][c])",
        "(low_a[row_kept][c])",
        r"q column \d: request \d+: expected [01], found [01] \(verify\)",
    ),
    "answers what it cannot do": (
        "READ:",
        "READ, 3'd1:",
        r"q column \d: request \d+: expected 0, found 1 \(reads\)",
    ),
    "never accepts": (
        "assign req_ready = ~busy",
        "assign req_ready = 0 & ~busy",
        r"req_ready: request 0: expected 1, found 0 for ever \(writes\)",
    ),
    "unknown": (
        "if (busy && left == 0) q_kept <= result;",
        "if (busy && left == 0) q_kept <= {1'bx, result[5:0]};",
        r"q: request 0: expected 0 or 1, found x000000 \(writes\)",
    ),
}


@pytest.mark.parametrize(
    "fault",
    [name if name in SHORT else pytest.param(name, marks=pytest.mark.slow) for name in BROKEN],
)
def test_a_broken_macro_is_named(tmp_path: Path, fault: str) -> None:
    old, new, line = BROKEN[fault]
    verilog, promised = render_shim(NAME)
    assert verilog.count(old) == 1
    broken = verilog.replace(old, new).replace(
        "    reg busy;\n", "    reg busy;\n    integer count = 0;\n"
    )
    (tmp_path / "m.v").write_text(broken)
    (tmp_path / "m.toml").write_text(promised)
    figures = check_macro([tmp_path / "m.v"], tmp_path / "m.toml", "icarus")
    assert not figures["ok"]
    found = failures(figures)
    assert re.fullmatch(line, found[0]), found


TIMING = (3, 2, 2)
"""Latency, interval, outstanding of the macro below."""


def record(count: int, stalled: int = 0, real: tuple[int, int, int] = TIMING) -> list[Sample]:
    """What a right macro does with ``count`` requests; no response is taken in the first cycles."""
    samples: list[Sample] = []
    accepted: list[int] = []
    taken: list[int] = []
    for now in range(8 * count + stalled):
        k = len(taken)
        due = k < len(accepted) and now >= accepted[k] + real[0] and (not k or now > taken[-1])
        moves = due and now >= stalled
        free = len(accepted) - len(taken) - moves < real[2]
        ready = free and (not accepted or now >= accepted[-1] + real[1])
        offered = len(accepted) if len(accepted) < count else None
        samples.append(Sample(False, offered, ready, due, k if due else 0, now >= stalled))
        taken += [now] * moves
        accepted += [now] * (ready and offered is not None)
    return samples


def judged(samples: list[Sample]) -> list[str]:
    return judge("unit", samples, [TIMING] * 6, [(k,) for k in range(6)], 3)


def changed(samples: list[Sample], at: int, **fields: Any) -> list[Sample]:
    return [replace(s, **fields) if n == at else s for n, s in enumerate(samples)]


def test_rules_of_a_macro_that_takes_several_requests() -> None:
    for stalled in (0, 1, 9, 20):
        assert judged(record(6, stalled)) == []
    good = record(6)
    first, second = (n for n, s in enumerate(good) if s.taken and s.q in (2, 3))
    swapped = changed(changed(good, first, q=3), second, q=2)
    assert judged(swapped) == [
        "order: request 2: expected its own response, found that of request 3 (unit)"
    ]
    assert judged(changed(good, first, q=7)) == [
        "q column 0: request 2: expected 2, found 7 (unit)"
    ]
    assert judged(changed(good, first, q="0x0")) == [
        "q: request 2: expected 0 or 1, found 0x0 (unit)"
    ]
    assert judged(changed(good, first, valid=None)) == [
        "q_valid: request 2: expected 0 or 1, found x (unit)"
    ]
    assert judged(changed(good, first, early=(False, 2))) == [
        "q_valid is not registered: request 2: expected 1, found 0 while other pins moved (unit)"
    ]


@pytest.mark.parametrize(
    ("real", "line"),
    [
        ((5, 2, 2), "latency: request 0: expected a response 3 cycles after it, found it 5 after"),
        ((2, 2, 2), "latency: request 0: expected a response 3 cycles after it, found it 2 after"),
        ((3, 1, 2), "interval: request 1: expected 2 cycles, found 1"),
        ((3, 2, 3), "outstanding: request 2: expected at most 2 waiting, found 3"),
        (
            (3, 4, 2),
            "req_ready: request 1: expected 1 in cycle 2 after the request before, found 0 until 4",
        ),
    ],
)
def test_other_cycles_are_named(real: tuple[int, int, int], line: str) -> None:
    assert judged(record(6, stalled=12, real=real)) == [f"{line} (unit)"]


PINS = {
    "missing": (
        "    input wire [6:0] col_en,\n", "",
        "pin col_en: expected input of 7 bits, found none",
    ),
    "narrow": (
        "input wire [10:0] x_p,", "input wire [7:0] x_p,",
        "pin x_p: expected input of 11 bits, found input of 8 bits",
    ),
    "two narrow": (
        "output wire [6:0] q,", "output wire q,",
        "pin q: expected output of 7 bits, found output of 1 bit",
    ),
    "the other way": (
        "input wire q_ready", "output wire q_ready",
        "pin q_ready: expected input of 1 bit, found output of 1 bit",
    ),
    "too many": (
        "    input wire clk,\n", "    input wire clk,\n    input wire [3:0] vref,\n",
        "pin vref: expected none, found input of 4 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", PINS)
def test_wrong_pins_are_named(tmp_path: Path, fault: str) -> None:
    old, new, line = PINS[fault]
    verilog, promised = render_shim(NAME)
    assert verilog.count(old) == 1
    verilog = verilog.replace(old, new).replace("col_en_kept <= col_en;", "col_en_kept <= 0;")
    (tmp_path / "m.v").write_text(verilog)
    (tmp_path / "m.toml").write_text(promised)
    (run,) = check_macro([tmp_path / "m.v"], tmp_path / "m.toml", "icarus")["runs"]
    assert (run["ok"], run["failures"], run["counts"]) == (False, [line], {})


def test_cells_that_nobody_can_write_are_refused(tmp_path: Path) -> None:
    kind = KINDS[3]
    source = views(tmp_path, [kind], "digital")
    promised = sheet(tmp_path, {f"binohm_t_{kind.name}": digital(kind)})
    with pytest.raises(ConfigError) as caught:
        check_macro([source], promised, "icarus")
    assert str(caught.value) == (
        f"macros.binohm_t_{kind.name}: the datasheet lists no set and reset, so that no cells can "
        "be written; list both, or give a module with parameter INIT and --view-params"
    )
    with pytest.raises(ConfigError, match=r"none\.v: no such file$"):
        check_macro([tmp_path / "none.v"], promised)
    source.write_text("module binohm_t_pcsa_2t2r_5x9 (); wire nonsense = ; endmodule\n")
    with pytest.raises(ToolError, match=r"^binohm_t_pcsa_2t2r_5x9 could not be compiled: %Error: "):
        check_macro([source], promised, "icarus", parameters=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine", ("macro mine: the name must say what it is, such as my_sa_2t2r_128x64_b16, "
         "my_sa_1t1r_128x64_r9c, my_adc_2t2r_128x64_q8 or my_pcsa_2t2r_128x64")),
        ("a_pcsa_2t2r_4x4_b2", ("macro a_pcsa_2t2r_4x4_b2: bias_rows and ref_bits are for readout "
         "sa, not pcsa")),
        ("a_sa_2t2r_4x4_q2", "macro a_sa_2t2r_4x4_q2: adc_bits = 2 with readout sa"),
    ],
)  # fmt: skip
def test_a_name_says_what_a_macro_is(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        described(name)
    assert str(caught.value) == message


@pytest.mark.slow
def test_the_page_on_macros_is_true(tmp_path: Path) -> None:
    """Every ``sh`` block, in order, in one shell; what it shows of the output is there."""
    page = (Path(__file__).parent.parent / "docs" / "macro.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    script = "".join(code for kind, code in blocks if kind == "sh")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ex"], input=script, cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.count("exit status 1") == 2
    for kind, shown in blocks:
        assert kind == "sh" or shown in done.stdout, done.stdout


@pytest.mark.slow
def test_the_command_line_says_what_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--macro", NAME]) == 0
    assert capsys.readouterr().out.split() == [f"{NAME}.v", f"{NAME}.toml"]
    command = ["check-macro", f"{NAME}.v", "--datasheet", f"{NAME}.toml", "--simulator", "icarus"]
    assert main(command) == 0
    assert "conforms" in capsys.readouterr().out
    promised = Path(f"{NAME}.toml")
    promised.write_text(promised.read_text().replace("latency = 4", "latency = 7", 1))
    assert main(command) == 1
    line = "latency: request 0: expected a response 7 cycles after it, found it 4 after (reads)"
    assert f"{NAME}, icarus: {line}" in capsys.readouterr().out
    assert main([*command, "--json"]) == 1
    assert line in capsys.readouterr().out
