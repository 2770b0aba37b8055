"""Tables of docs/fpga.md, from ``docs/results/fpga.json``, beside what others published."""

from typing import Any

from results import read

__all__ = ["beside_others", "bitstreams", "errors"]

NOT_MEASURED = "Not measured yet: `make bench-fpga`.\n"

DEVICES = {"icebreaker": "iCE40UP5K", "ulx3s": "LFE5U-85F"}

WEIGHTS = {"digits": 64 * 128 + 128 * 128 + 128 * 10, "TFC_1W1A": 59_008, "LFC": 2_910_208}
"""Binary weights; LFC is 784-1024-1024-1024-10."""

OTHERS = (
    # work, network, device, clock, LUTs of six inputs, images per second
    ("FINN (finn PR 1499, measured)", "TFC_1W1A", "AUP-ZU3", None, None, 1_089_430),
    ("FINN paper, fastest", "MNIST, 95.8 %", "ZC706", None, None, 12_300_000),
    ("BNN-PYNQ", "LFC", "xc7z020", None, 28_360, 356_633),
)  # fmt: skip
"""As published; None is not stated where these figures stand."""


def figures() -> dict[str, Any]:
    """Values by name; none if nothing was measured."""
    found = read("fpga") or {"figures": {}}
    return {key: figure["value"] for key, figure in found["figures"].items()}


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Markdown; the first column stands left."""
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def bitstreams() -> str:
    """What every bitstream takes and gives."""
    found = figures()
    if "lut" not in found:
        return NOT_MEASURED
    keys = ("lut", "ff", "bram", "target_mhz", "fmax_mhz", "initiation_interval_cycles",
            "images_per_s", "latency_us")  # fmt: skip
    heads = ["", "LUT", "FF", "block RAM", "clock, MHz", "fastest, MHz", "cycles an image",
             "images per second", "latency, us"]  # fmt: skip
    rows = [[name, *(number(found[key][name]) for key in keys)] for name in found["lut"]]
    return table(heads, rows)


def beside_others() -> str:
    """Images per second and LUT, with device and clock."""
    found = figures()
    if "lut" not in found:
        return NOT_MEASURED
    rows = []
    for name in found["lut"]:
        network, board = name.split(" on ")
        clock = f"{number(found['target_mhz'][name])} MHz"
        rows.append(_row("binohm", network, DEVICES[board], clock, 4, found["lut"][name],
                         found["images_per_s"][name]))  # fmt: skip
    for work, network, device, made, luts, speed in OTHERS:
        clock = f"{made} MHz" if made else "not stated"
        rows.append(_row(work, network, device, clock, 6, luts, speed))
    heads = ["", "network", "device", "clock", "inputs of a LUT", "LUT", "images per second",
             "images per second and LUT", "weights, million per second and LUT"]  # fmt: skip
    return table(heads, rows)


def errors() -> str:
    """Errors of the estimates, on builds that they were not fitted on."""
    found = figures().get("estimate_error_percent")
    if found is None:
        return NOT_MEASURED
    heads = ["build", "LUT, %", "FF, %", "block RAM, %"]
    return table(heads, [
        [name, *(f"{error:+.1f}" for error in kinds.values())] for name, kinds in found.items()
    ])  # fmt: skip


def _row(
    work: str, network: str, device: str, clock: str, inputs: int, luts: int | None, speed: float
) -> list[str]:
    share = ["not stated"] * 3
    if luts is not None:
        per_lut = speed / luts
        share = [number(luts), f"{per_lut:.1f}", f"{per_lut * WEIGHTS[network] / 1e6:.1f}"]
    return [work, network, device, clock, str(inputs), share[0], number(speed), *share[1:]]


def number(value: float) -> str:
    """1234567.0 as 1 234 567, 18.5 as 18.5."""
    digits = f"{value:,.0f}" if value == round(value) or value > 9999 else f"{value:,.2f}"
    return digits.replace(",", " ")
