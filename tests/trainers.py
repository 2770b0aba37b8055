# amaranth: UnusedElaboratable=no
"""Trainers in Verilog, from the rules of the golden model."""

from collections.abc import Sequence
from pathlib import Path

from plans import array, plan_of

from binohm.gen.macros.macro_views import render
from binohm.gen.macros.pair_views import PairArray
from binohm.gen.macros.pair_views import render as render_pairs
from binohm.gen.verilog import to_verilog
from binohm.hdl.learning.propagation import Shapes
from binohm.hdl.learning.rates import Rates
from binohm.hdl.learning.trainer import Trainer
from binohm.sim.training.rule import Rule

__all__ = ["build", "neuron", "shapes_of"]

SHARED = (
    "batch_bits", "pulses", "start_bits", "most", "margin", "error_shift", "mean_shift",
    "offset_shift", "refresh_bits", "full", "gain", "copy_all",
)  # fmt: skip


def shapes_of(rule: Rule) -> Shapes:
    return Shapes(rule.sizes, pixel_bits=rule.pixel_bits, error_bits=rule.error_bits)


def arrays_of(rule: Rule) -> list:
    """The arrays of signs: every column in a cycle."""
    return [
        array(
            "adc", rows, columns, adc_bits=max(rows, columns).bit_length(), per_cycle=columns,
            transposed=True,
        )
        for rows, columns in rule.shapes
    ]  # fmt: skip


def build(place: Path, rule: Rule, *, by_row: bool = False, maps: Sequence[str] = ()) -> list[Path]:
    """Verilog of module ``dut`` and of its arrays: pairs of devices if there are maps."""
    shapes, arrays = shapes_of(rule), arrays_of(rule)
    pairs = [PairArray(rows, columns, rule.pulses) for rows, columns in rule.shapes]
    rates = Rates(
        k=tuple(layer.k for layer in rule.layers),
        win=tuple(layer.win for layer in rule.layers),
        esh=tuple(layer.esh for layer in rule.layers),
        **{name: getattr(rule, name) for name in SHARED},
    )
    trainer = Trainer(
        shapes, rates, modules=[f"binohm_t_{kind.name}" for kind in arrays],
        pair_modules=[f"binohm_t_{kind.name}" for kind in pairs],
        code_bits=[kind.adc_bits for kind in arrays], pair_maps=maps, by_row=by_row,
    )  # fmt: skip
    texts = {
        "dut.v": to_verilog({"dut": trainer})["dut"],
        "signs.v": render(plan_of("t", arrays), "digital"),
        "pairs.sv": render_pairs("t", pairs, "device" if maps else "digital"),
    }
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8")
    return [place / name for name in texts]


def neuron(rule: Rule) -> dict[str, int]:
    """Bits of what is kept of a hidden neuron, the lowest field first."""
    shapes = shapes_of(rule)
    return {
        "mean": shapes.sum_bits + 12,
        "offset": max(layer.win for layer in rule.layers) + 15,
        "sums": shapes.sum_bits + rule.batch_bits,
        "errors": rule.error_bits + rule.batch_bits,
    }
