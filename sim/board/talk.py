"""Asking a board for the classes of images, and comparing them with the golden model."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import DataError
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim import golden
from binohm.sim.board.packets import (
    ERROR,
    FAULTS,
    IDENTIFY,
    IDENTITY,
    IMAGE,
    RESULT,
    Packet,
    Unpacker,
    packed,
)

__all__ = ["Line", "Remote", "Talk", "talk"]

TRIES = 4
"""How often an image is sent before it is given up."""


class Line(Protocol):
    """What bytes go through."""

    def write(self, data: bytes) -> None:
        """Send all of it."""

    def read(self, timeout_s: float) -> bytes:
        """What has come, nothing after ``timeout_s``."""


class Remote:
    """A board at the end of a line.

    Every request has a tag of its own, and a reply with another one belongs to an older request.
    A request that was dropped, or has no answer in time, is sent again.

    Parameters
    ----------
    line : Line
    timeout_s : float
        For an answer, and for each byte on the line.

    Attributes
    ----------
    faults : list of str
        What the board said of packets that it dropped, and what came damaged or not at all.
    """

    def __init__(self, line: Line, timeout_s: float = 2.0) -> None:
        self.faults: list[str] = []
        self._line = line
        self._timeout_s = timeout_s
        self._unpacker = Unpacker()
        self._tag = 0
        self._came: list[Packet] = []

    def identify(self) -> tuple[int, int, int]:
        """Identity of the build, pixels of an image, bytes of a result."""
        identity, pixels, size = struct.unpack("<III", self._ask(IDENTIFY, IDENTITY, b"", 12))
        return identity, pixels, size

    def image(self, pixels: bytes, size: int) -> tuple[int, bytes]:
        """Cycles from the last beat of an image to the first of its result, and that, in bytes."""
        body = self._ask(IMAGE, RESULT, pixels, 4 + size)
        return int.from_bytes(body[:4], "little"), body[4:]

    def _ask(self, kind: int, expected: int, body: bytes, size: int) -> bytes:
        for _ in range(TRIES):
            self._tag = self._tag % 255 + 1
            self._line.write(packed(kind, self._tag, body))
            answer = self._answer(expected)
            if answer is not None:
                if len(answer.body) == size:
                    return answer.body
                self.faults.append(f"a reply of {len(answer.body)} bytes, not {size}")
        said = f"; the last fault: {self.faults[-1]}" if self.faults else ""
        raise DataError(
            f"the board gives no answer after {TRIES} tries{said}; check port, --baud and bitstream"
        )

    def _answer(self, expected: int) -> Packet | None:
        while True:
            while self._came:
                packet = self._came.pop(0)
                if packet.kind == ERROR and len(packet.body) == 1:
                    code = packet.body[0]
                    self.faults.append(FAULTS.get(code, f"fault {code}"))
                    return None
                if packet.kind == expected and packet.tag == self._tag:
                    return packet
            broken = self._unpacker.broken
            data = self._line.read(self._timeout_s)
            if not data:
                self.faults.append(f"no answer within {self._timeout_s:g} s")
                return None
            self._came += self._unpacker.feed(data)
            if self._unpacker.broken > broken:
                self.faults.append("a damaged reply")
                return None


@dataclass(frozen=True)
class Talk:
    """What a board answered.

    Parameters
    ----------
    predictions : int64 array, shape (N,)
    mismatches : int
        Images of which the class or any score differs from golden.
    first_mismatch : int or None
    cycles : tuple of int
        Different numbers of cycles from the last beat in to the first beat out.
    faults : tuple of str
        What was said again, and why.
    """

    predictions: NDArray[np.int64]
    mismatches: int
    first_mismatch: int | None
    cycles: tuple[int, ...]
    faults: tuple[str, ...]


def talk(
    remote: Remote,
    network: Network,
    plan: Plan,
    images: NDArray[np.uint8],
    progress: Callable[[int], None] = lambda _: None,
) -> Talk:
    """Send images one after the other, and compare what comes back.

    Raises
    ------
    DataError
        If the board holds another build, or gives no answer.
    """
    identity, pixels, size = remote.identify()
    if identity != zlib.crc32(plan.to_json().encode()) or pixels != network.input.elements:
        raise DataError(
            f"the board holds another build ({identity:08x}); load the bitstream of this one"
        )
    scores = golden.forward(network, images, plan.layers).scores
    expected = _results(scores, plan.host.scores)
    got: list[Any] = []
    cycles: set[int] = set()
    for number, image in enumerate(images):
        progress(number)
        taken, result = remote.image(image.tobytes(), size)
        cycles.add(taken)
        got.append(np.frombuffer(result, "<i4"))
    progress(len(images))
    words = np.array(got)
    wrong = np.flatnonzero((words != expected).any(axis=1))
    return Talk(
        words[:, 0].astype(np.int64), len(wrong), int(wrong[0]) if len(wrong) else None,
        tuple(sorted(cycles)), tuple(remote.faults),
    )  # fmt: skip


def _results(scores: NDArray[np.int64], whole: bool) -> NDArray[np.int64]:
    """The words of each result: the class, then the scores."""
    best = scores.argmax(axis=1)[:, None]
    return np.hstack([best, scores]) if whole else best
