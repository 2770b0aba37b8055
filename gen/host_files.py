"""The register map of a design for who writes its software: C header, JSON and Markdown.

All three come from the registers that the hardware is built from.
"""

import json

from binohm.gen.plan import Plan
from binohm.hdl.host.register import Register
from binohm.hdl.host.registers import register_map

__all__ = ["host_files", "registers"]

SCHEMA = 1
"""Of the JSON."""

LINE = 100


def registers(plan: Plan) -> tuple[Register, ...]:
    """Every register of the design of ``plan``, by offset."""
    spares = max(array.spare_columns for array in plan.arrays)
    rows = register_map(len(plan.layers), programming=plan.host.programming, spares=spares)
    return tuple(rows)


def host_files(plan: Plan) -> dict[str, str]:
    """Text of ``registers.h``, ``registers.json`` and ``registers.md``, by file name."""
    rows = registers(plan)
    return {
        "registers.h": _header(plan, rows),
        "registers.json": _json(plan, rows),
        "registers.md": _markdown(plan, rows),
    }


def _header(plan: Plan, rows: tuple[Register, ...]) -> str:
    """C89 macros: the offset of each register, mask and lowest bit of each field."""
    prefix = f"BINOHM_{plan.name.upper()}"
    lines = [
        f"/* Registers of binohm_{plan.name}: byte offsets, masks and lowest bits. */",
        f"#ifndef {prefix}_REGISTERS_H",
        f"#define {prefix}_REGISTERS_H",
    ]
    for row in rows:
        lines += ["", *_comment(f"{row.name}, {row.access}: {row.text}")]
        lines.append(f"#define {prefix}_{row.name} 0x{row.offset:03x}u")
        for field in row.fields:
            name = f"{prefix}_{row.name}_{field.name}"
            lines.append(f"#define {name} 0x{field.mask:x}u")
            lines.append(f"#define {name}_LOW {field.low}")
    return "\n".join([*lines, "", "#endif", ""])


def _comment(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > LINE - 8:
            lines.append("")
        lines[-1] += f" {word}"
    return [f"{' *' if n else '/*'}{line}" for n, line in enumerate(lines[:-1])] + [
        f"{' *' if lines[1:] else '/*'}{lines[-1]} */"
    ]


def _json(plan: Plan, rows: tuple[Register, ...]) -> str:
    facts = {
        "schema": SCHEMA,
        "top": f"binohm_{plan.name}",
        "registers": [
            {
                "name": row.name,
                "offset": row.offset,
                "access": row.access,
                "meaning": row.meaning,
                "fields": [
                    {
                        "name": field.name,
                        "low": field.low,
                        "width": field.width,
                        "meaning": field.meaning,
                    }
                    for field in row.fields
                ],
            }
            for row in rows
        ],
    }
    return json.dumps(facts, indent=1) + "\n"


def _markdown(plan: Plan, rows: tuple[Register, ...]) -> str:
    table = [f"| `0x{row.offset:03x}` | {row.name} | {row.access} | {row.text} |" for row in rows]
    head = [f"# Registers of binohm_{plan.name}", ""]
    return "\n".join([
        *head,
        "| offset | name | access | meaning |",
        "|---|---|---|---|",
        *table,
        "",
    ])
