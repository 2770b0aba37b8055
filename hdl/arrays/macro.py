"""The pins of an RRAM array, and the instance of one."""

from dataclasses import dataclass
from typing import Literal

from amaranth.hdl import Cat, ClockSignal, Const, Instance, ResetSignal, Value, ValueLike
from amaranth.lib import enum

from binohm.hdl.checks import require_int

__all__ = ["Command", "MacroPins", "Pin", "macro"]


class Command(enum.Enum, shape=3):
    """What a request asks of the array; pin ``cmd``.

    ``SET`` and ``RESET`` give one pulse to a device in each enabled column of row ``row``, bias
    rows included: device a where ``col_x`` is 1, device b where it is 0. The response is zeros.
    ``VERIFY_SET`` and ``VERIFY_RESET`` compare the currents of the devices chosen likewise with
    the levels that a set and a reset must reach: a column answers 1 in its lowest bit if it is
    enabled and its device passes. A ``1t1r`` row has no device b: nothing is done, and passes.
    """

    READ = 0
    TRANSPOSED_READ = 1
    SET = 2
    RESET = 3
    VERIFY_SET = 4
    VERIFY_RESET = 5


@dataclass(frozen=True)
class Pin:
    """Name, direction as the macro sees it, and width."""

    name: str
    direction: Literal["input", "output"]
    width: int


@dataclass(frozen=True)
class MacroPins:
    """The pins of a macro: one list for every readout and every view.

    A request and a response are streams: ``req_valid``/``req_ready`` and ``q_valid``/``q_ready``.
    Responses come in order and hold while stalled. Of the request,

    - ``cmd`` is a :class:`Command`;
    - ``row`` names one row (``pcsa``: the stored word to compare; set, reset and verify: the row,
      or bias row, to write);
    - ``x_p``, ``x_n`` drive row ``k`` with +1 or -1, or leave it off if neither is set; bias rows
      come after the rows, and whoever makes the request drives them with +1;
    - ``col_x``, ``col_en`` are the inputs of the columns (``pcsa``) and which columns take part;
    - ``ref_code`` holds the reference codes of a macro that has them, one for all columns or one
      a column, column 0 lowest; else 0.

    ``rst`` is synchronous, active high, and drops requests and responses; it never clears cells.
    Pins that a readout does not need are ignored by it.

    Parameters
    ----------
    rows, columns : int
        Logical inputs and columns. At least 1.
    bias_rows : int
    q_bits : int
        Width of a response: ``columns`` times the bits of a column, column 0 lowest.
    ref_bits : int
        Bits of all reference codes; without any, the pin has one bit.
    """

    rows: int
    bias_rows: int
    columns: int
    q_bits: int
    ref_bits: int = 0

    def __post_init__(self) -> None:
        require_int("rows", self.rows)
        require_int("bias_rows", self.bias_rows, least=0)
        require_int("columns", self.columns)
        require_int("q_bits", self.q_bits)
        require_int("ref_bits", self.ref_bits, least=0)

    @property
    def lines(self) -> int:
        """Driven lines: rows, then bias rows."""
        return self.rows + self.bias_rows

    @property
    def row_bits(self) -> int:
        """Bits of the number of a line, at least one."""
        return (max(self.lines, 2) - 1).bit_length()

    @property
    def ports(self) -> tuple[Pin, ...]:
        """All pins, in the order in which the views declare them."""
        return (
            Pin("clk", "input", 1),
            Pin("rst", "input", 1),
            Pin("cmd", "input", 3),
            Pin("row", "input", self.row_bits),
            Pin("x_p", "input", self.lines),
            Pin("x_n", "input", self.lines),
            Pin("col_x", "input", self.columns),
            Pin("col_en", "input", self.columns),
            Pin("ref_code", "input", max(1, self.ref_bits)),
            Pin("req_valid", "input", 1),
            Pin("req_ready", "output", 1),
            Pin("q", "output", self.q_bits),
            Pin("q_valid", "output", 1),
            Pin("q_ready", "input", 1),
        )


def macro(
    module: str, pins: MacroPins, *, init: str, id: int, map: str = "", **signals: ValueLike
) -> Instance:
    """Instance of the socket ``module``.

    Clock and reset are those of domain ``sync``. A pin of the request that is not given asks for
    a read of all columns with nothing driven: ``col_en`` is ones, the others are zeros.

    Parameters
    ----------
    module : str
    pins : MacroPins
    init : str
        Image of the cells, a ``$readmemh`` file; empty for none.
    id : int
        Tells the macros of a design apart.
    map : str
        Device map; empty for none.
    **signals
        By pin: ``req_valid``, ``req_ready``, ``q``, ``q_valid`` and ``q_ready``, and any of the
        request. Inputs narrower than their pin are extended with zeros.

    Raises
    ------
    TypeError
        If a signal is missing or no pin has its name.
    ValueError
        If a signal does not fit its pin.
    """
    given: dict[str, ValueLike] = {
        "clk": ClockSignal(),
        "rst": ResetSignal(),
        "cmd": Command.READ,
        "row": 0,
        "x_p": 0,
        "x_n": 0,
        "col_x": 0,
        "col_en": Const(-1, pins.columns),
        "ref_code": 0,
        **signals,
    }
    names = [pin.name for pin in pins.ports]
    for name in given:
        if name not in names:
            raise TypeError(f"a macro has no pin {name!r}; its pins are {', '.join(names)}")
    connections: dict[str, Value] = {}
    for pin in pins.ports:
        if pin.name not in given:
            raise TypeError(f"pin {pin.name} of {module} must be connected")
        value = Value.cast(given[pin.name])
        if isinstance(given[pin.name], int):
            value = Const(given[pin.name], pin.width)
        if pin.direction == "output":
            if len(value) != pin.width:
                raise ValueError(
                    f"pin {pin.name} of {module} has {pin.width} bits, its signal {len(value)}"
                )
            connections[f"o_{pin.name}"] = value
            continue
        if len(value) > pin.width:
            raise ValueError(
                f"pin {pin.name} of {module} has {pin.width} bits, its signal {len(value)}"
            )
        connections[f"i_{pin.name}"] = Cat(value, Const(0, pin.width - len(value)))
    return Instance(module, p_INIT=init, p_MAP=map, p_ID=id, **connections)
