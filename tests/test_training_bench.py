"""The bench of input splitting: what was not trained is no figure, and what is shown is known."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from test_training import made_up

from binohm.gen.training.export import fold
from binohm.gen.training.recipe import Recipe
from binohm.sim.golden import accuracy, forward

BENCH = str(Path(__file__).parent.parent / "bench")

EPOCHS = 1


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The bench, with small networks, of which those for 512 and 128 rows are not trained."""
    monkeypatch.syspath_prepend(BENCH)
    import splitting

    setup = splitting.Setup(0.15, {"epochs": EPOCHS})
    monkeypatch.setattr(splitting, "RECIPES", {"mnist-mlp": setup})
    monkeypatch.setattr(splitting, "RESULTS", tmp_path)
    monkeypatch.setattr(splitting, "load_data", lambda _: labelled())

    def trained(_: str, recipe: Recipe) -> tuple[object, int]:
        if recipe.split in (512, 128):
            return None, {512: 0, 128: 3}[recipe.split]
        made = made_up(recipe)
        network = fold(made, "mnist_mlp", (28, 28))
        return splitting.Finished(network, made.history, {"commit": "aaa", "cpu": "old"}), 1

    monkeypatch.setattr(splitting, "_trained", trained)
    return splitting


def labelled() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.integers(0, 256, (60, 28, 28)).astype(np.uint8), rng.integers(0, 10, 60)


def test_figures_are_those_of_what_was_trained(bench: ModuleType, tmp_path: Path) -> None:
    found = {key: value for key, (value, _) in bench.accuracies("mnist-mlp").items()}
    images, labels = labelled()
    for rows, name in ((0, "unsplit"), (256, "256")):
        trained = made_up(bench.RECIPES["mnist-mlp"].recipe("mnist-mlp", rows))
        right = accuracy(forward(fold(trained, "x", (28, 28)), images).predictions, labels)
        assert found["mnist_mlp_accuracy"][name] == pytest.approx(100 * right, abs=0.01)
        assert found["mnist_mlp_validation"][name] == 50
        log = tmp_path / "splitting" / f"mnist-mlp_0.15_{name}.csv"
        assert log.read_text().splitlines()[1] == "1,1.000000,0.500000,0.500000"
    assert found["mnist_mlp_accuracy"].keys() == {"unsplit", "256"}
    assert found["mnist_mlp_epochs"]["128"] == "3 of 1 epochs"
    assert found["mnist_mlp_epochs"]["512"] == "not run"
    assert found["mnist_mlp_converters_images_unequal"] == {"512": 0, "256": 0, "128": 0}
    assert found["mnist_mlp_converters_bits"] == {"512": 10, "256": 9, "128": 8}
    whole = found["mnist_mlp_accuracy"]["unsplit"]
    assert set(found["mnist_mlp_converters_accuracy"].values()) == {whole}
    assert found["mnist_mlp_not_retrained"]["512"] == whole  # 307 inputs fit


def test_what_is_kept_gives_the_same_figures(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.accuracies("mnist-mlp")
    monkeypatch.setattr(bench, "_trained", lambda *_: (None, 0))
    after = bench.accuracies("mnist-mlp")
    assert after["mnist_mlp_epochs"][0].pop("128") == "not run"
    before["mnist_mlp_epochs"][0].pop("128")
    assert after == before
    assert after["mnist_mlp_origin"][0]["256"] == {"commit": "aaa", "cpu": "old"}
    longer = replace(bench.RECIPES["mnist-mlp"], more={"epochs": EPOCHS + 1})
    monkeypatch.setattr(bench, "RECIPES", {"mnist-mlp": longer})
    assert bench.accuracies("mnist-mlp")["mnist_mlp_accuracy"][0] == {}


def test_what_was_kept_keeps_its_origin(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the cache has the same training, whatever the commit of today."""
    bench.accuracies("mnist-mlp")
    earlier, other = bench._trained, {"commit": "bbb", "cpu": "new"}

    def again(name: str, recipe: Recipe, **changed: object) -> tuple[object, int]:
        found, done = earlier(name, recipe)
        return found and replace(found, origin=other, **changed), done

    def origins() -> list[dict[str, str]]:
        return list(bench.accuracies("mnist-mlp")["mnist_mlp_origin"][0].values())

    monkeypatch.setattr(bench, "_trained", again)
    assert origins() == [{"commit": "aaa", "cpu": "old"}] * 2
    monkeypatch.setattr(bench, "_trained", partial(again, history=((1.0, 0.5, 0.25),)))
    assert origins() == [other] * 2


def test_groups_read_by_amplifiers_save_their_conversions(bench: ModuleType) -> None:
    table = bench.energy(Path())["energy_mnist_mlp"][0]
    assert table["512"] == "not run" and table["128"] == "3 of 1 epochs"
    costs = table["256"]
    assert costs["hidden_layers"] == 2 and costs["converters_hidden_layers_without_converters"] == 0
    for design in ("split", "codes"):
        assert costs[f"{design}_hidden_layers_without_converters"] == 2
        # 307 outputs of two groups in each of two layers, in five blocks of 64 columns each.
        assert costs[f"{design}_sense_amplifiers"] == 2 * 2 * 5 * 64
        saved = costs["converters_conversions"] - costs[f"{design}_conversions"]
        assert saved == costs[f"{design}_strobes"] >= 307 * 2 * 2
        assert costs[f"{design}_hidden_readout_pj"] < costs["converters_hidden_readout_pj"]


def test_the_published_groups_use_their_rows(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = replace(bench.RECIPES["mnist-mlp"], width=1.0)
    monkeypatch.setattr(bench, "RECIPES", {"cifar10-vgg": setup})
    found = {key: value for key, (value, _) in bench.utilisation(Path()).items()}
    used = {
        rows: [layer["rows_used"] for layer in found[f"cifar10_vgg_groups_{rows}"].values()]
        for rows in (512, 256, 128)
    }
    assert used[512] == [75.0] * 4 + [100.0] * 3
    assert used[256] == [75.0] * 2 + [100.0] * 5
    assert used[128] == [100.0] * 7
