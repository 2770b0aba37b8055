"""The clock of the design from that of the board: settings of the PLLs, and their Verilog."""

from collections.abc import Iterator
from fractions import Fraction

from binohm.gen.errors import ConfigError
from binohm.gen.fpga.boards import Board

__all__ = ["made_mhz", "pll"]

Settings = dict[str, int]

NEAR = Fraction(1, 50)
"""A clock that misses what was asked for by more than this share is refused."""


def made_mhz(board: Board, target_mhz: float) -> tuple[float, Settings]:
    """The clock nearest to the target that the board can make, not above it, and how.

    Settings are empty where the oscillator itself is the clock.

    Raises
    ------
    ConfigError
        If there is none within 2 %.
    """
    wanted = Fraction(target_mhz).limit_denominator(1000)
    oscillator = Fraction(board.clock_mhz).limit_denominator(1000)
    if wanted == oscillator:
        return board.clock_mhz, {}
    choices = {"ice40": _ice40, "ecp5": _ecp5, "gowin": _gowin, "xilinx": _xilinx}[board.family]
    below = [(clock, found) for clock, found in choices(oscillator) if clock <= wanted]
    best = max(below, key=lambda choice: choice[0], default=(Fraction(0), {}))
    if best[0] < wanted * (1 - NEAR):
        near = f"; the nearest below is {float(best[0]):.3f}" if best[0] else ""
        raise ConfigError(
            f"--clock {target_mhz:g}: {board.title} makes no such clock from "
            f"{board.clock_mhz:g} MHz{near}"
        )
    return float(best[0]), best[1]


def pll(board: Board, settings: Settings) -> str:
    """Verilog from ``clk_in`` to ``clk`` and ``locked``."""
    if not settings:
        return "    assign clk = clk_in;\n    assign locked = 1'b1;\n"
    return _PLLS[board.family].format(**settings)


def _ice40(oscillator: Fraction) -> Iterator[tuple[Fraction, Settings]]:
    """SB_PLL40, simple feedback: 10 to 133 MHz in, 533 to 1066 MHz inside, 16 to 275 MHz out."""
    for divr in range(16):
        reference = oscillator / (divr + 1)
        if not 10 <= reference <= 133:
            continue
        limits = (17, 26, 44, 66, 101)
        span = next((n + 1 for n, limit in enumerate(limits) if reference < limit), 6)
        for divf in range(128):
            inside = reference * (divf + 1)
            if 533 <= inside <= 1066:
                for divq in range(1, 7):
                    clock = inside / 2**divq
                    if 16 <= clock <= 275:
                        yield clock, {"divr": divr, "divf": divf, "divq": divq, "span": span}


def _ecp5(oscillator: Fraction) -> Iterator[tuple[Fraction, Settings]]:
    """EHXPLLL: 3.125 to 400 MHz compared, 400 to 800 MHz inside, as the vendor's guide has it."""
    for clki in range(1, 9):
        reference = oscillator / clki
        if reference < Fraction("3.125"):
            continue
        for clkfb in range(1, 81):
            clock = reference * clkfb
            for clkop in range(1, 129):
                if 400 <= clock * clkop <= 800 and 10 <= clock <= 400:
                    yield clock, {"clki": clki, "clkfb": clkfb, "clkop": clkop}
                    break


def _gowin(oscillator: Fraction) -> Iterator[tuple[Fraction, Settings]]:
    """No PLL is described: the oscillator is the clock."""
    yield oscillator, {}


def _xilinx(oscillator: Fraction) -> Iterator[tuple[Fraction, Settings]]:
    """MMCME2: 600 to 1200 MHz inside."""
    for multiply in range(2, 65):
        if 600 <= oscillator * multiply <= 1200:
            for divide in range(1, 129):
                yield oscillator * multiply / divide, {"multiply": multiply, "divide": divide}


_PLLS = {
    "ice40": """    SB_PLL40_PAD #(
        .FEEDBACK_PATH("SIMPLE"),
        .DIVR(4'd{divr}),
        .DIVF(7'd{divf}),
        .DIVQ(3'd{divq}),
        .FILTER_RANGE(3'd{span})
    ) pll (
        .PACKAGEPIN(clk_in),
        .PLLOUTGLOBAL(clk),
        .LOCK(locked),
        .RESETB(1'b1),
        .BYPASS(1'b0)
    );
""",
    "ecp5": """    (* ICP_CURRENT="12" *) (* LPF_RESISTOR="8" *) (* MFG_ENABLE_FILTEROPAMP="1" *)
    (* MFG_GMCREF_SEL="2" *)
    EHXPLLL #(
        .PLLRST_ENA("DISABLED"),
        .INTFB_WAKE("DISABLED"),
        .STDBY_ENABLE("DISABLED"),
        .DPHASE_SOURCE("DISABLED"),
        .OUTDIVIDER_MUXA("DIVA"),
        .CLKOP_ENABLE("ENABLED"),
        .CLKOP_DIV({clkop}),
        .CLKOP_CPHASE({clkop} / 2),
        .CLKOP_FPHASE(0),
        .FEEDBK_PATH("CLKOP"),
        .CLKI_DIV({clki}),
        .CLKFB_DIV({clkfb})
    ) pll (
        .RST(1'b0),
        .STDBY(1'b0),
        .CLKI(clk_in),
        .CLKOP(clk),
        .CLKFB(clk),
        .CLKINTFB(),
        .PHASESEL0(1'b0),
        .PHASESEL1(1'b0),
        .PHASEDIR(1'b1),
        .PHASESTEP(1'b1),
        .PHASELOADREG(1'b1),
        .PLLWAKESYNC(1'b0),
        .ENCLKOP(1'b0),
        .LOCK(locked)
    );
""",
    "xilinx": """    wire feedback, made;
    MMCME2_BASE #(
        .CLKIN1_PERIOD(10.0),
        .CLKFBOUT_MULT_F({multiply}.0),
        .CLKOUT0_DIVIDE_F({divide}.0)
    ) pll (
        .CLKIN1(clk_in),
        .CLKFBIN(feedback),
        .CLKFBOUT(feedback),
        .CLKOUT0(made),
        .LOCKED(locked),
        .RST(1'b0),
        .PWRDWN(1'b0)
    );
    BUFG buffer (.I(made), .O(clk));
""",
}
