"""Five published systems, with what was published and what was measured here."""

from collections.abc import Callable, Iterator
from typing import Any

from results import read

__all__ = ["systems"]

Values = dict[str, Any]
Row = tuple[str, str, Callable[[Values], str]]
"""What is compared, what was published, and how it reads from the figures of one file."""

NETWORK, BATCH = "784-512-256-128-10", "128"
STORE = "cnv2, 64"
"""The layer of the size of CNV's, and so many kernels in the array."""


def _lost(values: Values, name: str) -> str:
    """Points of accuracy lost by splitting for 128 rows."""
    accuracy, width = values[f"{name}_accuracy"], values[f"{name}_recipe"]["width"]
    lost = f"{accuracy['unsplit'] - accuracy['128']:.2f} points ({accuracy['128']:.2f} %)"
    return lost if width == 1 else f"{lost}, at {width:g} of the width"


def _inference(values: Values) -> str:
    operations, cycles = (values[f"inference_speedup_{key}"] for key in ("operations", "cycles"))
    return f"{operations[NETWORK]:.0f} times fewer, {cycles[NETWORK]:.1f} times in clock cycles"


def _training(values: Values) -> str:
    operations, cycles = (values[f"training_speedup_{key}"] for key in ("operations", "cycles"))
    parts = operations[NETWORK][BATCH], cycles[NETWORK][BATCH]
    return f"{parts[0]:.0f} times fewer, {parts[1]:.1f} times in clock cycles"


def _beside(values: Values, core: str) -> str:
    faster = 100 * (values[f"{core}_speedup"][STORE] - 1)
    data, memory = (values[f"{core}_{key}_saved"][STORE] for key in ("data", "memory"))
    return (
        f"{faster:+.0f} % speed, {-data:+.0f} % loads and stores, {-memory:+.0f} % words of memory"
    )


ROWS: dict[str, tuple[str, list[Row]]] = {
    "1T1R arrays, read forward and backward": ("learning", [
        ("operations of inference", "273 times fewer; 177 in the journal", _inference),
        (f"operations of training, batches of {BATCH}", "50 times fewer", _training),
    ]),
    "Input splitting for 128 rows": ("splitting", [
        ("MNIST, accuracy lost", "0.1 points", lambda v: _lost(v, "mnist_mlp")),
        ("CIFAR-10, accuracy lost", "1.1 points", lambda v: _lost(v, "cifar10_vgg")),
    ]),
    "2T2R pairs, learning online": ("learning", [
        ("MNIST, nonlinear pairs", "97.4 %", lambda v: f"{v['mnist_test_accuracy']:.2f} %"),
    ]),
    "Dot product engine beside a processor": ("soc", [
        ("a layer of 64 to 64 channels on VexRiscv, 64 slots", "+11.3 % speed, -10.7 % accesses",
         lambda v: _beside(v, "vexriscv")),
        ("the same on PicoRV32", "", lambda v: _beside(v, "picorv32")),
    ]),
    "Unipolar conversion, merged normalisation": ("devices", [
        ("products at the pins of arrays, unequal", "exact by algebra",
         lambda v: f"{v['port_macro_products_unequal']} of {v['port_macro_products_compared']:,}"
         .replace(",", " ")),
        ("decisions of one comparator, unequal", "exact by algebra",
         lambda v: f"{v['merged_decisions_unequal']} of {v['merged_decisions_compared']:,}"
         .replace(",", " ")),
    ]),
}  # fmt: skip
"""For each system the file of its figures, and what is compared."""


def systems() -> str:
    """The table; "not run" where a figure is not there."""
    lines = ["| system | figure | published | here |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in _rows())]) + "\n"


def _rows() -> Iterator[tuple[str, str, str, str]]:
    for system, (name, rows) in ROWS.items():
        found = read(name) or {"figures": {}}
        values = {key: figure["value"] for key, figure in found["figures"].items()}
        for number, (what, published, here) in enumerate(rows):
            try:
                said = here(values)
            except KeyError:
                said = f"not run to the end: `make bench-{name}`"
            yield "" if number else system, what, published, said
