"""Arrays and plans without a network, for tests of macros."""

from collections.abc import Sequence

from binohm.gen.plan import Array, Cell, Host, LayerPlan, Plan, Readout

__all__ = ["array", "plan_of"]


def array(
    readout: Readout,
    rows: int,
    columns: int,
    *,
    bias_rows: int = 0,
    adc_bits: int = 0,
    per_cycle: int = 1,
    ref_bits: int = 0,
    ref_per_column: bool = False,
    transposed: bool = False,
) -> Array:
    """An array with the datasheet of the digital view."""
    if readout == "pcsa":
        return Array(readout, "2t2r", rows, columns, 0, 0, columns, 1, 1, 1)
    steps = -(-columns // per_cycle)
    cell: Cell = "1t1r" if transposed else "2t2r"
    return Array(
        readout, cell, rows, columns, bias_rows, adc_bits, per_cycle, steps + 1, steps, 2,
        ref_bits, ref_per_column, transposed=transposed,
    )  # fmt: skip


def plan_of(name: str, arrays: Sequence[Array]) -> Plan:
    """A plan that has ``arrays`` and nothing else worth looking at."""
    layers = tuple(
        LayerPlan(f"l{k}", False, kind, 1, 1, 1, (1,), "bipolar", False, 1, 1, (0, 1), ())
        for k, kind in enumerate(arrays)
    )
    return Plan(name, Host(1, 1, True), layers, (), {})
