"""Checks that constructors share: one message for one mistake."""

from amaranth.hdl import Shape, ShapeLike

__all__ = ["range_shape", "require_bool", "require_drive", "require_int", "require_planes"]
__all__ += ["require_range", "require_shape"]


def require_int(name: str, value: object, *, least: int = 1) -> None:
    """Check that ``value`` is an int of at least ``least``.

    Raises
    ------
    TypeError, ValueError
        Naming ``name`` and ``value``.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def require_bool(name: str, value: object) -> None:
    """Check that ``value`` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {value!r}")


def require_shape(shape: object) -> None:
    """Check that ``shape`` is one, of at least one bit."""
    if not isinstance(shape, ShapeLike):
        raise TypeError(f"shape must be a shape, not {shape!r}")
    if not Shape.cast(shape).width:
        raise ValueError(f"shape must have at least one bit, not {shape!r}")


def require_range(name: str, value: object) -> None:
    """Check that ``value`` is ``(low, high)``, two ints with ``low < high``."""
    pair = isinstance(value, tuple) and len(value) == 2
    if not pair or not all(isinstance(end, int) for end in value):
        raise TypeError(f"{name} must be (low, high), two ints, not {value!r}")
    if value[0] >= value[1]:
        raise ValueError(f"{name} must be (low, high) with low < high, not {value!r}")


def require_drive(inputs: object, planes: object, bipolar: object, *, masked: bool) -> None:
    """Check how elements reach an array: bit planes drive +1 or nothing, and are never absent."""
    require_int("inputs", inputs)
    require_int("planes", planes)
    require_bool("bipolar", bipolar)
    if bipolar and planes != 1:
        raise ValueError(f"planes must be 1 if bipolar, not {planes}")
    if masked and not bipolar:
        raise ValueError("masked must be False unless bipolar")


def require_planes(planes: object) -> None:
    """Check weights of bit planes: 1, 2, 4 and so on; the last may be negative."""
    if not isinstance(planes, tuple) or not all(isinstance(plane, int) for plane in planes):
        raise TypeError(f"planes must be a tuple of ints, not {planes!r}")
    magnitudes = (*planes[:-1], *(abs(plane) for plane in planes[-1:]))
    if not planes or magnitudes != tuple(1 << p for p in range(len(planes))):
        raise ValueError(
            f"planes must be 1, 2, 4 and so on, of which the last may be negative, not {planes!r}"
        )


def range_shape(bounds: tuple[int, int]) -> Shape:
    """Shape of all integers from low to high, both in."""
    return Shape.cast(range(bounds[0], bounds[1] + 1))
