"""Files of 64-bit words, one a line, 16 lower-case hexadecimal digits."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_words", "write_words"]


def write_words(words: NDArray[np.uint64]) -> str:
    """The text of a file."""
    octets = words.astype(">u8").view(np.uint8).reshape(-1, 8)
    lines = np.full((len(words), 17), ord("\n"), np.uint8)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    lines[:, 0:16:2], lines[:, 1:16:2] = digits[octets >> 4], digits[octets & 15]
    return lines.tobytes().decode("ascii")


def read_words(text: str) -> NDArray[np.uint64]:
    """Words of a file.

    Raises
    ------
    ValueError
        If it is no such text.
    """
    raw = np.frombuffer(text.encode(), np.uint8)
    if len(raw) % 17 or (raw[16::17] != ord("\n")).any():
        raise ValueError("not lines of 16 hexadecimal digits")
    value = np.full(256, 255, np.uint8)
    value[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
    nibbles = value[raw.reshape(-1, 17)[:, :16]]
    strange = np.argwhere(nibbles > 15)
    if strange.size:
        raise ValueError(f"line {strange[0][0] + 1} is not 16 lower-case hexadecimal digits")
    octets = np.ascontiguousarray(nibbles[:, 0::2] << 4 | nibbles[:, 1::2])
    return octets.view(">u8").ravel().astype(np.uint64)
