# amaranth: UnusedElaboratable=no
"""``Registers``, from its map to its Verilog."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from binohm.hdl.host.registers import Registers, register_map

slow = pytest.mark.slow


@pytest.mark.fast_on_verilator
@pytest.mark.parametrize(
    ("layers", "build_id", "at_once"),
    [
        (3, 0xDEADBEEF, (2, 1, 65)),
        pytest.param(1, 0, (), marks=slow),
        pytest.param(8, 0xFFFFFFFF, (), marks=slow),
        pytest.param(65, 1, (), marks=slow),
    ],
)
def test_matches_model(
    bench: Callable[..., None], layers: int, build_id: int, at_once: tuple[int, ...]
) -> None:
    facts = {
        "layers": layers, "build_id": build_id, "elements": 784, "classes": 10, "at_once": at_once,
    }  # fmt: skip
    bench(Registers(**facts), "binohm.sim.benches.registers", **facts)


def test_map_lists_every_register_once() -> None:
    registers = register_map(2)
    assert [(register.name, register.offset, register.access) for register in registers] == [
        ("ID", 0x00, "ro"),
        ("VERSION", 0x04, "ro"),
        ("CONTROL", 0x08, "rw"),
        ("STATUS", 0x0C, "ro"),
        ("CYCLES_LO", 0x10, "ro"),
        ("CYCLES_HI", 0x14, "ro"),
        ("FRAMES_IN", 0x18, "ro"),
        ("FRAMES_OUT", 0x1C, "ro"),
        ("FRAME_ERRORS", 0x20, "ro"),
        ("BUILD_ID", 0x24, "ro"),
        ("ELEMENTS", 0x28, "ro"),
        ("CLASSES", 0x2C, "ro"),
        ("INTERRUPT_ENABLE", 0x30, "rw"),
        ("INTERRUPT_STATUS", 0x34, "w1c"),
        ("ACTIVATIONS_0", 0x40, "ro"),
        ("ACTIVATIONS_1", 0x44, "ro"),
    ]
    assert all(register.text.endswith(".") for register in registers)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"layers": 0}, ValueError("layers must be at least 1, not 0")),
        ({"layers": 1009}, ValueError("layers must be 1 to 1008, not 1009")),
        ({"build_id": -1}, ValueError("build_id must be at least 0, not -1")),
        ({"build_id": 1 << 32}, ValueError("build_id must be 0 to 2**32 - 1, not 4294967296")),
        ({"elements": 0}, ValueError("elements must be at least 1, not 0")),
        ({"classes": "2"}, TypeError("classes must be an int, not '2'")),
        ({"at_once": (1,)}, ValueError("at_once must have 2 elements, not 1")),
        ({"at_once": (1, 0)}, ValueError("an element of at_once must be at least 1, not 0")),
    ],
)
def test_parameters_are_checked(changes: dict[str, Any], error: Exception) -> None:
    good = {"layers": 2, "build_id": 0, "elements": 3, "classes": 4}
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        Registers(**good | changes)
