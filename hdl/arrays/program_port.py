"""How a programmer reaches the arrays: a bus to all layers, and what stands before each array."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.hdl.arrays.macro import MacroPins
from binohm.hdl.arrays.programmer import program_request

__all__ = ["ProgramSpec", "any_of", "attach", "program_port", "replaced"]


@dataclass(frozen=True)
class ProgramSpec:
    """What there is to program.

    Parameters
    ----------
    tile_lines : tuple of int
        Lines of each array of the design, by its number.
    columns : int
        Most columns of an array, spare ones included.
    spares : int
        Most spare columns of an array.
    """

    tile_lines: tuple[int, ...]
    columns: int
    spares: int

    @property
    def lines(self) -> int:
        """Most lines of an array."""
        return max(self.tile_lines)


def program_port(spec: ProgramSpec) -> wiring.Signature:
    """The bus, as the programmer sees it; every layer hears all of it.

    ``active`` while the arrays belong to the programmer. Requests are answered one at a time.
    ``remap`` is high for a cycle, see :class:`~binohm.hdl.host.program_registers.ProgramRegisters`.
    """
    request = program_request(len(spec.tile_lines), spec.lines, spec.columns)
    remap = {
        "remap": Out(1),
        "remap_used": Out(1),
        "remap_spare": Out(range(max(spec.spares, 2))),
        "remap_column": Out(range(max(spec.columns - spec.spares, 2))),
    }
    return wiring.Signature({
        "active": Out(1),
        "request": Out(stream.Signature(request)),
        "response": In(stream.Signature(spec.columns)),
        **(remap if spec.spares else {}),
    })


def attach(
    m: Module,
    port: Any,
    pins: MacroPins,
    tiles: Sequence[tuple[str, int]],
    reads: Sequence[Mapping[str, Value]],
) -> list[dict[str, Value]]:
    """Put the programmer before the arrays of a layer.

    Parameters
    ----------
    m : Module
    port
        The layer's end of the bus.
    pins : MacroPins
    tiles : sequence of (str, int)
        Name and number of each array.
    reads : sequence of mapping of str to Value
        What each array is connected to for inference, by pin, responses included.

    Returns
    -------
    list of dict of str to Value
        What each is to be connected to. A column that it does not have answers 1.
    """
    request, width = port.request.p, len(port.response.payload)
    missing = Const((1 << width - pins.columns) - 1, width - pins.columns)
    whole = {
        "cmd": Value.cast(request.cmd),
        "row": request.row[: pins.row_bits],
        "col_x": request.col_x[: pins.columns],
        "col_en": request.col_en[: pins.columns],
    }
    ready, valid, answers = [], [], []
    connected = []
    for (name, number), read in zip(tiles, reads, strict=True):
        mine, taken, given = (
            Signal(name=f"{name}_{end}") for end in ("programmed", "req_ready", "q_valid")
        )
        m.d.comb += [
            mine.eq(port.active & (request.tile == number)),
            read["req_ready"].eq(taken & ~port.active),
            read["q_valid"].eq(given & ~port.active),
        ]
        ready.append(taken & mine)
        valid.append(given & mine)
        lowest = Cat(read["q"][:: pins.q_bits // pins.columns], missing)
        answers.append(Mux(mine, lowest, 0))
        connected.append({
            **read,
            **{
                pin: Mux(port.active, value, read[pin]) if pin in read else value
                for pin, value in whole.items()
            },
            "req_valid": Mux(port.active, port.request.valid & mine, read["req_valid"]),
            "req_ready": taken,
            "q_valid": given,
            "q_ready": Mux(port.active, port.response.ready, read["q_ready"]),
        })
    m.d.comb += [
        port.request.ready.eq(Cat(*ready).any()),
        port.response.valid.eq(Cat(*valid).any()),
        port.response.payload.eq(any_of(answers)),
    ]
    return connected


def any_of(words: Sequence[Value]) -> Value:
    """Bitwise or, as a balanced tree."""
    tree = list(words)
    while len(tree) > 1:
        pairs = [a | b for a, b in zip(tree[0::2], tree[1::2], strict=False)]
        tree = pairs + tree[2 * len(pairs) :]
    return tree[0]


def replaced(
    m: Module, port: Any, pins: MacroPins, spares: int, tile: tuple[str, int], q: Value
) -> Value:
    """A response in which spare columns stand for the columns that they were given.

    Parameters
    ----------
    port
        The layer's end of the bus.
    spares : int
        Of the array's columns, the last so many.
    tile : (str, int)
        Name and number.
    q : Value
        The response of the array.
    """
    name, number = tile
    bits, own = pins.q_bits // pins.columns, pins.columns - spares
    columns = [q[c * bits : (c + 1) * bits] for c in range(pins.columns)]
    for spare in range(spares):
        used = Signal(name=f"{name}_spare_{spare}_used")
        bad = Signal(range(max(own, 2)), name=f"{name}_spare_{spare}_column")
        here = port.remap & (port.request.p.tile == number) & (port.remap_spare == spare)
        with m.If(here):
            m.d.sync += [used.eq(port.remap_used), bad.eq(port.remap_column)]
        columns[:own] = [
            Mux(used & (bad == c), columns[own + spare], column)
            for c, column in enumerate(columns[:own])
        ]
    result = Signal(pins.q_bits, name=f"{name}_repaired")
    m.d.comb += result.eq(Cat(*columns))
    return result
