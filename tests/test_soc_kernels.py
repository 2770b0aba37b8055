"""The offline pass: which kernels a network uses, which are stored, what the program is given."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from binohm.gen.errors import BinohmError, ConfigError, ModelError
from binohm.gen.network import Conv, Input, Network, Scores
from binohm.gen.soc.kernels import Store, binary_convs, histogram, kernels_of, pick
from binohm.gen.soc.tables import check, pixels_of, rows_of, tables
from binohm.hdl.cfu.functions import UnitSpec
from binohm.sim.soc.expected import layer_results

Rng = np.random.Generator
FIRMWARE = Path(__file__).parent.parent / "sim" / "firmware"

LAYERS = {
    "one channel": ((5, 7, 1), (3, 3), (1, 1), 40),
    "three channels": ((4, 6, 3), (3, 3), (0, 0), 8),
    "eight channels, 1 x 3": ((3, 9, 8), (1, 3), (0, 1), 5),
    "a word of channels": ((6, 5, 32), (3, 3), (1, 1), 33),
    "65 channels": ((3, 4, 65), (3, 3), (1, 0), 3),
    "5 x 3": ((7, 6, 2), (5, 3), (2, 1), 6),
    "more words than are added at once": ((3, 3, 160), (3, 3), (1, 1), 8),
}


def layer_of(
    rng: Rng,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    padding: tuple[int, int],
    outputs: int,
) -> Conv:
    """A layer with thresholds in reach, some out of it, and flips."""
    inputs = image[2] * kernel[0] * kernel[1]
    weights = rng.choice(np.array([-1, 1], np.int8), (outputs, inputs))
    reach = int(2 * inputs**0.5) + 1
    theta = rng.integers(-reach, reach, (1, outputs))
    theta[0, 0], theta[0, -1] = -2 * inputs, inputs + 1
    flip = rng.random((1, outputs)) < 0.3
    return Conv("c", weights, theta, flip, image=image, kernel=kernel, padding=padding)


def network_of(*layers: Conv, name: str = "n", bipolar: bool = True) -> Network:
    """A network whose convolutions need not fit one another is none: one layer each."""
    table = np.where(np.arange(256) > 99, 1, -1 if bipolar else 0).astype(np.int64)
    last = layers[-1]
    source = Input(layers[0].image, table, bipolar)
    return Network(name, source, (*layers, Scores("s", np.ones((1, last.gives), np.int8))))


def bits_of(rng: Rng, layer: Conv) -> np.ndarray:
    return rng.choice(np.array([-1, 1], np.int8), layer.image)


def arrays_of(text: str) -> tuple[dict[str, int], dict[str, list[int]]]:
    """Numbers and arrays of ``tables.h``."""
    names = {k: int(v) for k, v in re.findall(r"#define (\w+) (-?\d+)$", text, re.MULTILINE)}
    arrays = {
        name: [int(v, 0) for v in values.replace("\n", " ").split(",") if v.strip()]
        for name, values in re.findall(r" (\w+)\[\d+\] = \{([^}]*)\}", text)
    }
    return names, arrays


def test_kernels_are_numbers_by_row_and_column(rng: Rng) -> None:
    layer = layer_of(rng, (4, 5, 3), (2, 3), (0, 0), 4)
    for output in range(4):
        for channel in range(3):
            number = 0
            for row in range(2):
                for column in range(3):
                    weight = layer.weights[output, channel * 6 + row * 3 + column]
                    number |= int(weight > 0) << (row * 3 + column)
            assert kernels_of(layer)[output, channel] == number


def test_the_histogram_counts_every_kernel_the_most_used_first(rng: Rng) -> None:
    layer = layer_of(rng, (4, 4, 30), (3, 3), (0, 0), 40)
    found = histogram([layer, layer], (3, 3))
    counted = Counter(kernels_of(layer).ravel().tolist())
    assert found == {kernel: 2 * count for kernel, count in counted.items()}
    order = [(-count, kernel) for kernel, count in found.items()]
    assert order == sorted(order)
    assert histogram([layer], (1, 3)) == {}


@pytest.mark.parametrize("complement", [False, True])
def test_the_most_used_are_stored(rng: Rng, complement: bool) -> None:
    layer = layer_of(rng, (4, 4, 30), (3, 3), (0, 0), 40)
    store = pick(network_of(layer), 20, complement=complement)
    kernels = kernels_of(layer).ravel()
    uses = Counter(np.minimum(kernels, 511 - kernels) if complement else kernels)
    kept = sum(uses[kernel] for kernel in store.kernels)
    assert kept == sum(sorted(uses.values(), reverse=True)[:20])
    numbers = store.find(kernels)
    assert int((numbers >= 0).sum()) == kept
    for kernel, number in zip(kernels.tolist(), numbers.tolist(), strict=True):
        if number >= 0:
            slot, invert = divmod(number, 2) if complement else (number, 0)
            assert store.kernels[slot] ^ (511 * invert) == kernel


def test_ties_go_to_the_lowest_kernel() -> None:
    weights = np.where(np.arange(4)[:, None] >> np.arange(2) & 1, 1, -1).astype(np.int8)
    zeros = np.zeros((1, 4), np.int64)
    layer = Conv("c", weights, zeros, zeros > 0, image=(1, 2, 1), kernel=(1, 2))
    network = network_of(layer)
    assert pick(network, 2, shape=(1, 2), complement=False).kernels == (0, 1)
    assert pick(network, 3, shape=(1, 2)).kernels == (0, 1)


def test_layers_that_read_pixels_are_no_work_for_the_unit(rng: Rng) -> None:
    layer = layer_of(rng, (4, 4, 2), (3, 3), (0, 0), 4)
    assert binary_convs(network_of(layer)) == (layer,)
    assert binary_convs(network_of(layer, bipolar=False)) == ()
    with pytest.raises(ModelError, match="network n has no binary convolution of 3 x 3; take one"):
        pick(network_of(layer, bipolar=False), 4)


@pytest.mark.parametrize("slots", [1, 2, 15, 16, 63, 64, 127, 128, 256, 512, 1024])
@pytest.mark.parametrize("complement", [False, True])
def test_numbers_are_as_wide_as_those_of_the_unit(slots: int, complement: bool) -> None:
    store, unit = Store((3, 3), slots, (), complement), UnitSpec(slots, complement=complement)
    assert (store.codes, store.number_bits, store.a_word) == (
        unit.codes, unit.number_bits, unit.numbers,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Store((3, 3), 0, ()), "slots = 0: must be 1 to 1024"),
        (lambda: Store((5, 5), 4, ()), "a kernel of 5 x 5: must have at most 16 elements"),
        (lambda: Store((3, 3), 1, (1, 2)), "2 kernels: must be at most slots, 1"),
        (lambda: Store((3, 3), 4, (1, 1)), "kernels of a store must differ"),
        (lambda: Store((3, 3), 4, (1, 510)), "kernels of a store must differ"),
        (lambda: Store((3, 3), 4, (512,)), "kernels must be 0 to 511"),
    ],
)
def test_stores_are_checked(make: object, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        make()  # type: ignore[operator]
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bounds": (0, 9, 18)}, "layer c is split into 2 groups; take a network without splits"),
        ({"stride": (1, 2)}, "layer c: stride (1, 2): must be (1, 1)"),
        ({"image": (4, 33, 2)}, "layer c: 33 columns: must be at most 32; cut the image"),
        ({"kernel": (2, 9), "image": (4, 9, 1)}, "layer c: kernel (2, 9): must have at most 16 el"),
    ],
)
def test_what_the_firmware_cannot_do_is_refused(change: dict[str, object], message: str) -> None:
    groups = len(change.get("bounds", (0, 18))) - 1  # type: ignore[arg-type]
    zeros = np.zeros((groups, 3), np.int64)
    facts = {"image": (4, 4, 2), "kernel": (3, 3), **change}
    layer = Conv("c", np.ones((3, 18), np.int8), zeros, zeros > 0, **facts)  # type: ignore[arg-type]
    with pytest.raises(BinohmError) as error:
        check(layer)
    assert str(error.value).startswith(message)


def test_the_same_layer_gives_the_same_bytes(rng: Rng) -> None:
    layer = layer_of(rng, *LAYERS["three channels"])
    bits, store = bits_of(rng, layer), pick(network_of(layer), 5)
    assert tables(layer, bits, store) == tables(layer, bits, store)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("slots", [2, 256])
def test_lists_say_which_kernels_every_output_has(rng: Rng, name: str, slots: int) -> None:
    """Read as the firmware and the unit read them: all kernels come back."""
    layer = layer_of(rng, *LAYERS[name])
    slots = max(slots, 100 * (layer.image[2] > 100))  # a list has 255 places at most
    store = pick(network_of(layer), slots, shape=layer.kernel)
    made = tables(layer, bits_of(rng, layer), store)
    names, arrays = arrays_of(made.text)
    channels, whole = layer.image[2], (1 << store.taps) - 1
    words = np.array(arrays["numbers"]).reshape(layer.outputs, names["NUMBER_WORDS"])
    at = places = 0
    for output, kernels in enumerate(kernels_of(layer).tolist()):
        fields = [
            int(word) >> store.number_bits * k & (1 << store.number_bits) - 1
            for word in words[output]
            for k in range(store.a_word)
        ]
        assert set(fields[channels:]) <= {(1 << store.number_bits) - 1}
        found = [store.kernels[f >> 1] ^ (whole * (f & 1)) for f in fields[:channels]]
        apart = [(a ^ b).bit_count() for a, b in zip(found, kernels, strict=True)]
        nearest = [min((int(k) ^ held).bit_count() for held in store.held) for k in kernels]
        assert apart == nearest
        mine = 0
        if names["MISSES"]:
            if output % names["TILE"] == 0:
                assert arrays["place_start"][output // names["TILE"]] == at
            for column in range(layer.kernel[1]):
                count = arrays["places"][at]
                assert count % 2 == 0
                for offset in arrays["places"][at + 1 : at + 1 + count]:
                    row, rest = divmod(offset // 4, 2 * channels + 1)
                    if rest == 2 * channels:  # a word that is 0
                        continue
                    absent, channel = divmod(rest, channels)
                    bit = 1 << (row * layer.kernel[1] + column)
                    assert bool(found[channel] & bit) == bool(absent)
                    found[channel] ^= bit
                    mine += 1
                at += 1 + count
        assert found == kernels and mine == sum(apart)
        theta = int(layer.theta[0, output]) + 2 * mine
        assert arrays["thetas"][output] == theta
        places += mine
    assert at == len(arrays.get("places", []))
    held = int((store.find(kernels_of(layer)) >= 0).sum())
    assert (made.hits, made.misses) == (held, layer.outputs * channels - held)
    assert made.places == places and bool(places) == bool(made.misses)
    rows = np.array(arrays["rows"]).reshape(layer.image[0], channels)
    assert rows.max() < 1 << layer.image[1]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("slots", [2, 20])
def test_kernels_in_full_stand_among_the_numbers(rng: Rng, name: str, slots: int) -> None:
    layer = layer_of(rng, *LAYERS[name])
    store = pick(network_of(layer), slots, shape=layer.kernel)
    made = tables(layer, bits_of(rng, layer), store, in_full=True)
    names, arrays = arrays_of(made.text)
    assert names["MISSES"] == made.places == 0 and "places" not in arrays
    assert arrays["thetas"] == layer.theta[0].tolist()
    words = np.array(arrays["numbers"]).reshape(layer.outputs, names["NUMBER_WORDS"]).tolist()
    bits, whole = store.number_bits, (1 << store.taps) - 1
    none = (1 << bits) - 1
    misses = 0
    for mine, kernels in zip(words, kernels_of(layer).tolist(), strict=True):
        fields = [word >> bits * k & none for word in mine for k in range(store.a_word)]
        found = []
        while fields and fields[0] != none:
            field = fields.pop(0)
            if field < store.codes:
                found.append(store.kernels[field >> 1] ^ (whole * (field & 1)))
                continue
            assert field == store.codes
            count = -(-store.taps // bits)
            found.append(sum(part << bits * k for k, part in enumerate(fields[:count])))
            del fields[:count]
            misses += 1
        assert found == kernels and set(fields) <= {none}
    assert misses == made.misses


def test_windows_at_the_border_have_fewer_places(rng: Rng) -> None:
    layer = layer_of(rng, (3, 5, 6), (3, 3), (1, 1), 4)
    store = pick(network_of(layer), 1)
    names, arrays = arrays_of(tables(layer, bits_of(rng, layer), store, positions=2).text)
    numbers = np.array(arrays["numbers"]).reshape(4, -1)[:, 0]
    fields = numbers[:, None] >> store.number_bits * np.arange(6) & (1 << store.number_bits) - 1
    differ = store.held[fields[:, :6]] ^ kernels_of(layer)
    fewer = np.array(arrays["fewer_places"]).reshape(-1, 4, 2)
    for row in range(3):
        for column in range(5):
            kind = arrays["fewer_at"][arrays["row_class"][row] * 3 + column // 2]
            for output in range(4):
                beyond = sum(
                    int(differ[output, channel]) >> (3 * r + c) & 1
                    for channel in range(6)
                    for r in range(3)
                    for c in range(3)
                    if not (0 <= row + r - 1 < 3 and 0 <= column + c - 1 < 5)
                )
                told = fewer[kind - 1, output, column % 2] if kind else 0
                assert told == beyond, (row, column, output)
    assert names["COLUMN_GROUPS"] == 3


def test_tiles_of_outputs_fit_in_the_cache(rng: Rng) -> None:
    layer = layer_of(rng, (3, 3, 65), (3, 3), (1, 1), 70)
    bits, store = bits_of(rng, layer), pick(network_of(layer), 100)
    assert arrays_of(tables(layer, bits, store).text)[0]["TILE"] == 70
    names, _ = arrays_of(tables(layer, bits, store, cache=4096).text)
    each = 4 * names["NUMBER_WORDS"] + 32
    assert names["TILE"] * each <= 3072 < 2 * names["TILE"] * each + each


def test_too_many_places_are_refused(rng: Rng) -> None:
    layer = layer_of(rng, (3, 3, 160), (3, 3), (1, 1), 2)
    store = Store((3, 3), 1, (0,))
    with pytest.raises(ModelError) as error:
        tables(layer, bits_of(rng, layer), store)
    text = r"layer c: kernels of an output differ from those of the unit in \d+ places: must be at "
    assert re.match(text + "most 255; give the unit more slots$", str(error.value))
    with pytest.raises(ConfigError, match=r"positions = 3: must be one of \(1, 2, 4, 8\)"):
        tables(layer, bits_of(rng, layer), store, positions=3)
    with pytest.raises(ConfigError, match="a store must hold a kernel"):
        tables(layer, bits_of(rng, layer), Store((3, 3), 1, ()))


HARNESS = """
#include <stdio.h>
#include "layer.h"
#include "tables.h"
uint32_t results[RESULT_ROWS * RESULT_COLUMNS * RESULT_WORDS];
int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) layer_by_library(); else layer_by_words();
    fwrite(results, 1, sizeof results, stdout);
    return 0;
}
"""


@pytest.mark.parametrize("name", LAYERS)
def test_the_baseline_gives_what_golden_gives(rng: Rng, name: str, tmp_path: Path) -> None:
    """The very source of the firmware, compiled for this machine."""
    layer = layer_of(rng, *LAYERS[name])
    bits = bits_of(rng, layer)
    made = tables(layer, bits)
    assert made.shared == (name == "one channel")
    (tmp_path / "tables.h").write_text(made.text, encoding="utf-8")
    (tmp_path / "main.c").write_text(HARNESS, encoding="utf-8")
    sources = [tmp_path / "main.c", FIRMWARE / "software.c"]
    flags = ["-std=gnu11", "-O1", "-w", f"-I{tmp_path}", f"-I{FIRMWARE}"]
    subprocess.run(["cc", *flags, *map(str, sources), "-o", tmp_path / "run"], check=True)
    want = layer_results(layer, bits)
    assert 0 < (want > 0).mean() < 1
    for arguments in ([], ["library"]):
        done = subprocess.run([tmp_path / "run", *arguments], capture_output=True, check=True)
        got = pixels_of(np.frombuffer(done.stdout, "<u4").astype(np.uint32), layer)
        assert (got == want).all(), f"{name}, {arguments}"


def test_words_of_pixels_are_read_back(rng: Rng) -> None:
    layer = layer_of(rng, (4, 6, 3), (3, 3), (0, 0), 5)
    want = rng.choice(np.array([-1, 1], np.int8), (2, 4, 5))
    words = [
        sum(1 << x for x in range(4) if want[row, x, output] > 0)
        for row in range(2)
        for output in range(5)
    ]
    assert (rows_of(np.array(words, np.uint32), layer) == want).all()
