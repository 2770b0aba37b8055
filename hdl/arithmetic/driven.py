"""What :class:`Threshold` and :class:`Scores` share: taking sums and turning them into ``u``.

``u`` is ``M``, what was counted, or ``2 * M - D`` where the number of driven lines depends on the
data and ``D`` comes along in a stream of its own, ``driven``, once for each vector.
"""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring

from binohm.hdl.checks import range_shape
from binohm.hdl.streams.walk import rom_address, walk

__all__ = ["take_sums", "u_values"]


def take_sums(m: Module, part: wiring.Component, steps: int, free: Value) -> tuple[Value, Value]:
    """Accept a chunk of ``part.i`` whenever ``free``, ``D`` with the last, and address the ROM.

    Returns
    -------
    offered, moved : Value
        Whether a chunk is there, and whether it is taken in this cycle.
    """
    offered = Signal()
    moved = Signal()
    _, last, following = walk(m, steps, moved)
    m.d.comb += [
        moved.eq(offered & free),
        part.rom_addr.eq(rom_address(following)),
    ]
    if part.driven_range is None:
        m.d.comb += [offered.eq(part.i.valid), part.i.ready.eq(free)]
    else:
        m.d.comb += [
            offered.eq(part.i.valid & part.driven.valid),
            part.i.ready.eq(free & part.driven.valid),
            part.driven.ready.eq(moved & last),
        ]
    return offered, moved


def u_values(m: Module, part: wiring.Component) -> list[Value]:
    """``u`` of each element of ``part.i``."""
    sums = part.i.payload
    elements = [sums[n] for n in range(sums.shape().length)]
    if part.driven_range is None:
        return elements
    bounds = [2 * end for end in part.sum_range]
    shape = range_shape((bounds[0] - part.driven_range[1], bounds[1] - part.driven_range[0]))
    values: list[Value] = []
    for n, element in enumerate(elements):
        values.append(Signal(shape, name=f"u_{n}"))
        m.d.comb += values[n].eq((element << 1) - part.driven.payload)
    return values
