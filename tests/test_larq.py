"""Weights of Larq: golden equals a NumPy evaluation of the same layers, and what is refused."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from binohm.gen.__main__ import main
from binohm.gen.errors import ModelError
from binohm.gen.importer.larq import import_larq
from binohm.gen.network import Conv, Network
from binohm.sim.golden import forward

Array = NDArray[Any]
Described = dict[str, Any]
SHAPE = (9, 8, 2)
PIXELS = {"pixel_scale": Fraction(1, 64), "pixel_offset": Fraction(-2)}


def described() -> list[Described]:
    """Layers as in the examples of Larq: the sign of an input belongs to the layer."""
    sign = {"kernel_quantizer": "ste_sign", "use_bias": False}
    bits = sign | {"input_quantizer": "ste_sign"}
    norm = {"class_name": "BatchNormalization", "epsilon": 0.0}
    return [
        {"class_name": "QuantConv2D", "name": "first", **sign, "strides": [1, 1]},
        {"class_name": "MaxPooling2D", "name": "pool", "pool_size": [2, 2], "strides": [2, 2]},
        {**norm, "name": "norm1", "scale": False},
        {"class_name": "QuantConv2D", "name": "second", **bits, "padding": "same"},
        {**norm, "name": "norm2"},
        {"class_name": "Flatten", "name": "flat"},
        {"class_name": "QuantDense", "name": "third", **bits},
        {**norm, "name": "norm3", "center": False},
        {"class_name": "QuantDense", "name": "last", **bits, "use_bias": True},
    ]


def trained(rng: np.random.Generator) -> dict[str, Array]:
    """Latent weights, some of which are zero, and batch normalisation of few digits."""

    def norm(name: str, width: int, spread: int, without: str) -> dict[str, Array]:
        gamma = rng.integers(-8, 9, width) / 4
        gamma[:2] = -0.75, 0
        parts = {
            "gamma": gamma, "beta": rng.integers(-8, 9, width) / 8,
            "moving_mean": rng.integers(-spread, spread + 1, width),
            "moving_variance": np.full(width, 4.0),
        }  # fmt: skip
        return {f"{name}/{part}": array for part, array in parts.items() if part != without}

    def kernel(*shape: int) -> Array:
        return rng.integers(-3, 4, shape) / 8

    return {
        "first/kernel": kernel(3, 2, 2, 6), **norm("norm1", 6, 3, "gamma"),
        "second/kernel": kernel(3, 3, 6, 5), **norm("norm2", 5, 9, ""),
        "third/kernel": kernel(3 * 3 * 5, 16), **norm("norm3", 16, 5, "beta"),
        "last/kernel": kernel(16, 4), "last/bias": rng.integers(-3, 4, 4),
    }  # fmt: skip


def evaluated(layers: list[Described], weights: dict[str, Array], x: Array) -> Array:
    """The layers one by one, in float64, where they are exact; x is (N, H, W, C)."""
    for layer in layers:
        name = layer["name"]
        if "Quant" in layer["class_name"]:
            x = sign(x) if "input_quantizer" in layer else x
            kernel = sign(weights[f"{name}/kernel"])
            if kernel.ndim == 4:
                rows, columns = kernel.shape[:2]
                if layer.get("padding") == "same":
                    x = np.pad(x, ((0, 0), *((n // 2, n // 2) for n in (rows, columns)), (0, 0)))
                windows = sliding_window_view(x, (rows, columns), axis=(1, 2))
                x = np.einsum("nyxcij,ijco->nyxo", windows, kernel)
            else:
                x = x @ kernel
            x = x + weights.get(f"{name}/bias", 0)
        elif layer["class_name"] == "BatchNormalization":
            scale = weights.get(f"{name}/gamma", 1) / np.sqrt(weights[f"{name}/moving_variance"])
            x = scale * (x - weights[f"{name}/moving_mean"]) + weights.get(f"{name}/beta", 0)
        elif layer["class_name"] == "MaxPooling2D":
            x = sliding_window_view(x, (2, 2), axis=(1, 2))[:, ::2, ::2].max(axis=(-2, -1))
        else:
            x = x.reshape(len(x), -1)
    return x


def sign(x: Array) -> Array:
    return np.where(x >= 0, 1.0, -1.0)


def compare(network: Network, weights: dict[str, Array], rng: np.random.Generator) -> None:
    """Every score, less the offset of the bias, which is one of the ranking."""
    images = rng.integers(0, 256, (30, *SHAPE)) // 2 ** rng.integers(0, 4, (30, 1, 1, 1))
    images = images.astype(np.uint8)
    theirs = evaluated(described(), weights, images / 64 - 2)
    trace = forward(network, images)
    sums = (trace.scores - network.scores.offset) / network.scores.scale
    assert np.array_equal(sums + weights["last/bias"], theirs)
    assert trace.predictions.tolist() == theirs.argmax(axis=1).tolist()
    assert len(np.unique(theirs, axis=0)) > 1


# ------------------------------------------------------------------- files

Write = Callable[[Path, dict[str, Array]], Path]


def npz(path: Path, weights: dict[str, Array]) -> Path:
    np.savez(path / "m.npz", **dict(weights.items()))
    return path / "m.npz"


def keras_named(path: Path, weights: dict[str, Array]) -> Path:
    """As the variables of a model are called."""
    return npz(path, {f"model/{key}:0": array for key, array in weights.items()})


def unnamed(path: Path, weights: dict[str, Array]) -> Path:
    """``numpy.savez(path, *model.get_weights())``."""
    np.savez(path / "m.npz", *weights.values())
    return path / "m.npz"


def hdf5(path: Path, weights: dict[str, Array], config: Any = None) -> Path:
    """As Keras 2 saves weights; with a configuration, as it saves models."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path / "m.h5", "w") as file:
        group = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
            group = file.create_group("model_weights")
        names = [layer["name"] for layer in described()]
        group.attrs["layer_names"] = [name.encode() for name in names]
        for name in names:
            mine = [key for key in weights if key.startswith(f"{name}/")]
            part = group.create_group(name)
            part.attrs["weight_names"] = [f"{key}:0".encode() for key in mine]
            for key in mine:
                part.create_dataset(f"{key}:0", data=weights[key].astype(np.float32))
    return path / "m.h5"


def toml(path: Path) -> None:
    """Our own form."""
    lines = [f"input_shape = {list(SHAPE)}"]
    for layer in described():
        lines += ["[[layers]]", *(f"{k} = {json.dumps(v)}" for k, v in layer.items())]
    path.write_text("\n".join(lines))


def sequential(**first: Any) -> Described:
    """The configuration of a sequential model of Keras."""
    layers = [
        {
            "class_name": ("Larq>" if "Quant" in layer["class_name"] else "") + layer["class_name"],
            "config": {key: value for key, value in layer.items() if key != "class_name"},
        }
        for layer in described()
    ]
    layers[0]["config"] |= {"batch_input_shape": [None, *SHAPE]} | first
    for layer in layers[:4]:
        for key, value in layer["config"].items():
            if value == "ste_sign":  # as newer versions store them
                layer["config"][key] = {"class_name": "Larq>SteSign", "config": {"clip_value": 1}}
    return {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}


def functional() -> Described:
    """The same as a model of the functional interface."""
    config = sequential()["config"]
    before = "image"
    start = {"name": before, "batch_input_shape": [None, *SHAPE]}
    layers = [{"class_name": "InputLayer", "name": before, "config": start, "inbound_nodes": []}]
    for layer in config["layers"]:
        layers.append(layer | {"inbound_nodes": [[[before, 0, 0, {}]]]})
        before = layer["config"]["name"]
    return {"class_name": "Functional", "config": {"layers": layers}}


@pytest.mark.parametrize("write", [npz, keras_named, unnamed, hdf5])
@pytest.mark.parametrize("form", ["toml", "sequential", "functional"])
def test_every_form_of_files(
    write: Write, form: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    weights = trained(rng)
    path = write(tmp_path, weights)
    if form == "toml":
        toml(path.with_suffix(".toml"))
    else:
        config = sequential() if form == "sequential" else functional()
        path.with_suffix(".json").write_text(json.dumps(config))
    network = import_larq(path, **PIXELS)
    compare(network, weights, rng)
    assert [layer.name for layer in network.layers] == ["conv1", "conv2", "fc1", "fc2"]
    first, second = (layer for layer in network.layers if isinstance(layer, Conv))
    assert network.input.shape == first.image == SHAPE and second.padding == (1, 1)
    assert first.pool and first.pool.of == "sums"


def test_models_with_their_configuration(tmp_path: Path, rng: np.random.Generator) -> None:
    weights = trained(rng)
    compare(import_larq(hdf5(tmp_path, weights, sequential()), **PIXELS), weights, rng)


def test_descriptions_elsewhere(tmp_path: Path, rng: np.random.Generator) -> None:
    weights = trained(rng)
    toml(tmp_path / "layers.toml")
    network = import_larq(
        npz(tmp_path, weights), description=tmp_path / "layers.toml", name="net", **PIXELS
    )
    compare(network, weights, rng)
    assert network.name == "net"


def test_layers_may_be_guessed(tmp_path: Path, rng: np.random.Generator) -> None:
    """Without a description: sign weights, sign inputs behind the first layer, a flatten."""
    weights = {
        "a/kernel": rng.normal(size=(3, 3, 1, 4)), "b/moving_mean": rng.normal(size=4),
        "b/moving_variance": rng.uniform(1, 2, 4), "c/kernel": rng.normal(size=(16, 3)),
    }  # fmt: skip
    remarks: list[str] = []
    network = import_larq(npz(tmp_path, weights), shape=(6, 3), remarks=remarks)
    assert remarks[0] == (
        "layers guessed from names and shapes: QuantConv2D, BatchNormalization, Flatten, QuantDense"
    )
    images = rng.integers(0, 256, (9, 6, 3), np.uint8)
    windows = sliding_window_view(images / 255, (3, 3), axis=(1, 2))
    x = np.einsum("nyxij,ijo->nyxo", windows, sign(weights["a/kernel"][:, :, 0]))
    x = (x - weights["b/moving_mean"]) / np.sqrt(weights["b/moving_variance"] + 1e-3)
    scores = sign(x).reshape(9, -1) @ sign(weights["c/kernel"])
    assert forward(network, images).scores.tolist() == scores.tolist()


def test_other_layers(tmp_path: Path, rng: np.random.Generator) -> None:
    """A rescaled image, weights with magnitudes, activations, a global pool, a softmax."""
    (tmp_path / "m.json").write_text(json.dumps({
        "input_shape": [6, 5, 1],
        "layers": [
            {"class_name": "Rescaling", "scale": 2.0, "offset": -1.0},
            {"class_name": "QuantConv2D", "name": "a", "kernel_quantizer": "magnitude_aware_sign",
             "strides": 2, "use_bias": True, "activation": "approx_sign"},
            {"class_name": "QuantConv2D", "name": "b", "kernel_quantizer": "ste_sign",
             "kernel_size": 1, "use_bias": False},
            {"class_name": "Activation", "activation": "ste_sign"},
            {"class_name": "GlobalMaxPooling2D"},
            {"class_name": "Dropout", "rate": 0.5},
            {"class_name": "QuantDense", "name": "c", "kernel_quantizer": "ste_sign",
             "use_bias": False, "activation": "softmax"},
        ],
    }))  # fmt: skip
    a, bias = rng.integers(-3, 4, (2, 3, 1, 6)) / 4, rng.integers(-5, 5, 6) / 2
    b, c = rng.normal(size=(1, 1, 6, 8)), rng.normal(size=(8, 3))
    path = npz(tmp_path, {"a/kernel": a, "a/bias": bias, "b/kernel": b, "c/kernel": c})
    network = import_larq(path, pixel_scale=Fraction(1, 128))
    assert network.input.shape == (6, 5)
    images = rng.integers(0, 256, (20, 6, 5), np.uint8)
    windows = sliding_window_view(images / 64 - 1, (2, 3), axis=(1, 2))[:, ::2, ::2]
    scaled = sign(a[:, :, 0]) * np.abs(a).mean(axis=(0, 1, 2))
    x = sign(np.einsum("nyxij,ijo->nyxo", windows, scaled) + bias)
    x = sign(x @ sign(b[0, 0])).max(axis=(1, 2))
    assert forward(network, images).scores.tolist() == (x @ sign(c)).tolist()


def test_the_command_reads_weights(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = trained(rng)
    toml(tmp_path / "layers.toml")
    made = tmp_path / "made.npz"
    given = f"--layers {tmp_path}/layers.toml --pixel-scale 1/64 --pixel-offset -2"
    assert main(["import", str(npz(tmp_path, weights)), "-o", str(made), *given.split()]) == 0
    compare(Network.load(made), weights, rng)
    capsys.readouterr()
    assert main(["import", "x.onnx", "-o", str(tmp_path / "y"), "--layers", "d.toml"]) == 2
    assert capsys.readouterr().err == (
        "binohm: error: --layers d.toml: only for weights, an .npz or .h5, not x.onnx\n"
    )


# ------------------------------------------------------------------- refusals


def refused(path: Path, message: str, **options: Any) -> None:
    with pytest.raises(ModelError) as caught:
        import_larq(path, **options)
    assert str(caught.value) == f"{path}: {message}"


def test_damaged_files(tmp_path: Path, rng: np.random.Generator) -> None:
    weights = trained(rng)
    refused(tmp_path / "none.npz", "no such file")
    (tmp_path / "bad.npz").write_bytes(b"no weights")
    refused(tmp_path / "bad.npz", "not an .npz of arrays, or damaged; save it again")
    path = npz(tmp_path, weights | {"first/kernel": np.full((3, 2, 2, 6), np.nan)})
    refused(
        path,
        "array 'first/kernel' holds NaN or infinity; train or save the model again",
        shape=SHAPE,
    )
    refused(
        npz(tmp_path, {"kernel": np.ones((2, 2))}),
        "array 'kernel' belongs to no layer; name it LAYER/kernel",
    )
    refused(
        npz(tmp_path, {"a/alpha": np.ones(2)}),
        "array 'a/alpha' is no parameter that is known; name it LAYER/kernel, bias, gamma, beta, "
        "moving_mean or moving_variance",
    )
    refused(
        unnamed(tmp_path, weights),
        "its arrays have no names; describe the layers in a .toml or .json beside it",
    )
    refused(
        npz(tmp_path, weights),
        "the shape of its images is not stored; give it with --shape, as 28x28",
    )
    network = import_larq(npz(tmp_path, {"a/kernel": np.ones((4, 2))}), shape=(2, 2))
    network.save(tmp_path / "m.npz")
    refused(tmp_path / "m.npz", "a network of `binohm import` already; use it as it is")


def test_damaged_hdf5(tmp_path: Path, rng: np.random.Generator) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "bad.h5").write_bytes(b"no weights")
    refused(tmp_path / "bad.h5", "not an HDF5 file of Keras, or damaged; save it again")
    with h5py.File(tmp_path / "new.h5", "w") as file:
        file.create_group("layers")
    refused(tmp_path / "new.h5", "not weights of Keras 2; save them with save_weights('x.h5')")


def test_hdf5_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "m.h5").write_bytes(b"")
    refused(
        tmp_path / "m.h5",
        "h5py is needed to read it; pip install 'binohm[larq]', or save the weights as an .npz",
    )


Edit = Callable[[list[Described], dict[str, Array]], Any]
LAYERS: dict[str, tuple[Edit, str]] = {
    "depthwise": (
        lambda d, w: d[3].update(class_name="QuantDepthwiseConv2D"),
        (
            "layer second (QuantDepthwiseConv2D): this class is not supported; those that are: "
            "Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, GlobalMaxPooling2D, "
            "InputLayer, MaxPooling2D, QuantConv2D, QuantDense, Rescaling, Reshape, Softmax"
        ),
    ),
    "ternary": (
        lambda d, w: d[3].update(kernel_quantizer="ste_tern"),
        "layer second (QuantConv2D): its quantiser 'ste_tern' is not a sign; train with ste_sign",
    ),
    "real weights": (
        lambda d, w: (
            d[6].pop("kernel_quantizer")
            and w.update({"third/kernel": np.arange(720.0).reshape(45, 16)})
        ),
        (
            "layer third (QuantDense): its weights are not binary: output 0 has the "
            "magnitudes 0, 16, "
            "32, ..., where -1 and +1 times one scale are needed; quantise the weights by "
            "BipolarQuant"
        ),
    ),
    "padded by one": (
        lambda d, w: d[3].update(pad_values=1.0),
        (
            "layer second (QuantConv2D): it pads by 1.0, but the lines beyond the border are off; "
            "train with pad_values=0"
        ),
    ),
    "even strides": (
        lambda d, w: (d[3].update(strides=2), w.update({"second/kernel": np.ones((2, 2, 6, 5))})),
        (
            "layer second (QuantConv2D): its rows are padded by 0 before and 1 behind; "
            "only the same on "
            "both sides is supported: pad so, and train again"
        ),
    ),
    "no sign": (
        lambda d, w: d[3].pop("input_quantizer"),
        "layer second (QuantConv2D): its input is not quantised; put a BipolarQuant before it",
    ),
    "channels first": (
        lambda d, w: d[3].update(data_format="channels_first"),
        (
            "layer second (QuantConv2D): its channels come first; train and save with "
            "data_format=channels_last"
        ),
    ),
    "dilated": (
        lambda d, w: d[3].update(dilation_rate=[2, 2]),
        (
            "layer second (QuantConv2D): its windows have gaps, or its channels groups; use "
            "dilation_rate=1, groups=1"
        ),
    ),
    "another kernel": (
        lambda d, w: d[0].update(kernel_size=[2, 3]),
        (
            "layer first (QuantConv2D): its kernel_size is [2, 3], but its kernel has the "
            "shape (3, 2, "
            "2, 6), (rows, columns, channels in, channels out)"
        ),
    ),
    "no kernel": (
        lambda d, w: w.pop("third/kernel"),
        "layer third (QuantDense): it has no kernel; save the model again",
    ),
    "no mean": (
        lambda d, w: w.pop("norm2/moving_mean"),
        "layer norm2 (BatchNormalization): it has no moving_mean; save the model again",
    ),
    "weights of another layer": (
        lambda d, w: w.update({"fourth/kernel": np.ones((2, 2))}),
        "layer 'fourth' has weights, but is not among the layers described",
    ),
    "pooled pixels": (
        lambda d, w: d.insert(0, d.pop(1)),
        (
            "layer pool (MaxPooling2D): a maximum of pixels, which are more than 1 bit; "
            "pool behind the "
            "first convolution"
        ),
    ),
    "no scores": (
        lambda d, w: d.append({"class_name": "Activation", "activation": "ste_sign"}),
        (
            "what comes out is not the scores of a layer; end the network before its last "
            "quantiser or "
            "clip"
        ),
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_bad_layers(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    edit, message = LAYERS[case]
    layers, weights = described(), trained(rng)
    edit(layers, weights)
    (tmp_path / "m.json").write_text(json.dumps({"input_shape": SHAPE, "layers": layers}))
    refused(npz(tmp_path, weights), message, **PIXELS)


def test_bad_descriptions(tmp_path: Path, rng: np.random.Generator) -> None:
    path, place = npz(tmp_path, trained(rng)), tmp_path / "d.json"

    def bad(text: str, message: str) -> None:
        place.write_text(text)
        with pytest.raises(ModelError) as caught:
            import_larq(path, description=place)
        assert str(caught.value) == f"{place}: {message}"

    what = (
        "not a description of layers; give the JSON of model.to_json(), or `layers` with a "
        "class_name each"
    )
    bad("[]", what)
    bad('{"layers": [{"name": "first"}]}', what)
    bad(
        "{",
        "its JSON is damaged (Expecting property name enclosed in double quotes: line 1 "
        "column 2 (char 1)); write it again",
    )
    config = functional()
    config["config"]["layers"][4]["inbound_nodes"] = [[["first", 0, 0, {}]]]
    bad(
        json.dumps(config),
        "layer 'second' takes 'first', not the layer before it, 'norm1'; a chain of "
        "layers is needed",
    )
