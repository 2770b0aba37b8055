"""Trained networks from QONNX and ONNX files, folded to integers exactly.

Fully connected binary networks are read as exporters write them: nothing has to be cleaned first.

========================  ==========================================================================
part of a network         accepted forms
========================  ==========================================================================
weights                   -1/+1 times one scale for each output, of any origin: a quantised latent
                          initialiser or plain constants, transposed or not, in ``MatMul``, ``Gemm``
activation                ``BipolarQuant``, 1-bit ``Quant``, ``MultiThreshold`` with one threshold,
                          ``Sign`` where no sum reaches zero, comparisons with constants and
                          ``Where``; before them any affine function of each sum (biases,
                          ``BatchNormalization``, ``Sub``/``Mul``/``Div``/... of constants), clips
input                     any affine function and any quantiser, the same for all pixels; or none:
                          up to 16 bits, read as bit planes
last layer                an affine function of each score, ``Softmax``, ``LogSoftmax``, ``ArgMax``
everywhere                reshapes, transposes, chains of shapes; constants are folded
========================  ==========================================================================

Truth is exact real arithmetic on the parameters as stored and on pixels ``p * pixel_scale``. A
float32 executor rounds after every operator: it may decide otherwise where the exact value lies
within its rounding error of a threshold, or of the score of another class, and such differences
are its errors. At a tie, zero exactly, the bit is +1 and the lowest class wins here; an executor
agrees where its arithmetic happens to be exact, as it is for thresholds at whole numbers.

The trailing affine function of the scores is dropped where one positive scale and one offset serve
all classes, and negates the scores where the scale is negative. Otherwise integers are searched
that are proved to rank the classes alike, see :class:`binohm.gen.importer.fold.Ranking`.

Pixels. A model input of shape (N, C, H, W) belongs to images stored as (H, W, C), or (H, W) if C
is 1; so does (N, H, W, C) where C is 1 or 3 and the second size is neither. An input of an integer
type is given the pixels as they are. Layers are named ``fc1``, ``fc2``, ... in their order.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError
from binohm.gen.importer.arithmetic import ARITHMETIC
from binohm.gen.importer.exact import Exact
from binohm.gen.importer.fold import Ranking
from binohm.gen.importer.graph import Graph, Node, read_graph, to_array
from binohm.gen.importer.moves import MOVES, Call, Rule
from binohm.gen.importer.quantisers import QUANTISERS
from binohm.gen.importer.signals import Bits, Pixels, Signal, Sums, Value
from binohm.gen.network import Dense, Input, Network, Scores

__all__ = ["import_model"]

STANDARD: dict[str, Rule] = MOVES | ARITHMETIC


def import_model(
    path: Path,
    *,
    name: str | None = None,
    pixel_scale: Fraction = Fraction(1, 255),
    shape: tuple[int, ...] | None = None,
    rounding: bool = False,
    remarks: list[str] | None = None,
) -> Network:
    """Read a trained network from an ONNX file.

    Parameters
    ----------
    path : Path
    name : str, optional
        Of the network; without it, the file's, in lower case.
    pixel_scale : Fraction
        What the model is given for a pixel of 1. Not 0; ignored if its input has an integer type.
    shape : tuple of int, optional
        Shape of a stored image, where the model takes a flat vector.
    rounding : bool
        Round the trailing affine function of the scores if it cannot be folded exactly.
    remarks : list of str, optional
        Is appended what was done to the trailing affine function of the scores: a line.

    Raises
    ------
    ModelError
        In one line: the file, the node where there is one, the reason and a cure.
    """
    graph = read_graph(path)
    if not pixel_scale:
        _refuse(path, "the pixel scale is 0; give what the model receives for a pixel of 1")
    element, stored = _picture(graph, shape)
    pixels = Pixels(prod(stored), tuple(Fraction(p) for p in range(256)))
    scale = Fraction(1) if graph.integer else Fraction(pixel_scale)
    image = Signal(
        pixels,
        element,
        Exact.full(element.shape, scale),
        Exact.full(element.shape, 0),
    )
    result = _evaluate(graph, image)
    if not isinstance(result, Signal):
        _refuse(path, f"output {graph.output!r} does not depend on the image; export it again")
    layers = _chain(graph, result, rounding, remarks if remarks is not None else [])
    first = layers[0][1]
    table = first.table
    assert table is not None  # the first layer's sums are over pixels
    source = Input(stored, table, bool(np.isin(table, (-1, 1)).all()))
    try:
        return Network(name or _identifier(path.stem), source, tuple(layer for layer, _ in layers))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _refuse(path: Path, why: str) -> NoReturn:
    raise ModelError(f"{path}: {why}")


def _identifier(text: str) -> str:
    """A network's name from a file's: lower case, what is no letter or digit an underscore."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return plain if plain and not plain[0].isdigit() else f"network_{plain}".rstrip("_")


def _picture(
    graph: Graph, wanted: tuple[int, ...] | None
) -> tuple[NDArray[np.intp], tuple[int, ...]]:
    """Pixel of every element of the model's input, and the shape of a stored image."""
    sizes = graph.shape
    batch = sizes[0] if graph.free or len(sizes) in (2, 4) or sizes[0] == 1 else 0
    rest = sizes[1:] if batch else sizes
    rest = rest or (1,)
    if len(rest) > 3:
        _refuse(graph.path, f"input {graph.input!r} has {len(sizes)} axes; 4 are the most")
    order = np.arange(prod(rest), dtype=np.intp).reshape(rest)
    stored = rest
    if len(rest) == 3:
        last = rest[2] in (1, 3) and rest[0] not in (1, 3)
        if not last:
            stored = (rest[1], rest[2], rest[0])
            order = order.reshape(stored).transpose(2, 0, 1)
        if stored[2] == 1:
            stored = stored[:2]
    if wanted is not None:
        if (len(rest) > 1 and wanted != stored) or prod(wanted) != order.size:
            _refuse(graph.path, f"images of shape {wanted} do not fit the input's {sizes}")
        stored = wanted
    shape = sizes if batch else rest
    return np.broadcast_to(order, shape), stored


def _evaluate(graph: Graph, image: Signal) -> Value:
    """The value of the output."""
    values: dict[str, Value] = {graph.input: image}

    def find(name: str) -> Value:
        if name not in values:
            values[name] = Exact.of(graph.array(name))
        return values[name]

    for node in graph.nodes:

        def read(tensor: Any, label: str = node.label) -> Exact:
            return Exact.of(to_array(graph.path, f"{label}: its tensor", tensor))

        for name in node.inputs:
            if name and name not in values and name not in graph.tensors:
                _refuse(graph.path, f"{node.label}: its input {name!r} is a second output; cut it")
        inputs = tuple(find(name) if name else None for name in node.inputs)
        try:
            value = _rule(node)(Call(node, inputs, read))
        except ValueError as error:
            raise ModelError(f"{graph.path}: {node.label}: {error}") from error
        except (IndexError, TypeError, OverflowError) as error:  # an attribute of a wrong type
            raise ModelError(
                f"{graph.path}: {node.label}: {error}; the node is damaged, export the model again"
            ) from error
        used = node.outputs if node.op == "TopK" else node.outputs[:1]
        values.update(dict.fromkeys(used, value))
    return find(graph.output)


def _rule(node: Node) -> Rule:
    table = QUANTISERS if node.quantised else STANDARD if node.standard else {}
    if node.op in table:
        return table[node.op]
    if node.op in ("Conv", "ConvTranspose", "Im2Col") or "Pool" in node.op:
        raise ValueError("convolutional networks are not supported yet; use linear layers")
    where = f" of domain {node.domain!r}" if node.domain else ""
    raise ValueError(
        f"operator {node.op}{where} is not supported; fold constants or replace it before the "
        "export"
    )


def _chain(
    graph: Graph, result: Signal, rounding: bool, remarks: list[str]
) -> list[tuple[Dense | Scores, Sums]]:
    """The layers from the first to the last, with their sums."""
    sums = result.source
    if not isinstance(sums, Sums) or result.clip:
        _refuse(
            graph.path,
            f"output {graph.output!r} is not the scores of a layer; end the network before its "
            "last quantiser or clip",
        )
    rows, scales, offsets = _classes(graph, result)
    sums = sums.rows(rows)
    low, high = sums.low.tolist(), sums.high.tolist()
    apart = None
    if sums.step == 2:
        weights = sums.weights.astype(np.int64)
        apart = (weights.shape[1] - weights @ weights.T) // 2
    ranking = Ranking(scales, offsets, low, high, sums.step, apart)
    try:
        scale, offset, remark = ranking.integers(rounding=rounding)
    except ValueError as error:
        raise ModelError(f"{graph.path}: output {graph.output!r}: {error}") from error
    remarks.append(remark)
    names = (f"fc{k}" for k in range(len(list(_hidden(sums))) + 1, 0, -1))
    layers: list[tuple[Dense | Scores, Sums]] = [
        (Scores(next(names), sums.weights, scale, offset), sums)
    ]
    for bits in _hidden(sums):
        theta, flip = bits.theta[None], bits.flip[None]
        layers.append((Dense(next(names), bits.sums.weights, theta, flip), bits.sums))
    return layers[::-1]


def _hidden(sums: Sums) -> Iterator[Bits]:
    """The hidden layers before some sums, the last first."""
    while isinstance(sums.feed, Bits):
        yield sums.feed
        sums = sums.feed.sums


def _classes(graph: Graph, result: Signal) -> tuple[NDArray[np.intp], list[Any], list[Any]]:
    """Sum, scale and offset of every class, of the first of equal images of a batch."""
    width = result.shape[-1] if result.shape else 1
    flat = result.at(lambda index: index.reshape(-1, width))
    tensors = (flat.element, flat.scale.index, flat.offset.index)
    if any((index != index[0]).any() for index in tensors):
        _refuse(
            graph.path,
            f"output {graph.output!r} has the shape {result.shape}; one score for each class is "
            "needed, along the last axis",
        )
    first = flat.at(lambda index: index[0])
    return first.element, first.scale.numbers(), first.offset.numbers()
