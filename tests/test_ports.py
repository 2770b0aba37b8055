"""No port is ever driven with a polarity that depends on the data, and nothing is lost by that."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_build import small_build, small_network

from binohm.sim.check import check

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

import ports

SIZES = range(1, 9)


@pytest.mark.parametrize("convert", [ports.affine, ports.complementary])
def test_conversions_equal_the_product(convert: Callable[..., Any]) -> None:
    """All inputs, off or on, and all weights up to 8 inputs; random ones above."""
    rng = np.random.default_rng(5)
    pairs = [(ports.all_inputs(n), ports.all_weights(n)) for n in SIZES]
    pairs += [(rng.integers(-1, 2, (300, n)), rng.choice([-1, 1], (n, 40))) for n in (9, 65, 784)]
    for x, w in pairs:
        found, driven = convert(x.astype(np.int8), w.astype(np.int8))
        truth = [[sum(int(a) * int(b) for a, b in zip(x[0], w[:, 0], strict=True))]]
        assert found[:1, :1].tolist() == truth
        np.testing.assert_array_equal(found, x.astype(np.int64) @ w)
        assert set(np.unique(driven)) <= {0, 1}


@pytest.mark.parametrize(
    ("sizes", "least"),
    [(range(1, 6), 10_000), pytest.param(SIZES, 500_000, marks=pytest.mark.slow)],
)
def test_a_polarity_in_the_data_takes_two_reads(
    tmp_path: Path, simulator: str, sizes: range, least: int
) -> None:
    """Every product at the pins of the digital view, and what each mapping takes for it."""
    facts = ports.on_macros(tmp_path, simulator, sizes=sizes)
    assert facts["unequal"] == 0 and facts["compared"] > least
    (products,) = set(facts["products"].values())
    assert facts["activations"] == {
        "affine": products,
        "complementary": products,
        "two_phase": 2 * products,
    }


def test_merged_comparators_equal_floating_point() -> None:
    compared, unequal = ports.merged()
    assert unequal == 0 and compared > 50_000


ONE_LINE = "|x_n"
TWO_PORTS = "|(x_p & x_n)"


def assert_polarity(build: Path, wrong: str) -> None:
    """End the simulation if a socket is asked for anything while ``wrong``."""
    path = build / "macros" / "digital.v"
    check = f'    always @(posedge clk) if (req_valid && ({wrong})) $fatal(1, "polarity");\n'
    text, count = re.subn(r"^    wire unused = .*INIT|^    wire unused = .*ID == 0", lambda found:
                          check + found.group(), path.read_text(), flags=re.M)  # fmt: skip
    assert count >= 2
    path.write_text(text)


ARRAYS = {"rows": 32, "columns": 8, "bias_rows": 24}
BUILDS = {
    "one line": (ONE_LINE, {"cell": "2t2r"}, {"fc1": {"cell": "1t1r"}, "out": {"readout": "adc"}}),
    "one line, codes": (
        ONE_LINE,
        {"cell": "1t1r", "threshold": "reference", "reference_per_column": True},
        {"out": {"readout": "adc"}},
    ),
    "two lines": (TWO_PORTS, {"cell": "complementary"}, {"out": {"readout": "adc"}}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BUILDS)
@pytest.mark.parametrize("form", ["step", "unsigned"])
def test_whole_builds_never_drive_the_other_way(
    tmp_path: Path, simulator: str, case: str, form: str
) -> None:
    wrong, array, layers = BUILDS[case]
    build = tmp_path / "build"
    small_build(build, small_network(form), {"array": {**ARRAYS, **array}, "layers": layers})
    assert_polarity(build, wrong)
    assert check(build, images=6, simulator=simulator).ok


@pytest.mark.slow
def test_a_line_driven_the_other_way_is_found(tmp_path: Path, simulator: str) -> None:
    """What the assertion above is worth: two ports an input do drive the second one."""
    build = tmp_path / "build"
    small_build(build, small_network("step"), {"array": {**ARRAYS, "cell": "complementary"}})
    assert_polarity(build, ONE_LINE)
    result = check(build, images=2, simulator=simulator)
    assert not result.ok, result
    assert "shut down" in str(result.divergences[0])
