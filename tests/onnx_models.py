"""ONNX files for the importer's tests, and the qonnx package as an executor that is not ours."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

from binohm.gen.errors import ModelError
from binohm.gen.importer.qonnx import import_model

Array = NDArray[Any]

DOMAINS = ("onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general")


class Model:
    """A graph built node by node; tensors are named by numbers, as old exporters do."""

    def __init__(
        self,
        shape: Sequence[int | str | None],
        *,
        kind: int = TensorProto.FLOAT,
        opset: int = 13,
        domain: str = DOMAINS[2],
        constants: str = "initializer",
    ) -> None:
        self.opset, self.domain, self.constants = opset, domain, constants
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs = [helper.make_tensor_value_info("0", kind, shape)]
        self.count = 0

    def name(self) -> str:
        """A new tensor."""
        self.count += 1
        return str(self.count)

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """A constant tensor: an initialiser, one listed as an input too, or a node."""
        array, name = np.asarray(values, kind), self.name()
        tensor = numpy_helper.from_array(array, name)
        if self.constants == "node":
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.initializers.append(tensor)
        if self.constants == "input":
            self.inputs.append(
                helper.make_tensor_value_info(name, tensor.data_type, list(array.shape))
            )
        return name

    def node(
        self, op: str, *inputs: str | float | Array, domain: str = "", **attributes: Any
    ) -> str:
        """Append a standard operator and return its output; numbers become constants."""
        names = [name if isinstance(name, str) else self.constant(name) for name in inputs]
        output = self.name()
        label = attributes.pop("label", None)
        made = helper.make_node(op, names, [output], name=label, domain=domain, **attributes)
        self.nodes.append(made)
        return output

    def quantiser(self, op: str, *inputs: str | float | Array, **attributes: Any) -> str:
        """Append an operator of the QONNX domain."""
        return self.node(op, *inputs, domain=self.domain, **attributes)

    def bipolar(self, x: str, scale: Any = 1.0) -> str:
        """Append a ``BipolarQuant``."""
        return self.quantiser("BipolarQuant", x, np.float32(scale))

    def quant(
        self, x: str, bits: int, scale: Any = 1.0, zero: Any = 0.0, *, signed: int, **more: Any
    ) -> str:
        """Append a ``Quant``."""
        more = {"narrow": 0, "rounding_mode": "ROUND"} | more
        numbers = (np.float32(scale), np.float32(zero), np.float32(bits))
        return self.quantiser("Quant", x, *numbers, signed=signed, **more)

    def linear(self, x: str, weights: Array) -> str:
        """Append a ``MatMul`` with weights of shape (outputs, inputs)."""
        return self.node("MatMul", x, np.float32(weights.T))

    def batch_norm(self, x: str, parameters: Sequence[Array], **attributes: Any) -> str:
        """Append a ``BatchNormalization`` with gamma, beta, mean, variance."""
        names = [self.constant(p) for p in parameters]
        return self.node("BatchNormalization", x, *names, **attributes)

    def flatten(self, x: str = "0") -> str:
        """Append a ``Flatten``."""
        return self.node("Flatten", x, axis=1)

    def proto(
        self,
        output: str,
        shape: Sequence[int | str | None] = (1, None),
        kind: int = TensorProto.FLOAT,
    ) -> Any:
        """The model, with one output."""
        out = helper.make_tensor_value_info(output, kind, shape)
        graph = helper.make_graph(self.nodes, "test", self.inputs, [out], self.initializers)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(self.domain, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def save(self, path: Path, output: str, *more: Any) -> Path:
        """Write the model; see :meth:`proto`."""
        onnx.save(self.proto(output, *more), path)
        return path


def execute(path: Path, inputs: Array, *, batch: bool = False) -> Array:
    """Output of the qonnx executor for several images, one by one or as one batch.

    qonnx's own cleaning comes first, since its executor needs static shapes.
    """
    proto = onnx.load(path)
    for node in proto.graph.node:  # where FINN had these operators before they moved
        node.domain = node.domain.replace("finn.", "qonnx.")
    model = ModelWrapper(proto)
    constants = {tensor.name for tensor in model.graph.initializer}
    (source,) = [value for value in model.graph.input if value.name not in constants]
    for dim in source.type.tensor_type.shape.dim:
        dim.dim_value = dim.dim_value or 1
    if batch:
        source.type.tensor_type.shape.dim[0].dim_value = len(inputs)
    target = model.graph.output[0]
    target.type.tensor_type.ClearField("shape")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cleanup_model(model)
        source, target = model.graph.input[0].name, model.graph.output[0].name
        shape = model.get_tensor_shape(source)
        rounds = [inputs] if batch else inputs
        outputs = [execute_onnx(model, {source: x.reshape(shape)})[target] for x in rounds]
    return np.array(outputs).reshape(len(inputs), -1)


def signs(rng: np.random.Generator, *shape: int) -> Array:
    """Random -1 and +1."""
    return rng.choice(np.array([-1.0, 1.0], np.float32), shape)


def refused(path: Path, message: str, **options: Any) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(path, **options)
    assert str(caught.value) == f"{path}: {message}"
    assert "\n" not in str(caught.value)


def refused_node(
    path: Path,
    shape: Sequence[int],
    build: Callable[[Model], str],
    message: str,
    **options: Any,
) -> None:
    """What ``build`` makes, to its output, is refused at the node named ``n``."""
    model = Model(shape)
    output = build(model)
    (node,) = (node for node in model.nodes if node.name == "n")
    refused(model.save(path, output), f"n ({node.op_type}): {message}", **options)
