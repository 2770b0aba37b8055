"""Operators that the importer refuses: every message whole, with the node, the reason, a cure."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from onnx_models import Model, refused_node, signs

RNG = np.random.default_rng(0)
SHAPE = (1, 12)


def bits(model: Model) -> str:
    return model.bipolar(model.node("Sub", "0", 0.5))


def sums(model: Model, count: int = 4) -> str:
    return model.linear(bits(model), signs(RNG, count, 12))


def whole(model: Model, *values: int) -> str:
    return model.constant(values, np.int64)


NOT_BINARY = "where -1 and +1 times one scale are needed; quantise the weights by BipolarQuant"
BITS_ONLY = (
    "the sums of a layer may only be shifted, scaled and binarised; activations of more than 1 bit "
    "are not supported: quantise them by BipolarQuant"
)
NORM = [np.ones(4), np.zeros(4), np.zeros(4), np.ones(4)]

OPERATORS: dict[str, tuple[Callable[[Model], str], str]] = {
    # weights
    "latent weights": (
        lambda m: m.node("MatMul", bits(m), np.arange(24.0).reshape(12, 2), label="n"),
        f"its weights are not binary: output 0 has the magnitudes 0, 2, 4, ..., {NOT_BINARY}",
    ),
    "ternary weights": (
        lambda m: m.node("MatMul", bits(m), np.array([[1], [-1], [0]] * 4), label="n"),
        f"its weights are not binary: output 0 has the magnitudes 0, 1, {NOT_BINARY}",
    ),
    "computed latent weights": (
        lambda m: m.node(
            "MatMul", bits(m), m.node("Sqrt", np.arange(24.0).reshape(12, 2)), label="n"
        ),
        f"its weights are not binary: output 0 has the magnitudes 0, 1.41421, 2, ..., {NOT_BINARY}",
    ),
    "scales by input": (
        lambda m: m.node(
            "MatMul", m.node("Mul", bits(m), np.arange(1.0, 13)), signs(RNG, 12, 2), label="n"
        ),
        (
            "its weights are not binary: output 0 has the magnitudes 1, 2, 3, ..., where -1 and +1 "
            "times one scale are needed; its inputs are scaled by 12 different numbers, use one "
            "for all"
        ),
    ),
    "a vector of weights": (
        lambda m: m.node("MatMul", bits(m), signs(RNG, 12), label="n"),
        "weights of shape (12,); a matrix (inputs, outputs) is needed",
    ),
    "many matrices": (
        lambda m: m.node("MatMul", bits(m), signs(RNG, 2, 12, 3), label="n"),
        "weights of shape (2, 12, 3); a matrix (inputs, outputs) is needed",
    ),
    "wrong fan-in": (
        lambda m: m.node("MatMul", bits(m), signs(RNG, 11, 3), label="n"),
        "an input of shape (1, 12) does not fit weights of shape (11, 3); export the model again",
    ),
    "Gemm of three axes": (
        lambda m: m.node(
            "Gemm", m.node("Unsqueeze", bits(m), whole(m, 0)), signs(RNG, 12, 3), label="n"
        ),
        "operands of shapes (1, 1, 12) and (12, 3); matrices are needed",
    ),
    "cropped image": (
        lambda m: m.node(
            "MatMul",
            m.node("Gather", bits(m), whole(m, *range(5), *range(8, 12)), axis=1),
            signs(RNG, 9, 3),
            label="n",
        ),
        (
            "it takes 9 of the 12 elements before it, some twice or not at all; a fully connected "
            "layer takes each once, or in a group those that follow each other"
        ),
    ),
    "shared weights": (
        lambda m: m.node(
            "MatMul", m.node("Reshape", bits(m), whole(m, 3, 4)), signs(RNG, 4, 3), label="n"
        ),
        (
            "its weights are applied to 3 different vectors of one image; flatten the image before "
            "it, or use a convolution of kernel 1"
        ),
    ),
    "no quantiser between layers": (
        lambda m: m.node("MatMul", sums(m), signs(RNG, 4, 3), label="n"),
        "its input is not quantised; put a BipolarQuant before it",
    ),
    "attention": (
        lambda m: m.node("MatMul", bits(m), m.node("Transpose", "0"), label="n"),
        "two branches are multiplied; attention is not supported",
    ),
    "constant product": (
        lambda m: m.node("MatMul", bits(m), m.node("MatMul", np.eye(12), np.eye(12), label="n")),
        "a product of constants; fold it before the export",
    ),
    # activations
    "residual": (
        lambda m: m.node("Add", sums(m), sums(m), label="n"),
        "two branches are added; residual connections are not supported",
    ),
    "gate": (
        lambda m: m.node("Mul", sums(m), sums(m), label="n"),
        "two branches are multiplied; attention and gates are not supported",
    ),
    "difference": (
        lambda m: m.node("Sub", sums(m), sums(m), label="n"),
        "two branches are added; residual connections are not supported",
    ),
    "joined branches": (
        lambda m: m.node("Concat", m.bipolar(sums(m)), bits(m), axis=1, label="n"),
        "branches of different origin are joined; a chain of layers is needed",
    ),
    "joined with constants": (
        lambda m: m.node("Concat", bits(m), np.ones((1, 3)), axis=1, label="n"),
        "branches of different origin are joined; a chain of layers is needed",
    ),
    "2-bit activations": (
        lambda m: m.quant(sums(m), 2, signed=1, label="n"),
        BITS_ONLY,
    ),
    "ReLU between layers": (
        lambda m: m.node("MatMul", m.node("Relu", sums(m)), signs(RNG, 4, 3), label="n"),
        "its input is not quantised; put a BipolarQuant before it",
    ),
    "rounded sums": (lambda m: m.node("Round", sums(m), label="n"), BITS_ONLY),
    "thresholds for 2 bits": (
        lambda m: m.quantiser(
            "MultiThreshold", sums(m), [[0.0, 1.0, 2.0]], out_dtype="", label="n"
        ),
        BITS_ONLY,
    ),
    "sign of zero": (
        lambda m: m.node("Sign", m.node("Add", sums(m), [1, 0, 2.5, 2]), label="n"),
        (
            "Sign(0) is 0, neither -1 nor +1, and 2 of 4 outputs can reach 0 (the first is 1); use "
            "BipolarQuant, where 0 gives +1"
        ),
    ),
    "sign of a constant zero": (
        lambda m: m.node("Sign", m.node("Mul", sums(m), [1.5, 0, 1, 1]), label="n"),
        (
            "Sign(0) is 0, neither -1 nor +1, and 4 of 4 outputs can reach 0 (the first is 0); use "
            "BipolarQuant, where 0 gives +1"
        ),
    ),
    "sign of a ReLU": (
        lambda m: m.node("Sign", m.node("Relu", m.node("Add", sums(m), 0.5)), label="n"),
        "a clip at 0 before a Sign gives more than two values; remove it",
    ),
    "clip above the threshold": (
        lambda m: m.quantiser(
            "BipolarQuant",
            m.node("Clip", sums(m), m.constant(0.0), m.constant(1.0)),
            1.0,
            label="n",
        ),
        "the clip before it leaves one sign only; remove the clip",
    ),
    "clip below the threshold": (
        lambda m: m.node(
            "Greater",
            m.node("Clip", sums(m), m.constant(-1.0), m.constant(0.0)),
            0.0,
            label="n",
        ),
        "arithmetic after a clip of sums; only a sign may follow it",
    ),
    "arithmetic after a clip": (
        lambda m: m.node("Add", m.node("Relu", sums(m)), 1.0, label="n"),
        "arithmetic after a clip of sums; only a sign may follow it",
    ),
    "two clips": (
        lambda m: m.node("Relu", m.node("Relu", sums(m)), label="n"),
        "a second clip of the same sums; merge the two",
    ),
    "one sum, two thresholds": (
        lambda m: m.quantiser(
            "BipolarQuant", m.node("Add", sums(m), [[0.0], [1.0]]), 1.0, label="n"
        ),
        "one sum is used with two scales; make it two neurons",
    ),
    "arithmetic after softmax": (
        lambda m: m.node("Mul", m.node("Softmax", sums(m)), 2.0, label="n"),
        "arithmetic after the classes were ranked; cut it off",
    ),
    "function after softmax": (
        lambda m: m.node("Ceil", m.node("Softmax", sums(m)), label="n"),
        "a function after the classes were ranked; cut it off",
    ),
    "layer after softmax": (
        lambda m: m.node("MatMul", m.node("Softmax", sums(m)), signs(RNG, 4, 3), label="n"),
        "its input is not quantised; put a BipolarQuant before it",
    ),
    # batch normalisation
    "training": (
        lambda m: m.batch_norm(sums(m), NORM, training_mode=1, label="n"),
        "batch normalisation in training mode; export the model in eval mode",
    ),
    "short parameters": (
        lambda m: m.batch_norm(sums(m), [np.ones(3), *NORM[1:]], label="n"),
        (
            "parameters of shapes (3,), (4,), (4,), (4,) for an input of shape (1, 4); one number "
            "for each channel is needed"
        ),
    ),
    "negative variance": (
        lambda m: m.batch_norm(sums(m), [*NORM[:3], np.array([1, 1, -1, 1])], label="n"),
        "a variance plus epsilon is not positive; train the model again",
    ),
    "zero variance": (
        lambda m: m.batch_norm(sums(m), [*NORM[:3], np.zeros(4)], epsilon=0.0, label="n"),
        "a variance plus epsilon is not positive; train the model again",
    ),
    "parameters from the image": (
        lambda m: m.node("Div", sums(m), sums(m), label="n"),
        "input 1 depends on the image where a constant is needed",
    ),
    "division by zero": (
        lambda m: m.node("Div", sums(m), [1.0, 0.0, 1.0, 1.0], label="n"),
        "division by zero; train or export the model again",
    ),
    "negative root": (
        lambda m: m.node("Mul", sums(m), m.node("Sqrt", -1.0, label="n")),
        "the square root of -1 is not that of a positive rational; fold it before the export",
    ),
    "odd power": (
        lambda m: m.node("Mul", sums(m), m.node("Pow", 2.0, 0.25, label="n")),
        "the exponent 1/4 is not a small multiple of 1/2; fold it before the export",
    ),
    "power of zero": (
        lambda m: m.node("Mul", sums(m), m.node("Pow", 0.0, -0.5, label="n")),
        "division by zero; train or export the model again",
    ),
    # quantisers
    "scale of zero": (
        lambda m: m.quantiser("BipolarQuant", sums(m), 0.0, label="n"),
        "its scale must be positive; train or export the model again",
    ),
    "negative scale": (
        lambda m: m.quant(sums(m), 1, -1.0, signed=1, label="n"),
        "its scale must be positive; train or export the model again",
    ),
    "no bits": (
        lambda m: m.quant(sums(m), 0, signed=1, label="n"),
        "its bit width is 0; 1 to 32 is needed",
    ),
    "half a bit": (
        lambda m: m.quant(sums(m), 1.5, signed=1, label="n"),  # type: ignore[arg-type]
        "its bit width is 3/2; 1 to 32 is needed",
    ),
    "widths by channel": (
        lambda m: m.quantiser(
            "Quant", sums(m), 1.0, 0.0, [1.0, 2.0, 1.0, 1.0], signed=1, label="n"
        ),
        "a tensor of shape (4,), where one number for all is needed",
    ),
    "rounding mode": (
        lambda m: m.quant(sums(m), 1, signed=1, rounding_mode="COIN", label="n"),
        (
            "its rounding mode is 'COIN'; one of ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, HALF_UP, "
            "HALF_DOWN is needed"
        ),
    ),
    "thresholds of one axis": (
        lambda m: m.quantiser("MultiThreshold", sums(m), [0.0], out_dtype="", label="n"),
        "thresholds of shape (1,); one row for each channel is needed",
    ),
    "rows of thresholds": (
        lambda m: m.quantiser("MultiThreshold", sums(m), np.zeros((3, 1)), out_dtype="", label="n"),
        "3 rows of thresholds for 4 channels; use one for each",
    ),
    "thresholds by pixel": (
        lambda m: m.quantiser(
            "MultiThreshold", "0", np.arange(24.0).reshape(12, 2), out_dtype="", label="n"
        ),
        "several thresholds that differ by channel; use one row",
    ),
    "input quantised by pixel": (
        lambda m: m.quantiser(
            "BipolarQuant", m.node("Sub", "0", np.arange(12.0) / 12), 1.0, label="n"
        ),
        (
            "the input is quantised differently for different pixels or colours; quantise all by "
            "one scale, and move the rest behind the first layer"
        ),
    ),
    # input
    "dark input": (
        lambda m: m.node(
            "MatMul", m.bipolar(m.node("Add", "0", 1.0)), signs(RNG, 12, 3), label="n"
        ),
        "all 256 pixel values give the same input 1; check the pixel scale",
    ),
    "uneven input": (
        lambda m: m.node(
            "MatMul",
            m.node("Clip", m.node("Mul", "0", 255.0), m.constant(0.0), m.constant(250.0001)),
            signs(RNG, 12, 3),
            label="n",
        ),
        "its 252 input levels need more than 16 bits; quantise the input evenly",
    ),
    "irrational input": (
        lambda m: m.node(
            "MatMul",
            m.node("Relu", m.node("Mul", "0", m.node("Sqrt", 2.0))),
            signs(RNG, 12, 3),
            label="n",
        ),
        "its input levels are irrational; quantise the input",
    ),
    # shapes
    "reshape": (
        lambda m: m.node("Reshape", "0", whole(m, 5, 5), label="n"),
        (
            "a tensor of shape (1, 12) cannot take the shape [5, 5]; export the model with a "
            "batch of 1"
        ),
    ),
    "reshape of no axis": (
        lambda m: m.node("Reshape", "0", whole(m, 1, 12, 0), label="n"),
        "the shape [1, 12, 0] copies an axis that shape (1, 12) has not",
    ),
    "reshape without a shape": (
        lambda m: m.node("Reshape", "0", label="n"),
        "its shape is missing; export the model again",
    ),
    "reshape by the image": (
        lambda m: m.node("Reshape", "0", "0", label="n"),
        "input 1 depends on the image where a constant is needed",
    ),
    "reshape by fractions": (
        lambda m: m.node("Reshape", "0", [0.5], label="n"),
        "fractions, where whole numbers are needed; export the model again",
    ),
    "unsqueeze without axes": (
        lambda m: m.node("Unsqueeze", "0", label="n"),
        "its axes are missing; export the model again",
    ),
    "slice without ends": (
        lambda m: m.node("Slice", "0", label="n"),
        "its starts or ends are missing; export the model again",
    ),
    "axis": (
        lambda m: m.node("Gather", "0", whole(m, 0), axis=2, label="n"),
        "axis 2 of a tensor with 2 axes; export the model again",
    ),
    "gather": (
        lambda m: m.node("Gather", "0", whole(m, 12), axis=1, label="n"),
        (
            "index 12 is out of bounds for axis 1 with size 12; the node is damaged, export the "
            "model again"
        ),
    ),
    "broadcast": (
        lambda m: m.node("Add", "0", np.ones(11), label="n"),
        "tensors of shapes (1, 12) and (11,) do not fit together; export the model again",
    ),
    "absurd expansion": (
        lambda m: m.node("Expand", "0", whole(m, 1 << 30, 12), label="n"),
        "a tensor of shape (1073741824, 12); the file is damaged",
    ),
    "absurd constant": (
        lambda m: m.node("ConstantOfShape", whole(m, 1 << 30, 12), label="n"),
        "a tensor of shape (1073741824, 12); the file is damaged",
    ),
    "string constant": (
        lambda m: m.node("Constant", value_string="text", label="n"),
        "a constant without a value, or of strings; export the model again",
    ),
    "training dropout": (
        lambda m: m.node("Dropout", "0", 0.5, m.constant(True, np.bool_), label="n"),
        "dropout in training mode; export the model in eval mode",
    ),
    "cast": (
        lambda m: m.node("Cast", "0", to=TensorProto.BOOL, label="n"),
        f"a cast to type {TensorProto.BOOL}; cast to a float type",
    ),
    # ends
    "softmax of bits": (
        lambda m: m.node("Softmax", bits(m), label="n"),
        "a softmax of something else than the scores; remove it",
    ),
    "softmax over images": (
        lambda m: m.node("Softmax", m.node("Reshape", sums(m), whole(m, 2, 2)), axis=0, label="n"),
        "a softmax over axis 0 of shape (2, 2); use the class axis",
    ),
    "argmax of bits": (
        lambda m: m.node("ArgMax", bits(m), axis=1, label="n"),
        "an argmax of something else than the scores; remove it",
    ),
    "argmax over images": (
        lambda m: m.node("ArgMax", sums(m), axis=0, label="n"),
        "an argmax over axis 0 of shape (1, 4); use the class axis",
    ),
    "last argmax": (
        lambda m: m.node("ArgMax", sums(m), axis=1, select_last_index=1, label="n"),
        "argmax gives the last of equal classes; use select_last_index=0",
    ),
    "top three": (
        lambda m: m.node("TopK", sums(m), whole(m, 3), label="n"),
        "not the best class alone; use k=1 and largest=1, or end at the scores",
    ),
    "smallest": (
        lambda m: m.node("TopK", sums(m), whole(m, 1), largest=0, label="n"),
        "not the best class alone; use k=1 and largest=1, or end at the scores",
    ),
}


@pytest.mark.parametrize("case", OPERATORS)
def test_bad_operators(case: str, tmp_path: Path) -> None:
    build, message = OPERATORS[case]
    refused_node(tmp_path / "m.onnx", SHAPE, build, message)
