"""A serial port, by termios: of a USB adapter, or the end of a pseudo-terminal."""

import os
import select
import termios
import time
from types import TracebackType

from binohm.gen.errors import DataError

__all__ = ["Port"]


class Port:
    """An open port: 8 bits, no parity, a stop bit, raw.

    Parameters
    ----------
    path : str
        Such as ``/dev/ttyUSB1``.
    baud : int
        Bits per second.

    Raises
    ------
    DataError
        If it cannot be opened, or not at this speed.
    """

    def __init__(self, path: str, baud: int) -> None:
        self.path = path
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            known = sorted(int(n[1:]) for n in vars(termios) if n[0] == "B" and n[1:].isdigit())
            near = min(known, key=lambda rate: abs(rate - baud))
            raise DataError(f"--baud {baud}: this system has no such speed; the nearest is {near}")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise DataError(
                f"--port {path}: {error.strerror}; is the board plugged in, may you open it?"
            ) from error
        try:
            settings = termios.tcgetattr(self._file)
            settings[0] = settings[1] = settings[3] = 0
            settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._file, termios.TCSANOW, settings)
            termios.tcflush(self._file, termios.TCIOFLUSH)
        except termios.error as error:
            os.close(self._file)
            raise DataError(f"--port {path}: not a serial port ({error.args[-1]})") from error

    def __enter__(self) -> "Port":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def write(self, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._file, rest) :]
            except BlockingIOError:
                select.select([], [self._file], [], 1.0)
            except OSError as error:
                raise DataError(f"{self.path}: {error.strerror}") from error

    def read(self, timeout_s: float) -> bytes:
        """What has come; waits for something, but not longer than ``timeout_s``."""
        limit = time.monotonic() + timeout_s
        while (left := limit - time.monotonic()) > 0:
            if not select.select([self._file], [], [], left)[0]:
                break
            try:
                if data := os.read(self._file, 4096):
                    return data
            except BlockingIOError:
                continue
            except OSError as error:
                raise DataError(f"{self.path}: {error.strerror}") from error
            time.sleep(0.01)  # an empty read: the other side is closed
        return b""
