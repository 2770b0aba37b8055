"""How a host programs the arrays of a design: the writes and reads of its registers, in order.

This is what firmware does; docs/programming.md tells the same in words. It knows registers and a
plan, and nothing of the arrays behind them. ``host`` is whatever reads and writes registers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Network
from binohm.gen.plan import Array, Plan
from binohm.sim.device.network import cells
from binohm.sim.device.program import LEAVE

__all__ = ["Failure", "Host", "Line", "Spares", "give_spares", "lines", "move", "program"]
__all__ += ["program_line", "words"]

COMMAND, STATUS, TILE, LINE, LIMIT = 0xF00, 0xF04, 0xF08, 0xF0C, 0xF10
WORD, A, B, FAIL_A, FAIL_B = 0xF14, 0xF18, 0xF1C, 0xF20, 0xF24
FAILED_LINE, FAILED, PULSES_SET, PULSES_RESET, WEAR, REMAP = range(0xF28, 0xF40, 4)

PROGRAM, VERIFY, STOP, CLEAR = 1, 2, 4, 8
BUSY, NOT_VERIFIED, STOPPED = 1, 2, 4
UNUSED = 1 << 31

BITS = 32

Cells = NDArray[np.integer[Any]]
Spares = Mapping[str, Mapping[int, int]]
"""By tile, which spare column stands for a bad column."""


class Host(Protocol):
    """Whoever reaches the registers."""

    async def read(self, address: int) -> int:
        """Read a register."""

    async def write(self, address: int, value: int) -> None:
        """Write a register; an answer that is not OKAY is an error."""


@dataclass(frozen=True)
class Line:
    """A line to be programmed.

    Parameters
    ----------
    name : str
        Of the tile.
    tile, row : int
    cells : int array, shape (columns,)
        +1, -1, 0 or ``LEAVE``.
    """

    name: str
    tile: int
    row: int
    cells: Cells


@dataclass(frozen=True, order=True)
class Failure:
    """A device that did not verify; ``device`` is a or b, ``low`` the state that it should have."""

    name: str
    row: int
    column: int
    device: str
    low: bool


def lines(network: Network, plan: Plan, moved: Spares | None = None) -> Iterator[Line]:
    """Every line that a network needs, tile by tile; cells that it does not use are left alone.

    Parameters
    ----------
    moved : mapping, optional
        Bad columns whose cells go to spare ones.
    """
    for layer, part in zip(network.layers, plan.layers, strict=True):
        for tile in part.tiles:
            stored = cells(layer, part, tile)
            output, _ = part.cells(tile)
            used = np.zeros(stored.shape, np.bool_)
            used[: part.array.rows] = output >= 0
            used[part.array.rows :] = output.max(axis=0) >= 0
            wanted = np.where(used, stored, LEAVE)
            wanted = move(wanted, part.array, (moved or {}).get(tile.name, {}))
            for row in np.flatnonzero((wanted != LEAVE).any(axis=1)).tolist():
                yield Line(tile.name, tile.id, row, wanted[row])


def move(wanted: Cells, array: Array, moved: Mapping[int, int]) -> Cells:
    """Cells of bad columns in the spare columns that replace them; shape (lines, columns)."""
    result = wanted.copy()
    for bad, spare in moved.items():
        result[:, array.own_columns + spare] = wanted[:, bad]
        result[:, bad] = LEAVE
    return result


def words(row: Cells) -> list[tuple[int, int]]:
    """What PROGRAM_A and PROGRAM_B are written for a line, 32 columns at a time."""
    a = (row == 1) | (row == LEAVE)
    b = (row == -1) | (row == LEAVE)
    packed = []
    for start in range(0, len(row), BITS):
        part = slice(start, start + BITS)
        packed.append((_packed(a[part]), _packed(b[part])))
    return packed


def _packed(bits: NDArray[np.bool_]) -> int:
    return sum(1 << k for k in np.flatnonzero(bits).tolist())


async def program(
    host: Host, network: Network, plan: Plan, moved: Spares | None = None
) -> list[Failure]:
    """Program a whole network; what did not verify.

    Parameters
    ----------
    moved : mapping, optional
        Bad columns that spare ones replace from now on.
    """
    await give_spares(host, plan, moved or {})
    failures: list[Failure] = []
    for line in lines(network, plan, moved):
        failures += await program_line(host, line)
    return failures


async def give_spares(host: Host, plan: Plan, moved: Spares) -> None:
    """Let spare columns stand for bad ones from now on."""
    ids = {tile.name: tile.id for layer in plan.layers for tile in layer.tiles}
    for name, columns in moved.items():
        await host.write(TILE, ids[name])
        for bad, spare in columns.items():
            await host.write(REMAP, spare << 16 | bad)


async def program_line(host: Host, line: Line, command: int = PROGRAM) -> list[Failure]:
    """Program a line, or read it back; what did not verify."""
    await host.write(TILE, line.tile)
    await host.write(LINE, line.row)
    await host.write(WORD, 0)
    packed = words(line.cells)
    for a, b in packed:
        await host.write(A, a)
        await host.write(B, b)
    await host.write(COMMAND, command)
    while await host.read(STATUS) & BUSY:
        pass
    if not await host.read(FAILED_LINE):
        return []
    return await _failures(host, line, packed)


async def _failures(host: Host, line: Line, packed: Sequence[tuple[int, int]]) -> list[Failure]:
    """What FAIL_A and FAIL_B say of a line."""
    found = []
    for word, wanted in enumerate(packed):
        await host.write(WORD, word)
        for device, address, low in zip("ab", (FAIL_A, FAIL_B), wanted, strict=True):
            bits = await host.read(address)
            found += [
                Failure(line.name, line.row, word * BITS + k, device, bool(low >> k & 1))
                for k in range(BITS)
                if bits >> k & 1
            ]
    return found
