"""FPGAs: bitstreams, and the errors of the estimates: ``make bench-fpga``.

``python bench/fpga.py fit`` finds the coefficients of the estimates, in ``gen/data/fpga.toml``, on
builds other than those on which they are judged. Bitstreams and syntheses that were made once stay
in ``build/fpga``. Needs the extra ``fpga``, and ``$BINOHM_DATA`` for TFC_1W1A.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from fpga_builds import (
    CACHE,
    FITTED,
    JUDGED,
    SHOWN,
    Case,
    digest,
    made,
    sources_of,
    synthesised,
)
from numpy.typing import NDArray
from results import ROOT, Figures, Part, measure_parts, read

from binohm.gen.build import board_module
from binohm.gen.emit import write_build
from binohm.gen.fpga import estimate
from binohm.gen.fpga.boards import find
from binohm.gen.fpga.clocks import made_mhz
from binohm.gen.fpga.flow import BAUD, implement
from binohm.gen.fpga.top import divisor

MODEL = ROOT / "gen" / "data" / "fpga.toml"

BUILDS = {
    "digits on icebreaker": ("digits", "icebreaker", 20.0),
    "TFC_1W1A on ulx3s": ("TFC_1W1A", "ulx3s", 50.0),
}
"""Network, board, target in MHz."""

FAMILY = "ecp5"
"""Of all syntheses behind the estimates; the iCE40 has LUTs of four inputs, too."""

FIGURES = {
    "lut": "1", "ff": "1", "bram": "1", "fmax_mhz": "MHz", "target_mhz": "MHz",
    "initiation_interval_cycles": "cycles", "images_per_s": "1/s", "latency_us": "us",
}  # fmt: skip


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def bitstream(name: str) -> dict[str, Any]:
    """Figures of one of :data:`BUILDS`, made now or before."""
    network_name, board_name, clock = BUILDS[name]
    network, plan = made(SHOWN[network_name])
    place = CACHE / plan.name
    write_build(place, network, plan, config={}, bench_files={}, force=True)
    board = find(board_name)
    around = board_module(network, plan, divisor(made_mhz(board, clock)[0], BAUD))
    kept = CACHE / f"{board_name}-{clock:g}-{digest(place, around)}.json"
    if not kept.is_file():
        implement(
            place, network, plan, sources_of(place), board, clock_mhz=clock,
            progress=lambda step: say(f"{name}: {step}"),
        )  # fmt: skip
        shutil.copy(place / "fpga" / board_name / "fpga.json", kept)
    return dict(json.loads(kept.read_bytes()))


def shown(name: str) -> Part:
    """Measures a bitstream, which must meet its target; the figures of the others stay."""

    def part(_: Path) -> Figures:
        figures = bitstream(name)
        assert figures["met"], figures
        before = (read("fpga") or {"figures": {}})["figures"]
        old = {key: before[key]["value"] if key in before else {} for key in FIGURES}
        return {key: ({**old[key], name: figures[key]}, unit) for key, unit in FIGURES.items()}

    return part


def estimates(_: Path) -> Figures:
    """Errors of the estimates, on builds that they were not fitted on."""
    errors: dict[str, dict[str, float]] = {}
    for name, case in {**SHOWN, **JUDGED}.items():
        say(f"estimate: {name}")
        found = estimate.estimate(*made(case))
        assert found is not None
        real = synthesised(case, FAMILY)
        guessed = {**found, "bram": found["bram"][FAMILY]}
        errors[name] = {
            kind: round(100 * (guessed[kind] - number) / max(number, 1), 1)
            for kind, number in asdict(real).items()
        }
    largest = max(abs(kinds[kind]) for kinds in errors.values() for kind in ("lut", "ff"))
    return {
        "estimate_error_percent": (errors, "%"),
        "estimate_error_largest_percent": (largest, "%"),
    }


def fit() -> None:
    """Write ``gen/data/fpga.toml``."""
    lines = [
        "# LUTs and flip-flops of an accelerator: sums of what is counted in its plan, see",
        "# gen/fpga/estimate.py. Fitted by `python bench/fpga.py fit`; not to be edited.",
    ]
    for kind in ("lut", "ff"):
        coefficients = fitted(kind, FITTED)
        lines += ["", f"[{kind}]"]
        lines += [f"{name} = {value:.4f}" for name, value in coefficients.items()]
    MODEL.write_text("\n".join(lines) + "\n", encoding="utf-8")


def fitted(kind: str, cases: Mapping[str, Case]) -> dict[str, float]:
    """Coefficients, none below 0, with the least sum of squared relative errors."""
    rows, real = [], []
    for name, case in cases.items():
        say(f"fit: {name}")
        counted = estimate.counts(*made(case))
        assert counted is not None
        rows.append(counted[kind])
        real.append(getattr(synthesised(case, FAMILY), kind))
    names = list(rows[0])
    table = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    return dict(zip(names, least(table / np.array(real)[:, None]), strict=True))


def least(table: NDArray[np.float64]) -> list[float]:
    """Non-negative ``x`` for which ``table @ x`` is nearest to 1: the negative ones leave first."""
    used = list(range(table.shape[1]))
    while True:
        x = np.linalg.lstsq(table[:, used], np.ones(len(table)), rcond=None)[0]
        if (x >= 0).all():
            break
        del used[int(x.argmin())]
    found = np.zeros(table.shape[1])
    found[used] = x
    return [float(value) for value in found]


if __name__ == "__main__":
    if sys.argv[1:] == ["fit"]:
        fit()
    else:
        parts = {"estimates": estimates} | {key.split(" ")[0]: shown(key) for key in BUILDS}
        measure_parts("fpga", parts, description=__doc__.splitlines()[0], seed=1)
