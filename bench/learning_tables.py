"""Tables of docs/learning.md, from ``docs/results/learning.json``; what was not run is said so."""

from typing import Any

from results import read

__all__ = ["accuracies", "error_bits", "methods", "nonlinearity", "refresh_levels", "rtl_runs"]
__all__ += ["speed_ups"]

NOT_RUN = "not run"

RUNS = {
    "": ("2T2R pairs with refresh and exchange (published: 97.4)", "pairs"),
    "_ideal_1": ("ideal pairs, seed 1", "ideal_1"),
    "_ideal_2": ("ideal pairs, seed 2", "ideal_2"),
    "_ideal_3": ("ideal pairs, seed 3", "ideal_3"),
    "_no_refresh": ("2T2R pairs without refresh", "no_refresh"),
    "_software": ("software, latent weights", "software"),
    "_single_device": ("one device a weight", "single_device"),
}
"""What was trained, by the end of the key of its accuracy, and the name of the run."""

WAYS = {
    "ideal": "ideal pairs",
    "pairs": "2T2R pairs with refresh and exchange",
    "no_exchange": "2T2R pairs with refresh, not exchanged",
    "no_refresh": "2T2R pairs without refresh",
    "software": "software, latent weights",
    "single_device": "one device a weight",
}


EVENTS = (
    ("pulses_1", "pulses, branch 1"), ("pulses_2", "branch 2"), ("saturations", "saturations"),
    ("refreshes", "refreshes"), ("sign_changes", "sign changes"), ("copies", "copies"),
)  # fmt: skip
"""Of golden; row by row, the Verilog reads no sign twice and copies none."""

KINDS = ("steps", "operations", "cycles")


def figures() -> dict[str, Any]:
    """Values by name; none if nothing was measured."""
    found = read("learning") or {"figures": {}}
    return {key: figure["value"] for key, figure in found["figures"].items()}


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Markdown; the first column stands left."""
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def accuracies() -> str:
    """MNIST: one row a run."""
    known, rows = figures(), []
    for suffix, (text, run) in RUNS.items():
        facts = known.get(f"mnist_run_{run}")
        if facts is None:
            rows.append([text, NOT_RUN, *[""] * 5])
            continue
        cells = [
            f"{known['mnist_test_accuracy' + suffix]:.2f}",
            f"{facts['validation_percent']:.2f}",
        ]
        cells.append(f"{facts['epoch_chosen']} of {facts['epochs']}")
        pulses = ("pulses_per_cell", "refreshes_per_cell", "refresh_pulses_per_cell")
        cells += [f"{facts[key]:.1f}" if facts[key] else "" for key in pulses]
        rows.append([text, *cells])
    heads = ["MNIST", "test, %", "held out, %", "epoch", "pulses a cell", "refreshes a cell",
             "pulses of refreshes"]  # fmt: skip
    return table(heads, rows)


def methods() -> str:
    """Digits: the pairs and the baselines."""
    known = figures().get("digits_test_accuracy", {})
    rows = [[text, number(known.get(key))] for key, text in WAYS.items()]
    return table(["digits", "test, %"], rows)


def nonlinearity() -> str:
    """Digits against the nonlinearity."""
    known = figures().get("accuracy_vs_nonlinearity")
    if known is None:
        return f"{NOT_RUN.capitalize()}: `make bench-learning`.\n"
    rows = [
        [a, number(value), number(known["no_refresh"].get(a))]
        for a, value in known["refresh"].items()
    ]
    return table(["nonlinearity", "refresh, %", "no refresh, %"], rows)


def error_bits() -> str:
    """Digits against the bits of errors."""
    return pairs("accuracy_vs_error_bits", "bits")


def refresh_levels() -> str:
    """Digits against the pulses at which pairs are refreshed."""
    return pairs("accuracy_vs_refresh", "digits, refresh at")


def pairs(key: str, head: str) -> str:
    """Accuracy by something."""
    known = figures().get(key)
    if known is None:
        return f"{NOT_RUN.capitalize()}: `make bench-learning`.\n"
    return table([head, "test, %"], [[name, number(value)] for name, value in known.items()])


def speed_ups() -> str:
    """Row by row over parallel: inference, then training by batch."""
    known = figures()
    if "training_speedup_steps" not in known:
        return f"{NOT_RUN.capitalize()}: `make bench-learning`.\n"
    names = list(known["training_speedup_steps"])
    heads = ["", *(f"{name}, {kind}" for name in names for kind in KINDS)]

    def row(text: str, task: str, *path: str) -> list[str]:
        cells = []
        for name in names:
            for kind in KINDS:
                value = known.get(f"{task}_speedup_{kind}", {}).get(name)
                cells.append(number(value[path[0]] if path and value else value))
        return [text, *cells]

    rows = [row("inference (published: 273 and 177)", "inference")]
    rows += [
        row(f"training, batch {size}", "training", size)
        for size in known["training_speedup_steps"][names[0]]
    ]
    return table(heads, rows)


def number(value: float | None) -> str:
    """Four digits, or that it was not run."""
    return NOT_RUN if value is None else f"{value:.4g}"


def rtl_runs() -> str:
    """Batches in which the Verilog was compared with golden, and what happened in them."""
    runs = figures().get("rtl_runs")
    if runs is None:
        return f"{NOT_RUN.capitalize()}: `make bench-learning`.\n"
    heads = ["64-32-10, batches of 8", "equal batches", *(text for _, text in EVENTS)]
    rows = []
    for name, run in runs.items():
        cells = [f"{run['steps']}", *(f"{run[key]:,}".replace(",", " ") for key, _ in EVENTS)]
        rows.append([name, *("differs" if "failure" in run else cell for cell in cells)])
    return table(heads, rows)
