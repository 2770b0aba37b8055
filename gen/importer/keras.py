"""Weights and descriptions of Keras models, read without TensorFlow.

What this gives is a list of :class:`Layer`, in their order: the class, the configuration and the
arrays of each. See docs/import.md for the files.
"""

import json
import re
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError

__all__ = ["Layer", "read_layers"]

Arrays = dict[str, NDArray[Any]]

SHORT = {"mean": "moving_mean", "var": "moving_variance", "variance": "moving_variance"}
"""Other names of parameters."""

PARTS: dict[str, tuple[tuple[str, str | None, bool], ...]] = {
    "Conv2D": (("kernel", None, True), ("bias", "use_bias", True)),
    "Dense": (("kernel", None, True), ("bias", "use_bias", True)),
    "BatchNormalization": (
        ("gamma", "scale", True),
        ("beta", "center", True),
        ("moving_mean", None, True),
        ("moving_variance", None, True),
    ),
}
"""Parameters of each class in the order of ``get_weights``, the option that leaves one out, and
the value of this option where it is not given."""


@dataclass(frozen=True)
class Layer:
    """One layer of a model.

    Parameters
    ----------
    kind : str
        Its class in Keras or Larq, without a prefix such as ``Larq>``.
    config : mapping
        Its configuration, as Keras stores it.
    arrays : mapping
        Its parameters: ``kernel``, ``bias``, ``gamma``, ``beta``, ``moving_mean``,
        ``moving_variance``.
    """

    kind: str
    config: Mapping[str, Any]
    arrays: Arrays = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Its name; the class where it has none."""
        return str(self.config.get("name", self.kind))


def read_layers(path: Path, description: Path | None = None) -> tuple[list[Layer], str | None]:
    """The layers of a file of weights, and how they were guessed where nothing describes them.

    Parameters
    ----------
    path : Path
        An .h5 of ``model.save`` or ``model.save_weights``, or an .npz.
    description : Path, optional
        A .json of ``model.to_json()``, or a .toml or .json of our own form; without it, what is
        stored in the .h5, else a file beside the weights of the same name.

    Raises
    ------
    ModelError
        If a file is missing, damaged, or does not describe a chain of layers.
    """
    if not path.is_file():
        _refuse(path, "no such file")
    stored: Any = None
    if path.suffix == ".npz":
        named = _npz(path)
    else:
        named, stored = _hdf5(path)
    beside = [path.with_suffix(suffix) for suffix in (".toml", ".json")]
    for place in [description] if description else [] if stored else beside:
        if description or place.is_file():
            stored, source = _described(place), place
            break
    else:
        source = path
    if stored is None:
        layers = _guessed(path, named)
        return layers, "layers guessed from names and shapes: " + ", ".join(k.kind for k in layers)
    return _joined(path, _chain(source, stored), named), None


def _refuse(path: Path, why: str) -> NoReturn:
    raise ModelError(f"{path}: {why}")


# ------------------------------------------------------------------- weights


def _npz(path: Path) -> dict[str, Arrays]:
    """Parameters by layer; one layer without a name where the arrays have none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ModelError(f"{path}: not an .npz of arrays, or damaged; save it again") from error
    if "network" in arrays:
        _refuse(path, "a network of `binohm import` already; use it as it is")
    if not arrays:
        _refuse(path, "it holds no arrays; save the weights with numpy.savez")
    if all(re.fullmatch(r"arr_\d+", key) for key in arrays):
        ordered = sorted(arrays, key=lambda key: int(key[4:]))
        return {"": {key: _checked(path, key, arrays[key]) for key in ordered}}
    named: dict[str, Arrays] = {}
    for key, array in arrays.items():
        _put(path, named, key, array)
    return named


def _hdf5(path: Path) -> tuple[dict[str, Arrays], Any]:
    """Parameters by layer, and the configuration of the model if it is stored too."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path}: h5py is needed to read it; pip install 'binohm[larq]', or save the weights "
            "as an .npz"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
            group = file.get("model_weights", file)
            if "layer_names" not in group.attrs:
                _refuse(path, "not weights of Keras 2; save them with save_weights('x.h5')")
            named: dict[str, Arrays] = {}
            for layer in map(_text, group.attrs["layer_names"]):
                named.setdefault(layer, {})
                for weight in map(_text, group[layer].attrs["weight_names"]):
                    _put(path, named, f"{layer}/{_last(weight)}", group[layer][weight][()])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not an HDF5 file of Keras, or damaged; save it again") from error
    return named, None if config is None else _json(path, _text(config))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _last(key: str) -> str:
    """``kernel`` of ``model/conv/kernel:0``."""
    return key.rsplit("/", 1)[-1].split(":")[0]


def _put(path: Path, named: dict[str, Arrays], key: str, array: NDArray[Any]) -> None:
    parameter = SHORT.get(_last(key), _last(key))
    if parameter not in {part for parts in PARTS.values() for part, _, _ in parts}:
        _refuse(
            path,
            f"array {key!r} is no parameter that is known; name it LAYER/kernel, bias, gamma, "
            "beta, moving_mean or moving_variance",
        )
    if "/" not in key:
        _refuse(path, f"array {key!r} belongs to no layer; name it LAYER/{parameter}")
    layer = named.setdefault(key.split("/")[-2], {})
    if parameter in layer:
        _refuse(path, f"array {key!r} stands there twice; names of layers must differ")
    layer[parameter] = _checked(path, key, array)


def _checked(path: Path, key: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "iuf":
        _refuse(path, f"array {key!r} holds {array.dtype}, not numbers; save it as float32")
    if not np.isfinite(array).all():
        _refuse(path, f"array {key!r} holds NaN or infinity; train or save the model again")
    return array


# ------------------------------------------------------------------- descriptions


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ModelError(f"{path}: its JSON is damaged ({error}); write it again") from error


def _described(path: Path) -> Any:
    if not path.is_file():
        _refuse(path, "no such file")
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if path.suffix == ".toml" else _json(path, text)
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not a text; give a .json or .toml of the layers") from error
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{path}: its TOML is damaged ({error}); write it again") from error


def _chain(path: Path, stored: Any) -> list[Layer]:
    """Layers of a description, if each takes what the one before gives."""
    try:
        if "config" not in stored:  # our own form
            made = [Layer(_plain(entry["class_name"]), dict(entry)) for entry in stored["layers"]]
            shape = stored.get("input_shape")
            first = [] if shape is None else [Layer("InputLayer", {"shape": tuple(shape)})]
            return first + made
        config = stored["config"]
        entries = (
            config if isinstance(config, list) else config["layers"]
        )  # a list: Keras before 2.2
        before = None
        for entry in entries:
            joints = entry.get("inbound_nodes") or []
            feeds = [joint[0] for node in joints for joint in node]
            if joints and feeds != [before]:
                _refuse(
                    path,
                    f"layer {entry['config'].get('name')!r} takes {', '.join(map(repr, feeds))}, "
                    f"not the layer before it, {before!r}; a chain of layers is needed",
                )
            before = entry["config"].get("name")
        return [Layer(_plain(entry["class_name"]), entry["config"]) for entry in entries]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(
            f"{path}: not a description of layers; give the JSON of model.to_json(), or `layers` "
            "with a class_name each"
        ) from error


def _plain(kind: Any) -> str:
    """A class without the prefix of its package."""
    return str(kind).rsplit(">", 1)[-1].rsplit(".", 1)[-1]


def _joined(path: Path, layers: list[Layer], named: dict[str, Arrays]) -> list[Layer]:
    """The layers with their arrays: by name, or all in the order of ``get_weights``."""
    if list(named) == [""]:
        named = _dealt(path, layers, named[""])
    known = {layer.name for layer in layers}
    if len(known) < len([layer for layer in layers if _parts(layer)]):
        _refuse(path, "layers of the same name; give each a name of its own")
    if left := [name for name, arrays in named.items() if arrays and name not in known]:
        _refuse(path, f"layer {left[0]!r} has weights, but is not among the layers described")
    return [Layer(k.kind, k.config, named.get(k.name, {})) for k in layers]


def _parts(layer: Layer) -> list[str]:
    """The parameters a layer has."""
    parts = PARTS.get(layer.kind.removeprefix("Quant"), ())
    return [
        part
        for part, option, default in parts
        if option is None or layer.config.get(option, default)
    ]


def _dealt(path: Path, layers: list[Layer], arrays: Arrays) -> dict[str, Arrays]:
    wanted = [(layer.name, part) for layer in layers for part in _parts(layer)]
    if len(wanted) != len(arrays):
        _refuse(
            path,
            f"{len(arrays)} arrays without names, but the layers described have {len(wanted)}: "
            + ", ".join(f"{name}/{part}" for name, part in wanted[:4])
            + (", ..." if wanted[4:] else ""),
        )
    named: dict[str, Arrays] = {}
    for (name, part), array in zip(wanted, arrays.values(), strict=True):
        named.setdefault(name, {})[part] = array
    return named


GUESSES = {
    "max_pool": "MaxPooling2D",
    "global_max_pool": "GlobalMaxPooling2D",
    "flatten": "Flatten",
    "dropout": "Dropout",
    "input": "InputLayer",
    "softmax": "Softmax",
    "activation": "Activation",
}
"""Layers without weights, by how their names begin."""


def _guessed(path: Path, named: dict[str, Arrays]) -> list[Layer]:
    """Layers by their arrays and names, with the options that Larq's examples give them."""
    if list(named) == [""]:
        _refuse(path, "its arrays have no names; describe the layers in a .toml or .json beside it")
    layers, quantised, dense = [], False, False
    for name, arrays in named.items():
        config: dict[str, Any] = {"name": name}
        if "kernel" in arrays:
            flat = arrays["kernel"].ndim == 2
            if flat and not dense:
                layers.append(Layer("Flatten", {}))
                dense = True
            config |= {"kernel_quantizer": "ste_sign"}
            config |= {"input_quantizer": "ste_sign"} if quantised else {}
            kind, quantised = "QuantDense" if flat else "QuantConv2D", True
        elif "moving_mean" in arrays:
            kind = "BatchNormalization"
            config |= {"scale": "gamma" in arrays, "center": "beta" in arrays}
        else:
            found = [kind for begin, kind in GUESSES.items() if name.startswith(begin)]
            if not found or arrays:
                _refuse(path, f"what layer {name!r} does cannot be guessed; describe the layers")
            kind = found[0]
        layers.append(Layer(kind, config, arrays))
    return layers
