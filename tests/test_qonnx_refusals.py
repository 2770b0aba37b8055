"""What the importer refuses: every message whole, with the file, the node, the reason, a cure."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import Model, signs

from binohm.gen.errors import ModelError
from binohm.gen.importer.qonnx import import_model

RNG = np.random.default_rng(0)
SHAPE = (1, 12)


def refused(path: Path, message: str, **options: Any) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(path, **options)
    assert str(caught.value) == f"{path}: {message}"
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------- files

WHOLE_FILE = "not an ONNX file, or a damaged one; export or download it again"
EMPTY = "the file holds no graph; it is empty or not an ONNX model"


def valid(tmp_path: Path, shape: Any = SHAPE, **options: Any) -> Path:
    model = Model(shape, **options)
    x = model.bipolar(model.node("Sub", "0", 0.5))
    x = model.bipolar(model.linear(x, signs(RNG, 5, 12)))
    return model.save(tmp_path / "m.onnx", model.linear(x, signs(RNG, 3, 5)))


def test_missing_files(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "no such file")
    refused(tmp_path, "no such file")


def test_damaged_files(tmp_path: Path) -> None:
    import_model(valid(tmp_path))
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"")
    refused(path, EMPTY)
    path.write_bytes(b"this is a text\n")
    refused(path, WHOLE_FILE)
    path.write_bytes(np.random.default_rng(1).bytes(1000))
    refused(path, WHOLE_FILE)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    """Cut anywhere, the file never imports, and every message names it."""
    whole = valid(tmp_path).read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            import_model(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_random_damage_gives_no_traceback(tmp_path: Path) -> None:
    """Any flipped byte: a network or a ModelError of one line."""
    whole = bytearray(valid(tmp_path).read_bytes())
    path = tmp_path / "flipped.onnx"
    rng = np.random.default_rng(4)
    refusals = []
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            import_model(path)
        except ModelError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert all(text.startswith(f"{path}: ") and "\n" not in text for text in refusals)


def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = valid(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"MatMul", b"Mat\xfful", 1))
    refused(path, "a name in it is not text; the file is damaged, export or download it again")
    path = valid(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"MatMul", b"Ma\nMul", 1))
    refused(
        path,
        "node 2 (Ma Mul) -> tensor 6: operator Ma Mul is not supported; fold constants or replace "
        "it before the export",
    )


def test_missing_external_data(tmp_path: Path) -> None:
    proto = onnx.load(valid(tmp_path))
    path = tmp_path / "parts.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    import_model(path)
    (tmp_path / "w.bin").unlink()
    refused(
        path,
        "its external data cannot be read; put the data file beside the model, or save the model "
        "in one file",
    )


# ------------------------------------------------------------------- graphs


def edited(tmp_path: Path, edit: Callable[[Any], None], **options: Any) -> Path:
    path = valid(tmp_path, **options)
    proto = onnx.load(path)
    edit(proto)
    onnx.save(proto, path)
    return path


GRAPHS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "two inputs": (
        lambda p: p.graph.input.append(helper.make_tensor_value_info("more", 1, [1])),
        "one image input is needed, not 2 ('0', 'more'); cut the others off",
    ),
    "no input": (
        lambda p: p.graph.input.pop(),
        "one image input is needed, not 0 (none); cut the others off",
    ),
    "two outputs": (
        lambda p: p.graph.output.append(helper.make_tensor_value_info("2", 1, [1, 12])),
        "one output is needed, not 2 ('10', '2'); keep the scores",
    ),
    "no output": (
        lambda p: p.graph.output.pop(),
        "one output is needed, not 0 (none); keep the scores",
    ),
    "unknown output": (
        lambda p: setattr(p.graph.output[0], "name", "lost"),
        "the output 'lost' is made by no node; export the model again",
    ),
    "unknown tensor": (
        lambda p: p.graph.node[2].input.__setitem__(0, "lost"),
        "node 2 (MatMul) -> tensor 6: its input 'lost' is made by no node; export the model again",
    ),
    "cycle": (
        lambda p: p.graph.node[2].input.__setitem__(0, "8"),
        "node 3 (BipolarQuant) -> tensor 8: it depends on itself; a layered network is needed",
    ),
    "made twice": (
        lambda p: p.graph.node[3].output.__setitem__(0, "4"),
        "node 3 (BipolarQuant) -> tensor 4: tensor '4' is made twice; names must differ",
    ),
    "made and stored": (
        lambda p: p.graph.node[3].output.__setitem__(0, "5"),
        "node 3 (BipolarQuant) -> tensor 5: tensor '5' is made twice; names must differ",
    ),
    "no opset": (
        lambda p: p.opset_import.pop(0),
        "the file names no opset; it is truncated, export or download it again",
    ),
    "old opset": (
        lambda p: setattr(p.opset_import[0], "version", 6),
        (
            "opset 6 is older than 7, from which on tensors broadcast as in NumPy; convert the "
            "model with onnx.version_converter"
        ),
    ),
    "sparse": (
        lambda p: p.graph.sparse_initializer.add(),
        "sparse initialisers are not supported; store dense ones",
    ),
    "no shape": (
        lambda p: p.graph.input[0].type.tensor_type.ClearField("shape"),
        "input '0' has no shape; export the model with a fixed one",
    ),
    "free size": (
        lambda p: p.graph.input[0].type.tensor_type.shape.dim[1].ClearField("dim_value"),
        (
            "input '0' has the shape (1, ?); only the first size, the batch, may be free: export "
            "the model with a fixed image size"
        ),
    ),
    "empty size": (
        lambda p: setattr(p.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 0),
        (
            "input '0' has the shape (1, 0); only the first size, the batch, may be free: export "
            "the model with a fixed image size"
        ),
    ),
    "absurd size": (
        lambda p: setattr(p.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 1 << 40),
        "input '0' has the shape (1, 1099511627776), more than 67108864 elements",
    ),
    "strings": (
        lambda p: setattr(p.graph.input[0].type.tensor_type, "elem_type", TensorProto.STRING),
        "input '0' must be a tensor of floats or pixels (uint8)",
    ),
    "damaged attribute": (
        lambda p: p.graph.node[2].attribute.add(name="axis", ref_attr_name="k"),
        "node 2 (MatMul) -> tensor 6: an attribute is damaged; export it again",
    ),
    "damaged weights": (
        lambda p: setattr(p.graph.initializer[2], "raw_data", b"123"),
        (
            "initialiser '5' is damaged (buffer size must be a multiple of element size); export "
            "the model again"
        ),
    ),
    "unknown type": (
        lambda p: setattr(p.graph.initializer[2], "data_type", 99),
        "initialiser '5' is damaged (99); export the model again",
    ),
    "absurd weights": (
        lambda p: p.graph.initializer[2].dims.__setitem__(0, 1 << 40),
        "initialiser '5' has the shape (1099511627776, 5); the file is damaged",
    ),
    "NaN": (
        lambda p: spoil(p.graph.initializer[2], np.nan),
        "initialiser '5' holds NaN or infinity; train or export the model again",
    ),
    "infinity": (
        lambda p: spoil(p.graph.initializer[2], np.inf),
        "initialiser '5' holds NaN or infinity; train or export the model again",
    ),
    "string weights": (
        lambda p: p.graph.initializer[2].CopyFrom(
            helper.make_tensor("5", TensorProto.STRING, [1], [b"a"])
        ),
        "initialiser '5' holds object, not numbers; export it as float32",
    ),
    "4-bit integers": (
        lambda p: p.graph.initializer[2].CopyFrom(
            helper.make_tensor("5", TensorProto.INT4, [2], [1, -1])
        ),
        "initialiser '5' holds int4, not numbers; export it as float32",
    ),
    "NaN in bfloat16": (
        lambda p: p.graph.initializer[2].CopyFrom(
            helper.make_tensor("5", TensorProto.BFLOAT16, [1], [np.nan])
        ),
        "initialiser '5' holds NaN or infinity; train or export the model again",
    ),
    "unknown operator": (
        lambda p: setattr(p.graph.node[2], "op_type", "Tan"),
        (
            "node 2 (Tan) -> tensor 6: operator Tan is not supported; fold constants or replace it "
            "before the export"
        ),
    ),
    "unknown domain": (
        lambda p: (
            setattr(p.graph.node[2], "domain", "own"),
            setattr(p.graph.node[2], "name", "n"),
        ),
        (
            "n (MatMul): operator MatMul of domain 'own' is not supported; fold constants or "
            "replace it before the export"
        ),
    ),
    "wrong domain": (
        lambda p: setattr(p.graph.node[3], "domain", ""),
        (
            "node 3 (BipolarQuant) -> tensor 8: operator BipolarQuant is not supported; fold "
            "constants or replace it before the export"
        ),
    ),
    "missing input": (
        lambda p: p.graph.node[2].input.pop(),
        "node 2 (MatMul) -> tensor 6: input 1 is missing; export the model again",
    ),
    "convolution": (
        lambda p: setattr(p.graph.node[2], "op_type", "Conv"),
        (
            "node 2 (Conv) -> tensor 6: its input has the shape (1, 12); only images of shape "
            "(N, C, H, W) are supported"
        ),
    ),
    "pooling": (
        lambda p: setattr(p.graph.node[2], "op_type", "GlobalAveragePool"),
        (
            "node 2 (GlobalAveragePool) -> tensor 6: its input has the shape (1, 12); only images "
            "of shape (N, C, H, W) are supported"
        ),
    ),
    "a second output": (
        lambda p: (
            p.graph.node.append(helper.make_node("Dropout", ["6"], ["same", "mask"], "drop")),
            p.graph.node[3].input.__setitem__(0, "mask"),
        ),
        "node 3 (BipolarQuant) -> tensor 8: its input 'mask' is a second output; cut it",
    ),
}


def spoil(tensor: Any, value: float) -> None:
    array = onnx.numpy_helper.to_array(tensor).copy()
    array.flat[3] = value
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


@pytest.mark.parametrize("case", GRAPHS)
def test_bad_graphs(case: str, tmp_path: Path) -> None:
    edit, message = GRAPHS[case]
    refused(edited(tmp_path, edit), message)


def test_axes(tmp_path: Path) -> None:
    model = Model((1, 1, 1, 3, 4))
    path = model.save(tmp_path / "m.onnx", model.linear(model.flatten(), signs(RNG, 3, 12)))
    refused(path, "input '0' has 5 axes; 4 are the most")


def test_options(tmp_path: Path) -> None:
    path = valid(tmp_path)
    refused(path, "images of shape (5, 2) do not fit the input's (1, 12)", shape=(5, 2))
    refused(
        path,
        "the pixel scale is 0; give what the model receives for a pixel of 1",
        pixel_scale=Fraction(0),
    )
    refused(path, "name 'Net' must be a lower-case identifier of a-z, 0-9 and _", name="Net")
    model = Model((1, 1, 3, 4))
    x = model.bipolar(model.node("Sub", model.flatten(), 0.5))
    path = model.save(tmp_path / "m.onnx", model.linear(x, signs(RNG, 3, 12)))
    refused(path, "images of shape (4, 3) do not fit the input's (1, 1, 3, 4)", shape=(4, 3))


def test_outputs(tmp_path: Path) -> None:
    """Not scores: constants, pixels, bits, limited sums, a matrix of them."""
    end = "end the network before its last quantiser or clip"

    def save(build: Callable[[Model], str]) -> Path:
        model = Model(SHAPE)
        return model.save(tmp_path / "m.onnx", build(model))

    def layer(model: Model) -> str:
        return model.linear(model.bipolar(model.node("Sub", "0", 0.5)), signs(RNG, 4, 12))

    refused(
        save(lambda m: m.node("Add", 1.0, 2.0)),
        "output '3' does not depend on the image; export it again",
    )
    refused(
        save(lambda m: m.node("Identity", "0")), f"output '1' is not the scores of a layer; {end}"
    )
    refused(save(lambda m: m.bipolar(layer(m))), f"output '8' is not the scores of a layer; {end}")
    refused(
        save(lambda m: m.node("Relu", layer(m))), f"output '7' is not the scores of a layer; {end}"
    )
    refused(
        save(lambda m: m.node("Reshape", layer(m), m.constant([2, 2], np.int64))),
        "output '8' has the shape (2, 2); one score for each class is needed, along the last axis",
    )
    refused(
        save(lambda m: m.node("Mul", layer(m), 0.0)),
        "output '8': the scores do not depend on the image: their scales are all zero",
    )
    refused(
        save(lambda m: m.node("Add", layer(m), [0, 1, 2, 2.0**31])),
        "output '8': the offsets of the scores are more than 2**30 times their scales",
    )


# ------------------------------------------------------------------- operators


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
            m.node("Slice", bits(m), whole(m, 0), whole(m, 9), whole(m, 1)),
            signs(RNG, 9, 3),
            label="n",
        ),
        (
            "it takes 9 of the 12 elements before it, some twice or not at all; a fully connected "
            "layer takes each once"
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
    model = Model(SHAPE)
    output = build(model)
    (node,) = (node for node in model.nodes if node.name == "n")
    refused(model.save(tmp_path / "m.onnx", output), f"n ({node.op_type}): {message}")
