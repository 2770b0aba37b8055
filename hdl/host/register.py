"""One register of a map that a host sees."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Field", "Register"]


@dataclass(frozen=True)
class Field:
    """Some bits of a register.

    Parameters
    ----------
    name : str
        Upper case, an identifier; unique within its register.
    low : int
        The lowest bit.
    meaning : str
        What follows the name in a sentence, with its full stop.
    width : int
        Bits.
    """

    name: str
    low: int
    meaning: str
    width: int = 1

    @property
    def mask(self) -> int:
        """Ones where the field is."""
        return ((1 << self.width) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """One 32-bit register.

    Parameters
    ----------
    name : str
        Upper case, an identifier.
    offset : int
        Byte address.
    access : str
        ``ro``, ``rw``, ``wo``, or ``w1c``: read, and a one written clears a bit.
    meaning : str
        One sentence, or more; empty if the fields say it all.
    fields : tuple of Field
    """

    name: str
    offset: int
    access: Literal["ro", "rw", "wo", "w1c"]
    meaning: str
    fields: tuple[Field, ...] = ()

    @property
    def text(self) -> str:
        """The meaning with that of the fields."""
        bits = [
            f"Bit {field.low}" if field.width == 1
            else f"Bits {field.low + field.width - 1}..{field.low}"
            for field in self.fields
        ]  # fmt: skip
        said = [
            f"{place}, {field.name}: {field.meaning}"
            for place, field in zip(bits, self.fields, strict=True)
        ]
        return " ".join([self.meaning, *said] if self.meaning else said)
