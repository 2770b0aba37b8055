"""Random networks, images and adc plans for tests; nothing here computes a network."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from binohm.gen.network import Conv, Dense, Input, Network, Pool, Scores
from binohm.gen.plan import Array, LayerPlan, Tile

FORMS = ("step", "inverted", "one bit", "unsigned", "signed", "wide")
SIZES = (1, 3, 8, 65)


def random_table(rng: np.random.Generator, form: str) -> Input:
    """Input of one element whose table has the given form."""
    pixel = np.arange(256, dtype=np.int64)
    tables: dict[str, NDArray[np.int64]] = {
        "step": np.where(pixel >= 128, 1, -1).astype(np.int64),
        "inverted": np.where(pixel >= 100, -1, 1).astype(np.int64),
        "one bit": pixel & 1,
        "unsigned": np.minimum(pixel, 16),
        "signed": rng.integers(-4, 4, 256),
        "wide": rng.integers(-(1 << 15), 1 << 15, 256),
    }
    return Input((1,), tables[form], form in ("step", "inverted"))


def random_network(
    rng: np.random.Generator,
    sizes: tuple[int, ...],
    form: str = "step",
    groups: int = 1,
    affine: bool = True,
) -> Network:
    """Network with ``sizes`` elements between its layers; thresholds lie near the sums."""
    table = random_table(rng, form)
    source = Input((sizes[0],), table.table, table.bipolar)
    layers: list[Dense | Scores] = []
    scale = 1 if table.bipolar else max(1, int(np.abs(table.table).max()) // 2)
    for index, (inputs, outputs) in enumerate(pairwise(sizes[:-1])):
        parts = min(groups, inputs)
        inner = rng.choice(np.arange(1, inputs), parts - 1, replace=False) if parts > 1 else []
        bounds = (0, *sorted(int(b) for b in inner), inputs)
        spread = 1 + int(inputs**0.5) * (scale if index == 0 else 1)
        theta = rng.integers(-spread, spread + 1, (parts, outputs))
        flip = rng.random((parts, outputs)) < 0.3
        layers.append(Dense(f"fc{index}", random_signs(rng, outputs, inputs), theta, flip, bounds))
    last = Scores("out", random_signs(rng, sizes[-1], sizes[-2]))
    if affine:
        factor, offset = rng.integers(-3, 4, sizes[-1]), rng.integers(-9, 10, sizes[-1])
        last = Scores("out", last.weights, factor, offset)
    return Network("random", source, (*layers, last))


def random_conv(
    rng: np.random.Generator,
    name: str,
    image: tuple[int, int, int],
    outputs: int,
    *,
    kernel: tuple[int, int] = (3, 3),
    groups: int = 1,
    scale: int = 1,
    **geometry: Any,
) -> Conv:
    """A convolution whose thresholds lie near the sums of inputs of size ``scale``."""
    inputs = image[2] * kernel[0] * kernel[1]
    bounds = tuple(inputs * g // groups for g in range(groups + 1))
    spread = 1 + int((inputs / groups) ** 0.5) * scale
    theta = rng.integers(-spread, spread + 1, (groups, outputs))
    flip = rng.random((groups, outputs)) < 0.3
    weights = random_signs(rng, outputs, inputs)
    return Conv(name, weights, theta, flip, bounds, image=image, kernel=kernel, **geometry)


def random_conv_network(rng: np.random.Generator, form: str = "step") -> Network:
    """One to three convolutions with all they can have, and up to one dense layer behind them."""
    table = random_table(rng, form)
    scale = 1 if table.bipolar else max(1, int(np.abs(table.table).max()) // 2)
    rows, columns, channels = (int(n) for n in rng.integers((3, 3, 1), (8, 8, 5)))
    shape = (rows, columns, channels)
    layers: list[Dense | Scores] = []
    for index in range(int(rng.integers(1, 4))):
        kernel = tuple(int(min(rng.choice([1, 2, 3, 5]), n)) for n in (rows, columns))
        split = index > 0 or table.bipolar
        conv = random_conv(
            rng, f"c{index}", (rows, columns, channels), int(rng.choice([1, 3, 5])),
            kernel=(kernel[0], kernel[1]), scale=1 if index else scale,
            groups=min(int(rng.choice([1, 1, 2, 3])), channels * kernel[0] * kernel[1])
            if split else 1,
            stride=(int(rng.choice([1, 1, 2])), int(rng.choice([1, 1, 2]))),
            padding=tuple(int(rng.integers(0, (k - 1) // 2 + 1)) for k in kernel),
        )  # fmt: skip
        if min(conv.windows) >= 2 and rng.random() < 0.5:
            of = "sums" if rng.random() < 0.5 else "signs"
            stride = (int(rng.choice([1, 2])), int(rng.choice([1, 2])))
            conv = replace(conv, pool=Pool((2, 2), stride, of))
        layers.append(conv)
        rows, columns, channels = conv.result
    width = rows * columns * channels
    if rng.random() < 0.5:
        layers += random_network(rng, (width, 5, 2)).layers[:1]
        width = 5
    layers.append(Scores("out", random_signs(rng, 3, width), offset=rng.integers(-9, 10, 3)))
    return Network("random", Input(shape, table.table, table.bipolar), tuple(layers))


def random_signs(rng: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    """Array of -1 and +1."""
    return rng.choice(np.array([-1, 1], np.int8), shape)


def random_images(rng: np.random.Generator, network: Network, count: int) -> NDArray[np.uint8]:
    """Images of the network's input shape."""
    return rng.integers(0, 256, (count, *network.input.shape), dtype=np.uint8)


def adc_plans(network: Network, rows: int, adc_bits: int, drive: Any) -> tuple[LayerPlan, ...]:
    """Plans with ``adc`` tiles of ``rows`` x 2; ``drive`` is replaced where planes are read."""
    array = Array("adc", "complementary", rows, 2, 0, adc_bits, 1, 3, 2, 2)
    plans = []
    for index, layer in enumerate(network.layers):
        multibit = index == 0 and not network.input.bipolar
        bounds = layer.bounds if isinstance(layer, Dense) else (0, layer.inputs)
        tiles = [
            Tile(f"{layer.name}_t", 0, group, (row, min(row + rows, stop)), (o, o + 2, 1))
            for group, (start, stop) in enumerate(pairwise(bounds))
            for row in range(start, stop, rows)
            for o in range(0, layer.outputs, 2)
        ]
        plans.append(
            LayerPlan(
                name=layer.name,
                scores=isinstance(layer, Scores),
                array=array,
                inputs=layer.inputs,
                outputs=layer.outputs,
                groups=layer.groups,
                planes=network.input.plane_weights if multibit else (1,),
                drive="unipolar" if multibit else drive,
                driven=multibit or drive == "unipolar",
                chunk=1,
                slices_per_read=1,
                u_range=(0, 0),
                tiles=tuple(tiles),
            )
        )
    return tuple(plans)


@st.composite
def networks(draw: st.DrawFn) -> tuple[Network, NDArray[np.uint8]]:
    """A network with awkward sizes, any kind of input, split or not; and a few images."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    sizes = draw(st.lists(st.sampled_from(SIZES), min_size=2, max_size=5))
    form = draw(st.sampled_from(FORMS))
    groups = draw(st.sampled_from((1, 2, 3, 4)))
    network = random_network(rng, tuple(sizes), form, groups, draw(st.booleans()))
    return network, random_images(rng, network, draw(st.sampled_from((0, 1, 2, 7))))
