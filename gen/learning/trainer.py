"""The Verilog of a trainer: the state machine and the arrays on which a network learns.

The numbers of docs/learning.md are given as a mapping, as ``trainer.json`` holds them: the names of
:class:`binohm.sim.training.rule.Rule`, and ``layers``, a mapping of ``k``, ``win`` and ``esh`` for
each layer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from binohm.gen.emit import claim
from binohm.gen.learning.cycles import passes
from binohm.gen.macros.macro_views import render
from binohm.gen.macros.pair_views import PairArray
from binohm.gen.macros.pair_views import render as render_pairs
from binohm.gen.plan import Array
from binohm.gen.verilog import to_verilog
from binohm.hdl.learning.propagation import Shapes
from binohm.hdl.learning.rates import Rates
from binohm.hdl.learning.trainer import FRACTION, Trainer

__all__ = ["NAME", "map_names", "neuron_bits", "shapes_of", "trainer_texts", "write_trainer"]

NAME = "trainer"
"""Of the build: its top is ``binohm_trainer``."""

MARKER = "trainer.json"

SHARED = (
    "batch_bits", "pulses", "start_bits", "most", "margin", "error_shift", "mean_shift",
    "offset_shift", "refresh_bits", "full", "gain", "exchange_bits", "copy_all",
)  # fmt: skip


@dataclass(frozen=True)
class Sockets:
    """What the sockets of the arrays of signs are made for."""

    name: str
    arrays: tuple[Array, ...]


def shapes_of(rule: Mapping[str, Any]) -> Shapes:
    """Sizes and widths."""
    return Shapes(rule["sizes"], pixel_bits=rule["pixel_bits"], error_bits=rule["error_bits"])


def map_names(rule: Mapping[str, Any]) -> list[str]:
    """Device maps of the update arrays, relative to the build."""
    return [f"device/l{number}_update.hex" for number in range(1, len(rule["sizes"]))]


def neuron_bits(rule: Mapping[str, Any]) -> dict[str, int]:
    """Bits of what memory ``neurons`` keeps of a hidden neuron, the lowest field first."""
    shapes = shapes_of(rule)
    return {
        "mean": shapes.sum_bits + FRACTION,
        "offset": max(layer["win"] for layer in rule["layers"]) + FRACTION + 3,
        "sums": shapes.sum_bits + rule["batch_bits"],
        "errors": rule["error_bits"] + rule["batch_bits"],
    }


def trainer_texts(
    rule: Mapping[str, Any], *, by_row: bool = False, devices: bool = False
) -> dict[str, str]:
    """Text of every Verilog file, the top first.

    Parameters
    ----------
    rule : mapping
    by_row : bool
        Signs are read from the pairs, a row at a time: the baseline.
    devices : bool
        The pairs are devices with the maps of :func:`map_names`, and counters of pulses otherwise.
    """
    shapes = shapes_of(rule)
    signs = [_signs(rows, columns) for rows, columns in shapes.shapes]
    pairs = [PairArray(rows, columns, rule["pulses"]) for rows, columns in shapes.shapes]
    top = f"binohm_{NAME}"
    trainer = Trainer(
        shapes, _rates(rule), modules=[f"{top}_{array.name}" for array in signs],
        pair_modules=[f"{top}_{array.name}" for array in pairs],
        code_bits=[array.adc_bits for array in signs],
        pair_maps=map_names(rule) if devices else (), by_row=by_row,
    )  # fmt: skip
    view, suffix = ("device", "sv") if devices else ("digital", "v")
    return {
        f"rtl/{top}.v": to_verilog({top: trainer})[top],
        "macros/signs.v": render(Sockets(NAME, tuple(dict.fromkeys(signs))), "digital"),
        f"macros/pairs.{suffix}": render_pairs(NAME, pairs, view),
    }


def _rates(rule: Mapping[str, Any]) -> Rates:
    layers = {name: tuple(layer[name] for layer in rule["layers"]) for name in ("k", "win", "esh")}
    return Rates(**layers, **{name: rule[name] for name in SHARED})


def _signs(rows: int, columns: int) -> Array:
    """An array of signs that is read both ways, every column in a cycle."""
    bits = max(rows, columns).bit_length()
    return Array("adc", "1t1r", rows, columns, 0, bits, columns, 2, 1, 2, transposed=True)


def write_trainer(
    directory: Path,
    rule: Mapping[str, Any],
    seed: int,
    *,
    by_row: bool = False,
    maps: Mapping[str, str] | None = None,
    force: bool = False,
) -> None:
    """Write a trainer: ``rtl/``, ``macros/``, ``device/`` and ``trainer.json``.

    Parameters
    ----------
    directory : Path
        Must not exist; with ``force``, may be an older build, which is then replaced.
    rule : mapping
    seed : int
        Of its random words, for ``trainer.json``.
    by_row : bool
    maps : mapping of str to str, optional
        Text of the device map of each update array, by its name in :func:`map_names`.
    force : bool

    Raises
    ------
    OutputError
        If the directory exists, or cannot be written.
    """
    files = trainer_texts(rule, by_row=by_row, devices=bool(maps))
    cycles = passes(
        rule["sizes"], pixel_bits=rule["pixel_bits"], error_bits=rule["error_bits"], by_row=by_row
    )
    facts = {
        "top": f"binohm_{NAME}", "sources": list(files), "maps": list(maps or {}), "seed": seed,
        "by_row": by_row, "rule": rule, "neuron_bits": neuron_bits(rule), "cycles": cycles,
    }  # fmt: skip
    files |= {**(maps or {}), MARKER: json.dumps(facts, indent=1) + "\n"}
    with claim(directory, force=force, marker=MARKER) as target:
        for name, text in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(text, encoding="utf-8", newline="\n")
