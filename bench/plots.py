"""Pictures of measured curves: ``python bench/plots.py`` draws what ``docs/results`` holds."""

from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from results import ROOT, read
from soc_tables import CORES, figures, points
from tables import PUBLISHED_CIFAR10

CURVES = {
    "accuracy_vs_ber_error_aware": ("512-512-512, trained with errors", "#0b6e4f", "o"),
    "accuracy_vs_ber": ("512-512-512, trained without", "#1f5fa8", "s"),
    "accuracy_vs_ber_tfc": ("TFC_1W1A", "#8a8a8a", "^"),
}
PUBLISHED = ("published, CIFAR-10", "#c2571a", "D")


def accuracy_against_errors() -> Path | None:
    """Accuracy on MNIST by bit error rate, beside the published curve on CIFAR-10."""
    facts = read("devices")
    if facts is None or not set(CURVES) <= set(facts["figures"]):
        return None
    plt.switch_backend("svg")
    plt.rcParams["svg.hashsalt"] = "binohm"  # the same bytes every time
    plt.rcParams["svg.fonttype"] = "none"
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    for key, look in CURVES.items():
        _curve(axes, facts["figures"][key]["value"], *look)
    _curve(axes, PUBLISHED_CIFAR10, *PUBLISHED, dashes="--")
    axes.set(xscale="log", xlabel="fraction of weights flipped", ylabel="accuracy, %")
    axes.set_ylim(bottom=20, top=100)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left")
    path = ROOT / "docs" / "accuracy-ber.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return path


LAYERS = {
    "digits conv2": ("#1f5fa8", "s"),
    "digits conv4": ("#8a8a8a", "^"),
    "cnv2": ("#0b6e4f", "o"),
}
PUBLISHED_SPEEDUP = 1.113


def speed_against_slots() -> Path | None:
    """Speed of a layer with the unit by its slots, beside what was published for another one."""
    found = figures()
    if not all(f"{core}_speedup" in found for core in CORES):
        return None
    plt.switch_backend("svg")
    plt.rcParams["svg.hashsalt"] = "binohm"
    plt.rcParams["svg.fonttype"] = "none"
    figure, both = plt.subplots(
        1, len(CORES), figsize=(7.2, 3.6), layout="constrained", sharey=True
    )
    for axes, (core, label) in zip(both, CORES.items(), strict=True):
        for layer, (colour, marker) in LAYERS.items():
            chosen = [
                (int(slots), found[f"{core}_speedup"][key])
                for workload, slots, key in points(found, core)
                if workload == layer and slots.isdigit()
            ]
            axes.plot(
                *zip(*chosen, strict=True), color=colour, marker=marker, markersize=4.5,
                linewidth=1.6, label=layer,
            )  # fmt: skip
        axes.axhline(PUBLISHED_SPEEDUP, color="#c2571a", linestyle="--", linewidth=1.2)
        axes.set_xscale("log", base=2)
        axes.set_xticks([16, 32, 64, 128, 256, 512], ["16", "32", "64", "128", "256", "512"])
        axes.set(title=label, xlabel="slots", ylim=(0, None))
        axes.grid(color="#e4e4e4", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    both[0].set_ylabel("times as fast")
    both[0].legend(frameon=False, loc="upper left")
    path = ROOT / "docs" / "soc.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return path


REFRESH = {
    "refresh": ("with refresh", "#0b6e4f", "o"),
    "no_refresh": ("without", "#c2571a", "D"),
}


def learning_curves() -> Path | None:
    """Accuracy on digits by the nonlinearity of the devices, and by the bits of errors."""
    found = (read("learning") or {"figures": {}})["figures"]
    if not {"accuracy_vs_nonlinearity", "accuracy_vs_error_bits"} <= set(found):
        return None
    plt.switch_backend("svg")
    plt.rcParams["svg.hashsalt"] = "binohm"
    plt.rcParams["svg.fonttype"] = "none"
    figure, both = plt.subplots(1, 2, figsize=(7.2, 3.4), layout="constrained", sharey=True)
    for key, look in REFRESH.items():
        _curve(both[0], found["accuracy_vs_nonlinearity"]["value"][key], *look)
    _curve(both[1], found["accuracy_vs_error_bits"]["value"], "ideal pairs", "#1f5fa8", "s")
    for axes, label in zip(both, ("nonlinearity", "bits of errors"), strict=True):
        axes.set(xlabel=label)
        axes.grid(color="#e4e4e4", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
    both[0].set_ylabel("accuracy on digits, %")
    path = ROOT / "docs" / "learning.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return path


def _curve(
    axes: Any, values: dict[str, float], label: str, colour: str, marker: str, dashes: str = "-"
) -> None:
    points = [(float(rate), value) for rate, value in values.items() if float(rate)]
    axes.plot(
        *zip(*points, strict=True), dashes, color=colour, marker=marker, markersize=4.5,
        linewidth=1.6, label=label,
    )  # fmt: skip


if __name__ == "__main__":
    print(accuracy_against_errors() or "not measured yet: make bench-devices")
    print(speed_against_slots() or "not measured yet: make bench-soc")
    print(learning_curves() or "not measured yet: make bench-learning")
