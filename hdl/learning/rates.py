"""The numbers by which a network learns."""

from dataclasses import dataclass

from binohm.hdl.checks import require_bool, require_int

__all__ = ["Rates"]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The numbers of docs/learning.md that are fixed before training, by the same names."""

    k: tuple[int, ...]
    win: tuple[int, ...]
    esh: tuple[int, ...]
    batch_bits: int
    pulses: int
    start_bits: int
    most: int
    margin: int
    error_shift: int
    mean_shift: int
    offset_shift: int
    refresh_bits: int
    full: int
    gain: int
    exchange_bits: int = -1
    copy_all: bool = False

    def __post_init__(self) -> None:
        for name in ("k", "win", "esh"):
            for value in getattr(self, name):
                require_int(name, value, least=0)
        for name in ("batch_bits", "start_bits", "error_shift", "mean_shift", "offset_shift"):
            require_int(name, getattr(self, name), least=0)
        for name in ("pulses", "most", "margin", "full", "gain"):
            require_int(name, getattr(self, name))
        for name in ("refresh_bits", "exchange_bits"):
            require_int(name, getattr(self, name), least=-1)
        require_bool("copy_all", self.copy_all)
        if not 0 <= self.batch_bits <= 8:
            raise ValueError(f"batch_bits must be 0 to 8, not {self.batch_bits}")
        if self.exchange_bits >= 0 and not 0 <= self.refresh_bits <= self.exchange_bits:
            raise ValueError(
                f"refresh_bits must be 0 to exchange_bits = {self.exchange_bits}, "
                f"not {self.refresh_bits}"
            )
