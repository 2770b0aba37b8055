"""Convolutional networks from QONNX: golden equals the qonnx executor, score by score."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from conv_models import LAST, cnv, conv, max_pool, norm, pixel_norm, same, scores
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_models import DOMAINS, Array, Model, execute, signs
from qonnx_models import CLASSES, WHOLE, Part, random_norm

from binohm.gen.errors import ModelError
from binohm.gen.importer.qonnx import import_model
from binohm.gen.network import Conv, Network
from binohm.sim.golden import forward

SHAPE = (1, 2, 7, 6)
CHANNELS = 8


def sign(model: Model, x: str, rng: np.random.Generator) -> str:
    return model.bipolar(norm(model, x, rng, CHANNELS))


def first(model: Model, rng: np.random.Generator, x: str = "0", channels: int = 2) -> str:
    """A convolution of 3 x 3 over the pixels, less 100."""
    return conv(model, model.node("Sub", x, 100.0), signs(rng, CHANNELS, channels, 3, 3))


def behind(model: Model, x: str, rng: np.random.Generator, inputs: int) -> str:
    """A fully connected layer and the last one: the scores are whole numbers, whatever comes in."""
    x = model.bipolar(model.node("Add", model.linear(x, signs(rng, 24, inputs)), 0.25))
    return model.linear(x, signs(rng, CLASSES, 24))


def known(path: Path, shapes: dict[str, tuple[int, ...]], domain: str = "") -> Path:
    """Tell the executor shapes of tensors, which it cannot infer through its own operators."""
    proto = onnx.load(path)
    for name, shape in shapes.items():
        proto.graph.value_info.append(helper.make_tensor_value_info(name, 1, shape))
    if domain:
        proto.opset_import.append(helper.make_opsetid(domain, 13))
    onnx.save(proto, path)
    return path


def convolutions(network: Network) -> list[Conv]:
    return [layer for layer in network.layers if isinstance(layer, Conv)]


# ------------------------------------------------------------------- weights and activations


def of_initialiser(model: Model, rng: np.random.Generator) -> str:
    return model.bipolar(model.constant(rng.normal(size=(CHANNELS, 2, 3, 3))))


def scaled(model: Model, rng: np.random.Generator) -> str:
    latent = model.constant(rng.normal(size=(CHANNELS, 2, 3, 3)))
    scale = rng.integers(1, 9, (CHANNELS, 1, 1, 1)) / 8
    return model.bipolar(latent, scale)


def quantised(model: Model, rng: np.random.Generator) -> str:
    return model.quant(model.constant(rng.normal(size=(CHANNELS, 2, 3, 3))), 1, 0.5, signed=1)


def transposed(model: Model, rng: np.random.Generator) -> str:
    """HWIO, as TensorFlow stores it."""
    latent = model.constant(rng.normal(size=(3, 3, 2, CHANNELS)))
    return model.node("Transpose", model.bipolar(latent), perm=[3, 2, 0, 1])


WEIGHTS = {f.__name__: f for f in (of_initialiser, scaled, quantised, transposed)}


@pytest.mark.parametrize(("form", "domain"), [*zip(WEIGHTS, [*DOMAINS, DOMAINS[0]], strict=True)])
def test_every_form_of_weights(
    form: str, domain: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    model = Model(SHAPE, domain=domain)
    x = conv(model, "0", WEIGHTS[form](model, rng), kernel_shape=[3, 3])
    x = scores(model, sign(model, x, rng), rng, CHANNELS * 5 * 4)
    network = same(model.save(tmp_path / "m.onnx", x), rng, pixel_scale=WHOLE)
    (layer,) = convolutions(network)
    assert (layer.name, network.layers[-1].name) == ("conv1", "fc1")
    assert layer.image == (7, 6, 2) and layer.windows == (5, 4)


def thresholds(layout: str) -> Part:
    def part(model: Model, x: str, rng: np.random.Generator) -> str:
        rows = rng.integers(-300, 300, (CHANNELS, 1))
        more = {"data_layout": layout} if layout else {}
        last = layout == "NHWC"
        x = model.node("Transpose", x, perm=[0, 2, 3, 1]) if last else x
        x = model.quantiser(
            "MultiThreshold", x, rows, out_scale=2.0, out_bias=-1.0, out_dtype="BIPOLAR", **more
        )
        return model.node("Transpose", x, perm=[0, 3, 1, 2]) if last else x

    return part


def unfused(model: Model, x: str, rng: np.random.Generator) -> str:
    """Batch normalisation as four operators on constants of shape (C, 1, 1)."""
    gamma, beta, mean, variance = (p[:, None, None] for p in pixel_norm(rng, CHANNELS))
    x = model.node("Div", model.node("Sub", x, mean), model.node("Sqrt", variance))
    return model.bipolar(model.node("Add", model.node("Mul", x, gamma), beta))


ACTIVATIONS: dict[str, Part] = {
    "unfused": unfused,
    "thresholds": thresholds(""),
    "thresholds NCHW": thresholds("NCHW"),
    "thresholds NHWC": thresholds("NHWC"),
    "quant": lambda m, x, rng: m.quant(norm(m, x, rng, CHANNELS), 1, signed=1),
    "zero and one": lambda m, x, rng: m.quant(norm(m, x, rng, CHANNELS), 1, signed=0),
    "clipped": lambda m, x, rng: m.bipolar(
        m.node("Clip", norm(m, x, rng, CHANNELS), m.constant(-1.0), m.constant(1.0))
    ),
    "sign": lambda m, x, rng: m.node("Sign", m.node("Add", x, 0.5)),
    "negated": lambda m, x, rng: m.node("Neg", sign(m, x, rng)),
    "scaled": lambda m, x, rng: m.node(
        "Mul", sign(m, x, rng), np.array([1, -2, 4, -1, 0.5, 1, -3, 1]).reshape(1, -1, 1, 1)
    ),
    "compared": lambda m, x, _: m.node(
        "Where", m.node("Greater", x, 3.0), m.constant(1.0), m.constant(-1.0)
    ),
}


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("form", ACTIVATIONS)
def test_every_form_of_activation(
    form: str, pool: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Of each the largest is taken too: of negative ones it is the smallest bit."""
    model = Model(SHAPE)
    x = ACTIVATIONS[form](model, first(model, rng), rng)
    x = max_pool(model, x) if pool else x
    x = model.bipolar(x) if form == "scaled" else x  # a layer behind needs one scale for all
    x = behind(model, model.flatten(x), rng, CHANNELS * (4 if pool else 20))
    path = model.save(tmp_path / "m.onnx", x)
    (layer,) = convolutions(same(path, rng, pixel_scale=WHOLE, images=many(rng)))
    assert (layer.pool is not None and layer.pool.of == "signs") == pool


# ------------------------------------------------------------------- pools

POOLS: dict[str, Part] = {
    "before all": lambda m, x, rng: sign(m, max_pool(m, x), rng),
    "before the sign": lambda m, x, rng: m.bipolar(max_pool(m, norm(m, x, rng, CHANNELS))),
    "between two": lambda m, x, rng: sign(m, max_pool(m, norm(m, x, rng, CHANNELS)), rng),
    "clipped": lambda m, x, rng: m.bipolar(
        max_pool(m, m.node("Clip", norm(m, x, rng, CHANNELS), m.constant(-1.0), m.constant(1.0)))
    ),
    "behind the sign": lambda m, x, rng: max_pool(m, sign(m, x, rng)),
    "overlapping": lambda m, x, rng: sign(m, max_pool(m, x, (3, 2), (1, 2)), rng),
    "sparse": lambda m, x, rng: max_pool(m, sign(m, x, rng), (1, 2), (2, 1)),
    "global": lambda m, x, rng: m.node("GlobalMaxPool", sign(m, x, rng)),
    "global sums": lambda m, x, rng: sign(m, m.node("GlobalMaxPool", x), rng),
    "ceil": lambda m, x, rng: max_pool(m, sign(m, x, rng), (2, 2), (3, 2), ceil_mode=1),
    "nothing": lambda m, x, rng: max_pool(m, sign(m, x, rng), (1, 1), (1, 1)),
    "average of one": lambda m, x, rng: m.node(
        "AveragePool", sign(m, x, rng), kernel_shape=[1, 1], strides=[1, 1]
    ),
}
SIZES = {"overlapping": 6, "sparse": 9, "global": 1, "global sums": 1, "nothing": 20} | {
    "average of one": 20
}
SIGNS = ("behind the sign", "sparse", "global", "ceil")


@pytest.mark.parametrize("form", POOLS)
def test_every_place_of_a_pool(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    model = Model(SHAPE)
    x = POOLS[form](model, first(model, rng), rng)
    x = scores(model, x, rng, CHANNELS * SIZES.get(form, 4))
    path = model.save(tmp_path / "m.onnx", x)
    (layer,) = convolutions(same(path, rng, pixel_scale=WHOLE, images=many(rng)))
    if form in ("nothing", "average of one"):
        assert layer.pool is None
    else:
        assert layer.pool and layer.pool.of == ("signs" if form in SIGNS else "sums")


def many(rng: np.random.Generator, shape: tuple[int, ...] = (7, 6, 2)) -> Array:
    """Pictures of many brightnesses, so that pooled bits differ."""
    return (rng.integers(0, 256, (24, *shape)) // 2 ** rng.integers(0, 7, (24, 1, 1, 1))).astype(
        np.uint8
    )


# ------------------------------------------------------------------- geometry


@pytest.mark.slow
def test_random_networks(tmp_path: Path) -> None:
    """Odd sizes, kernels of 1 to 5, strides, pads, pools, forms of the input: all scores equal."""
    seen: set[str] = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        model, x, tags = random_network(rng)
        network = import_model(model.save(tmp_path / "m.onnx", x), pixel_scale=WHOLE)
        rows, columns, channels = convolutions(network)[0].image
        images = rng.integers(0, 256, (4, rows, columns, channels), np.uint8)
        inputs = np.ascontiguousarray(np.moveaxis(images, -1, 1), np.float32)
        theirs = execute(tmp_path / "m.onnx", inputs)
        shaped = images.reshape(4, *network.input.shape)
        assert forward(network, shaped).scores.tolist() == theirs.tolist(), (seed, tags)
        seen |= tags
    assert seen == {"padded", "pool", "second", "strided", "binary", "nibble", "bytes", "shifted"}


def random_network(rng: np.random.Generator) -> tuple[Model, str, set[str]]:
    """One or two convolutions with whatever fits, and what is in it."""
    channels = int(rng.integers(1, 4))
    sizes = [int(size) for size in rng.integers(3, 10, 2)]
    model = Model((1, channels, *sizes))
    form = str(rng.choice(["binary", "nibble", "bytes", "shifted"]))
    tags, x = {form}, INPUTS[form](model, "0", rng)
    for layer in range(2):
        kernel = [int(min(rng.integers(1, 6), size)) for size in sizes]
        stride = [int(rng.integers(1, 3)) for _ in sizes]
        pads = [int(rng.integers(0, (width - 1) // 2 + 1)) for width in kernel]
        width = int(rng.integers(3, 7))
        x = conv(model, x, signs(rng, width, channels, *kernel), pads * 2, stride)
        if rng.random() < 0.3:
            x = model.node("Add", x, rng.integers(-9, 10, (width, 1, 1)))
        sizes = [
            (size + 2 * p - k) // s + 1
            for size, p, k, s in zip(sizes, pads, kernel, stride, strict=True)
        ]
        pool = [int(rng.integers(1, min(size, 3) + 1)) for size in sizes]
        step = [int(rng.integers(1, 3)) for _ in pool]
        place = int(rng.integers(0, 5))  # before, between, behind, or no pool
        after = [(size - k) // s + 1 for size, k, s in zip(sizes, pool, step, strict=True)]
        x = max_pool(model, x, pool, step) if place == 0 else x
        x = norm(model, x, rng, width) if layer == 0 else small_norm(model, x, rng, width)
        x = max_pool(model, x, pool, step) if place == 1 else x
        x = model.bipolar(x)
        x = max_pool(model, x, pool, step) if place == 2 else x
        sizes = after if place < 3 else sizes
        found = {"padded": any(pads), "pool": place < 3, "strided": max(stride) > 1}
        tags |= {tag for tag, there in found.items() if there}
        channels = width
        if min(sizes) < 2 or rng.random() < 0.3:
            break
        tags |= {"second"} if layer == 0 else set()
    return model, scores(model, x, rng, channels * sizes[0] * sizes[1]), tags


def small_norm(model: Model, x: str, rng: np.random.Generator, width: int) -> str:
    """For sums of bits."""
    return model.batch_norm(x, [p[:width] for p in random_norm(rng, width)], epsilon=0.0)


INPUTS: dict[str, Part] = {
    "binary": lambda m, x, _: m.bipolar(m.node("Sub", x, 99.5)),
    "nibble": lambda m, x, _: m.quant(x, 4, 16.0, signed=0),
    "bytes": lambda m, x, _: x,
    "shifted": lambda m, x, _: m.node("Sub", m.node("Mul", x, 2.0), 255.0),
}
"""For bytes. Shifted ones are padded by what a byte of 127.5 would be: exact, in 9 bits."""


def test_padding_is_zero(tmp_path: Path) -> None:
    """Of a picture of one pixel value the sum at a corner has four terms, at an edge six."""
    model = Model((1, 1, 4, 4))
    x = conv(model, "0", np.ones((1, 1, 3, 3), np.float32), (1, 1, 1, 1))
    x = model.bipolar(model.node("Sub", x, 100.0))
    x = scores(model, x, np.random.default_rng(0), 16)
    network = import_model(model.save(tmp_path / "m.onnx", x), pixel_scale=WHOLE)
    images = np.full((1, 4, 4), 100 // 5, np.uint8)
    assert (forward(network, images).hidden[0].reshape(4, 4) > 0).tolist() == [
        [False, True, True, False],
        [True, True, True, True],
        [True, True, True, True],
        [False, True, True, False],
    ]


SAME: dict[str, tuple[int, int, str, bool]] = {
    # size, stride, auto_pad; whether the pads can be the same on both sides
    "upper": (7, 1, "SAME_UPPER", True),
    "lower": (7, 1, "SAME_LOWER", True),
    "valid": (7, 2, "VALID", True),
    "odd size": (7, 2, "SAME_UPPER", True),
    "even size, upper": (6, 2, "SAME_UPPER", False),
    "even size, lower": (6, 2, "SAME_LOWER", True),
}


@pytest.mark.parametrize("case", SAME)
def test_automatic_padding(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """More padding on one side is accepted where no window reaches it."""
    size, stride, mode, good = SAME[case]
    model = Model((1, 2, size, size))
    x = model.node(
        "Conv", model.bipolar(model.node("Sub", "0", 99.5)), signs(rng, CHANNELS, 2, 3, 3),
        auto_pad=mode, strides=[stride, stride], label="n",
    )  # fmt: skip
    side = (size - 3) // stride + 1 if mode == "VALID" else -(-size // stride)
    x = scores(model, model.bipolar(x), rng, CHANNELS * side * side)
    path = model.save(tmp_path / "m.onnx", x)
    if not good:
        with pytest.raises(ModelError) as caught:
            import_model(path, pixel_scale=WHOLE)
        assert str(caught.value) == (
            f"{path}: n (Conv): its rows are padded by 0 before and 1 behind; only the same on "
            "both sides is supported: pad so, and train again"
        )
        return
    (layer,) = convolutions(same(path, rng, pixel_scale=WHOLE))
    assert layer.padding == ((0, 0) if mode == "VALID" else (1, 1))


@pytest.mark.parametrize("attribute", [False, True])
def test_padding_by_a_node(attribute: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    """``Pad`` by 0 behind the quantiser is the padding of the convolution; pads add up."""
    model = Model(SHAPE, opset=9 if attribute else 13)
    x, pads = model.bipolar(model.node("Sub", "0", 99.5)), [0, 0, 1, 2, 0, 0, 1, 2]
    if attribute:
        x = model.node("Pad", x, pads=pads, value=0.0, mode="constant")
    else:
        x = model.node("Pad", x, model.constant(pads, np.int64))
    x = conv(model, x, signs(rng, CHANNELS, 2, 5, 5), (1, 0, 1, 0))
    x = scores(model, model.bipolar(x), rng, CHANNELS * 7 * 6)
    (layer,) = convolutions(same(model.save(tmp_path / "m.onnx", x), rng, pixel_scale=WHOLE))
    assert layer.padding == (2, 2) and layer.image == (7, 6, 2)


def test_padded_pixels(tmp_path: Path, rng: np.random.Generator) -> None:
    """Before an input quantiser that keeps 0, padding stays padding."""
    model = Model(SHAPE)
    x = model.node("Pad", "0", model.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    x = conv(model, model.quant(x, 4, 16.0, signed=0), signs(rng, CHANNELS, 2, 3, 3))
    x = scores(model, sign(model, x, rng), rng, CHANNELS * 42)
    (layer,) = convolutions(same(model.save(tmp_path / "m.onnx", x), rng, pixel_scale=WHOLE))
    assert layer.padding == (1, 1)


# ------------------------------------------------------------------- layouts, order, ends


def channels_last(model: Model, x: str, op: str, *inputs: Array | str, **more: object) -> str:
    return model.node(op, x, *inputs, domain=LAST, **more)


@pytest.mark.parametrize("form", ["transposed", "wrapped"])
def test_channels_last(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """(N, H, W, C) as TensorFlow exports it, and as qonnx does: the flatten takes (y, x, c)."""
    model = Model((1, 7, 6, 3))
    x, shapes = model.node("Sub", "0", 100.0), dict[str, tuple[int, ...]]()
    weights, dense = signs(rng, CHANNELS, 3, 3, 3), signs(rng, CLASSES, CHANNELS * 4)
    parameters = pixel_norm(rng, CHANNELS)
    if form == "transposed":
        x = conv(model, model.node("Transpose", x, perm=[0, 3, 1, 2]), weights)
        x = model.batch_norm(x, parameters, epsilon=0.0)
        x = model.node("Transpose", model.bipolar(max_pool(model, x)), perm=[0, 2, 3, 1])
    else:
        common = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "group": 1}
        last = np.ascontiguousarray(np.moveaxis(weights, 1, -1))
        shapes[x] = (1, 7, 6, 3)
        x = channels_last(model, x, "Conv", last, kernel_shape=[3, 3], **common)
        shapes[x] = (1, 5, 4, CHANNELS)
        x = channels_last(model, x, "MaxPool", kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4)
        names = [model.constant(p) for p in parameters]
        shapes[x] = (1, 2, 2, CHANNELS)
        x = channels_last(model, x, "BatchNormalization", *names, epsilon=0.0, momentum=0.9)
        shapes[x] = (1, 2, 2, CHANNELS)
        x = model.bipolar(x)
    x = model.linear(model.node("Reshape", x, model.constant([1, -1], np.int64)), dense)
    path = model.save(tmp_path / "m.onnx", x)
    path = known(path, shapes, LAST if shapes else "")
    images = many(rng, (7, 6, 3))
    network = import_model(path, pixel_scale=WHOLE)
    assert network.input.shape == (7, 6, 3)
    ours = forward(network, images).scores
    assert ours.tolist() == execute(path, images.astype(np.float32)).tolist()
    assert len(np.unique(ours, axis=0)) > 2


def test_the_pool_of_finn(tmp_path: Path, rng: np.random.Generator) -> None:
    """``MaxPoolNHWC`` between transposes."""
    model = Model(SHAPE)
    last = model.node("Transpose", sign(model, first(model, rng), rng), perm=[0, 2, 3, 1])
    x = model.quantiser("MaxPoolNHWC", last, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4)
    x = scores(model, x, rng, CHANNELS * 4)
    path = known(model.save(tmp_path / "m.onnx", x), {last: (1, 5, 4, CHANNELS)})
    (layer,) = convolutions(same(path, rng, pixel_scale=WHOLE, images=many(rng)))
    assert layer.pool and layer.pool.of == "signs"


def test_layouts_may_be_asked_for(tmp_path: Path, rng: np.random.Generator) -> None:
    """Five channels on the last axis: only the shape of the images says so."""
    model = Model((1, 6, 7, 5))
    x = model.node("Transpose", "0", perm=[0, 3, 1, 2])
    x = scores(model, sign(model, first(model, rng, x, 5), rng), rng, CHANNELS * 20)
    path = model.save(tmp_path / "m.onnx", x)
    images = many(rng, (6, 7, 5))
    network = import_model(path, pixel_scale=WHOLE, shape=(6, 7, 5))
    assert (
        forward(network, images).scores.tolist()
        == execute(path, images.astype(np.float32)).tolist()
    )


def test_cubes_are_channels_first(tmp_path: Path, rng: np.random.Generator) -> None:
    """A shape that fits both ways changes nothing."""
    model = Model((1, 5, 5, 5))
    x = scores(model, sign(model, first(model, rng, "0", 5), rng), rng, CHANNELS * 9)
    path = model.save(tmp_path / "m.onnx", x)
    same(path, rng, pixel_scale=WHOLE, shape=(5, 5, 5), images=many(rng, (5, 5, 5)))


def test_dynamic_flatten(tmp_path: Path, rng: np.random.Generator) -> None:
    """``x.view(x.shape[0], -1)`` as torch exports it."""
    model = Model(("N", 2, 7, 6))
    x = max_pool(model, sign(model, first(model, rng), rng))
    batch = model.node("Gather", model.node("Shape", x), model.constant(0, np.int64))
    whole = model.constant([-1], np.int64)
    unsqueezed = model.node("Unsqueeze", batch, model.constant([0], np.int64))
    x = model.node("Reshape", x, model.node("Concat", unsqueezed, whole, axis=0))
    x = behind(model, x, rng, CHANNELS * 4)
    same(model.save(tmp_path / "m.onnx", x), rng, pixel_scale=WHOLE, images=many(rng))


def test_flat_images_are_shaped(tmp_path: Path, rng: np.random.Generator) -> None:
    """A model of vectors that makes its image itself."""
    model = Model((1, 42))
    x = model.node("Reshape", "0", model.constant([1, 1, 7, 6], np.int64))
    x = scores(model, sign(model, first(model, rng, x, 1), rng), rng, CHANNELS * 20)
    path = model.save(tmp_path / "m.onnx", x)
    images = many(rng, (7, 6, 1))[..., 0]
    network = import_model(path, pixel_scale=WHOLE, shape=(7, 6))
    assert (
        forward(network, images).scores.tolist()
        == execute(path, images.astype(np.float32)).tolist()
    )


def test_permuted_channels(tmp_path: Path, rng: np.random.Generator) -> None:
    """A shuffle of channels goes into the weights behind it."""
    model = Model(SHAPE)
    x = sign(model, first(model, rng), rng)
    order = rng.permutation(CHANNELS)
    x = model.node("Gather", x, model.constant(order, np.int64), axis=1)
    x = conv(model, max_pool(model, x), signs(rng, CHANNELS, CHANNELS, 2, 1))
    x = model.bipolar(model.node("Add", x, 0.5))
    x = scores(model, model.node("Gather", x, model.constant(order, np.int64), axis=1), rng, 16)
    same(model.save(tmp_path / "m.onnx", x), rng, pixel_scale=WHOLE, images=many(rng))


@pytest.mark.parametrize("ending", ["plain", "flat", "softmax", "argmax"])
def test_networks_of_convolutions_alone(
    ending: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    """A last convolution over the whole map gives the scores, behind one of kernel 1."""
    model = Model(SHAPE)
    x = max_pool(model, sign(model, first(model, rng), rng))
    x = model.bipolar(conv(model, x, signs(rng, CHANNELS, CHANNELS, 1, 1)))
    x = conv(model, x, signs(rng, CLASSES, CHANNELS, 2, 2))
    x = model.flatten(x) if ending == "flat" else x
    x = model.node("Softmax", x, axis=1) if ending == "softmax" else x
    x = model.node("ArgMax", x, axis=1) if ending == "argmax" else x
    kind = TensorProto.INT64 if ending == "argmax" else TensorProto.FLOAT
    path = model.save(tmp_path / "m.onnx", x, (1, None), kind)
    if ending in ("plain", "flat"):
        network = same(path, rng, pixel_scale=WHOLE, images=many(rng))
    else:
        images = many(rng)
        network = import_model(path, pixel_scale=WHOLE)
        theirs = execute(path, np.ascontiguousarray(np.moveaxis(images, -1, 1), np.float32))
        classes = theirs[:, 0] if ending == "argmax" else theirs.argmax(axis=1)
        assert forward(network, images).predictions.tolist() == classes.tolist()
    assert [layer.name for layer in network.layers] == ["conv1", "conv2", "fc1"]


def test_layers_of_kernel_1_on_one_pixel_are_dense(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    model = Model(SHAPE)
    x = model.node("GlobalMaxPool", sign(model, first(model, rng), rng))
    x = model.bipolar(conv(model, x, signs(rng, CHANNELS, CHANNELS, 1, 1)))
    x = conv(model, x, signs(rng, CLASSES, CHANNELS, 1, 1))
    network = same(model.save(tmp_path / "m.onnx", x), rng, pixel_scale=WHOLE, images=many(rng))
    assert [layer.name for layer in network.layers] == ["conv1", "fc1", "fc2"]


# ------------------------------------------------------------------- a real size


def test_a_network_of_the_size_of_cnv(tmp_path: Path, rng: np.random.Generator) -> None:
    network = compared(tmp_path, rng, 3, *cnv(rng))
    assert [layer.weights.shape for layer in network.layers] == [
        (64, 27), (64, 576), (128, 576), (128, 1152), (256, 1152), (256, 2304),
        (512, 256), (512, 512), (10, 512),
    ]  # fmt: skip


def test_a_small_network_of_the_shape_of_cnv(tmp_path: Path, rng: np.random.Generator) -> None:
    network = compared(tmp_path, rng, 3, *cnv(rng, (6, 6, 7, 7, 8, 8), (9, 9)))
    pools = [layer.pool.of if layer.pool else "" for layer in convolutions(network)]
    assert pools == ["", "signs", "", "signs", "", ""]


def compared(tmp_path: Path, rng: np.random.Generator, count: int, model: Model, x: str) -> Network:
    """Import, and compare on some images of noise of many sizes."""
    path = model.save(tmp_path / "cnv.onnx", x)
    network = import_model(path)
    coarse = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    images = coarse.repeat(4, axis=1).repeat(4, axis=2)
    inputs = np.ascontiguousarray(np.moveaxis(images, -1, 1) / np.float32(255))
    scores = forward(network, images).scores
    assert scores.tolist() == execute(path, inputs).tolist()
    assert len(np.unique(scores, axis=0)) > 1
    return network


def test_bounds_of_negated_channels(tmp_path: Path) -> None:
    """Sums of positive pixels, negated before a pool: thresholds are clamped to what can occur."""
    model = Model((1, 1, 4, 4))
    x = conv(model, "0", np.ones((2, 1, 3, 3), np.float32))
    x = max_pool(model, model.node("Mul", x, np.array([1, -1]).reshape(2, 1, 1)))
    x = model.bipolar(model.node("Add", x, np.array([0.5, 100000]).reshape(2, 1, 1)))
    x = scores(model, x, np.random.default_rng(0), 2)
    network = import_model(model.save(tmp_path / "m.onnx", x), pixel_scale=WHOLE)
    (layer,) = convolutions(network)
    assert layer.theta.tolist() == [[0, -9 * 255]]
    assert layer.weights.sum(axis=1).tolist() == [9, -9]


finite = st.floats(-1e4, 1e4, width=32)
CHANNEL = st.tuples(finite, finite, finite, st.floats(0, 1e4, width=32))


@given(st.lists(CHANNEL, min_size=1, max_size=4), st.booleans(), st.sampled_from([1e-5, 1e-3]))
@settings(max_examples=60, deadline=None)
def test_any_batch_normalisation(
    parameters: list[tuple[float, float, float, float]], pooled: bool, epsilon: float
) -> None:
    """Threshold and flip give the sign of the affine function for every sum, as float64 sees it."""
    gamma, beta, mean, variance = np.array(parameters, np.float64).T
    model = Model((1, 1, 4, 4))
    x = conv(model, model.bipolar(model.node("Sub", "0", 0.5)), np.ones((len(gamma), 1, 3, 3)))
    x = x if pooled else max_pool(model, x)
    x = model.batch_norm(x, [gamma, beta, mean, variance], epsilon=epsilon)
    x = model.bipolar(max_pool(model, x) if pooled else x)
    x = scores(model, x, np.random.default_rng(0), len(gamma))
    with tempfile.TemporaryDirectory() as place:
        (layer,) = convolutions(import_model(model.save(Path(place) / "m.onnx", x)))
    sums = np.arange(-9, 10, 2)[:, None]
    value = gamma * (sums - mean) / np.sqrt(variance + np.float32(epsilon)) + beta
    clear = np.abs(value) > 1e-9 * (1 + np.abs(beta) + np.abs(gamma) * (9 + np.abs(mean)) / 3e-3)
    ours = (sums * layer.weights[:, 0] >= layer.theta) != layer.flip
    assert (ours == (value >= 0))[clear].all()
    assert (layer.weights == np.where(pooled & (gamma < 0), -1, 1)[:, None]).all()
