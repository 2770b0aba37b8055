"""Trained networks from QONNX and ONNX files, folded to integers exactly.

Binary networks of convolutional and fully connected layers are read as exporters write them:
nothing has to be cleaned first.

========================  ==========================================================================
part of a network         accepted forms
========================  ==========================================================================
weights                   -1/+1 times one scale for each output, of any origin: a quantised latent
                          initialiser or plain constants, transposed or not, in ``MatMul``,
                          ``Gemm`` and ``Conv``
convolution               two-dimensional, any kernel and stride, zeros on both sides alike,
                          channels first or last; behind it ``MaxPool``, before or after the sign
activation                ``BipolarQuant``, 1-bit ``Quant``, ``MultiThreshold`` with one threshold,
                          ``Sign`` where no sum reaches zero, comparisons with constants and
                          ``Where``; before them any affine function of each sum (biases,
                          ``BatchNormalization``, ``Sub``/``Mul``/``Div``/... of constants), clips
input                     any affine function and any quantiser, the same for all pixels; or none:
                          up to 16 bits, read as bit planes
split layer               groups of inputs that follow one another, each of its own weights, affine
                          functions and sign, before or behind which it may have a pool; the sign
                          of the sum or mean of their bits, +1 at a tie
last layer                an affine function of each score, ``Softmax``, ``LogSoftmax``, ``ArgMax``
everywhere                reshapes, transposes, chains of shapes; constants are folded
========================  ==========================================================================

Truth is exact real arithmetic on the parameters as stored and on pixels ``p * pixel_scale +
pixel_offset``. A
float32 executor rounds after every operator: it may decide otherwise where the exact value lies
within its rounding error of a threshold, or of the score of another class, and such differences
are its errors. At a tie, zero exactly, the bit is +1 and the lowest class wins here; an executor
agrees where its arithmetic happens to be exact, as it is for thresholds at whole numbers.

The trailing affine function of the scores is dropped where one positive scale and one offset serve
all classes, and negates the scores where the scale is negative. Otherwise integers are searched
that are proved to rank the classes alike, see :class:`binohm.gen.importer.fold.Ranking`.

Pixels. A model input of shape (N, C, H, W) belongs to images stored as (H, W, C), or (H, W) if C
is 1; so does (N, H, W, C) where C is 1 or 3 and the second size is neither, or where that is the
shape asked for. An input of an integer type is given the pixels as they are. Layers are named
``conv1``, ``conv2``, ... and ``fc1``, ``fc2``, ... in their order.

Votes. The groups of a split layer take each of its inputs once, the groups of a convolution in the
order (channel, row, column): what a group has weights of 0 for, at its ends, belongs to others. A
pool of the signs of a group is read as one of its sums, which is the same.

Padding. Beyond the border of a convolution is the real number 0 of the tensor it reads, and so it
is in the network: neither -1 nor +1. Where that is not possible (bits of 0 and 1, pixels that are
shifted so that 0 is no level of a common grid) the file is refused.
"""

from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError
from binohm.gen.importer.arithmetic import ARITHMETIC
from binohm.gen.importer.chain import chain
from binohm.gen.importer.exact import Exact
from binohm.gen.importer.graph import Graph, Node, read_graph, to_array
from binohm.gen.importer.maps import CHANNELS_LAST, MAPS, QUANTISED_MAPS
from binohm.gen.importer.moves import MOVES, Call, Rule
from binohm.gen.importer.quantisers import QUANTISERS
from binohm.gen.importer.signals import Pixels, Signal, Value
from binohm.gen.network import Network

__all__ = ["import_model"]

STANDARD: dict[str, Rule] = MOVES | ARITHMETIC | MAPS


def import_model(
    path: Path,
    *,
    name: str | None = None,
    pixel_scale: Fraction = Fraction(1, 255),
    pixel_offset: Fraction = Fraction(0),
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
    pixel_scale, pixel_offset : Fraction
        The model is given ``pixel * pixel_scale + pixel_offset``. The scale is not 0; both are
        ignored if its input has an integer type.
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
        Exact.full(element.shape, 0 if graph.integer else Fraction(pixel_offset)),
    )
    result = _evaluate(graph, image)
    if not isinstance(result, Signal):
        _refuse(path, f"output {graph.output!r} does not depend on the image; export it again")
    return chain(
        path, f"output {graph.output!r}", result, stored,
        name=name, rounding=rounding, remarks=remarks,
    )  # fmt: skip


def _refuse(path: Path, why: str) -> NoReturn:
    raise ModelError(f"{path}: {why}")


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
        first = (rest[1], rest[2], rest[0])
        last = rest[2] in (1, 3) and rest[0] not in (1, 3)
        last |= wanted == rest != first
        if not last:
            stored = first
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
        outputs = node.outputs if node.op in ("Split", "TopK") else node.outputs[:1]
        try:
            rule = _rule(node)
            for position, name in enumerate(outputs):
                values[name] = rule(Call(node, inputs, read, position))
        except ValueError as error:
            raise ModelError(f"{graph.path}: {node.label}: {error}") from error
        except (IndexError, TypeError, OverflowError) as error:  # an attribute of a wrong type
            raise ModelError(
                f"{graph.path}: {node.label}: {error}; the node is damaged, export the model again"
            ) from error
    return find(graph.output)


def _rule(node: Node) -> Rule:
    table: dict[str, Rule] = {}
    if node.standard:
        table = STANDARD
    elif node.quantised:
        table = QUANTISERS | QUANTISED_MAPS
    elif node.domain == "qonnx.custom_op.channels_last":
        table = CHANNELS_LAST
    if node.op in table:
        return table[node.op]
    if node.op == "Im2Col":
        raise ValueError("a convolution lowered to a matrix product; import the file before that")
    where = f" of domain {node.domain!r}" if node.domain else ""
    raise ValueError(
        f"operator {node.op}{where} is not supported; fold constants or replace it before the "
        "export"
    )
