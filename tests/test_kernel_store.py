# amaranth: UnusedElaboratable=no
"""What the parts of the function unit are told of its sizes."""

import re
from typing import Any

import pytest

from binohm.gen.cfu.config import UnitConfig
from binohm.hdl.cfu.functions import Function, Get, Set, UnitSpec, command_layout
from binohm.hdl.cfu.kernel_store import KernelStore
from binohm.hdl.cfu.lookup import comparison
from binohm.sim import cfu
from binohm.sim.cfu import Sizes


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"slots": 0}, ValueError("slots must be at least 1, not 0")),
        ({"slots": 1025}, ValueError("slots must be at most 1024, not 1025")),
        ({"rows": "3"}, TypeError("rows must be an int, not '3'")),
        ({"columns": 33}, ValueError("columns must be at most 32, not 33")),
        ({"positions": 9}, ValueError("positions must be at most 8, not 9")),
        ({"windows": True}, TypeError("windows must be an int, not True")),
        ({"complement": 1}, TypeError("complement must be a bool, not 1")),
        ({"accumulator_bits": 7}, ValueError("accumulator_bits must be at least 8, not 7")),
        ({"columns": 32}, ValueError("columns + positions - 1 must be at most 32, not 35")),
    ],
)
def test_sizes_are_checked(wrong: dict[str, Any], error: Exception) -> None:
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        UnitSpec(**{"slots": 16, **wrong})


def test_streams_have_the_widths_of_the_unit() -> None:
    spec = UnitSpec(65, rows=5, columns=13, positions=2)
    assert comparison(spec).size == 7 + 2 * 65
    assert command_layout().size == 74
    store = KernelStore(spec, socket="s", memory="m")
    assert store.answers.payload.shape().width == 32


def test_three_sides_agree_on_sizes() -> None:
    """Hardware, generator and model state the same rules by themselves."""
    for slots in (1, 2, 3, 7, 8, 14, 15, 16, 127, 128, 255, 256, 512, 1024):
        for complement in (False, True):
            spec = UnitSpec(slots, complement=complement)
            config = UnitConfig(slots=slots, complement=complement)
            sizes = Sizes(**config.model_dump(exclude={"name"}))
            for part in (config, sizes):
                assert (part.codes, part.number_bits) == (spec.codes, spec.number_bits)
                assert (part.numbers, part.width) == (spec.numbers, spec.width)
                assert part.kernel_fields == spec.kernel_fields


def test_three_sides_agree_on_numbers() -> None:
    functions = (cfu.DOT, cfu.ROW, cfu.SIGN, cfu.SUM, cfu.ADD, cfu.SET, cfu.GET, cfu.WINDOW)
    assert functions == tuple(function.value for function in Function)
    assert tuple(register.value for register in (Set.CHANNEL, Set.PROGRAM, Set.CLEAR)) == (
        cfu.CHANNEL,
        cfu.PROGRAM,
        cfu.CLEAR,
    )
    assert tuple(register.value for register in (Get.STATUS, Get.SHAPE, Get.SIZE)) == (
        cfu.STATUS,
        cfu.SHAPE,
        cfu.SIZE,
    )
