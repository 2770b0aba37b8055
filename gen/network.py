"""A trained binary network as integers: what golden computes and what the hardware must compute.

Pure data. This module and :mod:`binohm.gen.plan` are all that ``binohm.sim`` may import of
``binohm.gen``; they import NumPy (and :mod:`binohm.gen.errors`) alone.

Arithmetic, for one image of ``uint8`` pixels ``p`` (flattened in C order)::

    x = input.table[p]                               # integers; -1 and +1 if input.bipolar
    for layer in network.layers:                     # Dense
        for g in range(groups):                      # 1 unless the layer came split
            s[g] = weights[:, part g] @ x[part g]
            bit[g] = (s[g] >= theta[g]) xor flip[g]
        x = +1 where 2 * (number of set bits) >= groups else -1      # a tie gives +1
    scores = scale * (weights @ x) + offset          # the last layer, Scores
    prediction = lowest class among the largest scores

A :class:`Conv` does what a Dense layer does to every window of an image, an array of shape (H, W,
C), flattened in C order like all vectors here. A window is the vector of its elements in the order
(channel, row, column); those beyond the border are 0, neither -1 nor +1. A pool takes the largest
of several windows: of the sums, by group and before the flip, or of the results.
"""

import io
import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError

__all__ = ["SCHEMA", "Conv", "Dense", "Input", "Network", "Pool", "Scores"]

SCHEMA = 1
"""Version of the file format; :meth:`Network.load` refuses any other."""

LIMIT = 1 << 30
"""Thresholds, scales and offsets stay below this, so that no 64-bit sum can overflow."""

GEOMETRY = ("image", "kernel", "stride", "padding")
"""What a convolution has beside its weights and thresholds, in whole numbers."""

Signs = NDArray[np.int8]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Input:
    """How pixels become the numbers the first layer multiplies.

    Parameters
    ----------
    shape : tuple of int
        Shape of one image as a user stores it: (H, W) or (H, W, C). Flattened in C order, element
        ``k`` of the vector is byte ``k`` of the input stream.
    table : int64 array, shape (256,)
        Value of each pixel byte. Scale factors are folded away: these are integers.
    bipolar : bool
        The table holds only -1 and +1, and they drive the lines as activations do. Otherwise the
        values are read bit plane by bit plane.
    """

    shape: tuple[int, ...]
    table: Ints
    bipolar: bool

    def __post_init__(self) -> None:
        if len(self.shape) not in (1, 2, 3) or min(self.shape) < 1:
            raise ModelError(f"input shape must be (N,), (H, W) or (H, W, C), not {self.shape}")
        if self.table.shape != (256,) or self.table.dtype != np.int64:
            raise ModelError(
                "input table must be 256 int64 values, not "
                f"{self.table.dtype} of shape {self.table.shape}"
            )
        if self.bipolar and not np.isin(self.table, (-1, 1)).all():
            raise ModelError("a bipolar input table must hold only -1 and +1")
        if np.abs(self.table).max() > 1 << 15:
            raise ModelError("input values must lie within -32768 to 32767: 16 bit planes at most")

    @property
    def elements(self) -> int:
        """Pixels per image."""
        return int(np.prod(self.shape))

    @property
    def signed(self) -> bool:
        """Whether a value can be negative; then the top plane weighs negative."""
        return bool((self.table < 0).any())

    @property
    def bits(self) -> int:
        """Bit planes of a value: 1 if bipolar, else the two's complement or unsigned width."""
        if self.bipolar:
            return 1
        low, high = int(self.table.min()), int(self.table.max())
        if low < 0:
            return max((-low - 1).bit_length(), high.bit_length()) + 1
        return max(1, high.bit_length())

    @property
    def plane_weights(self) -> tuple[int, ...]:
        """What bit ``b`` of a value is worth: 1, 2, 4, ... and -2^(b-1) at the top if signed."""
        weights = [1 << b for b in range(self.bits)]
        if self.signed and not self.bipolar:
            weights[-1] = -weights[-1]
        return tuple(weights)


@dataclass(frozen=True)
class Dense:
    """A fully connected hidden layer with binary outputs.

    Parameters
    ----------
    name : str
        Unique in the network; an identifier, since files and modules are named after it.
    weights : int8 array of -1 and +1, shape (outputs, inputs)
    theta : int64 array, shape (groups, outputs)
        Group ``g`` of output ``o`` is +1 before its flip when ``s >= theta[g, o]``.
    flip : bool array, shape (groups, outputs)
        Inverts the bit: batch normalisation with negative gamma.
    bounds : tuple of int
        Where the groups begin and end: group ``g`` has inputs ``bounds[g]`` to ``bounds[g+1]``.
    """

    name: str
    weights: Signs
    theta: Ints
    flip: NDArray[np.bool_]
    bounds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_weights(self.name, self.weights)
        if not self.bounds:
            object.__setattr__(self, "bounds", (0, self.inputs))
        rising = all(a < b for a, b in zip(self.bounds, self.bounds[1:], strict=False))
        if self.bounds[0] != 0 or self.bounds[-1] != self.inputs or not rising:
            raise ModelError(
                f"layer {self.name}: group bounds must rise from 0 to {self.inputs}, "
                f"not {self.bounds}"
            )
        shape = (self.groups, self.outputs)
        _check_integers(self.name, "theta", self.theta, shape)
        if self.flip.shape != shape or self.flip.dtype != np.bool_:
            raise ModelError(f"layer {self.name}: flip must be bool of shape {shape}")

    @property
    def inputs(self) -> int:
        """Elements of the input vector."""
        return int(self.weights.shape[1])

    @property
    def outputs(self) -> int:
        """Elements of the output vector."""
        return int(self.weights.shape[0])

    @property
    def groups(self) -> int:
        """Parts whose bits are joined by a majority vote; 1 if the layer is not split."""
        return len(self.bounds) - 1

    @property
    def takes(self) -> int:
        """Elements that come from the layer before."""
        return self.inputs

    @property
    def gives(self) -> int:
        """Elements that go to the layer behind."""
        return self.outputs


@dataclass(frozen=True)
class Pool:
    """The largest of ``kernel`` results, every ``stride``.

    Parameters
    ----------
    kernel, stride : (int, int)
        Rows and columns.
    of : str
        ``sums``: before threshold and flip, in each group; ``signs``: of the layer's results.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    of: Literal["sums", "signs"]

    def size(self, rows: int, columns: int) -> tuple[int, int]:
        """Rows and columns of what comes out."""
        return (
            (rows - self.kernel[0]) // self.stride[0] + 1,
            (columns - self.kernel[1]) // self.stride[1] + 1,
        )


@dataclass(frozen=True, kw_only=True)
class Conv(Dense):
    """A hidden layer that looks at every window of an image.

    ``inputs`` are the elements of a window, in the order (channel, row, column), and ``outputs``
    the channels that come out.

    Parameters
    ----------
    image : (int, int, int)
        Rows, columns and channels of what comes in.
    kernel, stride, padding : (int, int)
        Rows and columns. Padding is the same on both sides.
    pool : Pool, optional
    """

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pool: Pool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        inputs = self.image[2] * self.kernel[0] * self.kernel[1]
        if self.inputs != inputs:
            raise ModelError(
                f"layer {self.name}: a window of {self.kernel[0]} x {self.kernel[1]} with "
                f"{self.image[2]} channels has {inputs} elements, but the weights {self.inputs}"
            )
        for axis, what in enumerate(("rows", "columns")):
            size, kernel, padding = self.image[axis], self.kernel[axis], self.padding[axis]
            if min(size, kernel, self.stride[axis]) < 1 or not 0 <= padding <= (kernel - 1) // 2:
                raise ModelError(
                    f"layer {self.name}: {what}: image {size}, kernel {kernel} and stride "
                    f"{self.stride[axis]} must be at least 1, and padding {padding} at most "
                    f"{(kernel - 1) // 2}"
                )
            if self.windows[axis] < 1:
                raise ModelError(
                    f"layer {self.name}: {what}: a kernel of {kernel} does not fit in an image of "
                    f"{size} with padding {padding}"
                )
        if min(self.result[:2]) < 1:
            raise ModelError(
                f"layer {self.name}: a pool does not fit in {self.windows[0]} x {self.windows[1]}"
            )

    @property
    def windows(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        rows, columns = (
            (self.image[k] + 2 * self.padding[k] - self.kernel[k]) // self.stride[k] + 1
            for k in range(2)
        )
        return rows, columns

    @property
    def result(self) -> tuple[int, int, int]:
        """Rows, columns and channels of what comes out."""
        size = self.pool.size(*self.windows) if self.pool else self.windows
        return (*size, self.outputs)

    @property
    def takes(self) -> int:
        """Elements that come from the layer before."""
        return int(np.prod(self.image))

    @property
    def gives(self) -> int:
        """Elements that go to the layer behind."""
        return int(np.prod(self.result))


@dataclass(frozen=True)
class Scores:
    """The last layer: ``scale * (weights @ x) + offset``, an integer for each class.

    Parameters
    ----------
    name : str
    weights : int8 array of -1 and +1, shape (outputs, inputs)
    scale, offset : int64 array, shape (outputs,)
    """

    name: str
    weights: Signs
    scale: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    offset: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        _check_weights(self.name, self.weights)
        if not self.scale.size:
            object.__setattr__(self, "scale", np.ones(self.outputs, np.int64))
        if not self.offset.size:
            object.__setattr__(self, "offset", np.zeros(self.outputs, np.int64))
        _check_integers(self.name, "scale", self.scale, (self.outputs,))
        _check_integers(self.name, "offset", self.offset, (self.outputs,))

    @property
    def inputs(self) -> int:
        """Elements of the input vector."""
        return int(self.weights.shape[1])

    @property
    def outputs(self) -> int:
        """Classes."""
        return int(self.weights.shape[0])

    groups = 1

    @property
    def takes(self) -> int:
        """Elements that come from the layer before."""
        return self.inputs

    @property
    def gives(self) -> int:
        """Elements that come out."""
        return self.outputs


@dataclass(frozen=True)
class Network:
    """A chain of layers; the last is :class:`Scores`, all others :class:`Dense` or :class:`Conv`.

    Parameters
    ----------
    name : str
        An identifier: the Verilog top is ``binohm_<name>``.
    input : Input
    layers : tuple of Dense, then one Scores
    """

    name: str
    input: Input
    layers: tuple[Dense | Scores, ...]

    def __post_init__(self) -> None:
        if not self.layers or not isinstance(self.layers[-1], Scores):
            raise ModelError("a network must end in a layer of scores")
        for layer in self.layers[:-1]:
            if not isinstance(layer, Dense):
                raise ModelError(f"layer {layer.name}: only the last layer may give scores")
        names = [layer.name for layer in self.layers]
        for name in [self.name, *names]:
            if not (name.isidentifier() and name.isascii() and name == name.lower()):
                raise ModelError(f"name {name!r} must be a lower-case identifier of a-z, 0-9 and _")
        if len(set(names)) != len(names):
            raise ModelError(f"layer names must differ, not {names}")
        width = self.input.elements
        for layer in self.layers:
            if layer.takes != width:
                raise ModelError(
                    f"layer {layer.name} takes {layer.takes} inputs, but {width} come before it"
                )
            width = layer.gives

    @property
    def hidden(self) -> tuple[Dense, ...]:
        """All layers but the last."""
        return tuple(layer for layer in self.layers if isinstance(layer, Dense))

    @property
    def scores(self) -> Scores:
        """The last layer."""
        last = self.layers[-1]
        assert isinstance(last, Scores)
        return last

    @property
    def weight_count(self) -> int:
        """Binary weights in all layers."""
        return sum(layer.weights.size for layer in self.layers)

    def save(self, path: Path) -> None:
        """Write one .npz. Equal networks give equal bytes: weights as packed bits, no dates."""
        meta: dict[str, Any] = {
            "schema": SCHEMA,
            "name": self.name,
            "shape": list(self.input.shape),
            "bipolar": self.input.bipolar,
            "layers": [_describe(layer) for layer in self.layers],
        }
        arrays: dict[str, NDArray[Any]] = {"input.table": self.input.table}
        for layer in self.layers:
            arrays[f"{layer.name}.weights"] = np.packbits(layer.weights > 0, axis=1)
            if isinstance(layer, Dense):
                arrays[f"{layer.name}.theta"] = layer.theta
                arrays[f"{layer.name}.flip"] = layer.flip
            else:
                arrays[f"{layer.name}.scale"] = layer.scale
                arrays[f"{layer.name}.offset"] = layer.offset
        text = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
        with zipfile.ZipFile(path, "w") as file:  # np.savez: other headers on other Pythons
            for key, array in {"network": text, **arrays}.items():
                member = zipfile.ZipInfo(f"{key}.npy")
                member.create_system = 3
                data = io.BytesIO()
                np.lib.format.write_array(data, np.asanyarray(array), allow_pickle=False)
                file.writestr(member, data.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Network":
        """Read what :meth:`save` wrote.

        Raises
        ------
        ModelError
            If the file is missing, is not a network of ours, or holds an invalid network.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            meta = json.loads(arrays["network"].tobytes())
        except FileNotFoundError as error:
            raise ModelError(f"{path}: no such file") from error
        except Exception as error:  # zipfile, zlib, struct and json all raise their own
            raise ModelError(
                f"{path}: not a binohm network ({error}); make one with `binohm import`"
            ) from error
        if meta.get("schema") != SCHEMA:
            raise ModelError(
                f"{path}: schema {meta.get('schema')}, but this version reads {SCHEMA}; "
                "import the model again"
            )
        try:
            return _assemble(meta, arrays)
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"{path}: damaged network file, {error!r}") from error


def _describe(layer: Dense | Scores) -> dict[str, Any]:
    what: dict[str, Any] = {
        "kind": "dense" if isinstance(layer, Dense) else "scores",
        "name": layer.name,
        "inputs": layer.inputs,
    }
    if isinstance(layer, Dense):
        what["bounds"] = list(layer.bounds)
    if isinstance(layer, Conv):
        what |= {"kind": "conv", **{key: list(getattr(layer, key)) for key in GEOMETRY}}
        if layer.pool:
            what["pool"] = asdict(layer.pool)
    return what


def _assemble(meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Network:
    layers: list[Dense | Scores] = []
    for what in meta["layers"]:
        name, inputs = what["name"], what["inputs"]
        bits = np.unpackbits(arrays[f"{name}.weights"], axis=1, count=inputs)
        weights = np.where(bits, 1, -1).astype(np.int8)
        if what["kind"] in ("dense", "conv"):
            theta, flip = arrays[f"{name}.theta"], arrays[f"{name}.flip"]
            common = (name, weights, theta, flip, tuple(what["bounds"]))
            layers.append(Dense(*common) if what["kind"] == "dense" else _conv(what, common))
        else:
            layers.append(Scores(name, weights, arrays[f"{name}.scale"], arrays[f"{name}.offset"]))
    source = Input(tuple(meta["shape"]), arrays["input.table"], bool(meta["bipolar"]))
    return Network(meta["name"], source, tuple(layers))


def _conv(what: dict[str, Any], common: tuple[Any, ...]) -> Conv:
    pool = what.get("pool")
    if pool:
        pool = Pool(tuple(pool["kernel"]), tuple(pool["stride"]), pool["of"])
    return Conv(*common, **{key: tuple(what[key]) for key in GEOMETRY}, pool=pool)


def _check_weights(name: str, weights: NDArray[Any]) -> None:
    if weights.ndim != 2 or 0 in weights.shape or weights.dtype != np.int8:
        raise ModelError(
            f"layer {name}: weights must be int8 of shape (outputs, inputs), not "
            f"{weights.dtype} of shape {weights.shape}"
        )
    if not (np.abs(weights) == 1).all():
        raise ModelError(f"layer {name}: weights must hold only -1 and +1")


def _check_integers(name: str, key: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape or values.dtype != np.int64:
        raise ModelError(
            f"layer {name}: {key} must be int64 of shape {shape}, not "
            f"{values.dtype} of shape {values.shape}"
        )
    if np.abs(values).max() >= LIMIT:
        raise ModelError(f"layer {name}: {key} must lie within +-{LIMIT - 1}")
