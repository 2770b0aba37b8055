"""Both conversions of -1/+1 products to ports of one polarity, held against the products.

:func:`affine` and :func:`complementary` restate the two conversions in NumPy; the same are measured
at the pins of the digital view, and the mapping with a polarity that depends on the data beside
them, as what it takes on unipolar ports: one read for the +1 inputs and one for the -1 inputs.

``x`` holds -1, +1, or 0 for a line that is off (padding, a row without input).
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.importer.exact import square_root
from binohm.gen.importer.fold import threshold
from binohm.gen.macros.macro_views import macro_pins, render
from binohm.gen.network import Dense
from binohm.gen.periphery import bias, thresholds
from binohm.gen.plan import Array, Host, LayerPlan, Plan
from binohm.sim.runner import run_bench

__all__ = ["affine", "all_inputs", "all_weights", "complementary", "measure", "merged", "on_macros"]

Ints = NDArray[np.int64]
Signs = NDArray[np.int8]

SIZES = range(1, 9)


def affine(x: Signs, w: Signs) -> tuple[Ints, Ints]:
    """Product through ports ``x'`` and cells ``w'`` of 0 and 1, with ``x = 2x' - 1`` and so on.

    Parameters
    ----------
    x : array, shape (vectors, n)
    w : array, shape (n, columns)

    Returns
    -------
    products, ports
        Shapes (vectors, columns) and (vectors, n): what each port is driven with.
    """
    ports, cells, on = (
        (x > 0).astype(np.int64),
        (w > 0).astype(np.int64),
        np.abs(x).astype(np.int64),
    )
    sums = 4 * (ports @ cells) - 2 * ports.sum(axis=1, keepdims=True)
    return sums - 2 * (on @ cells) + on.sum(axis=1, keepdims=True), ports


def complementary(x: Signs, w: Signs) -> tuple[Ints, Ints]:
    """Product through two ports an input, ``x'`` and ``1 - x'``, with cells ``w'`` and ``1 - w'``.

    Returns
    -------
    products, ports
        Shapes (vectors, columns) and (vectors, 2 n).
    """
    ports = np.concatenate([x > 0, x < 0], axis=1).astype(np.int64)
    cells = np.concatenate([w > 0, w < 0], axis=0).astype(np.int64)
    return 2 * (ports @ cells) - ports.sum(axis=1, keepdims=True), ports


def all_weights(n: int) -> Signs:
    """Every vector of ``n`` weights, one a column."""
    return np.array([*product([-1, 1], repeat=n)], np.int8).T


def all_inputs(n: int) -> Signs:
    """Every vector of ``n`` inputs, lines that are off included."""
    return np.array([*product([-1, 0, 1], repeat=n)], np.int8)


def in_numpy() -> tuple[int, int]:
    """Products compared, and how many were unequal: all of up to 8 inputs, random ones above."""
    rng = np.random.default_rng(1)
    pairs = [(all_inputs(n), all_weights(n)) for n in SIZES]
    for n in (9, 65, 300, 1152):
        x, w = rng.integers(-1, 2, (400, n)), rng.choice([-1, 1], (n, 100))
        pairs.append((x.astype(np.int8), w.astype(np.int8)))
    compared = unequal = 0
    for x, w in pairs:
        truth = x.astype(np.int64) @ w
        for convert in (affine, complementary):
            found, ports = convert(x, w)
            assert set(np.unique(ports)) <= {0, 1}
            compared += truth.size
            unequal += int((found != truth).sum())
    return compared, unequal


def merged() -> tuple[int, int]:
    """Decisions of merged comparators and of batch normalisation, then sign, in floating point.

    Every sum that can occur, both drives, both places of a threshold. The parameters are eighths,
    so that floating point is exact where it meets zero.
    """
    rng = np.random.default_rng(2)
    compared = unequal = 0
    for _ in range(400):
        n = int(rng.integers(1, 66))
        gamma, beta, mean = rng.integers(-24, 25, 3) / 8
        variance, epsilon = int(rng.integers(0, 41)) / 8, 2.0**-16
        scale = Fraction(gamma) / square_root(Fraction(variance) + Fraction(epsilon))
        theta, flip = threshold(scale, Fraction(beta) - Fraction(mean) * scale, -n, n)
        weights = rng.choice(np.array([-1, 1], np.int8), (1, n))
        layer = Dense("l", weights, np.array([[theta]]), np.array([[flip]]))
        s = np.arange(-n, n + 1, 2)
        truth = gamma * (s - mean) / np.sqrt(variance + epsilon) + beta >= 0
        for bits in comparators(layer, s):
            compared += s.size
            unequal += int((bits != truth).sum())
    return compared, unequal


def comparators(layer: Dense, s: Ints) -> Iterator[NDArray[np.bool_]]:
    """What each periphery decides at the sums ``s`` of a layer of one output."""
    n, total = layer.inputs, int(layer.weights.sum())
    flip = bool(layer.flip[0, 0])
    seen = {"bipolar": s, "unipolar": (s + total) // 2}
    for drive, t in seen.items():
        yield (t + bias(layer, drive)[0, 0] >= 0) != flip
    low = (total - n) // 2
    counted = {"bipolar": ((s + n) // 2, (0, n)), "unipolar": ((s + total) // 2, (low, low + n))}
    for drive, (u, reach) in counted.items():
        yield (u >= thresholds(layer, "signs", drive, reach)[0, 0]) != flip


def arrays(n: int) -> list[Array]:
    """Macros of ``n`` rows with every vector of weights in a column: one counts, one decides."""
    columns = 1 << n
    rest = {"per_cycle": columns, "latency": 2, "interval": 1, "outstanding": 2, "bias_rows": 0}
    return [
        Array("adc", "2t2r", n, columns, adc_bits=n.bit_length(), **rest),
        Array("sa", "2t2r", n, columns, adc_bits=0, ref_bits=5, ref_per_column=True, **rest),
    ]


def on_macros(
    place: Path, simulator: str, *, sizes: Sequence[int] = SIZES, exhaustive: bool = False
) -> dict[str, Any]:
    """Both conversions and the two-phase mapping on the digital view.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs; there is a column for each vector of so many weights.
    exhaustive : bool
        All inputs with lines off as well; otherwise some hundred of those for each size.

    Returns
    -------
    dict
        ``compared`` and ``unequal``; ``products`` and ``activations`` by mapping.
    """
    kinds = [array for n in sizes for array in arrays(n)]
    layers = [
        LayerPlan(f"l{k}", False, kind, 1, 1, 1, (1,), "bipolar", False, 1, 1, (0, 1), ())
        for k, kind in enumerate(kinds)
    ]
    plan = Plan("ports", Host(1, 1, True), tuple(layers), (), {})
    build = place / "build"
    build.mkdir(parents=True)
    for k, kind in enumerate(kinds):
        digits = -(-kind.word_bits // 4)
        cells = (all_weights(kind.rows) > 0).T.astype(np.uint8).ravel()
        word = int.from_bytes(np.packbits(cells, bitorder="little").tobytes(), "little")
        (build / f"t{k}.hex").write_text(f"{word:0{digits}x}\n", encoding="utf-8")
    (place / "views.v").write_text(render(plan, "digital"), encoding="utf-8")
    (place / "top.v").write_text(_top(kinds), encoding="utf-8")
    run_bench(
        [place / "top.v", place / "views.v"],
        top="top",
        bench="binohm.sim.benches.ports",
        build_dir=build,
        simulator=simulator,
        variables={"FACT_SIZES": str([*sizes]), "FACT_EXHAUSTIVE": str(exhaustive)},
    )
    return dict(json.loads((build / "ports.json").read_text(encoding="utf-8")))


def _top(kinds: list[Array]) -> str:
    """All macros side by side, number ``k`` behind the streams ``i<k>`` and ``o<k>``."""
    ports, inside = ["input clk", "input rst"], []
    for k, kind in enumerate(kinds):
        offset, wires = 0, []
        pins = {pin.name: pin.width for pin in macro_pins(kind).ports}
        for name in ("cmd", "row", "x_p", "x_n", "col_x", "col_en", "ref_code"):
            wires.append(f".{name}(i{k}__payload[{offset} +: {pins[name]}])")
            offset += pins[name]
        wires += [f".req_valid(i{k}__valid)", f".req_ready(i{k}__ready)", ".clk(clk)", ".rst(rst)"]
        wires += [f".q(o{k}__payload)", f".q_valid(o{k}__valid)", f".q_ready(o{k}__ready)"]
        for name, ways, width in (
            ("i", ("input", "output"), offset),
            ("o", ("output", "input"), pins["q"]),
        ):
            ports += [
                f"{way} {name}{k}__{part}"
                for way, part in zip(ways, ("valid", "ready"), strict=True)
            ]
            ports.append(f"{ways[0]} [{width - 1}:0] {name}{k}__payload")
        module = f"binohm_ports_{kind.name}"
        inside.append(f'{module} #(.INIT("t{k}.hex"), .ID({k})) macro_{k} ({", ".join(wires)});')
    return f"module top ({', '.join(ports)});\n" + "\n".join(inside) + "\nendmodule\n"


def measure() -> dict[str, Any]:
    """Figures for docs/results: equalities, and array activations a product by mapping."""
    compared, unequal = in_numpy()
    decisions, different = merged()
    with tempfile.TemporaryDirectory() as place:
        macros = on_macros(Path(place) / "ports", "verilator", exhaustive=True)
    per_product = {
        mapping: macros["activations"][mapping] / macros["products"][mapping]
        for mapping in ("two_phase", "affine", "complementary")
    }
    return {
        "port_products_compared": (compared, "products, NumPy"),
        "port_products_unequal": (unequal, "products, NumPy"),
        "port_macro_products_compared": (macros["compared"], "products, digital view"),
        "port_macro_products_unequal": (macros["unequal"], "products, digital view"),
        "merged_decisions_compared": (decisions, "decisions"),
        "merged_decisions_unequal": (different, "decisions"),
        "activations_per_product": (per_product, "reads a product"),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
