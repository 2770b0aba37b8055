"""Whole networks through the device view of their arrays, on both simulators."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_images
from small_build import MIXED, small_build, small_network

from binohm.gen.cli import actions
from binohm.gen.cycles import predict
from binohm.gen.errors import ConfigError, OutputError, ToolError
from binohm.sim import golden
from binohm.sim.check import check
from binohm.sim.device.network import Devices, load_maps
from binohm.sim.device.physics import Device
from binohm.sim.directory import open_build
from binohm.sim.run import run

slow = pytest.mark.slow

NETWORK = small_network()
IMAGES = random_images(np.random.default_rng(8), NETWORK, 101)

NOISY = Device(
    lrs_sigma_d2d=0.3, lrs_sigma_c2c=0.1, hrs_sigma_c2c=0.2, read_noise=0.2, sense_offset_a=1e-6,
    stuck_lrs=0.02, stuck_hrs=0.02, line_ohm=20.0,
)  # fmt: skip

OTHERS: dict[str, Any] = {
    "array": {
        "rows": 32,
        "columns": 8,
        "threshold": "reference",
        "reference_per_column": True,
    },
    "layers": {
        "fc0": {"readout": "pcsa", "cell": "1t1r", "engines": 3},
        "fc1": {"readout": "sa", "cell": "complementary"},
        "out": {"readout": "adc", "cell": "1t1r", "rows": 8, "adc_bits": 2, "lossy": True},
    },
}
MIXES = {"mixed": MIXED, "others": OTHERS}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A build of each mix, with maps, made once."""

    def build(mix: str) -> Path:
        directory = tmp_path_factory.mktemp(mix) / "out"
        small_build(directory, NETWORK, MIXES[mix], device=NOISY)
        return directory

    return cache(build)


def different(directory: Path) -> np.ndarray:
    """Which images the devices change."""
    build = open_build(directory)
    devices = Devices(build.network, build.plan, load_maps(directory, build.plan))
    ideal = golden.forward(NETWORK, IMAGES, build.plan.layers).scores
    return (devices.forward(IMAGES).scores != ideal).any(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mix", "simulator"),
    [
        ("mixed", "icarus"),
        pytest.param("mixed", "verilator", marks=slow),
        pytest.param("others", "icarus", marks=slow),
        pytest.param("others", "verilator", marks=slow),
    ],
)
def test_every_stream_equals_the_model(
    built: Callable[[str], Path], mix: str, simulator: str
) -> None:
    directory = built(mix)
    cycles = predict(NETWORK, open_build(directory).plan).results
    result = check(directory, images=3, simulator=simulator, view="device", cycles=cycles)
    assert result.ok, [str(found) for found in result.divergences]
    assert min(result.compared.values()) > 30
    assert different(directory).mean() > 0.3


@slow
@pytest.mark.parametrize("mix", MIXES)
def test_scores_do_not_depend_on_who_computes_them(built: Callable[[str], Path], mix: str) -> None:
    directory = built(mix)
    expected = run(directory, IMAGES, engine="device").scores
    for processes, seed in ((1, 0), (2, 0), (3, 0), (2, 5), (1, 6)):
        result = run(directory, IMAGES, view="device", processes=processes, seed=seed)
        assert result.mismatches == 0 and (result.scores == expected).all()
        assert result.deviations == different(directory).sum() > 30
        assert len(result.block_images) == processes


@pytest.fixture(scope="module")
def exchanged(built: Callable[[str], Path]) -> tuple[Path, list[str]]:
    """A build whose first array reads ``device/other.hex``, and the words of its own map."""
    build = Path(shutil.copytree(built("mixed"), built("mixed").with_name("exchanged")))
    words = (build / "device" / "fc0_t0.hex").read_text().splitlines()
    path = build / "rtl" / f"binohm_{open_build(build).plan.name}_layer_fc0.v"
    text = path.read_text()
    assert text.count('"device/fc0_t0.hex"') == 1
    path.write_text(text.replace('"device/fc0_t0.hex"', '"device/other.hex"'))
    return build, words


@slow
def test_one_wrong_resistance_is_found(exchanged: tuple[Path, list[str]]) -> None:
    build, words = exchanged
    array = open_build(build).plan.layers[0].array
    devices = (array.lines + 1) * (array.columns + 2) * 2
    first = len(words) - 2 * devices
    # Device a of the first cell: 100 ohm in both states.
    wrong = [*words[:first], "0000006400000064", *words[first + 1 :]]
    (build / "device" / "other.hex").write_text("\n".join(wrong) + "\n")
    (found,) = check(build, images=8, simulator="icarus", view="device").divergences
    assert found.facts["layer"] == "fc0" and found.facts["output"] == 0
    assert run(build, IMAGES, view="device").mismatches
    assert (build / "sim" / "divergence_device.json").is_file()
    assert not (build / "sim" / "divergence.json").exists()


def test_a_build_without_maps_is_refused(tmp_path: Path) -> None:
    small_build(tmp_path / "build", NETWORK, MIXED)
    message = r"fc0_t0\.hex: No such file or directory; draw maps with `binohm build --set device"
    for call in (lambda: check(tmp_path / "build", view="device"),
                 lambda: run(tmp_path / "build", IMAGES, view="device")):  # fmt: skip
        with pytest.raises(OutputError, match=message):
            call()
    with pytest.raises(ConfigError, match=r"^--view device is a view of the Verilog; --engine gol"):
        actions.run(str(tmp_path / "build"), "digits", 1, "golden", view="device")


@slow
@pytest.mark.parametrize(
    ("word", "message"),
    [
        (0, "is no device map of this version; build again"),
        (1, "belongs to another kind of array; build again"),
        (-2, "is damaged; build again"),
    ],
)
def test_a_map_that_does_not_fit_stops_the_simulation(
    exchanged: tuple[Path, list[str]], word: int, message: str
) -> None:
    build, own = exchanged
    words = own.copy()
    words[word] = "0" * 16
    (build / "device" / "other.hex").write_text("\n".join(words) + "\n")
    with pytest.raises(ToolError, match=f"the simulation stopped: .*device/other.hex {message}"):
        run(build, IMAGES, view="device")
