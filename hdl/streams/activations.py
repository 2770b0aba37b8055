"""The payload that travels between layers."""

from amaranth.hdl import Shape
from amaranth.lib import data

from binohm.hdl.checks import range_shape, require_int, require_range

__all__ = ["activations_layout"]


def activations_layout(
    inputs: int,
    planes: int = 1,
    sum_range: tuple[int, int] | None = None,
    *,
    masked: bool = False,
) -> data.StructLayout:
    """Layout of one activation vector: one transfer is one image.

    Parameters
    ----------
    inputs : int
        Elements of the vector. At least 1.
    planes : int
        Bits of an element. 1 for activations, where bit 0 is -1 and bit 1 is +1.
    sum_range : (low, high), optional
        Range of the sum that travels with the bits, if the consumer wants one.
    masked : bool
        Whether elements can be absent: neither -1 nor +1.

    Returns
    -------
    StructLayout
        ``bits``: plane ``p`` of element ``k`` is bit ``p * inputs + k``. ``sum``, only with
        ``sum_range``: what the consumer's driven lines add up to, plane weights included. ``on``,
        only if ``masked``: bit ``k`` tells that element ``k`` is there.
    """
    require_int("inputs", inputs)
    require_int("planes", planes)
    members: dict[str, int | Shape] = {"bits": planes * inputs}
    if sum_range is not None:
        require_range("sum_range", sum_range)
        members["sum"] = range_shape(sum_range)
    if masked:
        members["on"] = inputs
    return data.StructLayout(members)
