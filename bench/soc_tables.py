"""Tables of docs/soc-results.md, from ``docs/results/soc.json``; what was not run is said so."""

from collections.abc import Iterator, Mapping
from typing import Any

from results import read

__all__ = ["CORES", "areas", "baselines", "devices", "energy", "figures", "points", "speeds"]

CORES = {"picorv32": "PicoRV32", "vexriscv": "VexRiscv"}

MISSING = "Not measured yet: `make bench-soc`.\n"


def figures() -> dict[str, Any]:
    """Values by name; none if nothing was measured."""
    found = read("soc") or {"figures": {}}
    return {key: figure["value"] for key, figure in found["figures"].items()}


def table(heads: list[str], rows: list[list[str]], words: int = 1) -> str:
    """Markdown; the first columns stand left."""
    lines = [f"| {' | '.join(heads)} |", "|---" * words + "|" + "---:|" * (len(heads) - words)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def number(value: float) -> str:
    """Integers with their thousands apart, others with four digits."""
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:.4g}"


def points(found: Mapping[str, Any], core: str) -> Iterator[tuple[str, str, str]]:
    """Workload, slots and key of everything that was measured on a core, in their order."""
    keys = [(*key.rsplit(", ", 1), key) for key in found.get(f"{core}_cycles_on", {})]
    order = list(dict.fromkeys(workload for workload, _, _ in keys))
    yield from sorted(keys, key=lambda k: (order.index(k[0]), int(k[1].split()[0]), k[1]))


def _column(found: Mapping[str, Any], core: str, name: str, key: str) -> str:
    return number(found[f"{core}_{name}"][key])


def speeds() -> str:
    """Cycles and accesses with and without the unit."""
    names = {
        "hit_rate": "kernels held, %", "cycles_off": "cycles without", "cycles_on": "with",
        "speedup": "times", "instructions_off": "instructions without", "instructions_on": "with",
        "data_accesses_off": "loads and stores without", "data_accesses_on": "with",
        "memory_accesses_off": "accesses to the memory without", "memory_accesses_on": "with",
        "memory_saved": "fewer, %",
    }  # fmt: skip
    return _table(names)


def energy() -> str:
    """Energy with and without the unit, and what of it the unit spends."""
    names = {
        "energy_off_j": "without, J", "energy_on_j": "with, J", "energy_saved": "less, %",
        "unit_energy_j": "of that the unit, J", "output_mismatches": "results wrong",
        "results": "of",
    }  # fmt: skip
    return _table(names)


def _table(names: Mapping[str, str]) -> str:
    found = figures()
    rows = [
        [label, workload, slots, *(_column(found, core, name, key) for name in names)]
        for core, label in CORES.items()
        for workload, slots, key in points(found, core)
    ]
    if not rows:
        return MISSING
    return table(["core", "layer", "slots", *names.values()], rows, 3)


def baselines() -> str:
    """The ways without the unit beside one another."""
    found = figures()
    rows = []
    for core, label in CORES.items():
        for workload, cycles in found.get(f"{core}_cycles_library", {}).items():
            best = found[f"{core}_cycles_off"][f"{workload}, 16"]
            rows.append([label, workload, number(best), number(cycles), f"{cycles / best:.2f}"])
    heads = ["core", "layer", "carry-save adders", "popcount of libgcc", "times"]
    return table(heads, rows, 2) if rows else MISSING


def areas() -> str:
    """Cells of the cores and of the unit behind their ports."""
    found = figures()
    rows = []
    for core, label in CORES.items():
        for slots, cells in found.get(f"{core}_unit_cells", {}).items():
            whole = found[f"{core}_core_cells"]
            rows.append([
                label, slots, number(whole), number(cells), f"{100 * cells / whole:.1f}",
                number(found[f"{core}_unit_memory_bits"][slots]),
                number(found[f"{core}_macro_devices"][slots]),
            ])  # fmt: skip
    heads = ["core", "slots", "cells of the core", "of the unit", "%", "bits of patches", "devices"]
    return table(heads, rows) if rows else MISSING


def devices() -> str:
    """The second layer of the digits network with its kernels in devices."""
    found = figures()
    if "device_misread" not in found:
        return MISSING
    rows = [
        [
            key.split(", ")[0], key.split(", ")[1],
            f"{wrong} of {found['device_stored_weights']}",
            f"{found['device_output_mismatches'][key]} of {found['device_results']}",
            str(found["device_output_mismatches_predicted"][key]),
            f"{found['device_accuracy'][key]:.2f}",
        ]
        for key, wrong in found["device_misread"].items()
    ]  # fmt: skip
    heads = ["window", "sigma/mu", "weights misread", "results that differ", "predicted"]
    text = table([*heads, "accuracy, %"], rows)
    return f"{text}\nWith ideal devices the accuracy is {found['device_accuracy_ideal']:.2f} %.\n"
