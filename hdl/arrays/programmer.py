"""Writing a line of an array: pulses, verified and repeated until every device has what it must."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arithmetic.popcount import popcount
from binohm.hdl.arrays.macro import Command
from binohm.hdl.checks import require_int

__all__ = ["WORD", "Programmer", "program_command", "program_request"]

WORD = 32
"""Columns that are counted in a cycle: a word of the host."""

LIMIT_BITS = 8


def program_request(tiles: int, lines: int, columns: int) -> data.StructLayout:
    """A request to one of ``tiles`` arrays with up to ``lines`` lines and ``columns`` columns."""
    return data.StructLayout({
        "tile": range(max(tiles, 2)),
        "cmd": Command,
        "row": range(max(lines, 2)),
        "col_x": columns,
        "col_en": columns,
    })


def program_command(tiles: int, lines: int, columns: int) -> data.StructLayout:
    """A line, and what it must become: see :class:`Programmer`."""
    return data.StructLayout({
        "tile": range(max(tiles, 2)),
        "row": range(max(lines, 2)),
        "limit": LIMIT_BITS,
        "a": columns,
        "b": columns,
    })


class Programmer(wiring.Component):
    """Give one line of an array the devices it must have, and tell which refuse.

    Per column the line wants bit ``a`` of device a and bit ``b`` of device b: 1 is set (low
    resistance), 0 is reset. So +1 is ``a`` alone, -1 is ``b`` alone, 0 is neither; a column with
    both is left alone. There are three rounds: reset (of the columns with both devices to reset,
    device a), reset of their device b, set. A round verifies its devices first, so that a device
    which is right already gets no pulse; then it gives one pulse to those that did not verify and
    verifies them again, until none is left or each of them has had ``limit`` pulses. With
    ``limit`` 0 the line is only read back.

    Nothing but the pins of the array is used. Requests are made one at a time.

    With ``L`` cycles from a request to its response and ``W = ceil(columns / 32)``, a line takes
    2 cycles, and for each round 1; if the round has any device, also ``L + 2`` for each time it
    verifies, ``W + L + 2`` for each time it gives pulses, and ``W + 1`` if it gives up.

    Parameters
    ----------
    tiles, lines, columns : int
        Arrays, and the most lines and columns that one has. At least 1. Columns that an array does
        not have must verify.

    Members
    -------
    command : In(stream.Signature(program_command(tiles, lines, columns)))
        Accepted when the line is done.
    empty : In(1)
        No frame is inside; a command waits for it.
    stop : In(1)
        A command ends as soon as no request is under way; what it did so far is counted.
    active : Out(1)
        High from the cycle before a command's first request until it is accepted.
    request : Out(stream.Signature(program_request(tiles, lines, columns)))
        While there is none, ``cmd`` is a read of all columns.
    response : In(stream.Signature(columns))
        The lowest bit of each column.
    fail_a, fail_b : Out(columns)
        Devices of the last line that did not verify.
    counted : Out(range(columns + 1))
        Devices, in a cycle in which ``pulsed`` or ``failed`` is high.
    pulsed : Out(1)
        So many pulses are about to be given: of set if ``setting``, else of reset. Reset of the
        design in mid-request may count a pulse that was not given, and never the reverse.
    failed : Out(1)
        So many devices did not verify.
    setting : Out(1)
    """

    def __init__(self, tiles: int, *, lines: int, columns: int) -> None:
        require_int("tiles", tiles)
        require_int("lines", lines)
        require_int("columns", columns)
        self.tiles = tiles
        self.lines = lines
        self.columns = columns
        super().__init__({
            "command": In(stream.Signature(program_command(tiles, lines, columns))),
            "empty": In(1),
            "stop": In(1),
            "active": Out(1),
            "request": Out(stream.Signature(program_request(tiles, lines, columns))),
            "response": In(stream.Signature(columns)),
            "fail_a": Out(columns),
            "fail_b": Out(columns),
            "counted": Out(range(columns + 1)),
            "pulsed": Out(1),
            "failed": Out(1),
            "setting": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = -(-self.columns // WORD)
        phase = Signal(2)
        left = Signal(words * WORD)
        pulses = Signal(LIMIT_BITS)
        word = Signal(range(max(words, 2)))
        devices, chosen = self._round(m, phase)
        m.d.comb += [
            self.setting.eq(phase == 2),
            self.request.p.tile.eq(self.command.p.tile),
            self.request.p.row.eq(self.command.p.row),
            self.request.p.cmd.eq(Command.READ),
            self.request.p.col_x.eq(chosen),
            self.request.p.col_en.eq(Const(-1, self.columns)),
        ]

        with m.FSM() as steps:
            m.d.comb += self.active.eq(~steps.ongoing("WAIT"))
            with m.State("WAIT"):
                m.d.sync += phase.eq(0)
                with m.If(self.command.valid & self.stop):
                    m.d.comb += self.command.ready.eq(1)
                with m.Elif(self.command.valid & self.empty):
                    m.d.sync += [self.fail_a.eq(0), self.fail_b.eq(0)]
                    m.next = "ROUND"
            with m.State("ROUND"):
                m.d.sync += [left.eq(devices), pulses.eq(0)]
                with m.If(self.stop | (phase == 3)):
                    m.d.comb += self.command.ready.eq(1)
                    m.next = "WAIT"
                with m.Elif(devices.any()):
                    m.next = "VERIFY"
                with m.Else():
                    m.d.sync += phase.eq(phase + 1)
            verifies = (Command.VERIFY_SET, Command.VERIFY_RESET)
            verified = self._ask(m, left, "VERIFY", verifies, "JUDGE")
            with m.State("JUDGE"):
                m.d.sync += [self.counted.eq(0), word.eq(0)]
                with m.If(self.stop):
                    m.d.comb += self.command.ready.eq(1)
                    m.next = "WAIT"
                with m.Elif(left.any()):
                    m.next = "COUNT"
                with m.Else():
                    m.d.sync += phase.eq(phase + 1)
                    m.next = "ROUND"
            with m.State("COUNT"):  # a word a cycle; at the end every bit is where it was
                m.d.sync += [
                    self.counted.eq(self.counted + popcount(left[:WORD])),
                    left.eq(left.rotate_right(WORD)),
                    word.eq(word + 1),
                ]
                with m.If(word == words - 1):
                    m.next = "DECIDE"
            with m.State("DECIDE"):
                with m.If(pulses == self.command.p.limit):
                    m.d.comb += self.failed.eq(1)
                    m.d.sync += [
                        self.fail_a.eq(self.fail_a | (left & chosen)),
                        self.fail_b.eq(self.fail_b | (left & ~chosen)),
                        phase.eq(phase + 1),
                    ]
                    m.next = "ROUND"
                with m.Else():
                    m.d.comb += self.pulsed.eq(1)
                    m.d.sync += pulses.eq(pulses + 1)
                    m.next = "PULSE"
            self._ask(m, left, "PULSE", (Command.SET, Command.RESET), "VERIFY")
        with m.If(verified):  # what a pulse answers is not looked at
            m.d.sync += left.eq(left & ~self.response.payload)

        return m

    def _round(self, m: Module, phase: Signal) -> tuple[Signal, Signal]:
        """Columns that take part in a round, and those whose device a does."""
        a, b = self.command.p.a, self.command.p.b
        devices = Signal(self.columns, name="devices")
        chosen = Signal(self.columns, name="chosen")
        with m.Switch(phase):
            with m.Case(0):
                m.d.comb += [devices.eq(~(a & b)), chosen.eq(~a)]
            with m.Case(1):
                m.d.comb += [devices.eq(~a & ~b), chosen.eq(0)]
            with m.Case(2):
                m.d.comb += [devices.eq(a ^ b), chosen.eq(a)]
        return devices, chosen

    def _ask(
        self, m: Module, left: Value, state: str, commands: tuple[Command, Command], after: str
    ) -> Signal:
        """Make a request of the columns that are left; high in the cycle of its response."""
        answered = Signal(name=f"{state.lower()}_answered")
        with m.State(state):
            m.d.comb += [
                self.request.valid.eq(1),
                self.request.p.cmd.eq(Mux(self.setting, *commands)),
                self.request.p.col_en.eq(left),
            ]
            with m.If(self.request.ready):
                m.next = f"{state}_ANSWER"
        with m.State(f"{state}_ANSWER"):
            m.d.comb += [self.response.ready.eq(1), answered.eq(self.response.valid)]
            with m.If(self.response.valid):
                m.next = after
        return answered
