"""One register of a map that a host sees."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Register"]


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
        ``ro``, ``rw`` or ``wo``.
    meaning : str
        One sentence.
    """

    name: str
    offset: int
    access: Literal["ro", "rw", "wo"]
    meaning: str
