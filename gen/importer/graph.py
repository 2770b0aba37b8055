"""ONNX files as graphs that know how to name their nodes.

Reads a file with the ``onnx`` package and checks what does not depend on the operators: that the
file is whole, has one image input and one output, and that every tensor on the way is made once
and without a cycle. Dead branches are ignored, and nodes may stand in any order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import onnx.inliner
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from binohm.gen.errors import ModelError

__all__ = ["ELEMENTS", "Graph", "Node", "read_graph"]

ELEMENTS = 1 << 26
"""No tensor may have more elements: a guard against damaged shapes, far above any network."""

QUANTISED = frozenset({"onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"})
"""Domains in which the quantising operators are found."""

INTEGERS = frozenset(
    getattr(TensorProto, name) for name in ("UINT8", "UINT16", "INT16", "INT32", "UINT32", "INT64")
)
FLOATS = frozenset(
    getattr(TensorProto, name) for name in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")
)


@dataclass(frozen=True)
class Node:
    """One operator.

    Parameters
    ----------
    label : str
        What messages call it: its name, or its position and first output if it has none.
    op : str
        Operator; of the QONNX domains if ``quantised``.
    domain : str
    inputs, outputs : tuple of str
        Tensor names; an omitted one is empty.
    attributes : dict
        By name: int, float, bytes, tensor or list of these.
    opset : int
        Version of the standard operators in the file.
    """

    label: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int

    @property
    def quantised(self) -> bool:
        """Whether the operator belongs to one of the QONNX domains."""
        return self.domain in QUANTISED

    @property
    def standard(self) -> bool:
        """Whether the operator belongs to ONNX itself."""
        return self.domain in ("", "ai.onnx")

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or the default of the operator."""
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class Graph:
    """A checked graph.

    Parameters
    ----------
    path : Path
        The file, for messages.
    input : str
        Name of the image input.
    shape : tuple of int
        Its shape; a free batch dimension is 1.
    free : bool
        Whether the first dimension is free, hence a batch.
    integer : bool
        Whether the input has an integer type.
    output : str
    nodes : tuple of Node
        Ancestors of the output, each after what it needs.
    tensors : dict
        Initialisers by name, as stored.
    """

    path: Path
    input: str
    shape: tuple[int, ...]
    free: bool
    integer: bool
    output: str
    nodes: tuple[Node, ...]
    tensors: dict[str, Any] = field(repr=False)

    def array(self, name: str) -> NDArray[Any]:
        """An initialiser as an array.

        Raises
        ------
        ModelError
            If it is damaged, not numeric, or not finite.
        """
        return to_array(self.path, f"initialiser {name!r}", self.tensors[name])


def to_array(path: Path, what: str, tensor: Any) -> NDArray[Any]:
    """A stored tensor as an array of finite numbers; ``what`` names it in messages."""
    if any(size < 0 for size in tensor.dims) or np.prod(tensor.dims, dtype=float) > ELEMENTS:
        _refuse(path, f"{what} has the shape {tuple(tensor.dims)}; the file is damaged")
    try:
        array: NDArray[Any] = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        why = " ".join(str(error).split())
        raise ModelError(f"{path}: {what} is damaged ({why}); export the model again") from error
    if array.dtype.kind not in "iubf" and array.dtype.name != "bfloat16":
        _refuse(path, f"{what} holds {array.dtype}, not numbers; export it as float32")
    with np.errstate(invalid="ignore"):  # some NaN warn when they are converted
        finite = array.dtype.kind in "iub" or bool(np.isfinite(array.astype(np.float64)).all())
    if not finite:
        _refuse(path, f"{what} holds NaN or infinity; train or export the model again")
    return array


def read_graph(path: Path) -> Graph:
    """Read and check an ONNX file.

    Raises
    ------
    ModelError
        If the file cannot be read or is not a graph from one image to one tensor.
    """
    model = _load(path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    graph = model.graph
    if not all(isinstance(name, str) for name in _names(graph)):
        _refuse(path, "a name in it is not text; the file is damaged, export or download it again")
    if not graph.node:
        _refuse(path, "the file holds no graph; it is empty or not an ONNX model")
    if graph.sparse_initializer:
        _refuse(path, "sparse initialisers are not supported; store dense ones")
    opset = _opset(path, model)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    nodes = tuple(_node(path, position, node, opset) for position, node in enumerate(graph.node))

    inputs = [value for value in graph.input if value.name not in tensors]
    if len(inputs) != 1:
        names = ", ".join(repr(value.name) for value in inputs) or "none"
        _refuse(path, f"one image input is needed, not {len(inputs)} ({names}); cut the others off")
    if len(graph.output) != 1:
        names = ", ".join(repr(value.name) for value in graph.output) or "none"
        _refuse(path, f"one output is needed, not {len(graph.output)} ({names}); keep the scores")
    shape, free, integer = _image(path, inputs[0])
    source, target = inputs[0].name, graph.output[0].name
    order = tuple(_ancestors(path, nodes, target, {source, *tensors}))
    return Graph(path, source, shape, free, integer, target, order, tensors)


def _refuse(path: Path, why: str) -> NoReturn:
    raise ModelError(f"{path}: {why}")


def _load(path: Path) -> Any:
    if not path.is_file():
        _refuse(path, "no such file")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, by format and version
        raise ModelError(
            f"{path}: not an ONNX file, or a damaged one; export or download it again"
        ) from error
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # the checker's own, OSError and ValueError
        raise ModelError(
            f"{path}: its external data cannot be read; put the data file beside the model, or "
            "save the model in one file"
        ) from error
    return model


def _names(graph: Any) -> Iterator[Any]:
    """Every name in the graph; one that is not valid UTF-8 is read as bytes."""
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (entry.name for entry in node.attribute)
    for named in (*graph.initializer, *graph.input, *graph.output):
        yield named.name


def _opset(path: Path, model: Any) -> int:
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            if entry.version < 7:
                _refuse(
                    path,
                    f"opset {entry.version} is older than 7, from which on tensors broadcast as in "
                    "NumPy; convert the model with onnx.version_converter",
                )
            return int(entry.version)
    _refuse(path, "the file names no opset; it is truncated, export or download it again")


def _node(path: Path, position: int, node: Any, opset: int) -> Node:
    op = " ".join(node.op_type.split())
    label = f"{node.name} ({op})"
    if not node.name:
        label = f"node {position} ({op}) -> tensor {', '.join(node.output)}"
    label = " ".join(label.split())  # messages are one line, whatever is damaged
    try:
        attributes = {
            entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute
        }
    except ValueError as error:
        raise ModelError(f"{path}: {label}: an attribute is damaged; export it again") from error
    inputs, outputs = tuple(node.input), tuple(node.output)
    return Node(label, op, node.domain, inputs, outputs, attributes, opset)


def _image(path: Path, value: Any) -> tuple[tuple[int, ...], bool, bool]:
    """Shape of the input, whether its batch is free, and whether it has an integer type."""
    kind = value.type.tensor_type
    if kind.elem_type not in INTEGERS | FLOATS:
        _refuse(path, f"input {value.name!r} must be a tensor of floats or pixels (uint8)")
    if not kind.shape.dim:
        _refuse(path, f"input {value.name!r} has no shape; export the model with a fixed one")
    sizes = [int(dim.dim_value) if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    free = sizes[0] is None
    shape = (1 if free else sizes[0], *sizes[1:])
    fixed = tuple(size for size in shape if size is not None)
    if len(fixed) != len(shape) or min(fixed) < 1:
        text = ", ".join("?" if size is None else str(size) for size in sizes)
        _refuse(
            path,
            f"input {value.name!r} has the shape ({text}); only the first size, the batch, may be "
            "free: export the model with a fixed image size",
        )
    if np.prod(fixed, dtype=float) > ELEMENTS:
        _refuse(path, f"input {value.name!r} has the shape {fixed}, more than {ELEMENTS} elements")
    return fixed, free, kind.elem_type in INTEGERS


def _ancestors(path: Path, nodes: tuple[Node, ...], target: str, known: set[str]) -> Iterator[Node]:
    """The nodes that ``target`` depends on, each after what it needs."""
    makers: dict[str, Node] = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in makers or name in known:
                _refuse(path, f"{node.label}: tensor {name!r} is made twice; names must differ")
            makers[name] = node
    done, open_, stack = set(known), set[str](), [("", target)]
    while stack:
        user, name = stack[-1]
        maker = makers.get(name)
        if name in done:
            stack.pop()
        elif maker is None:
            who = f"{user}: its input" if user else "the output"
            _refuse(path, f"{who} {name!r} is made by no node; export the model again")
        elif missing := [need for need in maker.inputs if need and need not in done]:
            if name in open_:
                _refuse(path, f"{maker.label}: it depends on itself; a layered network is needed")
            open_.add(name)
            stack += [(maker.label, need) for need in missing]
        else:
            stack.pop()
            done.update(maker.outputs)
            yield maker
