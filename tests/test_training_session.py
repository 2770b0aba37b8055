"""Trainings on the array: what they reach, that a break changes nothing, what they refuse."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from binohm.gen.__main__ import main
from binohm.gen.cli.on_array import Choices, measured, recipe_of
from binohm.gen.errors import ConfigError, DataError
from binohm.sim.datasets import Labelled, load
from binohm.sim.device.pair import PairDevice
from binohm.sim.golden import forward
from binohm.sim.training.recipe import DIGITS, MNIST, Recipe, rule_for, table
from binohm.sim.training.rule import LayerRule, Rule
from binohm.sim.training.session import Session, learn
from binohm.sim.training.trainer import Training

SMALL = rule_for("digits", (12,), batch_bits=4)
EXCHANGES = "an exchange is a refresh too"
METHODS = {
    "ideal": Recipe("digits", SMALL, epochs=3, drop=1, moves="half"),
    "devices": Recipe("digits", replace(SMALL, exchange_bits=3), epochs=3, drop=1, moves="whole",
                      device=PairDevice()),
    "single": Recipe("digits", replace(SMALL, refresh_bits=-1), "single", epochs=3, moves="",
                     device=PairDevice()),
    "software": Recipe("digits", SMALL, "software", epochs=3),
}  # fmt: skip


@pytest.fixture(scope="module")
def digits() -> Labelled:
    return load("digits", split="train")


def few(data: Labelled, count: int = 150) -> Labelled:
    return data[0][:count], data[1][:count]


@pytest.mark.parametrize("name", METHODS)
def test_a_break_changes_nothing(name: str, digits: Labelled, tmp_path: Path) -> None:
    """A session that is saved and loaded after each epoch ends where another does."""
    recipe = METHODS[name]
    data = few(digits)
    whole = Session(recipe, *data)
    for _ in range(recipe.epochs):
        whole.epoch()
    path = tmp_path / "deep" / "state.npz"
    for epoch in range(recipe.epochs):
        part = Session(recipe, *data)
        if epoch:
            part.load(path)
        part.epoch()
        part.save(path)
    whole.save(tmp_path / "whole.npz")
    with np.load(path) as one, np.load(tmp_path / "whole.npz") as other:
        assert one.files == other.files
        for key in one.files:
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    assert [item.name for item in path.parent.iterdir()] == ["state.npz"]
    again = learn(recipe, *data, tmp_path / "cache")
    assert learn(recipe, *data, tmp_path / "cache").history == again.history == tuple(whole.history)
    first, second = whole.learned().network, again.network
    assert all(
        (a.weights == b.weights).all() for a, b in zip(first.layers, second.layers, strict=True)
    )


@pytest.mark.parametrize("name", METHODS)
def test_the_network_scores_as_what_learned_it(name: str, digits: Labelled) -> None:
    session = Session(METHODS[name], *few(digits))
    for _ in range(2):
        session.epoch()
    images = digits[0][200:300]
    levels = table("digits", 2)[images].astype(np.uint8).reshape(len(images), -1)
    network = session.learner.network("digits", session.input)
    np.testing.assert_array_equal(forward(network, images).scores, session.learner.scores(levels))


def test_digits_are_learned(digits: Labelled) -> None:
    """Integers: the same on any machine. The last of the best epochs is the result."""
    session = Session(Recipe("digits", DIGITS, epochs=10, drop=2, moves="half"), *digits)
    for _ in range(10):
        session.epoch()
    learned = session.learned()
    right = [round(accuracy * 119) for accuracy in learned.history]
    assert right == RIGHT
    assert (learned.epoch, round(learned.validation * 119)) == (
        10 - right[::-1].index(max(right)), max(right),
    )  # fmt: skip
    assert round(measured(learned.network, "digits") * 360) == TEST
    counts = learned.counts
    assert counts.refreshes > 0 and counts.sign_changes > 0 and counts.clipped > 0
    assert counts.pulses_1 > 0 and counts.pulses_2 > 0


def test_of_equal_epochs_the_last_is_the_result(
    digits: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([0.5, 0.7, 0.7, 0.6])
    monkeypatch.setattr(Session, "_accuracy", lambda _: next(found))
    session = Session(replace(METHODS["ideal"], epochs=4), *few(digits))
    networks = []
    for _ in range(4):
        session.epoch()
        networks.append(session.learner.network("digits", session.input))
    learned = session.learned()
    assert (learned.epoch, learned.validation) == (3, 0.7)
    chosen = [layer.weights for layer in learned.network.layers]
    same = [
        all((a.weights == b).all() for a, b in zip(network.layers, chosen, strict=True))
        for network in networks
    ]
    assert same == [False, False, True, False]


RIGHT = [100, 107, 109, 110, 112, 116, 114, 115, 113, 113]
TEST = 310
"""Of 119 images held out, after each epoch; of 360 in the test set."""


def test_images_move_by_a_pixel_or_half(digits: Labelled) -> None:
    from binohm.sim.training.session import _moved

    image = np.zeros((9, 3, 3), np.uint8)
    image[:, 1, 1] = 8
    whole = _moved(image, np.arange(9), half=False)
    for number in range(9):
        down, right = divmod(number, 3)
        assert whole[number].sum() == 8 and whole[number, 2 - down, 2 - right] == 8
    half = _moved(image, np.arange(9), half=True)
    np.testing.assert_array_equal(half[4], image[4])
    np.testing.assert_array_equal(half[0], [[0, 0, 0], [0, 2, 2], [0, 2, 2]])


@pytest.mark.parametrize(
    ("levels", "labels", "message"),
    [
        ((3, 64, 0), (16, 0), "levels must have shape (16, 64), not (3, 64)"),
        ((16, 64, 4), (16, 0), "levels must be 0 to 3, not 4"),
        ((16, 64, 0), (4, 0), "labels must have shape (16,), not (4,)"),
        ((16, 64, 0), (16, 10), "labels must be 0 to 9, not 10"),
        ((16, 64, 0), (16, -1), "labels must be 0 to 9, not -1"),
    ],
)
def test_batches_are_checked(
    levels: tuple[int, ...], labels: tuple[int, ...], message: str
) -> None:
    """Given are shapes, then what fills them."""
    training = Training(SMALL)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        training.step(np.full(levels[:-1], levels[-1], np.uint8), np.full(labels[:-1], labels[-1]))
    assert training.counts.batches == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sizes": (4,), "layers": ()}, "sizes = (4,): must be two or more, and two classes"),
        ({"layers": (LayerRule(1),)}, "3 sizes need 2 layers of shifts, not 1"),
        ({"batch_bits": 9}, "batch_bits = 9: must be 0 to 8"),
        ({"pulses": 15}, "full = 16: must be at most pulses = 15"),
        ({"pulses": 16, "start_bits": 5}, "2^start_bits = 32: must be at most pulses = 16"),
        (
            {"refresh_bits": 3, "exchange_bits": 2},
            f"exchange_bits = 2: {EXCHANGES}, so refresh_bits must be 0 to 2, not 3",
        ),
    ],
)
def test_rules_are_checked(values: dict, message: str) -> None:
    known = {"sizes": (4, 3, 2), "layers": (LayerRule(1), LayerRule(1))}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Rule(**{**known, **values})


def test_rates_have_a_limit() -> None:
    with pytest.raises(ValueError, match=r"^k = 16: must be 0 to 15$"):
        LayerRule(16)
    rule = Rule((4, 3, 2), (LayerRule(12), LayerRule(1)))
    assert rule.shift(0, 2) == 16
    with pytest.raises(ValueError, match=r"^layer 1: its rate 2\^-17 is below 2\^-16; take a sma"):
        rule.shift(0, 3)
    with pytest.raises(ValueError, match=r"^seed = 0: must be 1 to 4294967295$"):
        Training(rule, 0)


def test_the_rule_of_mnist_is_the_one_that_was_measured() -> None:
    assert MNIST.layers == (
        LayerRule(7, 5, 4),
        LayerRule(8, 5, 3),
        LayerRule(8, 5, 1),
        LayerRule(9),
    )
    assert (MNIST.cells, MNIST.batch, MNIST.margin) == (1_460_736, 256, 128)


def test_images_must_fit(digits: Labelled, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^images of 64 pixels in 10 classes, but the network ta"):
        Session(Recipe("mnist", MNIST), *digits)
    with pytest.raises(DataError, match=r"^20 images are too few: one in 12 is held out, and a"):
        Session(Recipe("digits", DIGITS), *few(digits, 20))


def test_a_damaged_checkpoint_is_named(digits: Labelled, tmp_path: Path) -> None:
    data = few(digits)
    learn(METHODS["ideal"], *data, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(
        DataError, match=f"^checkpoint {re.escape(str(path))} is damaged .*remove it$"
    ):
        learn(METHODS["ideal"], *data, tmp_path)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"hidden": "12,x"}, "--hidden 12,x: must be sizes such as 512,256,128"),
        ({"hidden": "0"}, "--hidden 0: must be sizes such as 512,256,128"),
        ({"mismatch": 0.1}, "--mismatch 0.1: ideal devices have none; add --nonlinearity"),
        ({"nonlinearity": 20.0}, "nonlinearity = 20: must be 0.01 to 10"),
        ({"method": "single"}, "method single needs devices: give a nonlinearity"),
        ({"error_bits": 1}, "error_bits = 1: must be 2 to 8"),
        ({"seed": 0}, "seed = 0: must be 1 to 4294967295"),
    ],
)
def test_choices_are_checked(choices: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        recipe_of("digits", Choices(**choices))


def test_choices_reach_the_recipe() -> None:
    choices = Choices(
        hidden="30,20", epochs=7, nonlinearity=2.0, mismatch=0.2, cycle_noise=0.0, chip=5,
        refresh=False, batch_bits=3,
    )  # fmt: skip
    recipe = recipe_of("mnist", choices)
    assert recipe.rule.sizes == (784, 30, 20, 10) and recipe.rule.refresh_bits == -1
    assert recipe.rule.batch == 8 and recipe.rule.mean_shift == 8
    assert recipe.device == PairDevice(
        nonlinearity=2.0, gain_sigma=0.2, cycle_sigma=0.0, reset_sigma=0.0
    )
    assert (recipe.epochs, recipe.drop, recipe.moves, recipe.chip) == (7, 1, "whole", 5)


@pytest.mark.parametrize("choices", [{}, {"nonlinearity": 4.0}])
def test_the_command_trains_what_is_measured(
    choices: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ideal pairs, and devices, which need more pulses and are exchanged."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "bench"))
    import learning

    recipe = recipe_of("mnist", Choices(**choices))
    assert recipe == learning.RECIPES["pairs" if choices else "ideal_1"]
    assert (recipe.rule.pulses, recipe.rule.exchange_bits) == ((128, 6) if choices else (64, -1))
    bare = recipe_of("mnist", Choices(**choices, refresh=False)).rule
    assert bare == replace(recipe.rule, refresh_bits=-1, exchange_bits=-1)


def test_the_command_trains_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "d.npz"
    asked = ["train", "digits", "--on-array", "--hidden", "8", "--epochs", "2", "-o", str(out)]
    assert main([*asked, "--json"]) == 0
    printed = capsys.readouterr()
    assert '"test":' in printed.out and '"refreshes_per_cell":' in printed.out
    assert re.search(r"^binohm: test set: [0-9.]+ %$", printed.err, re.MULTILINE)
    first = out.read_bytes()
    assert main([*asked, "--force"]) == 0 and out.read_bytes() == first
    assert main(asked) == 2
    capsys.readouterr()
    for arguments, message in (
        (["digits", "--epochs", "3"], "epochs = 3: is for training on the array; add --on-array"),
        (["mnist"], "mnist is trained on the array: add --on-array; in software: mnist-mlp"),
    ):
        assert main(["train", *arguments, "-o", str(tmp_path / "x.npz")]) == 2
        assert capsys.readouterr().err == f"binohm: error: {message}\n"
        assert not (tmp_path / "x.npz").exists()
