"""The boards: what is on them, and the module that fits the common top to each.

The ports of that module have the same names on all boards, and those names stand in the file of
pins under ``constraints/``: ``clk_in``, ``button``, ``rx``, ``tx``, ``led_busy``, ``led_fault``.
"""

from dataclasses import dataclass
from importlib import resources

from binohm.gen.errors import ConfigError

__all__ = ["BOARDS", "Board", "constraints", "find"]


@dataclass(frozen=True)
class Board:
    """A board.

    Parameters
    ----------
    name, title : str
    family : str
        ``ice40``, ``ecp5``, ``gowin``, or ``xilinx``, for which a project is written and no more.
    device : str
        As its vendor calls it.
    clock_mhz : float
        Of the oscillator.
    target_mhz : float
        Clock of the design where none is asked for.
    luts, ffs, brams : int
        What the device has; a LUT has four inputs, six on ``xilinx``.
    bram : str
        What a block RAM is.
    pins : str
        File under ``constraints/``.
    pressed : int
        Level of the button that resets.
    lit : int
        Level that lights the LEDs.
    extra : str
        Ports beside the common ones, and what they are.
    """

    name: str
    title: str
    family: str
    device: str
    clock_mhz: float
    target_mhz: float
    luts: int
    ffs: int
    brams: int
    bram: str
    pins: str
    pressed: int
    lit: int
    extra: tuple[tuple[str, int], ...] = ()


BOARDS = {
    board.name: board
    for board in (
        Board("icebreaker", "iCEBreaker", "ice40", "iCE40UP5K-SG48", 12, 20, 5280, 5280, 30,
              "SB_RAM40_4K, 4 kbit", "icebreaker.pcf", 0, 0),
        Board("ulx3s", "ULX3S 85F", "ecp5", "LFE5U-85F-6BG381C", 25, 50, 83640, 83640, 208,
              "DP16KD, 16 kbit", "ulx3s.lpf", 1, 1, (("wifi_gpio0", 1),)),
        Board("tangnano9k", "Tang Nano 9K", "gowin", "GW1NR-LV9QN88PC6/I5", 27, 27, 8640, 6480, 26,
              "BSRAM, 16 kbit", "tangnano9k.cst", 0, 0),
        Board("arty", "Arty A7-35T", "xilinx", "xc7a35ticsg324-1L", 100, 50, 20800, 41600, 50,
              "RAMB36E1, 36 kbit", "arty.xdc", 1, 1),
    )
}  # fmt: skip


def find(name: str) -> Board:
    """The board of that name.

    Raises
    ------
    ConfigError
    """
    if name not in BOARDS:
        raise ConfigError(f"--board {name}: must be one of {', '.join(BOARDS)}")
    return BOARDS[name]


def constraints(file: str) -> str:
    """Text of a file under ``constraints/``."""
    return (resources.files("binohm.constraints") / file).read_text(encoding="utf-8")
