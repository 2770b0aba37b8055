"""A trained binary network as integers: what golden computes and what the hardware must compute.

Pure data. This module and :mod:`binohm.gen.plan` are all that ``binohm.sim`` may import of
``binohm.gen``; they import NumPy, :mod:`binohm.gen.layers` and :mod:`binohm.gen.errors` alone.

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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError
from binohm.gen.layers import Conv, Dense, Input, Ints, Pool, Scores, Signs

__all__ = ["SCHEMA", "Conv", "Dense", "Input", "Ints", "Network", "Pool", "Scores", "Signs"]

SCHEMA = 1
"""Version of the file format; :meth:`Network.load` refuses any other."""

GEOMETRY = ("image", "kernel", "stride", "padding")
"""What a convolution has beside its weights and thresholds, in whole numbers."""


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
    geometry: dict[str, Any] = {key: tuple(what[key]) for key in GEOMETRY}
    return Conv(*common, **geometry, pool=pool)
