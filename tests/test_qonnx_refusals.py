"""What the importer refuses: every message whole, with the file, the node, the reason, a cure."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import Model, refused, signs

from binohm.gen.errors import ModelError
from binohm.gen.importer.qonnx import import_model

RNG = np.random.default_rng(0)
SHAPE = (1, 12)


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
