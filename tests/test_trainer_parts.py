# amaranth: UnusedElaboratable=no
"""Parts of the trainer: what they refuse, their random words, and the text of the pair views."""

import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from amaranth.sim import Simulator
from test_training_golden import RULES

from binohm.gen.errors import ConfigError
from binohm.gen.learning.trainer import shapes_of
from binohm.gen.macros.pair_views import VIEWS, PairArray, render
from binohm.hdl.learning.pairs import PairArrays
from binohm.hdl.learning.propagation import Propagation, Shapes
from binohm.hdl.learning.rates import Rates
from binohm.hdl.learning.trainer import Trainer
from binohm.hdl.learning.update import RowUpdate
from binohm.hdl.learning.xorshift import Xorshift
from binohm.sim.tools import environment, require
from binohm.sim.training.rule import Xorshift as Words

SHAPES = shapes_of(asdict(RULES["two layers"]))


def test_widths_hold_the_largest_numbers() -> None:
    shapes = Shapes((784, 512, 256, 128, 10), pixel_bits=2, error_bits=6)
    assert (shapes.rows, shapes.lanes) == (784, 512)
    assert -(1 << shapes.sum_bits - 1) <= -512 * 31 and 1 << shapes.sum_bits - 1 > 512 * 31
    assert shapes.shapes == [(784, 512), (512, 256), (256, 128), (128, 10)]


ROW = {
    "level_bits": 4, "pulse_bits": 3, "full": 6, "gain": 2, "most": 8, "copy_all": False,
    "by_row": False,
}  # fmt: skip
RATES = {
    "k": (1, 1), "win": (2, 0), "esh": (1, 0), "batch_bits": 2, "pulses": 8, "start_bits": 1,
    "most": 2, "margin": 8, "error_shift": 1, "mean_shift": 4, "offset_shift": 4,
    "refresh_bits": 1, "full": 6, "gain": 2,
}  # fmt: skip
TWO = {"modules": ("a", "b"), "pair_modules": ("c", "d"), "code_bits": (3, 3)}


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Shapes((3,), pixel_bits=1, error_bits=2),
         ValueError("sizes must be two or more, not 1")),
        (lambda: Shapes((3, 0), pixel_bits=1, error_bits=2),
         ValueError("sizes must be at least 1, not 0")),
        (lambda: Shapes((3, 2), pixel_bits=1, error_bits=1),
         ValueError("error_bits must be at least 2, not 1")),
        (lambda: Propagation(SHAPES, ["a"], [3]),
         ValueError("2 layers need as many modules and code_bits, not 1 and 1")),
        (lambda: PairArrays(SHAPES, ["a"], 4),
         ValueError("2 layers need as many modules, not 1")),
        (lambda: PairArrays(SHAPES, ["a", "b"], 4, ["m"]),
         ValueError("2 layers need as many maps, not 1")),
        (lambda: RowUpdate(SHAPES, **{**ROW, "full": 9}),
         ValueError("full must be at most most = 8, not 9")),
        (lambda: RowUpdate(SHAPES, **{**ROW, "by_row": 1}),
         TypeError("by_row must be a bool, not 1")),
        (lambda: Rates(**{**RATES, "batch_bits": 9}),
         ValueError("batch_bits must be 0 to 8, not 9")),
        (lambda: Rates(**{**RATES, "refresh_bits": 3, "exchange_bits": 2}),
         ValueError("refresh_bits must be 0 to exchange_bits = 2, not 3")),
        (lambda: Rates(**{**RATES, "esh": (-1, 0)}),
         ValueError("esh must be at least 0, not -1")),
        (lambda: Trainer(SHAPES, Rates(**{**RATES, "win": (2,)}), **TWO),
         ValueError("win must have 2 numbers, not 1")),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make: Any, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        make()
    assert str(caught.value) == str(error)


def test_random_words_are_those_of_golden() -> None:
    """A word a step; a load restarts them."""
    dut = Xorshift()
    found: list[list[int]] = [[], []]

    async def bench(ctx: Any) -> None:
        for words in found:
            ctx.set(dut.seed, 77)
            ctx.set(dut.load, 1)
            ctx.set(dut.step, 1)
            await ctx.tick()
            ctx.set(dut.load, 0)
            for turn in range(40):
                ctx.set(dut.step, turn % 4 < 3)
                if turn % 4 < 3:
                    words.append(ctx.get(dut.word) >> 8)
                await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    expected = Words(77).words(30).tolist()
    assert found == [expected, expected]


@pytest.mark.parametrize("view", VIEWS)
def test_views_of_pairs_are_clean(tmp_path: Path, view: str) -> None:
    require("verilator")
    arrays = [PairArray(1, 1, 4), PairArray(9, 5, 64), PairArray(3, 65, 7)]
    (tmp_path / "lint.sv").write_text(render("t", arrays, view), encoding="utf-8")
    for kind in arrays:
        command = ["verilator", "--lint-only", "-Wall", "-Wno-DECLFILENAME"]
        done = subprocess.run(
            [*command, "--top-module", f"binohm_t_{kind.name}", "lint.sv"],
            cwd=tmp_path, env={**os.environ, **environment()}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.stderr == ""


def test_unknown_view_of_pairs_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^view must be one of digital, device, not 'x'$"):
        render("t", [], "x")
