"""What a pixel byte stands for, without a component of its own."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_bool, require_int

__all__ = ["FORMS", "check_form", "pixel_value", "table_members"]

FORMS = ("identity", "saturate", "step", "table")


def check_form(bits: int, form: str, threshold: int, inverted: bool) -> None:
    """Check how a pixel ``p`` becomes its value.

    ``identity``: ``p``, 8 bits. ``saturate``: ``min(p, 2**bits - 1)``, 1 to 8 bits. ``step``:
    ``(p >= threshold) ^ inverted``, 1 bit. ``table``: looked up outside, 1 to 16 bits.
    """
    require_int("bits", bits)
    require_int("threshold", threshold, least=0)
    require_bool("inverted", inverted)
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
    most = {"identity": 8, "saturate": 8, "step": 1, "table": 16}[form]
    least = 8 if form == "identity" else 1
    if not least <= bits <= most:
        raise ValueError(f"bits must be {least} to {most} for form {form}, not {bits}")
    if threshold > 256:
        raise ValueError(f"threshold must be 0 to 256, not {threshold}")


def table_members(bits: int, form: str, lanes: int) -> dict[str, Any]:
    """Ports to the tables outside: ``table_addr_<k>`` and ``table_data_<k>``, if there are any."""
    members: dict[str, Any] = {}
    if form == "table":
        for k in range(lanes):
            members |= {f"table_addr_{k}": Out(8), f"table_data_{k}": In(bits)}
    return members


def pixel_value(m: Module, part: Any, lane: int, pixel: Value) -> Signal:
    """Value of ``pixel`` as ``part`` has its form; ``lane`` is the number of its table."""
    value = Signal(part.bits, name=f"value_{lane}")
    highest = (1 << part.bits) - 1
    if part.form == "identity":
        m.d.comb += value.eq(pixel)
    elif part.form == "saturate":
        m.d.comb += value.eq(Mux(pixel > highest, highest, pixel))
    elif part.form == "step":
        m.d.comb += value.eq((pixel >= part.threshold) ^ part.inverted)
    else:
        m.d.comb += [
            getattr(part, f"table_addr_{lane}").eq(pixel),
            value.eq(getattr(part, f"table_data_{lane}")),
        ]
    return value
