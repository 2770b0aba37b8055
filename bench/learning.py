"""Learning on the arrays: ``make bench-learning`` writes ``docs/results/learning.json``.

Needs MNIST. A run on it takes minutes of one core with ideal devices and several times as long with
others; all runs continue from checkpoints in the user's cache, and what is named is run alone:
``python bench/learning.py steps mnist_pairs``. A part that was not run has no figures.
"""

import tempfile
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import Figures, Part, measure_parts

from binohm.gen.cli.on_array import measured
from binohm.gen.learning import cycles as predicted
from binohm.gen.learning.trainer import map_names, write_trainer
from binohm.sim.datasets import load
from binohm.sim.device.pair import PairDevice, draw_pairs
from binohm.sim.fetch import places
from binohm.sim.training.beside import Batches, compare
from binohm.sim.training.pairs import DevicePairs
from binohm.sim.training.recipe import DIGITS, MNIST, Recipe, rule_for, table
from binohm.sim.training.rule import Counts, LayerRule, Rule
from binohm.sim.training.session import Learned, learn
from binohm.sim.training.trainer import Training

EPOCHS, DROP = 15, 3
SEEDS = (1, 2, 3)
DEVICE = PairDevice()
"""Strongly nonlinear, with mismatch and noise from cycle to cycle."""

NONLINEARITIES = (0.01, 1.0, 2.0, 4.0, 6.0, 8.0)
DIGITS_EPOCHS, DIGITS_DROP = 40, 8
DIGITS_PAIRS = rule_for("digits", DIGITS.sizes[1:-1], devices=True)
DIGITS_BARE = replace(DIGITS, refresh_bits=-1)
REFRESHES = (
    (16, 8, 2, -1), (32, 8, 2, -1), (48, 16, 4, -1),
    (16, 8, 2, 3), (16, 8, 2, 5), (16, 8, 2, 7), (48, 16, 4, 5),
)  # fmt: skip
"""``full``, ``gain``, ``refresh_bits``, ``exchange_bits``."""

BARE = replace(MNIST, refresh_bits=-1)
EXCHANGING = rule_for("mnist", MNIST.sizes[1:-1], devices=True)

RECIPES: dict[str, Recipe] = {
    name: Recipe("mnist", epochs=EPOCHS, drop=DROP, **{"rule": MNIST, **choices})
    for name, choices in {
        "pairs": {"rule": EXCHANGING, "device": DEVICE},
        **{f"ideal_{seed}": {"seed": seed} for seed in SEEDS},
        "no_refresh": {"rule": BARE, "device": DEVICE},
        "software": {"method": "software"},
        "single_device": {"rule": BARE, "method": "single", "device": DEVICE},
    }.items()
}
"""Trainings on MNIST, of the same network, on the same images, over as many epochs."""

TOPOLOGIES: dict[str, tuple[int, ...]] = {
    "784-1024-512-256-10": MNIST.sizes,
    "784-512-256-128-10": (784, 512, 256, 128, 10),
    "400-128-64-10": (400, 128, 64, 10),
}
BATCHES = 32
"""Of every topology and batch size, from the first on: that is where most pulses are given."""


def run(recipe: Recipe) -> tuple[Learned, float]:
    """Train, or continue to; accuracy on the test set, which is opened here alone, in percent."""
    images, labels = load(recipe.data, split="train")
    learned = learn(recipe, images, labels, places()[-1] / "training")
    return learned, 100 * measured(learned.network, recipe.data)


def mnist(name: str) -> Part:
    """A part: one training on MNIST."""
    recipe = RECIPES[name]

    def measure(_: object) -> Figures:
        learned, accuracy = run(recipe)
        counts, cells = learned.counts, recipe.rule.cells
        facts = {
            "seed": recipe.seed,
            "epochs": recipe.epochs,
            "epoch_chosen": learned.epoch,
            "validation_percent": 100 * learned.validation,
            "pulses_per_cell": (counts.pulses_1 + counts.pulses_2) / cells,
            "refresh_pulses_per_cell": counts.refresh_pulses / cells,
            "refreshes_per_cell": counts.refreshes / cells,
            "speedup_steps": counts.by_row.total / max(1, counts.parallel.total),
            "counts": asdict(counts),
        }
        key = "mnist_test_accuracy" + ("" if name == "pairs" else f"_{name}")
        return {key: (accuracy, "%"), f"mnist_run_{name}": (facts, "by name")}

    return measure


def digits(rule: Rule = DIGITS, **choices: Any) -> list[float]:
    """Accuracies on the held-out digits, in percent, of every seed."""
    known = {"epochs": DIGITS_EPOCHS, "drop": DIGITS_DROP, "moves": "half", **choices}
    return [run(Recipe("digits", rule, seed=seed, chip=seed, **known))[1] for seed in SEEDS]


def nonlinearity(_: object) -> Figures:
    """Digits against the nonlinearity of the devices, with and without refresh."""
    found: dict[str, dict[str, float]] = {"refresh": {}, "no_refresh": {}}
    for key, rule in (("refresh", DIGITS_PAIRS), ("no_refresh", DIGITS_BARE)):
        for a in NONLINEARITIES:
            accuracies = digits(rule, device=replace(DEVICE, nonlinearity=a))
            found[key][f"{a:g}"] = float(np.mean(accuracies))
    return {"accuracy_vs_nonlinearity": (found, "%")}


def methods(_: object) -> Figures:
    """Digits: the pairs and the baselines, with the same epochs."""
    ways: dict[str, list[float]] = {
        "ideal": digits(),
        "pairs": digits(DIGITS_PAIRS, device=DEVICE),
        "no_exchange": digits(device=DEVICE),
        "no_refresh": digits(DIGITS_BARE, device=DEVICE),
        "software": digits(method="software"),
        "single_device": digits(DIGITS_BARE, method="single", device=DEVICE),
    }
    means = {key: float(np.mean(values)) for key, values in ways.items()}
    return {"digits_test_accuracy": (means, "%")}


def refresh_levels(_: object) -> Figures:
    """Digits by the pulses at which a pair is refreshed, how often, and by exchanges."""
    found = {}
    for full, gain, bits, exchange in REFRESHES:
        rule = replace(DIGITS, full=full, gain=gain, refresh_bits=bits, exchange_bits=exchange)
        text = f"every {1 << exchange} batches" if exchange >= 0 else "never"
        name = f"{full} and {gain}, every {1 << bits} batches; exchange {text}"
        found[name] = float(np.mean(digits(rule, device=DEVICE)))
    return {"accuracy_vs_refresh": (found, "%")}


def error_bits(_: object) -> Figures:
    """Digits against the bits of the errors, ideal devices."""
    found = {
        str(bits): float(np.mean(digits(rule_for("digits", (128, 64), error_bits=bits))))
        for bits in range(2, 9)
    }
    return {"accuracy_vs_error_bits": (found, "%")}


def steps(_: object) -> Figures:
    """Array activations, row by row over parallel, from the counters of the golden model.

    ``steps`` are all activations: planes of pixels and of errors, every pulse, refresh. As papers
    count them, ``operations``: one read of a layer forward or backward whatever its planes, one
    write of a row that is updated, one read and one write of it to copy its signs, no refresh.
    """
    names = ("inference_speedup_steps", "inference_speedup_operations",
             "training_speedup_steps", "training_speedup_operations")  # fmt: skip
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    activations: dict[str, dict[str, Any]] = {}
    for name, sizes in TOPOLOGIES.items():
        layers = len(sizes) - 1
        rows = sum(sizes[:-1])
        found[names[0]][name] = rows / (layers - 1 + MNIST.pixel_bits)
        found[names[1]][name] = rows / layers
        found[names[2]][name], found[names[3]][name], activations[name] = {}, {}, {}
        for bits in range(9):
            rule = rule_of(sizes, bits)
            counts = counted(rule)
            size = str(rule.batch)
            found[names[2]][name][size] = counts.by_row.total / counts.parallel.total
            found[names[3]][name][size] = operations(rule, counts)
            activations[name][size] = {
                mode: {key: value / BATCHES for key, value in asdict(part).items()}
                for mode, part in (("parallel", counts.parallel), ("by_row", counts.by_row))
            }
    figures: Figures = {key: (value, "x") for key, value in found.items()}
    reached = {
        name: next((int(b) for b, x in found[names[3]][name].items() if x >= 50), None)
        for name in TOPOLOGIES
    }
    figures["training_batch_for_50_operations"] = (reached, "images, a power of two")
    figures["activations_per_batch"] = (activations, "activations")
    return figures


def rule_of(sizes: tuple[int, ...], batch_bits: int) -> Rule:
    """That of MNIST for other sizes."""
    return replace(rule_for("mnist", sizes[1:-1], batch_bits=batch_bits), sizes=sizes)


def operations(rule: Rule, counts: Counts) -> float:
    """Speed-up of training in operation steps."""
    layers, batches = len(rule.layers), counts.batches
    images = batches * rule.batch
    by_row = images * (sum(rule.sizes[:-1]) + sum(rule.sizes[1:-1])) + counts.rows
    return by_row / (images * (2 * layers - 1) + 3 * counts.rows)


@cache
def counted(rule: Rule) -> Counts:
    """Counters of the first batches."""
    training = Training(rule, 1)
    levels, labels = pictures(rule)
    rng = np.random.default_rng(1)
    for _ in range(BATCHES):
        chosen = rng.integers(0, len(labels), rule.batch)
        training.step(levels[chosen], labels[chosen])
    return training.counts


def cycles(_: object) -> Figures:
    """Clock cycles of the trainer in Verilog, row by row over parallel, as predicted.

    Predictions equal the simulated cycles in all phases but the refresh, which is left out of both
    (``tests/test_trainer.py``, and part ``rtl``).
    """
    names = "inference_speedup_cycles", "training_speedup_cycles"
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name, sizes in TOPOLOGIES.items():
        image = [passes_of(sizes, by_row=by_row) for by_row in (True, False)]
        found[names[0]][name] = image[0]["forward"] / image[1]["forward"]
        found[names[1]][name] = {}
        for bits in range(9):
            rule = rule_of(sizes, bits)
            counts = counted(rule)
            total = [batch_cycles(rule, counts, by_row=by_row) for by_row in (True, False)]
            found[names[1]][name][str(rule.batch)] = total[0] / total[1]
    return {key: (value, "x") for key, value in found.items()}


def passes_of(sizes: tuple[int, ...], *, by_row: bool) -> dict[str, int]:
    """Cycles of an image."""
    return predicted.passes(
        sizes, pixel_bits=MNIST.pixel_bits, error_bits=MNIST.error_bits, by_row=by_row
    )


def batch_cycles(rule: Rule, counts: Counts, *, by_row: bool) -> int:
    """Cycles of the batches counted, without refresh."""
    steps = asdict(counts.by_row if by_row else counts.parallel)
    image = passes_of(rule.sizes, by_row=by_row)
    once = rule.batch * (image["forward"] + image["backward"]) + image["calibration"]
    changes = predicted.rows(
        rule.sizes, steps, batches=counts.batches, batch=rule.batch, pulsed=counts.rows,
        touched=steps["readout"] // 2,
    )  # fmt: skip
    return counts.batches * once + sum(changes.values())


BESIDE = Rule(
    (64, 32, 10), (LayerRule(4, 4, 2), LayerRule(5)), batch_bits=3, pulses=32, start_bits=3,
    margin=64, full=24, gain=4, refresh_bits=2, exchange_bits=3, mean_shift=8,
)  # fmt: skip
"""Full early, so that everything that can happen to a pair does in a few batches."""

WILD = PairDevice(nonlinearity=3, gain_sigma=0.2, cycle_sigma=0.4, reset_sigma=0.3, offset_a=1e-6)
"""Pairs that often read another sign than that of their pulses."""


BESIDE_RUNS = (
    ("verilator", None, False, 200), ("verilator", WILD, False, 200), ("verilator", None, True, 40),
    ("icarus", None, False, 24), ("icarus", WILD, False, 24), ("icarus", None, True, 8),
)  # fmt: skip
"""Simulator, devices, row by row or not, and batches."""


def rtl(_: object) -> Figures:
    """Batches of digits in which the trainer in Verilog equals golden in all it holds."""
    runs = {}
    for simulator, device, by_row, steps in BESIDE_RUNS:
        kind = f"{'devices' if device else 'ideal'}, {'by row' if by_row else 'parallel'}"
        try:
            counts = beside(digits_batches(steps), simulator, device=device, by_row=by_row)
        except AssertionError as failure:
            counts = {"failure": str(failure)}
        runs[f"{simulator}, {kind}"] = {"steps": steps, **counts}
    unequal = sum(run["steps"] for run in runs.values() if "failure" in run)
    return {
        "rtl_steps_equal": (sum(run["steps"] for run in runs.values()) - unequal, "batches"),
        "rtl_steps_unequal": (unequal, "batches"),
        "rtl_runs": (runs, "by name"),
    }


def digits_batches(steps: int) -> Batches:
    """Random images, and a rate that is halved twice."""
    images, labels = load("digits", split="train")
    levels = table("digits", BESIDE.pixel_bits)[images].astype(np.uint8).reshape(len(images), -1)
    chosen = np.random.default_rng(1).integers(0, len(labels), (steps, BESIDE.batch))
    return Batches(levels[chosen], labels[chosen], np.arange(steps) * 3 // steps)


def beside(
    batches: Batches, simulator: str, *, device: PairDevice | None, by_row: bool
) -> dict[str, Any]:
    """What happened in the batches that were compared.

    Raises
    ------
    AssertionError
        At the first difference.
    """
    rule = asdict(BESIDE)
    maps = {
        name: draw_pairs(device, rows, columns, BESIDE.pulses, 3, number).text()
        for number, (name, (rows, columns)) in enumerate(
            zip(map_names(rule), BESIDE.shapes, strict=True)
        )
        if device
    }
    with tempfile.TemporaryDirectory(prefix="binohm-") as place:
        write_trainer(Path(place) / "trainer", rule, 5, by_row=by_row, maps=maps)
        return compare(
            Path(place) / "trainer", batches, Path(place) / "sim", simulator=simulator, seed=1
        )


def pictures(rule: Rule) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """MNIST as levels; of 400 inputs, the middle 20 by 20 pixels."""
    images, labels = load("mnist", split="train")
    if rule.sizes[0] == 400:
        images = images[:, 4:24, 4:24]
    levels = table("mnist", rule.pixel_bits)[images].astype(np.uint8)
    return levels.reshape(len(levels), -1), labels


def signs(_: object) -> Figures:
    """Matched devices: signs that are not those of the pulse difference, all counts, all curves."""
    wrong = compared = 0
    n1, n2 = (x.astype(np.int16) for x in np.meshgrid(*2 * [np.arange(65)], indexing="ij"))
    for a in (0.01, 0.1, *np.arange(0.5, 10.1, 0.5)):
        drawn = draw_pairs(PairDevice.matched(float(a)), *n1.shape, 64, seed=1, number=0)
        pairs = DevicePairs(drawn, 0)
        pairs.pulse(n1)
        pairs.pulse(-n2)
        compared += n1.size
        wrong += int(np.count_nonzero(pairs.positive() != (n1 >= n2)))
    return {
        "matched_signs_compared": (compared, "pairs"),
        "matched_signs_unequal": (wrong, "pairs"),
    }


PARTS: dict[str, Part] = {
    "signs": signs,
    "rtl": rtl,
    "steps": steps,
    "cycles": cycles,
    "digits": methods,
    "nonlinearity": nonlinearity,
    "refresh_levels": refresh_levels,
    "error_bits": error_bits,
    **{f"mnist_{name}": mnist(name) for name in RECIPES},
}

if __name__ == "__main__":
    measure_parts("learning", PARTS, description=__doc__.splitlines()[0], seed=1)
