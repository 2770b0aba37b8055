"""The Verilog behind the sockets of update arrays: 2T2R pairs that learn by pulses.

A socket is a module ``binohm_<name>_<array.name>`` with the pins of
:class:`binohm.hdl.macro.MacroPins` and the parameters ``INIT``, ``MAP`` and ``ID``; commands are
:class:`binohm.hdl.pairs.PairCommand`. New pairs have no pulses, so ``INIT`` is ignored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from binohm.hdl.macro import MacroPins

__all__ = ["PairArray", "render"]

HERE = Path(__file__).parent / "macros"

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


def render(name: str, arrays: Sequence[PairArray]) -> str:
    """Digital views of update arrays of design ``name``: a socket for each kind."""
    text = (HERE / "digital_pairs.v").read_text(encoding="utf-8")
    view = re.sub(r"\bbinohm_", f"binohm_{name}_", text)
    return "\n".join([*(_socket(name, array) for array in dict.fromkeys(arrays)), view])


def _socket(name: str, array: PairArray) -> str:
    ports, ignored = [], ['INIT == ""', 'MAP == ""', "ID == 0"]
    for pin in array.pins.ports:
        span = f"[{pin.width - 1}:0] " if pin.width > 1 else ""
        ports.append(f"    {pin.direction} wire {span}{pin.name}")
        if pin.name not in USED:
            ignored.append(pin.name)
    joined = ", ".join(f".{pin}({pin})" for pin in USED)
    return (
        f"module binohm_{name}_{array.name} #(\n"
        '    parameter INIT = "",\n'
        '    parameter MAP = "",\n'
        "    parameter integer ID = 0\n"
        ") (\n" + ",\n".join(ports) + "\n);\n"
        f"    binohm_{name}_digital_pairs #(\n"
        f"        .ROWS({array.rows}), .COLUMNS({array.columns}), "
        f".ROW_BITS({array.pins.row_bits}),\n"
        f"        .PULSES({array.pulses}), .LEVEL_BITS({array.level_bits})\n"
        f"    ) array ({joined});\n"
        f"    wire unused = &{{1'b0, {', '.join(ignored)}}};\n"
        "endmodule\n"
    )
