"""Whole test sets through the compiled Verilog, and waveforms of it."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_networks import random_images, random_network
from small_build import MIXED, flip_bit, small_build, small_network, wrap

from binohm.gen.cycles import predict
from binohm.gen.errors import DataError, ModelError, OutputError, ToolError
from binohm.sim.check import check
from binohm.sim.directory import open_build
from binohm.sim.golden import forward
from binohm.sim.loop import compile_loop
from binohm.sim.run import run
from binohm.sim.wave import wave

NETWORK = small_network()
IMAGES = random_images(np.random.default_rng(8), NETWORK, 101)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build whose loop is compiled: copies of it need not compile again."""
    directory = tmp_path_factory.mktemp("run") / "mixed"
    small_build(directory, NETWORK, MIXED)
    compile_loop(open_build(directory))
    return directory


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(built, tmp_path / "mixed"))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 3])
def test_every_score_and_cycle_is_right(built: Path, processes: int) -> None:
    told: list[int] = []
    result = run(built, IMAGES, processes=processes, progress=told.append)
    expected = forward(NETWORK, IMAGES)
    assert (result.scores == expected.scores).all()
    assert (result.predictions == expected.predictions).all()
    assert result.mismatches == 0 and result.first_mismatch is None
    prediction = predict(NETWORK, open_build(built).plan)
    assert result.latency_cycles == prediction.latency
    assert result.interval_cycles == prediction.interval
    assert sum(result.block_images) == 101 and len(result.block_images) == processes
    assert result.block_cycles == tuple(prediction.total(n) for n in result.block_images)
    assert told[0] == 0 and told[-1] == 101 and told == sorted(told)


def test_stalls_change_no_result(built: Path) -> None:
    flowing, stalling = run(built, IMAGES), run(built, IMAGES, seed=3)
    assert stalling.mismatches == 0
    assert (stalling.scores == flowing.scores).all()
    for slow, fast in zip(stalling.block_cycles, flowing.block_cycles, strict=True):
        assert slow > fast


def test_few_images(built: Path) -> None:
    result = run(built, IMAGES[:1], processes=8)
    assert result.mismatches == 0 and result.block_images == (1,)
    assert result.interval_cycles is None
    assert result.block_cycles == (result.latency_cycles + 1,)


def test_mismatches_are_counted(build: Path) -> None:
    image = next(i for i in open_build(build).plan.images if i.name == "out_affine")
    flip_bit(build / "mem" / "out_affine.hex", 0, image.fields[0])  # lowest bit of an offset
    result = run(build, IMAGES)
    assert result.mismatches == 101 and result.first_mismatch == 0
    difference = result.scores - forward(NETWORK, IMAGES).scores
    assert (np.abs(difference[:, 0]) == 1).all() and not difference[:, 1:].any()


@pytest.mark.parametrize("engine", ["golden", "packed"])
def test_models_need_no_build(built: Path, tmp_path: Path, engine: Any) -> None:
    NETWORK.save(tmp_path / "model.npz")
    told: list[int] = []
    expected = forward(NETWORK, IMAGES)
    for place in (tmp_path / "model.npz", built):
        result = run(place, IMAGES, engine=engine, progress=told.append)
        assert (result.scores == expected.scores).all()
        assert (result.predictions == expected.predictions).all()
        assert result.mismatches is None and result.latency_cycles is None
    assert told == [0, 101, 0, 101]


def test_packed_refuses_lossy_converters(tmp_path: Path) -> None:
    config = {"array": {"rows": 8, "readout": "adc", "adc_bits": 1, "lossy": True}}
    small_build(tmp_path / "build", NETWORK, config)
    lossy = run(tmp_path / "build", IMAGES, engine="golden").scores
    assert (lossy != forward(NETWORK, IMAGES).scores).any()
    with pytest.raises(OutputError, match="layer fc0 has a lossy converter, which --engine packed"):
        run(tmp_path / "build", IMAGES, engine="packed")


def test_flat_images_are_taken(built: Path) -> None:
    flat = IMAGES.reshape(len(IMAGES), -1)
    assert run(built, flat, engine="golden").scores.shape == (101, 5)


def test_what_does_not_fit_is_refused(built: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the network cannot take these images: images must have"):
        run(built, IMAGES[:, :-1])
    with pytest.raises(DataError, match="the network cannot take these images: images must be an"):
        run(built, IMAGES.astype(np.int64))
    with pytest.raises(DataError, match="there are no images"):
        run(built, IMAGES[:0])
    with pytest.raises(ValueError, match="processes must be at least 1, not 0"):
        run(built, IMAGES, processes=0)
    wrong = "engine must be rtl, packed, golden or device, not 'fpga'"
    with pytest.raises(ValueError, match=wrong):
        run(built, IMAGES, engine="fpga")  # type: ignore[arg-type]
    NETWORK.save(tmp_path / "model.npz")
    with pytest.raises(OutputError, match=r"model\.npz is a file; --engine rtl needs a build dire"):
        run(tmp_path / "model.npz", IMAGES)
    with pytest.raises(ModelError, match=r"none\.npz: no such file"):
        run(tmp_path / "none.npz", IMAGES, engine="golden")


def test_a_path_with_spaces_is_refused(built: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(built, tmp_path / "a b"))
    with pytest.raises(OutputError, match="a b: Verilator cannot compile in a path with spaces; "):
        run(place, IMAGES)
    with pytest.raises(OutputError, match="a b: Verilator cannot compile in a path with spaces; "):
        check(place)


def test_a_simulation_that_stops_is_an_error(build: Path, tmp_path: Path) -> None:
    """The program that runs must end by itself when nothing moves any more."""
    program = compile_loop(open_build(build))
    path = build / "sim" / program.parent.name / "loop"
    path.write_text("#!/bin/sh\necho 'nothing moved; images done (5)' >&2\nexit 3\n")
    with pytest.raises(
        ToolError, match=r"the simulation stopped: nothing moved; images done \(5\)"
    ):
        run(build, IMAGES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mixed"]


@pytest.mark.slow
def test_a_design_that_hangs_is_an_error(build: Path) -> None:
    wrap(build, {"m_axis_tvalid": "i_m_axis_tvalid & (results < 20)"})
    with pytest.raises(
        ToolError, match=r"the simulation stopped: nothing moved; images done \(20\)"
    ):
        run(build, IMAGES)


@pytest.mark.slow
def test_scores_come_from_the_tap_when_the_host_has_none(tmp_path: Path) -> None:
    config = {**MIXED, "host": {"input_bytes": 64, "output_bytes": 1, "scores": False}}
    network = random_network(np.random.default_rng(2), (11, 13, 9, 9))
    small_build(tmp_path / "build", replace(network, name="a__b___c"), config)
    images = random_images(np.random.default_rng(8), network, 20)
    result = run(tmp_path / "build", images)
    assert result.mismatches == 0
    assert (result.scores == forward(network, images).scores).all()
    assert check(tmp_path / "build", images=3, simulator="icarus").ok


def values(path: Path, signal: str) -> list[tuple[int, int]]:
    """Time and value of each change of a top-level signal in a VCD file."""
    text = path.read_text()
    assert "$timescale 1ns $end" in text
    code = re.search(rf"\$var wire +\d+ (\S+) {signal}(?: \[.*?\])? \$end", text)
    assert code is not None
    changes, now = [], 0
    for line in text.split("$enddefinitions $end")[1].splitlines():
        if line.startswith("#"):
            now = int(line[1:])
        elif re.fullmatch(rf"b?[01]+ ?{re.escape(code[1])}", line):
            changes.append((now, int(line[: -len(code[1])].strip("b "), 2)))
    return changes


@pytest.mark.slow
def test_a_waveform_shows_one_image(build: Path, tmp_path: Path) -> None:
    out = tmp_path / "waves" / "image.vcd"
    assert wave(build, IMAGES, 40, out) == out
    prediction = predict(NETWORK, open_build(build).plan)
    clock = values(out, "aclk")
    begin, end = clock[0][0], clock[-1][0]
    cycles = (end - begin) // 10
    # Behind 16 images the pipeline is full: the image waits longer than alone.
    assert prediction.latency <= cycles <= prediction.latency + 4 * prediction.interval + 20
    results = [t for t, last in values(out, "m_axis_tlast") if last and t > begin]
    assert results and results[-1] <= end
    assert wave(build, None, 2, out) == out
    assert [p.name for p in out.parent.iterdir()] == ["image.vcd"]
    with pytest.raises(DataError, match="there is no image 101: there are 101, from 0"):
        wave(build, IMAGES, 101, out)
    with pytest.raises(DataError, match="there is no image 3: there are 3, from 0"):
        wave(build, None, 3, out)
    with pytest.raises(OutputError, match=r"no divergence is known of .*; run `binohm check`, or"):
        wave(build, None, None, out)
    flip_bit(build / "mem" / "out_affine.hex", 0, 0)
    assert not check(build, images=6, simulator="icarus", image_check=False).ok
    assert wave(build, None, None, tmp_path / "divergence.vcd").is_file()
