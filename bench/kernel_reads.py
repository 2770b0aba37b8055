"""What a unit reads of its kernels: errors by the resistance window and the spread of devices.

``python bench/kernel_reads.py`` prints the table of docs/soc.md. Many chips are drawn, each with as
many random kernels as it has slots; every bit is read once.
"""

from dataclasses import dataclass

import numpy as np

from binohm.sim.kernel_cells import DeviceCells, draw_map, spread

__all__ = ["Errors", "kernel_errors", "table"]

CHIPS, SLOTS, WIDTH = 8, 512, 9
WINDOWS = (1.02, 1.09, 1.5, 3.0, 50.0)
SPREADS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25)


@dataclass(frozen=True)
class Errors:
    """Of one kind of device.

    Parameters
    ----------
    window, sigma_over_mu : float
    bits, wrong : int
        Bits of kernels read, and how many of them are not what was written.
    kernels_wrong : int
        Kernels with such a bit.
    """

    window: float
    sigma_over_mu: float
    bits: int
    wrong: int
    kernels_wrong: int


def kernel_errors(window: float, sigma_over_mu: float, *, chips: int = CHIPS) -> Errors:
    """Draw chips and read them."""
    device = spread(window, sigma_over_mu)
    wrong = kernels_wrong = 0
    for chip in range(chips):
        rng = np.random.default_rng([chip, 1])
        kernels = rng.integers(0, 1 << WIDTH, SLOTS)
        cells = DeviceCells(draw_map(device, SLOTS, WIDTH, seed=chip), [int(k) for k in kernels])
        right = np.where(kernels[:, None] >> np.arange(WIDTH) & 1, 1, -1)
        differs = cells.kernels() != right
        wrong += int(differs.sum())
        kernels_wrong += int(differs.any(axis=1).sum())
    return Errors(window, sigma_over_mu, chips * SLOTS * WIDTH, wrong, kernels_wrong)


def table() -> str:
    """Wrong bits in a million, a row a window."""
    lines = [
        "| HRS/LRS | " + " | ".join(f"{sigma:.1%}" for sigma in SPREADS) + " |",
        "|---" * (len(SPREADS) + 1) + "|",
    ]
    for window in WINDOWS:
        found = [kernel_errors(window, sigma) for sigma in SPREADS]
        shares = [f"{1e6 * errors.wrong / errors.bits:,.0f}" for errors in found]
        lines.append(f"| {window:g} | " + " | ".join(shares) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
