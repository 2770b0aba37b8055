"""The check of a packet."""

from amaranth.hdl import Cat, Value

__all__ = ["crc16"]

POLYNOMIAL = 0x1021
"""CRC-16/IBM-3740 ("CCITT-FALSE"): starts with 0xFFFF, high bit first, nothing inverted."""


def crc16(before: Value, byte: Value) -> Value:
    """The 16-bit check after one more byte.

    After a packet and its own check, high byte first, it is 0.
    """
    bits = [before[k] for k in range(16)]
    for k in reversed(range(8)):
        fed = bits[15] ^ byte[k]
        bits = [fed, *bits[:15]]
        bits = [
            bit ^ fed if position and POLYNOMIAL >> position & 1 else bit
            for position, bit in enumerate(bits)
        ]
    return Cat(*bits)
