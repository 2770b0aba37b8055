"""Golden: hand-worked cases, and every formula once more in Python loops."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import FORMS, adc_plans, networks, random_images, random_network

from binohm.gen.network import Dense, Input, Network, Scores
from binohm.gen.plan import LayerPlan
from binohm.sim.golden import accuracy, forward, from_bits, to_bits

STEP = np.where(np.arange(256) >= 128, 1, -1).astype(np.int64)
OFF, ON = 0, 255


def signs(*rows: str) -> np.ndarray:
    return np.array([[1 if c == "+" else -1 for c in row] for row in rows], np.int8)


def pixels(*rows: str) -> np.ndarray:
    return np.array([[ON if c == "+" else OFF for c in row] for row in rows], np.uint8)


def dense(
    weights: np.ndarray, theta: list[list[int]], flip: list[list[int]], *bounds: int
) -> Dense:
    return Dense("fc", weights, np.array(theta, np.int64), np.array(flip, bool), bounds)


def slowly(
    network: Network, image: np.ndarray, plans: tuple[LayerPlan, ...] | None
) -> tuple[list[list[int]], list[int]]:
    """One image in Python loops; converters as the plan's definitions of m, M, D and u say."""
    x = [int(network.input.table[p]) for p in image.flatten()]
    hidden = []
    for index, layer in enumerate(network.layers):
        bounds = layer.bounds if isinstance(layer, Dense) else (0, layer.inputs)
        multibit = index == 0 and not network.input.bipolar
        after = []
        for o in range(layer.outputs):
            w = [int(value) for value in layer.weights[o]]
            balance = 0
            for g in range(len(bounds) - 1):
                inputs = range(bounds[g], bounds[g + 1])
                s = sum(w[k] * x[k] for k in inputs)
                if plans is not None:
                    s = read(plans[index], g, inputs, w, x, multibit)
                if isinstance(layer, Dense):
                    bit = (s >= layer.theta[g, o]) ^ bool(layer.flip[g, o])
                    balance += 1 if bit else -1
                else:
                    after.append(int(layer.scale[o]) * s + int(layer.offset[o]))
            if isinstance(layer, Dense):
                after.append(1 if balance >= 0 else -1)
        hidden.append(after)
        x = after
    return hidden[:-1], hidden[-1]


def read(
    plan: LayerPlan, group: int, inputs: range, w: list[int], x: list[int], multibit: bool
) -> int:
    most = 2**plan.array.adc_bits - 1
    total_m = total_d = 0
    for b, plane in enumerate(plan.planes):
        for start in range(inputs.start, inputs.stop, plan.array.rows):
            m = 0
            for k in range(start, min(start + plan.array.rows, inputs.stop)):
                drive = x[k] if not multibit else (x[k] % (1 << 20)) >> b & 1
                if drive == -1 and plan.drive == "unipolar":
                    drive = 0
                m += drive != 0 and drive == w[k]
                total_d += plane * (drive != 0)
            total_m += plane * min(m, most)
    if multibit:
        return 2 * total_m - total_d
    if plan.drive == "unipolar":
        return 2 * (2 * total_m - total_d) - sum(w[k] for k in inputs)
    return 2 * total_m - len(inputs)


def test_a_sum_equal_to_its_threshold_is_plus_one() -> None:
    layer = dense(signs("+++", "+++", "+--"), [[-1, 0, 3]], [[0, 0, 0]])
    out = Scores("out", signs("+++", "---"))
    network = Network("tiny", Input((3,), STEP, True), (layer, out))
    trace = forward(network, pixels("+--", "++-"))
    # Image 0: sums -1, -1, 3 against -1, 0, 3. Image 1: sums 1, 1, 1.
    assert trace.input.tolist() == [[1, -1, -1], [1, 1, -1]]
    assert trace.hidden[0].tolist() == [[1, -1, 1], [1, 1, -1]]
    assert trace.scores.tolist() == [[1, -1], [1, -1]]
    assert trace.predictions.tolist() == [0, 0]
    types = [trace.input.dtype, trace.hidden[0].dtype, trace.scores.dtype, trace.predictions.dtype]
    assert types == [np.int64, np.int8, np.int64, np.int64]


def test_flip_inverts_after_the_comparison() -> None:
    layer = dense(signs("+", "+"), [[1, 2]], [[1, 1]])
    network = Network("tiny", Input((1,), STEP, True), (layer, Scores("out", signs("++"))))
    assert forward(network, pixels("+", "-")).hidden[0].tolist() == [[-1, 1], [1, 1]]


def test_a_tied_majority_is_plus_one() -> None:
    # Two groups of one input each, and four groups: votes of 1:1, 0:2, 2:2 and 1:3.
    for inputs, votes, wanted in ((2, "+-", 1), (2, "--", -1), (4, "++--", 1), (4, "+---", -1)):
        layer = dense(signs("+" * inputs), [[0]] * inputs, [[0]] * inputs, *range(inputs + 1))
        out = Scores("out", signs("+"))
        network = Network("tiny", Input((inputs,), STEP, True), (layer, out))
        assert forward(network, pixels(votes)).hidden[0].tolist() == [[wanted]]


def test_each_group_has_its_own_threshold_and_flip() -> None:
    layer = dense(signs("+++"), [[2], [1], [-5]], [[0], [0], [1]], 0, 1, 2, 3)
    network = Network("tiny", Input((3,), STEP, True), (layer, Scores("out", signs("+"))))
    # Group 0 never reaches 2, group 2 always reaches -5 and flips: one vote of three at most.
    assert forward(network, pixels("+++")).hidden[0].tolist() == [[-1]]


def test_equal_scores_give_the_lowest_class() -> None:
    out = Scores("out", signs("-", "+", "+"), np.array([1, 2, 2]), np.array([0, 1, 1]))
    network = Network("tiny", Input((1,), STEP, True), (out,))
    trace = forward(network, pixels("+", "-"))
    assert trace.scores.tolist() == [[-1, 3, 3], [1, -1, -1]]
    assert trace.predictions.tolist() == [1, 0]
    assert trace.hidden == ()


def test_pixels_go_through_the_table_in_c_order() -> None:
    table = np.arange(256) - 128
    out = Scores("out", signs("+-+-", "++++"))
    network = Network("tiny", Input((2, 2), table, False), (out,))
    trace = forward(network, np.array([[[0, 1], [2, 255]]], np.uint8))
    assert trace.input.tolist() == [[-128, -127, -126, 127]]
    assert trace.scores.tolist() == [[-128 + 127 - 126 - 127, -128 - 127 - 126 + 127]]


def test_a_saturated_converter_loses_matches() -> None:
    out = Scores("out", signs("+++++", "+++--"))
    network = Network("tiny", Input((5,), STEP, True), (out,))
    # Rows 0-3 and row 4; two bits show at most 3 matches. 4 + 1 matches become 3 + 1: s = 2*4 - 5.
    bipolar = adc_plans(network, 4, 2, "bipolar")
    assert forward(network, pixels("+++++"), bipolar).scores.tolist() == [[3, 1]]
    assert forward(network, pixels("+++++")).scores.tolist() == [[5, 1]]
    # Off lines do not match: u = 2*4 - 5 = 3, s = 2*3 - 5 = 1.
    unipolar = adc_plans(network, 4, 2, "unipolar")
    assert forward(network, pixels("+++++", "+++-+"), unipolar).scores.tolist() == [[1, 1], [3, 3]]


def test_a_saturated_converter_loses_matches_of_each_plane() -> None:
    out = Scores("out", signs("++-"))
    network = Network("tiny", Input((3,), np.arange(256) % 8 - 4, False), (out,))
    # Values -1 -1 3 are 111 111 011: matches 2 2 2 of which one bit shows 1; s = -5 exactly.
    # The planes weigh 1 2 -4, so 2*M - D falls short by 2*1, 2*2 and -2*4.
    image = np.array([[3, 3, 7]], np.uint8)
    assert forward(network, image).scores.tolist() == [[-5]]
    assert forward(network, image, adc_plans(network, 3, 1, "unipolar")).scores.tolist() == [[-3]]
    assert forward(network, image, adc_plans(network, 3, 2, "unipolar")).scores.tolist() == [[-5]]


@settings(max_examples=40, deadline=None)
@given(networks())
def test_matches_python_loops(case: tuple[Network, np.ndarray]) -> None:
    network, images = case
    trace = forward(network, images)
    for n, image in enumerate(images):
        hidden, scores = slowly(network, image, None)
        assert [layer[n].tolist() for layer in trace.hidden] == hidden
        assert trace.scores[n].tolist() == scores
        assert trace.predictions[n] == scores.index(max(scores))


@settings(max_examples=60, deadline=None)
@given(
    networks(), st.sampled_from((1, 3, 8, 64)), st.integers(1, 7), st.sampled_from((True, False))
)
def test_lossy_converters_match_python_loops(
    case: tuple[Network, np.ndarray], rows: int, adc_bits: int, bipolar: bool
) -> None:
    network, images = case
    plans = adc_plans(network, rows, adc_bits, "bipolar" if bipolar else "unipolar")
    trace = forward(network, images, plans)
    for n, image in enumerate(images):
        hidden, scores = slowly(network, image, plans)
        assert [layer[n].tolist() for layer in trace.hidden] == hidden
        assert trace.scores[n].tolist() == scores
    if 2**adc_bits > rows:
        assert np.array_equal(trace.scores, forward(network, images).scores)


@pytest.mark.parametrize("form", FORMS)
def test_batches_equal_single_images(form: str) -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, (65, 8, 3), form, groups=2)
    images = random_images(rng, network, 5)
    single = [forward(network, images[n : n + 1]).scores for n in range(5)]
    assert np.array_equal(forward(network, images).scores, np.concatenate(single))


def test_saving_a_network_changes_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    network = random_network(rng, (65, 8, 3), "signed", groups=3)
    network.save(tmp_path / "a.npz")
    images = random_images(rng, network, 20)
    again = forward(Network.load(tmp_path / "a.npz"), images)
    assert np.array_equal(forward(network, images).scores, again.scores)


def test_images_are_checked() -> None:
    network = random_network(np.random.default_rng(0), (8, 3))
    with pytest.raises(ValueError, match=r"^images must be an array of uint8, not float64$"):
        forward(network, np.zeros((2, 8)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^images must be an array of uint8, not list$"):
        forward(network, [[0] * 8])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^images must have shape \(N, 8\), not \(8,\)$"):
        forward(network, np.zeros(8, np.uint8))
    with pytest.raises(ValueError, match=r"^images must have shape \(N, 8\), not \(2, 2, 4\)$"):
        forward(network, np.zeros((2, 2, 4), np.uint8))
    with pytest.raises(ValueError, match=r"^images must have shape \(N, 8\), not \(\)$"):
        forward(network, np.array(0, np.uint8))
    with pytest.raises(ValueError, match=r"^images must have shape \(N, 8\), not \(0, 9\)$"):
        forward(network, np.zeros((0, 9), np.uint8))


def test_plans_are_checked() -> None:
    network = random_network(np.random.default_rng(0), (8, 3))
    other = random_network(np.random.default_rng(0), (8, 4, 3))
    wrong = r"^the plan's layers are \[.*\], but the network's are \[\('out', 8, 3, 1\)\]$"
    with pytest.raises(ValueError, match=wrong):
        forward(network, np.zeros((1, 8), np.uint8), adc_plans(other, 4, 2, "bipolar"))


def test_element_k_is_bit_k() -> None:
    assert to_bits(np.array([1, -1, 1, 1], np.int8)) == 0b1101
    assert from_bits(0b1101, 5).tolist() == [1, -1, 1, 1, -1]
    assert from_bits(0b1101, 5).dtype == np.int8
    assert to_bits(np.ones(65, np.int8)) == (1 << 65) - 1
    with pytest.raises(ValueError, match=r"^signs must be a vector of -1 and \+1$"):
        to_bits(np.array([0, 1]))
    with pytest.raises(ValueError, match=r"^0x8 does not fit in 3 bits$"):
        from_bits(8, 3)


def test_accuracy_is_the_fraction_of_equal_elements() -> None:
    assert accuracy(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 0])) == 0.75
    with pytest.raises(ValueError, match=r"^predictions and labels must have one equal, non-empty"):
        accuracy(np.array([1]), np.array([1, 2]))
