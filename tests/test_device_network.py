"""Whole networks on device maps: ideal devices are golden; others are what single reads give."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from device_loop import Loop
from hypothesis import given, settings
from mapping_cases import LARGEST, Case, cases
from numpy.typing import NDArray
from plan_arithmetic import signed, words
from random_networks import random_images
from small_build import MIXED, small_network

from binohm.gen.config import Config
from binohm.gen.images import render
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Array, LayerPlan, Plan
from binohm.sim import golden
from binohm.sim.device.draw import draw
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.network import Devices
from binohm.sim.device.physics import Device
from binohm.sim.device.state import SET

NOISY = Device(
    lrs_sigma_d2d=0.3, lrs_sigma_c2c=0.1, hrs_sigma_c2c=0.2, read_noise=0.1, sense_offset_a=1e-6,
    stuck_lrs=0.02, stuck_hrs=0.01, line_ohm=20.0,
)  # fmt: skip
WILD = Device(
    hrs_ohm=1.3e5, lrs_sigma_d2d=1.0, hrs_sigma_d2d=1.0, read_noise=0.8, sense_offset_a=3e-6
)
"""So bad that sums leave the range they have with ideal devices."""

Ints = NDArray[np.int64]


def same(one: golden.Trace, other: golden.Trace) -> bool:
    """Whether two traces agree in everything."""
    pairs = [
        (one.input, other.input),
        *zip(one.hidden, other.hidden, strict=True),
        (one.scores, other.scores),
        (one.predictions, other.predictions),
    ]
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in pairs)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(cases())
def test_ideal_devices_are_golden(case: Case) -> None:
    plan = map_network(case.network, case.config)
    devices = Devices(case.network, plan, draw(Device.ideal(), plan, 1))
    expected = golden.forward(case.network, case.images, plan.layers)
    assert same(devices.forward(case.images, first=3), expected)


@settings(max_examples=12, deadline=None)
@given(cases())
def test_any_devices_are_their_arrays_read_one_by_one(case: Case) -> None:
    check(case.network, map_network(case.network, case.config), case.images[:2], NOISY, 1000)


@pytest.mark.parametrize("device", [NOISY, WILD])
@pytest.mark.parametrize(
    "layers",
    [
        {},
        {
            "fc0": {"readout": "pcsa", "cell": "1t1r", "engines": 4, "slices_per_read": 1},
            "out": {"readout": "adc"},
        },
        {"fc1": {"cell": "1t1r", "threshold": "reference", "reference_per_column": True}},
    ],
)
def test_mixed_devices_are_their_arrays_read_one_by_one(
    layers: dict[str, Any], device: Device
) -> None:
    network = at_the_ends(small_network("signed"))
    own = {**MIXED["layers"], **layers}
    plan = map_network(network, Config.model_validate({**MIXED, "layers": own}))
    images = random_images(np.random.default_rng(2), network, 6)
    found = check(network, plan, images, device, (1 << 32) - 3)
    exact = golden.forward(network, images)
    wrong = np.concatenate([a != b for a, b in zip(found.hidden, exact.hidden, strict=True)], 1)
    assert (0.1 if device is WILD else 0.005) < wrong.mean() < 0.6


def at_the_ends(network: Network) -> Network:
    """Thresholds out of reach, and scores that 32 bits just hold."""
    hidden = []
    for layer in network.hidden:
        theta = layer.theta.copy()
        theta[:, ::3], theta[:, 1::3] = LARGEST, -LARGEST
        hidden.append(replace(layer, theta=theta))
    last = network.scores
    scale = np.where(last.scale < 0, -1, 1) * (((1 << 31) - 10) // last.inputs)
    return replace(network, layers=(*hidden, replace(last, scale=scale)))


def check(
    network: Network, plan: Plan, images: NDArray[np.uint8], device: Device, first: int
) -> golden.Trace:
    """Compare every layer with :func:`one_by_one`."""
    maps = draw(device, plan, 6)
    found = Devices(network, plan, maps).forward(images, first)
    texts = render(network, plan)
    memories = {image.name: words(texts[image.name], image) for image in plan.images}
    for n in range(len(images)):
        value = found.input[n]
        planes = [value >> b & 1 for b in range(len(plan.layers[0].planes))]
        if network.input.bipolar:
            planes = [(value > 0).astype(np.int64)]
        for index, layer in enumerate(plan.layers):
            result = one_by_one(layer, plan, memories, maps, planes, first + n)
            if layer.scores:
                assert np.array_equal(found.scores[n], result)
            else:
                assert np.array_equal(found.hidden[index][n], 2 * result - 1)
            planes = [result]
    assert np.array_equal(found.predictions, found.scores.argmax(axis=1))
    return found


def stored(memory: list[list[int]], array: Array) -> NDArray[np.int8]:
    """Weights of the lines and columns of an array, from its image."""
    if array.readout == "pcsa":
        return (2 * np.array(memory) - 1).astype(np.int8)
    bits = np.array(memory).reshape(-1, array.column_bits)[: array.columns].T
    plus, minus = np.split(bits[array.rows :], 2)
    return np.concatenate([2 * bits[: array.rows] - 1, plus - minus]).astype(np.int8)


def one_by_one(
    layer: LayerPlan,
    plan: Plan,
    memories: dict[str, list[list[int]]],
    maps: dict[str, DeviceMap],
    planes: list[Ints],
    image: int,
) -> Ints:
    """Bits or scores of one layer for one image, read by read, from the memory images."""
    array = layer.array
    (beside,) = (
        one for one in plan.images if one.layer == layer.name
        and one.kind not in ("cells", "reference")
    )  # fmt: skip
    lanes = [
        lane.tolist()
        for word in memories[beside.name]
        for lane in np.array_split(word, layer.chunk)
    ]
    counts = np.zeros((layer.outputs, layer.groups), np.int64)
    for tile in layer.tiles:
        loop = Loop(array, maps[tile.name], tile.id, stored(memories[tile.name], array))
        start, stop, step = tile.outputs
        read = 0
        if array.readout == "pcsa":
            for chunk, output in enumerate(range(start, stop, step)):
                for j in range(layer.reads_per_output):
                    at = (j * layer.slices_per_read + tile.slice) * array.columns
                    row = chunk * layer.reads_per_output + j
                    for worth, plane in zip(layer.planes, planes, strict=True):
                        x = [*plane[at : at + array.columns], *[0] * array.columns][: array.columns]
                        there = range(at, at + array.columns)
                        signs = layer.drive == "bipolar"
                        en = [
                            int(k < layer.inputs) if signs else b
                            for k, b in zip(there, x, strict=True)
                        ]
                        q = loop.compare(row, x if signs else [1] * len(x), en, image, read)
                        counts[output, 0] += worth * sum(q)
                        read += 1
            continue
        codes = [0] * array.columns
        if array.ref_bits:
            (word,) = memories[f"{tile.name}_reference"]
            each = [signed(code.tolist()) for code in np.array_split(word, array.ref_codes)]
            codes = each if array.ref_per_column else each * array.columns
        for worth, plane in zip(layer.planes, planes, strict=True):
            x_p, x_n = np.zeros((2, array.lines), np.int64)
            own = plane[slice(*tile.inputs)]
            x_p[: len(own)] = own
            x_n[: len(own)] = (1 - own) * (layer.drive == "bipolar")
            x_p[array.rows :] = 1
            answers = {code: loop.read(x_p, x_n, image, read, code) for code in set(codes)}
            for column in range(stop - start):
                answer = answers[codes[column]][column]
                counts[start + column, tile.group] += worth * answer
            read += 1
    return together(layer, lanes, counts, planes, beside.fields)


def together(
    layer: LayerPlan, lanes: list[list[int]], counts: Ints, planes: list[Ints],
    fields: tuple[int, ...],
) -> Ints:  # fmt: skip
    """What the periphery makes of the answers."""
    driven = sum(
        worth * int(plane.sum()) for worth, plane in zip(layer.planes, planes, strict=True)
    )
    u = 2 * counts - driven if layer.driven else counts
    result = np.zeros(layer.outputs, np.int64)
    for output in range(layer.outputs):
        lane = lanes[output]
        if layer.scores:
            score = signed(lane[: fields[0]]) * int(u[output, 0]) + signed(lane[fields[0] :])
            result[output] = (score + 2**31) % 2**32 - 2**31
            continue
        votes = 0
        for group, bits in enumerate(np.array_split(lane, layer.groups)):
            if layer.array.readout == "sa":
                bit = int(counts[output, group])
            else:
                bit = int(u[output, group] >= signed(bits[:-1].tolist()))
            votes += bit ^ int(bits[-1])
        result[output] = 2 * votes >= layer.groups
    return result


def test_noise_goes_by_the_number_of_the_image() -> None:
    network = small_network()
    plan = map_network(network, Config.model_validate(MIXED))
    devices = Devices(network, plan, draw(NOISY, plan, 2))
    images = np.repeat(random_images(np.random.default_rng(3), network, 1), 30, axis=0)
    whole = devices.forward(images, first=5)
    assert len(np.unique(whole.scores, axis=0)) > 10
    parts = [devices.forward(images[at : at + 7], first=5 + at).scores for at in range(0, 30, 7)]
    assert np.array_equal(np.concatenate(parts), whole.scores)


def test_pulses_are_seen_by_the_next_images() -> None:
    """Every device of every tile set: all weights of pairs read as the same sign."""
    network = small_network("step")
    plan = map_network(network, Config.model_validate({"array": {"cell": "2t2r", "rows": 64}}))
    devices = Devices(network, plan, draw(replace(Device.ideal(), lrs_sigma_c2c=0.1), plan, 1))
    images = random_images(np.random.default_rng(4), network, 5)
    before = devices.forward(images)
    for state in devices.states.values():
        on = np.ones(state.map.columns, np.bool_)
        for row in range(state.map.lines):
            state.pulse(SET, row, on, on)
            state.pulse(SET, row, ~on, on)
    assert not np.array_equal(devices.forward(images).scores, before.scores)


def test_a_spare_column_stands_in_for_a_bad_one() -> None:
    """A column whose devices are all stuck is wrong, and right again by a spare one."""
    network = small_network("step")
    config = {
        "host": {"programming": True},
        "array": {"columns": 5, "spare_columns": 2, "rows": 16, "bias_rows": 24},
    }
    plan = map_network(network, Config.model_validate(config))
    assert {layer.array.readout for layer in plan.layers} == {"sa", "adc"}
    maps = draw(Device.ideal(), plan, 1)
    images = random_images(np.random.default_rng(5), network, 20)
    expected = golden.forward(network, images)
    assert same(Devices(network, plan, maps).forward(images), expected)
    for map in maps.values():
        map.stuck[:-1, 3] = (1, 2)
    assert not same(Devices(network, plan, maps).forward(images), expected)
    spares = {name: {3: 1} for name in maps}
    assert same(Devices(network, plan, maps, spares).forward(images), expected)
    with pytest.raises(
        ValueError,
        match=r"^fc0_t0: column 5 and spare 0: there are 5 columns and 2 spare ones$",
    ):
        Devices(network, plan, maps, {"fc0_t0": {5: 0}})


def test_maps_that_do_not_fit_are_refused() -> None:
    network = small_network()
    plan = map_network(network, Config.model_validate(MIXED))
    maps = draw(NOISY, plan, 2)
    missing = dict(list(maps.items())[1:])
    with pytest.raises(ValueError, match=r"^fc0_t0: there is no map of this tile$"):
        Devices(network, plan, missing)
    maps["fc0_t0"] = maps["out_t0"]
    with pytest.raises(
        ValueError,
        match=r"^fc0_t0: the map is of pcsa complementary \d+\+0 x 8, "
        r"but the array is adc 2t2r 8\+0 x 8$",
    ):
        Devices(network, plan, maps)
