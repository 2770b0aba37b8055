"""How much of a layer is done at once: the least hardware that is fast enough.

A layer makes ``planes`` passes over its columns (``sa``, ``adc``) or over its words (``pcsa``).
What a user gives is taken, at most as much as there is to do. What is ``auto`` becomes the least
hardware with which arrays and periphery need no more than ``goal`` cycles an image; if none is
enough, the fastest.
"""

from binohm.gen.config import ArrayConfig
from binohm.gen.errors import CapacityError
from binohm.gen.network import Dense, Scores

__all__ = ["columns", "engines"]


def columns(layer: Dense | Scores, config: ArrayConfig, planes: int, goal: int) -> tuple[int, int]:
    """``sa``, ``adc``: columns and outputs per cycle."""
    there = config.columns + config.spare_columns
    if config.columns_per_cycle == "auto":
        limit = max(1, goal // planes)
        return -(-there // limit), -(-layer.outputs // limit)
    per_cycle = min(config.columns_per_cycle, there)
    steps = -(-there // per_cycle)
    return per_cycle, -(-layer.outputs // steps)


def engines(layer: Dense | Scores, config: ArrayConfig, planes: int, goal: int) -> tuple[int, int]:
    """``pcsa``: engines and slices per read.

    Of all pairs whose words fit the rows and which meet the goal, the one with the fewest arrays,
    then the fewest engines. If none meets it, the fastest.
    """
    slices = -(-layer.inputs // config.columns)
    if config.slices_per_read == "auto":
        # Only these widths differ in the number of reads.
        widths = sorted({-(-slices // reads) for reads in range(1, slices + 1)})
    else:
        widths = [min(config.slices_per_read, slices)]
    found: list[tuple[int, int, int, int]] = []
    for width in widths:
        reads = -(-slices // width)
        fitting = config.rows // reads
        if config.engines == "auto":
            steps = max(1, min(fitting, goal // (planes * reads)))
            count = -(-layer.outputs // steps)
        else:
            count = min(config.engines, layer.outputs)
        steps = -(-layer.outputs // count)
        if steps <= fitting:
            late = max(0, planes * reads * steps - goal)
            found.append((late, count * width, count, width))
    if not found:
        raise _too_few_words(layer, config, -(-slices // widths[-1]))
    _, _, count, width = min(found)
    return count, width


def _too_few_words(layer: Dense | Scores, config: ArrayConfig, reads: int) -> CapacityError:
    """Words of ``pcsa`` beyond the rows, although slices are read as wide as allowed."""
    fitting = config.rows // reads
    if not fitting:
        slices = -(-layer.inputs // config.columns)
        return CapacityError(
            f"layer {layer.name}: one output takes {reads} words of an array, but the array has "
            f"{config.rows} rows; set layers.{layer.name}.slices_per_read = "
            f"{-(-slices // config.rows)}"
        )
    assert config.engines != "auto"
    words = -(-layer.outputs // config.engines) * reads
    return CapacityError(
        f"layer {layer.name}: an engine takes {words} words of an array, but the array has "
        f"{config.rows} rows; set layers.{layer.name}.engines = {-(-layer.outputs // fitting)}"
    )
