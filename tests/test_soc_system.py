"""The simulated system: what it counts, what it refuses, and programs on both cores."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from test_soc_kernels import LAYERS, bits_of, layer_of, network_of

from binohm.gen.__main__ import main
from binohm.gen.cli.processor import Job, choose_layer, input_of, measure, picture
from binohm.gen.errors import DataError, ModelError, ToolError
from binohm.gen.reporting.technology import load
from binohm.gen.soc.energy import core_energy, unit_energy
from binohm.gen.soc.kernels import Store, kernels_of, pick
from binohm.sim.golden import forward
from binohm.sim.kernel_cells import DeviceCells, draw_map, spread
from binohm.sim.soc import firmware, system
from binohm.sim.soc.expected import layer_results

Rng = np.random.Generator


@pytest.fixture
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled systems, for all tests of a session."""
    return tmp_path_factory.getbasetemp() / "systems"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that makes fourteen accesses."""
    package = ModuleType("fake_core")
    package.data_location = str(Path(__file__).parent)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_core", package)
    monkeypatch.setitem(system.CORES, "picorv32", ("fake_core", "fake_core.v"))


@pytest.mark.usefixtures("fake")
def test_accesses_are_counted_by_phase(tmp_path: Path, kept: Path) -> None:
    program = system.compile_system("picorv32", [], kept)
    image = tmp_path / "image"
    image.write_bytes(bytes([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    run = system.run_system(program, image, 0x1234, place=tmp_path)
    assert (run.status, run.console, run.hits, run.misses) == (7, "!", 0, 0)
    assert run.results.tolist() == [0x04030201, 0x08BB06DD, 0x04030201, 0x1234]
    layer = run.counters["layer"]
    counted = {"fetches": 1, "loads": 2, "stores": 4, "bus_reads": 3, "bus_writes": 4}
    assert {key: layer[key] for key in counted} == counted
    assert layer["cycles"] == 9 and layer["unit_instructions"] == 0
    assert run.counters["boot"]["fetches"] == 1
    again = system.compile_system("picorv32", [], kept)
    assert again == program and len(list(kept.iterdir())) >= 1


@pytest.mark.usefixtures("fake")
def test_programs_that_do_not_end_are_stopped(tmp_path: Path, kept: Path) -> None:
    program = system.compile_system("picorv32", [], kept)
    image = tmp_path / "image"
    image.write_bytes(bytes(16))
    with pytest.raises(ToolError, match=r"the program did not end: .*cycles \(5\)"):
        system.run_system(program, image, 0, place=tmp_path, cycles=5)
    with pytest.raises(ToolError, match=r"the program failed with status 2: cannot read the prog"):
        system.run_system(program, tmp_path / "none", 0, place=tmp_path)


def test_what_is_missing_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as error:
        firmware.compile_firmware("", "picorv32", tmp_path / "f")
    assert str(error.value) == (
        "firmware needs riscv64-unknown-elf-gcc, which is not on PATH: "
        "apt-get install gcc-riscv64-unknown-elf"
    )
    monkeypatch.setitem(system.CORES, "vexriscv", ("no_such_package", "x.v"))
    with pytest.raises(ToolError) as error:
        system.core_source("vexriscv")
    assert str(error.value) == "vexriscv needs no_such_package: pip install 'binohm[soc]'"


def test_the_command_says_what_is_missing_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rng: Rng,
) -> None:
    network_of(layer_of(rng, (5, 5, 4), (3, 3), (1, 1), 6)).save(tmp_path / "n.npz")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["soc", str(tmp_path / "n.npz")]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "apt-get install gcc-riscv64-unknown-elf" in said.err
    assert main(["soc", str(tmp_path / "n.npz"), "--layer", "x"]) == 2
    assert capsys.readouterr().err == ("binohm: error: layer x: the binary convolutions are c\n")
    assert main(["soc", str(tmp_path / "n.npz"), "--slots", "0"]) == 2
    assert capsys.readouterr().err == "binohm: error: slots = 0: must be 1 to 1024\n"


def test_the_command_writes_tables(tmp_path: Path, rng: Rng) -> None:
    network_of(layer_of(rng, (5, 5, 4), (3, 3), (1, 1), 6)).save(tmp_path / "n.npz")
    arguments = ["soc", str(tmp_path / "n.npz"), "--slots", "8", "--header"]
    assert main([*arguments, str(tmp_path / "a.h")]) == 0
    assert main([*arguments, str(tmp_path / "b.h")]) == 0
    text = (tmp_path / "a.h").read_text()
    assert text == (tmp_path / "b.h").read_text() and "#define SLOTS 8\n" in text


def test_layers_and_images_are_chosen(rng: Rng, tmp_path: Path) -> None:
    small, large = (
        layer_of(rng, (4, 4, 3), (3, 3), (1, 1), 6),
        layer_of(rng, (4, 4, 6), (3, 3), (1, 1), 9),
    )
    network = network_of(small, replace(large, name="d"))
    assert choose_layer(network, None).name == "d"
    assert choose_layer(network, "c").name == "c"
    pixels = picture(network, None, 0)
    assert 0 < (pixels > 99).mean() < 1
    want = forward(network, pixels[None]).hidden[0].reshape(large.image)
    assert (input_of(network, choose_layer(network, "d"), pixels) == want).all()
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 4, 4), np.uint8), y=np.zeros(2, np.int64))
    with pytest.raises(DataError, match=r"has images of \(4, 4\), but n takes \(4, 4, 3\)$"):
        picture(network, str(tmp_path / "x.npz"), 0)
    with pytest.raises(DataError, match=r"--image 2: .* has images 0 to 1$"):
        picture(network, str(tmp_path / "x.npz"), 2)
    with pytest.raises(ModelError, match="network n has no binary convolution; take one that has"):
        choose_layer(network_of(small, bipolar=False), None)


def test_energy_is_events_times_costs() -> None:
    costs = load(None)
    counters = {
        "cycles": 100, "instructions": 30, "fetches": 30, "loads": 5, "stores": 2, "bus_reads": 4,
        "bus_writes": 2,
    }  # fmt: skip
    plain = 30 * 19.6e-12 + 70 * 1.96e-12 + 6 * 21.8e-12
    assert core_energy(counters, costs, caches=False) == pytest.approx(plain)
    assert core_energy(counters, costs, caches=True) == pytest.approx(plain + 37 * 2.18e-12)
    store = Store((3, 3), 64, (1,))
    job = Job(
        layer_of(np.random.default_rng(1), *LAYERS["three channels"]), np.ones((4, 6, 3)), store
    )
    one, two = (unit_energy(store, n, 0, job.unit, costs) for n in (1, 2))
    assert two == 2 * one and 0.5e-12 < one < 5e-12
    assert unit_energy(store, 0, 1, job.unit, costs) == pytest.approx(6 * (68.1 + 7.2) * 1e-15)


RUNS = [
    ("picorv32", "a word of channels", 20, 20, False),
    ("picorv32", "three channels", 20, 3, True),
    ("picorv32", "one channel", 20, 2, False),
    ("picorv32", "65 channels", 40, 40, False),
    ("picorv32", "5 x 3", 3, 3, False),
    ("vexriscv", "a word of channels", 20, 20, True),
    ("vexriscv", "three channels", 20, 3, False),
]
"""Core, layer, slots, kernels in them, and whether the program writes them."""


@pytest.mark.extras
@pytest.mark.parametrize(("core", "name", "slots", "held", "write"), RUNS)
def test_programs_give_what_golden_gives(
    core: str, name: str, slots: int, held: int, write: bool, kept: Path, rng: Rng
) -> None:
    """All ways, with kernels that the unit has and kernels that it lacks, flips and borders."""
    layer = layer_of(rng, *LAYERS[name])
    few = pick(network_of(layer), held, shape=layer.kernel)
    job = Job(layer, bits_of(rng, layer), replace(few, slots=slots))
    ways = ("words", "library", "unit")
    found = measure(core, job, load(None), ways, kept=kept, write=write)
    assert found["misses"] > 0
    for way in ways:
        assert found[way]["mismatches"] == 0, way
    assert (found["unit"]["program_cycles"] > 0) == write
    assert found["unit"]["unit_instructions"] > 0 == found["words"]["unit_instructions"]
    full = measure(core, replace(job, in_full=True), load(None), ("unit",), kept=kept)
    assert full["unit"]["mismatches"] == full["places"] == 0


@pytest.mark.extras
def test_the_unit_reads_its_devices(kept: Path, rng: Rng) -> None:
    """With devices that spread, the program gives what the kernels give that they are read as."""
    layer = layer_of(rng, *LAYERS["a word of channels"])
    store = pick(network_of(layer), 256)
    made = draw_map(spread(1.5, 0.25), 256, 9, seed=2)
    read = DeviceCells(made, store.kernels).kernels()
    numbers = store.find(kernels_of(layer))
    taken = read[numbers >> 1] * np.where(numbers & 1, -1, 1)[..., None]
    weights = taken.reshape(layer.weights.shape).astype(np.int8)
    assert 0 < (weights != layer.weights).mean() < 0.5
    bits = bits_of(rng, layer)
    want = layer_results(replace(layer, weights=weights), bits)
    wrong = int((want != layer_results(layer, bits)).sum())
    job = Job(layer, bits, store)
    found = measure("picorv32", job, load(None), ("unit",), kept=kept, device_map=made.text())
    assert found["unit"]["mismatches"] == wrong > 0


@pytest.mark.extras
def test_the_command_runs_a_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rng: Rng
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network_of(layer_of(rng, (5, 5, 4), (3, 3), (1, 1), 6)).save(tmp_path / "n.npz")
    arguments = ["soc", str(tmp_path / "n.npz"), "--core", "picorv32", "--slots", "8"]
    assert main([*arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["words"]["mismatches"] == facts["unit"]["mismatches"] == 0
    assert main([*arguments, "--library"]) == 0
    assert "popcount of libgcc" in capsys.readouterr().out
