"""Cells of units beside those of the cores, by yosys.

``python bench/unit_area.py`` prints the table of docs/soc.md; needs the extra ``soc``.
"""

from binohm.gen.cfu.area import CORES, Area, core_area, unit_area
from binohm.gen.cfu.config import UnitConfig

__all__ = ["UNITS", "table"]

UNITS = (
    ({"slots": 16}, "cfu"),
    ({"slots": 128}, "cfu"),
    ({"slots": 128}, "pcpi"),
    ({"slots": 128, "positions": 1}, "cfu"),
    ({"slots": 512, "complement": False}, "cfu"),
)
"""Keys that differ from the defaults, and the port."""


def row(name: str, found: Area, rram_bits: int) -> str:
    """One line of the table."""
    figures = (found.cells, found.flip_flops, found.tables, found.memory_bits, rram_bits)
    return f"| {name} | " + " | ".join(f"{figure:,}" for figure in figures) + " |"


def table() -> str:
    """Cores, then units."""
    lines = ["| | cells | of these flip-flops | LUT4 | memory bits | RRAM bits |", "|---" * 6 + "|"]
    lines += [row(name, core_area(name), 0) for name in CORES]
    for keys, port in UNITS:
        config = UnitConfig(**keys)
        name = ", ".join(f"`{key} = {value}`".lower() for key, value in keys.items())
        lines.append(
            row(f"unit ({port}), {name}", unit_area(config, port), config.slots * config.width)
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
