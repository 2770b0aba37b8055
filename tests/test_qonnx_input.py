"""The input of an imported network in every accepted form: golden equals the qonnx executor."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx_models import Model, execute
from qonnx.custom_op.general.quant import quant
from qonnx_models import PIXELS, SHAPE, WHOLE, Part, agree, body, pictures

from binohm.gen.errors import ModelError
from binohm.gen.importer.qonnx import import_model
from binohm.sim.golden import forward


def quantised(bits: int, scale: float, shift: float = 0.0, zero: float = 0.0, **more: Any) -> Part:
    def part(model: Model, x: str, rng: np.random.Generator) -> str:
        return model.quant(model.node("Sub", x, shift), bits, scale, zero, **more)

    return part


def counted(rows: Sequence[float], **attributes: Any) -> Part:
    def part(model: Model, x: str, rng: np.random.Generator) -> str:
        return model.quantiser("MultiThreshold", x, np.array([rows]), out_dtype="", **attributes)

    return part


def shifted(model: Model, x: str, rng: np.random.Generator) -> str:
    """Every pixel has a mean of its own, which moves into the thresholds."""
    return model.node("Sub", x, rng.integers(0, 256, PIXELS))


def chained(model: Model, x: str, rng: np.random.Generator) -> str:
    x = model.node("Floor", model.node("Div", model.node("Add", x, 8.0), 16.0))
    return model.node("Clip", x, model.constant(1.0), model.constant(14.0))


def normalised(model: Model, x: str, rng: np.random.Generator) -> str:
    """Batch normalisation before the sign, by two roots that are irrational."""
    parameters = [np.full(PIXELS, value) for value in (-0.5, 0.25, 100.0, 3.0)]
    return model.bipolar(model.batch_norm(x, parameters))


def compared(model: Model, x: str, rng: np.random.Generator) -> str:
    x = model.node("Cast", model.node("Greater", x, 99.0), to=TensorProto.FLOAT)
    return model.node("Sub", model.node("Mul", x, 2.0), 1.0)


INPUTS: dict[str, tuple[Part, int, bool]] = {
    # name: what it does to 0..255, bit planes, whether it becomes -1/+1
    "none": (lambda m, x, _: x, 8, False),
    "2p-255": (lambda m, x, _: m.node("Sub", m.node("Mul", x, 2.0), 255.0), 8, False),
    "-3p": (lambda m, x, _: m.node("Mul", x, -3.0), 8, False),
    "100-p": (lambda m, x, _: m.node("Sub", 100.0, x), 8, False),
    "260+p": (lambda m, x, _: m.node("Add", x, 260.0), 8, False),
    "far from 0": (quantised(9, 1.0, -96.0, signed=0), 8, False),
    "own mean": (shifted, 8, False),
    "bipolar at 77": (lambda m, x, _: m.bipolar(m.node("Sub", x, 77.0), 0.5), 1, True),
    "normalised": (normalised, 1, True),
    "sign of half": (lambda m, x, _: m.node("Sign", m.node("Sub", x, 76.5)), 1, True),
    "sign with 0": (lambda m, x, _: m.node("Sign", m.node("Sub", x, 77.0)), 2, False),
    "greater": (compared, 1, True),
    "chain": (chained, 4, False),
    "relu": (lambda m, x, _: m.node("Relu", m.node("Sub", x, 240.0)), 4, False),
    "round": (lambda m, x, _: m.node("Round", m.node("Div", x, 32.0)), 4, False),
    "ceil": (lambda m, x, _: m.node("Ceil", m.node("Div", x, 64.0)), 3, False),
    "abs": (lambda m, x, _: m.node("Abs", m.node("Sub", x, 128.0)), 8, False),
    "cast": (
        lambda m, x, _: m.node(
            "Cast",
            m.node("Cast", m.node("Div", m.node("Sub", x, 128.0), 16.0), to=TensorProto.INT32),
            to=TensorProto.FLOAT,
        ),
        4,
        False,
    ),
    "1 bit signed": (quantised(1, 2.0, 77.0, signed=1), 1, True),
    "1 bit zero": (quantised(1, 2.0, 77.0, 3.0, signed=1), 1, True),
    "2 bit narrow": (quantised(2, 64.0, 128.0, signed=1, narrow=1), 2, False),
    "8 bit": (quantised(8, 1.0, signed=0), 8, False),
    "4 bit signed": (quantised(4, 16.0, 128.0, signed=1), 4, False),
    "4 bit narrow": (quantised(4, 16.0, 128.0, signed=1, narrow=1), 4, False),
    "4 bit unsigned narrow": (quantised(4, 16.0, signed=0, narrow=1), 4, False),
    "4 bit zero": (quantised(4, 16.0, 0.0, -8.0, signed=1), 4, False),
    "4 bit half zero": (quantised(4, 16.0, 0.0, -7.5, signed=1), 4, False),
    "twice": (
        lambda m, x, _: m.quant(m.quant(x, 6, 4.0, signed=0), 3, 32.0, signed=0),
        3,
        False,
    ),
    "1 threshold": (counted([77]), 1, True),
    "1 threshold bipolar": (counted([77], out_scale=2.0, out_bias=-1.0), 1, True),
    "3 thresholds": (counted([10, 100, 200], out_scale=0.5, out_bias=-1.0), 2, False),
}


@pytest.mark.parametrize("form", INPUTS)
def test_every_form_of_input(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Whole numbers reach the quantisers, so that float32 is exact, at ties too."""
    part, planes, bipolar = INPUTS[form]
    model = Model(SHAPE)
    x = part(model, model.flatten(), rng)
    path = model.save(tmp_path / "m.onnx", body(model, x, rng))
    network = agree(path, rng, pixel_scale=WHOLE, batch=True)
    assert (network.input.bits, network.input.bipolar) == (planes, bipolar)


@pytest.mark.parametrize(
    "mode", ["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "half_even"]
)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bits=st.integers(1, 8),
    signed=st.booleans(),
    narrow=st.booleans(),
    scale=st.sampled_from([1.0, 2.0, 16.0, 24.0, 32.0, 64.0]),
    shift=st.integers(-260, 20),
    zero=st.sampled_from([0.0, 1.0, -3.0, 0.5]),
)
@example(bits=5, signed=True, narrow=False, scale=24.0, shift=-120, zero=0.0)
def test_quantised_pixels_equal_those_of_the_qonnx_function(
    tmp_path: Path,
    mode: str,
    bits: int,
    signed: bool,
    narrow: bool,
    scale: float,
    shift: int,
    zero: float,
) -> None:
    """All 256 pixel values, in exact float64; the integers may count from another origin."""
    pixels = np.arange(256.0)
    theirs = quant(pixels + shift, scale, zero, np.float64(bits), signed, narrow, mode)
    rng = np.random.default_rng(0)
    model = Model((1, PIXELS))
    x = model.node("Add", "0", float(shift))
    x = model.quant(x, bits, scale, zero, signed=signed, narrow=narrow, rounding_mode=mode)
    path = model.save(tmp_path / "m.onnx", body(model, x, rng))
    if len(np.unique(theirs)) == 1:
        with pytest.raises(ModelError, match="all 256 pixel values give the same input"):
            import_model(path, pixel_scale=WHOLE)
        return
    ours = import_model(path, pixel_scale=WHOLE).input
    low, high = theirs.argmin(), theirs.argmax()
    unit = Fraction(theirs[high] - theirs[low]) / int(ours.table[high] - ours.table[low])
    assert [theirs[low] + unit * int(step) for step in ours.table - ours.table[low]] == list(theirs)
    levels = np.unique(theirs)
    assert ours.bipolar == (len(levels) == 2)
    assert 1 << ours.bits < 4 * (1 + (levels[-1] - levels[0]) / np.diff(levels).min())


def table(path: Path, **options: Any) -> list[int]:
    return import_model(path, **options).input.table.tolist()


def test_input_tables_hold_the_integers_of_the_quantiser(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)

    def of(part: Part, **options: Any) -> list[int]:
        model = Model(SHAPE)
        x = part(model, model.flatten(), rng)
        return table(model.save(tmp_path / "m.onnx", body(model, x, rng)), **options)

    pixels = np.arange(256)
    assert of(INPUTS["none"][0]) == pixels.tolist()
    # 2p/255 - 1 is an odd multiple of 1/255: 9 planes; from its smallest level it takes 8.
    assert of(lambda m, x, _: m.node("Sub", m.node("Mul", x, 2.0), 1.0)) == pixels.tolist()
    signed = np.clip(np.round((pixels - 128) / 16), -8, 7).astype(int).tolist()
    assert of(INPUTS["4 bit signed"][0], pixel_scale=WHOLE) == signed
    fifteen = of(quantised(4, 1 / 15, signed=0))
    assert fifteen == [round(15 * p / 255) for p in range(256)]
    halved = of(lambda m, x, _: m.bipolar(m.node("Sub", m.node("Mul", x, 2.0), 1.0)))
    assert halved == [-1] * 128 + [1] * 128


def test_integer_inputs_are_given_the_pixels(tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model(SHAPE, kind=TensorProto.UINT8)
    x = model.node("Cast", model.flatten(), to=TensorProto.FLOAT)
    path = model.save(tmp_path / "m.onnx", body(model, x, rng))
    images = pictures(rng, SHAPE[2:])
    network = import_model(path)
    assert network.input.table.tolist() == list(range(256))
    assert forward(network, images).scores.tolist() == execute(path, images).tolist()
