"""What the importer refuses of convolutional networks: every message whole."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conv_models import conv, max_pool, norm
from onnx_models import Model, refused, refused_node, signs
from qonnx_models import CLASSES, WHOLE

from binohm.gen.errors import ModelError
from binohm.gen.importer.qonnx import import_model

SHAPE = (1, 2, 6, 5)
RNG = np.random.default_rng(0)


def bits(model: Model) -> str:
    return model.bipolar(model.node("Sub", "0", 99.5))


def weights(*shape: int) -> np.ndarray:
    return signs(RNG, *(shape or (4, 2, 3, 3)))


def maps(model: Model) -> str:
    """Four channels of 4 x 3 bits."""
    return model.bipolar(conv(model, bits(model), weights()))


def dense(model: Model, x: str, inputs: int) -> str:
    return model.linear(model.flatten(x), signs(RNG, CLASSES, inputs))


Build = Callable[[Model], str]
PADDED_BITS = (
    "it pads by 0, but its input is shifted: 0 is neither -1 nor +1 there; quantise it to -1 and "
    "+1 (BipolarQuant) or do not pad"
)
ORDER = (
    "its input of {} channels, {} rows and {} columns is not in the order of what comes before it, "
    "rows, columns and then channels; do not crop or transpose images, and give images of several "
    "colours as (N, C, H, W) or (N, H, W, C)"
)
CASES: dict[str, tuple[Build, str]] = {
    "depthwise": (
        lambda m: conv(m, bits(m), weights(2, 1, 3, 3), group=2, label="n"),
        (
            "its channels are in 2 groups (a depthwise or grouped convolution); only group=1 is "
            "supported: train full convolutions"
        ),
    ),
    "dilated": (
        lambda m: conv(m, bits(m), weights(), dilations=[1, 2], label="n"),
        "its dilations are [1, 2]; only windows without gaps are supported: use dilations of 1",
    ),
    "asymmetric": (
        lambda m: conv(m, bits(m), weights(), (0, 1, 0, 0), label="n"),
        (
            "its columns are padded by 1 before and 0 behind; only the same on both sides is "
            "supported: pad so, and train again"
        ),
    ),
    "too wide a padding": (
        lambda m: conv(m, bits(m), weights(), (2, 1, 2, 1), label="n"),
        "its rows are padded by 2, more than half a kernel of 3; at most 1 is supported",
    ),
    "negative pads": (
        lambda m: conv(m, bits(m), weights(), (0, -1, 0, -1), label="n"),
        "its pads are [0, -1, 0, -1]; they cannot be negative, slice instead",
    ),
    "no room": (
        lambda m: conv(m, bits(m), weights(4, 2, 3, 7), label="n"),
        (
            "a kernel of 7 columns does not fit in an image of 5 with pads of 0 and 0; export the "
            "model again"
        ),
    ),
    "another kernel": (
        lambda m: conv(m, bits(m), weights(), kernel_shape=[3, 1], label="n"),
        (
            "its kernel_shape is [3, 1], but its weights have the shape (4, 2, 3, 3); export the "
            "model "
            "again"
        ),
    ),
    "channels that do not fit": (
        lambda m: conv(m, bits(m), weights(4, 3, 3, 3), label="n"),
        (
            "an input of shape (1, 2, 6, 5) does not fit weights of shape (4, 3, 3, 3); export the "
            "model again, with group=1"
        ),
    ),
    "weights of three values": (
        lambda m: conv(m, bits(m), weights() * np.array([1, 0, 1]), label="n"),
        (
            "its weights are not binary: output 0 has the magnitudes 0, 1, where -1 and +1 times "
            "one "
            "scale are needed; quantise the weights by BipolarQuant"
        ),
    ),
    "sums": (
        lambda m: conv(m, conv(m, bits(m), weights()), weights(4, 4, 3, 3), label="n"),
        "its input is not quantised; put a BipolarQuant before it",
    ),
    "one dimension": (
        lambda m: m.node(
            "Conv",
            m.node("Squeeze", maps(m), m.constant([0], np.int64)),
            weights(4, 4, 3),
            label="n",
        ),
        "its input has the shape (4, 4, 3); only images of shape (N, C, H, W) are supported",
    ),
    "padded bits of 0 and 1": (
        lambda m: conv(
            m,
            m.quant(conv(m, bits(m), weights()), 1, signed=0),
            weights(4, 4, 3, 3),
            (1,) * 4,
            label="n",
        ),
        PADDED_BITS,
    ),
    "padded shifted bits": (
        lambda m: conv(m, m.node("Add", maps(m), 0.5), weights(4, 4, 3, 3), (1,) * 4, label="n"),
        PADDED_BITS,
    ),
    "padded shifted colours": (
        lambda m: conv(
            m, m.node("Sub", "0", np.array([1, 2]).reshape(2, 1, 1)), weights(), (1,) * 4, label="n"
        ),
        (
            "it pads by 0, which is a different pixel value for different colours; shift all "
            "colours "
            "alike, or do not pad"
        ),
    ),
    "padding far from the pixels": (
        lambda m: conv(m, m.node("Sub", "0", 0.001953125), weights(), (1,) * 4, label="n"),
        "its 256 input levels need more than 16 bits; quantise the input evenly",
    ),
    "padded by 1": (
        lambda m: conv(
            m,
            m.node("Pad", bits(m), m.constant([0, 0, 1, 1] * 2, np.int64), 1.0),
            weights(),
            label="n",
        ),
        (
            "its input is padded by a value that is not 0, but the lines beyond the border are "
            "off; pad by 0 behind the quantiser, or do not pad"
        ),
    ),
    "reflected": (
        lambda m: m.node(
            "Pad", bits(m), m.constant([0, 0, 1, 1] * 2, np.int64), mode="reflect", label="n"
        ),
        "only a constant around the image is supported; use mode='constant'",
    ),
    "padded sums": (
        lambda m: m.node(
            "Pad", conv(m, bits(m), weights()), m.constant([0, 0, 1, 1] * 2, np.int64), label="n"
        ),
        "it pads sums, before their quantiser; pad behind the quantiser, by 0",
    ),
    "a scale for each place": (
        lambda m: conv(
            m,
            m.node("Mul", maps(m), 1 + np.arange(12).reshape(4, 3)),
            weights(4, 4, 3, 3),
            label="n",
        ),
        (
            "its input is scaled or shifted differently from place to place; use one scale and one "
            "shift for each channel"
        ),
    ),
    "a threshold for each place": (
        lambda m: m.quantiser(
            "BipolarQuant",
            m.node("Add", conv(m, bits(m), weights()), 1.0 * np.arange(12).reshape(4, 3)),
            np.float32(1),
            label="n",
        ),
        "the sums of one channel have different scales or offsets; use one for each channel",
    ),
    "a crop": (
        lambda m: conv(
            m,
            m.node("Slice", maps(m), *(m.constant([k], np.int64) for k in (1, 4, 2))),
            weights(4, 4, 3, 3),
            label="n",
        ),
        ORDER.format(4, 3, 3),
    ),
    "a transpose": (
        lambda m: conv(
            m, m.node("Transpose", maps(m), perm=[0, 1, 3, 2]), weights(4, 4, 3, 3), label="n"
        ),
        ORDER.format(4, 3, 4),
    ),
    "a channel twice": (
        lambda m: conv(
            m,
            m.node("Gather", maps(m), m.constant([0, 1, 1, 3], np.int64), axis=1),
            weights(4, 4, 3, 3),
            label="n",
        ),
        (
            "it takes 3 of the 4 channels before it, some twice or not at all; a convolution takes "
            "each once, or in a group those that follow each other"
        ),
    ),
    "lowered": (
        lambda m: m.quantiser("Im2Col", bits(m), label="n"),
        "a convolution lowered to a matrix product; import the file before that",
    ),
    # ----------------------------------------------------------------- pools
    "pooled pixels": (
        lambda m: max_pool(m, m.node("Mul", "0", 2.0), label="n"),
        "a maximum of pixels, which are more than 1 bit; pool behind the first convolution",
    ),
    "a channel pooled both ways": (
        lambda m: max_pool(
            m,
            m.node(
                "Mul",
                m.node("Gather", maps(m), m.constant([0, 1, 1, 3], np.int64), axis=1),
                np.array([1, 1, -1, 1]).reshape(4, 1, 1),
            ),
            label="n",
        ),
        "one channel is pooled with scales of both signs; make it two",
    ),
    "colours of different scales": (
        lambda m: conv(
            m, m.node("Mul", "0", np.array([1, 2]).reshape(2, 1, 1)), weights(), label="n"
        ),
        (
            "its weights are not binary: output 0 has the magnitudes 1, 2, where -1 and +1 times "
            "one scale are needed; its inputs are scaled by 2 different numbers, use one for all"
        ),
    ),
    "two pools": (
        lambda m: max_pool(m, max_pool(m, maps(m)), (1, 1), (2, 2), label="n"),
        "a second pool of one convolution; use one pool of a larger kernel",
    ),
    "two pools, of sums and signs": (
        lambda m: max_pool(
            m, m.bipolar(max_pool(m, conv(m, bits(m), weights()))), (2, 1), label="n"
        ),
        "a second pool of one convolution; use one pool of a larger kernel",
    ),
    "padded pool": (
        lambda m: max_pool(m, maps(m), pads=[0, 1, 0, 1], label="n"),
        (
            "it takes windows of 2 columns that reach beyond an image of 3; use no padding, "
            "ceil_mode=0 and a kernel that fits"
        ),
    ),
    "rounded up": (
        lambda m: max_pool(m, maps(m), ceil_mode=1, label="n"),
        (
            "it takes windows of 2 columns that reach beyond an image of 3; use no padding, "
            "ceil_mode=0 and a kernel that fits"
        ),
    ),
    "large pool": (
        lambda m: max_pool(m, maps(m), (5, 1), label="n"),
        (
            "it takes windows of 5 rows that reach beyond an image of 4; use no padding, "
            "ceil_mode=0 and a kernel that fits"
        ),
    ),
    "dilated pool": (
        lambda m: max_pool(m, maps(m), dilations=[2, 2], label="n"),
        "its dilations are [2, 2]; only windows without gaps are supported: use dilations of 1",
    ),
    "pool of a dense layer": (
        lambda m: max_pool(
            m,
            m.node(
                "Reshape",
                m.bipolar(m.linear(m.flatten(bits(m)), signs(RNG, 12, 60))),
                m.constant([1, 3, 2, 2], np.int64),
            ),
            label="n",
        ),
        "its input, of shape (1, 3, 2, 2), is not the result of a convolution; remove the pool",
    ),
    "average": (
        lambda m: m.node("AveragePool", maps(m), kernel_shape=[2, 2], strides=[2, 2], label="n"),
        "an average of 2 x 2 elements is no -1 or +1; use MaxPool, or a convolution with a stride",
    ),
    "global average": (
        lambda m: m.node("GlobalAveragePool", maps(m), label="n"),
        "an average of 4 x 3 elements is no -1 or +1; use MaxPool, or a convolution with a stride",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_operators(case: str, tmp_path: Path) -> None:
    build, message = CASES[case]
    refused_node(tmp_path / "m.onnx", SHAPE, build, message, pixel_scale=WHOLE)


def test_every_form_of_them_imports(tmp_path: Path) -> None:
    """What the cases above are made of is accepted, as it stands there without the fault."""
    model = Model(SHAPE)
    x = max_pool(model, norm(model, conv(model, bits(model), weights(), (1,) * 4), RNG, 4))
    x = conv(model, model.bipolar(x), weights(4, 4, 3, 1), (1, 0, 1, 0))
    path = model.save(tmp_path / "m.onnx", dense(model, model.bipolar(x), 24))
    import_model(path, pixel_scale=WHOLE)


def test_networks_that_end_in_maps(tmp_path: Path) -> None:
    model = Model(SHAPE)
    x = conv(model, maps(model), weights(4, 4, 3, 3))
    refused(
        model.save(tmp_path / "m.onnx", x),
        f"output {x!r} is a convolution with 2 x 1 results for each class; end the network in a "
        "fully connected layer, or a convolution over the whole image",
        pixel_scale=WHOLE,
    )


def test_signs_of_sums_that_reach_zero_at_the_border(tmp_path: Path) -> None:
    """Nine inputs never give 0, but the four and six at a border do."""
    for pads, good in ((0, 0, 0, 0), True), ((1, 1, 1, 1), False):
        model = Model((1, 1, 3, 3))
        x = conv(model, bits(model), weights(4, 1, 3, 3), pads)
        x = model.node("Sign", x, label="n")
        path = model.save(tmp_path / "m.onnx", dense(model, x, 4 if good else 36))
        if good:
            import_model(path, pixel_scale=WHOLE)
        else:
            refused(
                path,
                "n (Sign): Sign(0) is 0, neither -1 nor +1, and 4 of 4 outputs can reach 0 (the "
                "first is 0); use BipolarQuant, where 0 gives +1",
                pixel_scale=WHOLE,
            )


def test_flat_images_of_several_colours(tmp_path: Path) -> None:
    """Colour by colour is not how images are stored."""
    model = Model((1, 60))
    x = model.node("Reshape", "0", model.constant([1, 2, 6, 5], np.int64))
    x = conv(model, x, weights(), label="n")
    refused(
        model.save(tmp_path / "m.onnx", x), "n (Conv): " + ORDER.format(2, 6, 5), pixel_scale=WHOLE
    )


def test_random_damage_gives_no_traceback(tmp_path: Path) -> None:
    """Any flipped byte: a network or a ModelError of one line."""
    model = Model(SHAPE)
    x = max_pool(model, norm(model, conv(model, bits(model), weights(), (1,) * 4), RNG, 4))
    x = conv(model, model.bipolar(x), weights(4, 4, 3, 1), (1, 0, 1, 0))
    path = model.save(tmp_path / "m.onnx", dense(model, model.bipolar(x), 24))
    whole, rng, refusals = path.read_bytes(), np.random.default_rng(4), list[str]()
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            import_model(path, pixel_scale=WHOLE)
        except ModelError as error:
            refusals.append(str(error))
    assert len(refusals) > 50
    assert all(text.startswith(f"{path}: ") and "\n" not in text for text in refusals)
