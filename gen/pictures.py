"""Made-up images for benches: always the same, and with every value of the input table."""

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Input

__all__ = ["made_up"]


def made_up(source: Input, count: int) -> NDArray[np.uint8]:
    """``count`` images, shape (count, *source.shape): black, white, then random ones.

    All *values* are equally likely, whatever number of pixel bytes a value has: uniform bytes would
    show a table that saturates at 16 little but 16. The generator's raw bits are used because NumPy
    promises that those never change.
    """
    raw = np.random.PCG64(0).random_raw(count * source.elements)
    values, first = np.unique(source.table, return_inverse=True)
    pick = (raw >> np.uint64(32)) % np.uint64(len(values))
    order = np.argsort(first, kind="stable")  # pixel bytes, value by value
    start = np.searchsorted(first[order], np.arange(len(values)))
    size = np.bincount(first)
    which = (raw & np.uint64(0xFFFFFFFF)) % size.astype(np.uint64)[pick]
    flat = order[start[pick] + which.astype(np.int64)].astype(np.uint8)
    images: NDArray[np.uint8] = flat.reshape(count, *source.shape)
    for index, value in zip(range(count), (0, 255), strict=False):
        images[index] = value
    return images
