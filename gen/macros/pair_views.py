"""The Verilog behind the sockets of update arrays: 2T2R pairs that learn by pulses.

A socket is a module ``binohm_<name>_<array.name>`` with the pins of
:class:`binohm.hdl.arrays.macro.MacroPins` and the parameters ``INIT``, ``MAP`` and ``ID``; commands
are :class:`binohm.hdl.learning.pairs.PairCommand`. New pairs have no pulses, so ``INIT`` is
ignored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from binohm.gen.errors import ConfigError
from binohm.gen.macros.macro_views import NAME_BITS
from binohm.hdl.arrays.macro import MacroPins

__all__ = ["VIEWS", "PairArray", "render"]

VIEWS = {"digital": "digital_pairs.v", "device": "device_pairs.sv"}
"""The views and their files."""

HERE = Path(__file__).parent

USED = (
    "clk", "rst", "cmd", "row", "col_x", "col_en", "req_valid", "req_ready", "q", "q_valid",
    "q_ready",
)  # fmt: skip


@dataclass(frozen=True)
class PairArray:
    """One kind of update array.

    Parameters
    ----------
    rows, columns : int
        Inputs and outputs of the layer.
    pulses : int
        Most that a branch takes.
    """

    rows: int
    columns: int
    pulses: int

    @property
    def name(self) -> str:
        """Suffix of the socket module, such as ``pairs_64x32_n64``."""
        return f"pairs_{self.rows}x{self.columns}_n{self.pulses}"

    @property
    def level_bits(self) -> int:
        """Bits of a column in a response."""
        return self.pulses.bit_length()

    @property
    def pins(self) -> MacroPins:
        """Pins of the macro; it ignores row drives and reference codes."""
        return MacroPins(self.rows, 0, self.columns, self.columns * self.level_bits)


def render(name: str, arrays: Sequence[PairArray], view: str = "digital") -> str:
    """One view of the update arrays of design ``name``: a socket for each kind, what it needs.

    Parameters
    ----------
    view : str
        ``digital``, or ``device``, which is SystemVerilog and reads the map ``MAP``.

    Raises
    ------
    ConfigError
        If there is no such view.
    """
    if view not in VIEWS:
        raise ConfigError(f"view must be one of {', '.join(VIEWS)}, not {view!r}")
    text = (HERE / VIEWS[view]).read_text(encoding="utf-8")
    below = re.sub(r"\bbinohm_", f"binohm_{name}_", text)
    return "\n".join([*(_socket(name, array, view) for array in dict.fromkeys(arrays)), below])


def _socket(name: str, array: PairArray, view: str) -> str:
    ports, ignored = [], ['INIT == ""']
    parameters = (
        f".ROWS({array.rows}), .COLUMNS({array.columns}), .ROW_BITS({array.pins.row_bits}),\n"
        f"        .PULSES({array.pulses}), .LEVEL_BITS({array.level_bits})"
    )
    joined = ", ".join(f".{pin}({pin})" for pin in USED)
    if view == "device":
        parameters += f", .NAME_BITS({NAME_BITS})"
        joined += f", .id(ID), .map({{{{({NAME_BITS}-$bits(MAP)){{1'b0}}}}, MAP}})"
    else:
        ignored += ['MAP == ""', "ID == 0"]
    for pin in array.pins.ports:
        span = f"[{pin.width - 1}:0] " if pin.width > 1 else ""
        ports.append(f"    {pin.direction} wire {span}{pin.name}")
        if pin.name not in USED:
            ignored.append(pin.name)
    return (
        f"module binohm_{name}_{array.name} #(\n"
        '    parameter INIT = "",\n'
        '    parameter MAP = "",\n'
        "    parameter integer ID = 0\n"
        ") (\n" + ",\n".join(ports) + "\n);\n"
        f"    binohm_{name}_{view}_pairs #(\n        {parameters}\n"
        f"    ) array ({joined});\n"
        f"    wire unused = &{{1'b0, {', '.join(ignored)}}};\n"
        "endmodule\n"
    )
