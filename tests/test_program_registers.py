# amaranth: UnusedElaboratable=no
"""The registers of programming, with a programmer behind them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from programmed import Programmed

from binohm.hdl.arrays.program_port import ProgramSpec
from binohm.hdl.host.program_registers import ProgramRegisters, program_map
from binohm.hdl.host.registers import Registers, register_map
from binohm.sim import programming

slow = pytest.mark.slow
RAM = Path(__file__).parent.parent / "gen" / "macros" / "ram.v"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tile_lines", "columns", "spares"),
    [
        pytest.param((5, 2, 5), 40, 2, marks=slow),
        pytest.param((1,), 1, 0, marks=slow),
        ((3, 8), 3, 1),
        pytest.param((2,), 65, 0, marks=slow),
    ],
)
def test_matches_model(
    bench: Callable[..., None], tile_lines: tuple[int, ...], columns: int, spares: int
) -> None:
    bench(
        Programmed(ProgramSpec(tile_lines, columns, spares)),
        "binohm.sim.benches.program_registers",
        sources=(RAM,),
        tiles=len(tile_lines),
        lines=max(tile_lines),
        tile_lines=tile_lines,
        columns=columns,
        spares=spares,
        layers=1,
    )


def test_the_host_side_knows_every_register() -> None:
    for register in program_map(1):
        name = register.name.removeprefix("PROGRAM_")
        assert getattr(programming, name) == register.offset
    assert [r.name for r in program_map()] == [r.name for r in program_map(1)][:-1]


def test_map_ends_with_what_programs() -> None:
    assert register_map(2, programming=True, spares=1) == register_map(2) + program_map(1)
    assert all(r.meaning.endswith(".") and "\n" not in r.meaning for r in program_map(1))


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^layers must be 1 to 944, not 945$"):
        Registers(945, build_id=0, elements=1, classes=1, programming=True)
    for wrong, text in [
        ({"tile_lines": (3, 0)}, "lines must be at least 1, not 0"),
        ({"columns": 0}, "columns must be at least 1, not 0"),
        ({"spares": -1}, "spares must be at least 0, not -1"),
    ]:
        good = {"tile_lines": (1,), "columns": 1, "spares": 0, "memory": "ram"}
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            ProgramRegisters(**good | wrong)
