"""What programming a line does to the devices of an array: verify, pulse what fails, verify again.

Device by device; the hardware does the same for many at once, which makes no difference to any.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.sim.device.state import RESET, SET, VERIFY_RESET, VERIFY_SET, State

__all__ = ["LEAVE", "LIMIT", "program_row"]

Bits = NDArray[np.bool_]

LEAVE = 2
"""A cell that is left alone."""

LIMIT = 32
"""Most pulses to a device, unless the host says otherwise."""


def program_row(
    state: State, row: int, cells: NDArray[np.integer[Any]], limit: int = LIMIT
) -> Bits:
    """Write a line of cells.

    Parameters
    ----------
    state : State
    row : int
    cells : int array, shape (columns,)
        +1, -1, 0 or :data:`LEAVE`.
    limit : int
        Most pulses to a device.

    Returns
    -------
    bool array, shape (columns, 2)
        Devices a and b that do not verify.
    """
    failed = np.zeros((len(cells), 2), np.bool_)
    for k in range(2):
        for low in (False, True):
            wanted = (cells == (1, -1)[k]) == low
            failed[:, k] |= _write(state, row, k, low, wanted & (cells != LEAVE), limit)
    return failed


def _write(state: State, row: int, k: int, low: bool, columns: Bits, limit: int) -> Bits:
    """Bring device k of some columns to a state; those that are not there in the end."""
    pulse, verify = (SET, VERIFY_SET) if low else (RESET, VERIFY_RESET)
    chosen = np.full(columns.shape, k == 0)
    left = columns & ~state.verify(verify, row, chosen, columns)
    for _ in range(limit):
        if not left.any():
            break
        state.pulse(pulse, row, chosen, left)
        left &= ~state.verify(verify, row, chosen, left)
    return left
