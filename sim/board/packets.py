"""Packets on the serial line of a board, as docs/fpga.md describes them; nothing of hdl is used."""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["ERROR", "FAULTS", "IDENTIFY", "IDENTITY", "IMAGE", "RESULT", "Packet", "Unpacker"]
__all__ += ["escaped", "packed"]

END, ESCAPE = 0xC0, 0xDB
CODES = {END: 0xDC, ESCAPE: 0xDD}

IMAGE, IDENTIFY = 0x49, 0x51
RESULT, IDENTITY, ERROR = 0x52, 0x49, 0x45

FAULTS = {
    1: "a stop bit was missing",
    2: "an escape of nothing",
    3: "no such command",
    4: "wrong length",
    5: "wrong check",
    6: "an image was inside",
}
"""What the board says of a packet that it dropped."""


@dataclass(frozen=True)
class Packet:
    """A packet that came whole."""

    kind: int
    tag: int
    body: bytes


def escaped(content: bytes) -> bytes:
    """``content`` between two ends, without an end in it."""
    inner = bytearray()
    for byte in content:
        inner += bytes([ESCAPE, CODES[byte]]) if byte in CODES else bytes([byte])
    return bytes([END, *inner, END])


def packed(kind: int, tag: int, body: bytes = b"") -> bytes:
    """A packet as it goes over the line."""
    content = bytes([kind, tag]) + body
    return escaped(content + binascii.crc_hqx(content, 0xFFFF).to_bytes(2, "big"))


class Unpacker:
    """Takes bytes as they come and gives packets; what is not a packet is counted in ``broken``."""

    def __init__(self) -> None:
        self.broken = 0
        self._raw = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Packets that end in ``data``."""
        for byte in data:
            if byte != END:
                self._raw.append(byte)
            elif self._raw:
                packet = _unpacked(bytes(self._raw))
                self._raw.clear()
                if packet is None:
                    self.broken += 1
                else:
                    yield packet


def _unpacked(raw: bytes) -> Packet | None:
    plain = {code: byte for byte, code in CODES.items()}
    content = bytearray()
    following = iter(raw)
    for byte in following:
        if byte == ESCAPE:
            code = next(following, -1)
            if code not in plain:
                return None
            byte = plain[code]
        content.append(byte)
    if len(content) < 4 or binascii.crc_hqx(bytes(content), 0xFFFF):
        return None
    return Packet(content[0], content[1], bytes(content[2:-2]))
