"""What a processor can ask of the unit, and the sizes of a unit."""

from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import data, enum

from binohm.hdl.checks import require_bool, require_int

__all__ = ["OPCODE", "WORD", "Function", "Get", "Set", "UnitSpec", "command_layout"]

OPCODE = 0x0B
"""Custom-0 of RISC-V."""

WORD = 32
"""Bits of an operand and of a result."""


class Function(enum.Enum, shape=3):
    """What an instruction does, its ``funct3``; see docs/soc.md."""

    DOT = 0
    ROW = 1
    SIGN = 2
    SUM = 3
    ADD = 4
    SET = 5
    GET = 6
    WINDOW = 7


class Set(enum.Enum, shape=4):
    """Registers that ``SET`` writes."""

    CHANNEL = 0
    WINDOW = 1
    SHIFT = 2
    ROWS_PRESENT = 3
    COLUMNS_PRESENT = 4
    SLOT = 5
    KERNEL = 6
    PROGRAM = 7
    CLEAR = 8


class Get(enum.Enum, shape=3):
    """Registers that ``GET`` reads."""

    STATUS = 0
    HITS = 1
    MISSES = 2
    PULSES = 3
    FAILED = 4
    SHAPE = 5
    SIZE = 6


def command_layout() -> data.StructLayout:
    """A command as on the CFU bus: ``function_id`` is ``funct7 << 3 | funct3``."""
    return data.StructLayout({"function_id": 10, "inputs_0": WORD, "inputs_1": WORD})


@dataclass(frozen=True)
class UnitSpec:
    """The sizes of a unit.

    Parameters
    ----------
    slots : int
        Kernels held, 1 to 1024.
    rows, columns : int
        Of a kernel, 1 to 16 and 1 to 32; element (r, c) is bit ``r * columns + c``.
    positions : int
        Windows beside one another, 1 to 8; ``columns + positions - 1`` is 32 at most.
    windows : int
        Channels whose patches are held, 1 to 1024.
    complement : bool
        Whether the lowest bit of a kernel number inverts the kernel.
    accumulator_bits : int
        8 to 32.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, its value and the range.
    """

    slots: int
    rows: int = 3
    columns: int = 3
    positions: int = 4
    windows: int = 256
    complement: bool = True
    accumulator_bits: int = 16

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            require_int(name, value, least=least)
            if value > most:
                raise ValueError(f"{name} must be at most {most}, not {value}")
        require_bool("complement", self.complement)
        if self.patch_columns > WORD:
            raise ValueError(
                f"columns + positions - 1 must be at most {WORD}, not {self.patch_columns}"
            )

    @property
    def width(self) -> int:
        """Bits of a kernel."""
        return self.rows * self.columns

    @property
    def parts(self) -> int:
        """Words of a kernel."""
        return -(-self.width // WORD)

    @property
    def patch_columns(self) -> int:
        """Pixels in a row of a patch."""
        return self.columns + self.positions - 1

    @property
    def codes(self) -> int:
        """Kernel numbers that name a kernel."""
        return self.slots << self.complement

    @property
    def number_bits(self) -> int:
        """Bits of a kernel number: as few as hold the codes, a miss and none."""
        return (self.codes + 1).bit_length()

    @property
    def numbers(self) -> int:
        """Kernel numbers in a word."""
        return WORD // self.number_bits

    @property
    def kernel_fields(self) -> int:
        """Fields of ``number_bits`` that a kernel in full takes, behind the number ``codes``."""
        return -(-self.width // self.number_bits)

    @property
    def accumulator(self) -> Shape:
        """Shape of a sum."""
        return Shape(self.accumulator_bits, signed=True)


LIMITS = {
    "slots": (1, 1024),
    "rows": (1, 16),
    "columns": (1, 32),
    "positions": (1, 8),
    "windows": (1, 1024),
    "accumulator_bits": (8, 32),
}
"""Least and most."""
