"""The BDPE beside a processor: ``docs/results/soc.json``.

Two networks: a small convolutional one on handwritten digits, trained here in a minute, and
cifar10-vgg x 0.25, as far as ``make train-splitting`` has trained it (the epoch is a figure;
without it the kernels of its workloads are random, and a figure says so). Three layers run: the
second and the fourth of the digits network on a held-out digit, and one as large as the second of
CNV, 64 to 64 channels on 30 x 30, with the kernels of the fourth of cifar10-vgg and an image of
random bits.

Every layer runs on both cores without the unit, and with units of 16 to 512 slots whose kernels are
picked on the layer's own network or, marked ``other``, on the other one. For kernels that are not
held the processor makes up or, marked ``in full``, gates of the unit do. Every result is compared
with golden.
"""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from results import Figures, Part, measure_parts, read

from binohm.gen.cfu.area import core_area, unit_area
from binohm.gen.cli.processor import Job, choose_layer, input_of, measure
from binohm.gen.network import Conv, Input, Network, Scores, Signs
from binohm.gen.reporting.technology import load as load_technology
from binohm.gen.soc.kernels import Store, kernels_of, pick
from binohm.gen.training.export import fold
from binohm.gen.training.fit import fit, so_far
from binohm.gen.training.recipe import Recipe
from binohm.sim.datasets import load
from binohm.sim.fetch import places
from binohm.sim.kernel_cells import DeviceCells, draw_map, spread
from binohm.sim.packed import Packed
from binohm.sim.soc.expected import layer_results

SEED = 1
SLOTS = (16, 32, 64, 128, 256, 512)
OTHER = (64, 128)
"""Slots for which kernels picked on the other network are tried."""

IN_FULL = (16, 64, 128)
"""Slots for which the unit's gates are given what it does not hold."""

DIGITS = Recipe(
    (256, 128, 10), (8, 8, 1), ((32, False), (32, True), (64, False), (64, True)),
    epochs=30, batch=50, seed=1,
)  # fmt: skip

CIFAR10 = Recipe.cifar10_vgg(0.25, epochs=60)

AREA_SLOTS = (16, 128, 256)
"""Slots of the units whose cells are counted: only numbers and addresses change with them."""

DEVICES = (
    (50.0, 0.25), (10.0, 0.25), (5.0, 0.25), (2.0, 0.25), (1.09, 0.0), (1.09, 0.01), (1.09, 0.02),
    (1.09, 0.25),
)  # fmt: skip
"""Resistance window and spread of a resistance over its mean."""

DEVICE_SLOTS = 256
"""All kernels are held, so that what devices make of them is a binary network, too."""

KEYS = (
    "cycles", "instructions", "fetches", "loads", "stores", "data_accesses", "memory_accesses",
    "energy_j",
)  # fmt: skip
"""What is measured with and without the unit."""

SAVED = {
    "memory_saved": "memory_accesses", "data_saved": "data_accesses", "energy_saved": "energy_j",
}  # fmt: skip


@cache
def digits() -> Network:
    """The network on digits."""
    images, labels = load("digits", split="train")
    trained = fit(DIGITS, images, labels, places()[-1] / "training")
    return fold(trained, "digits_cnn", images.shape[1:])


@cache
def cifar10() -> tuple[Network | None, int]:
    """The network on CIFAR-10, and its epoch; None where it has not been trained."""
    images, labels = load("cifar10", split="train")
    trained = so_far(CIFAR10, images, labels, places()[-1] / "training")
    return (fold(trained, "cifar10_vgg", (32, 32, 3)), trained.epoch) if trained else (None, 0)


def cnv_layer(network: Network | None) -> Conv:
    """64 to 64 channels on 30 x 30, without zeros around: the second layer of CNV."""
    rng = np.random.default_rng(SEED)
    if network is None:
        weights = rng.choice(np.array([-1, 1], np.int8), (64, 576))
        theta = rng.integers(-20, 20, (1, 64))
    else:
        like = choose_layer(network, "conv4")
        weights, theta = like.weights, like.theta
    return Conv("cnv2", weights, theta, np.zeros((1, 64), bool), image=(30, 30, 64), kernel=(3, 3))


def alone(layer: Conv) -> Network:
    """A network whose kernels are those of one layer."""
    table = np.where(np.arange(256) > 0, 1, -1).astype(np.int64)
    scores = Scores("scores", np.ones((1, layer.gives), np.int8))
    return Network("alone", Input(layer.image, table, True), (layer, scores))


Workloads = dict[str, tuple[Conv, Signs, Network, Network]]
"""Layer, what it reads, the network it is of, and the other one."""


@cache
def workloads() -> tuple[Workloads, Figures]:
    """What runs, and where it comes from."""
    small, (large, epoch) = digits(), cifar10()
    picture = load("digits")[0][0]
    cnv = cnv_layer(large)
    rng = np.random.default_rng(SEED)
    bits = rng.choice(np.array([-1, 1], np.int8), cnv.image)
    of_cnv = large or alone(cnv)
    made: Workloads = {}
    for name in ("conv2", "conv4"):
        layer = choose_layer(small, name)
        made[f"digits {name}"] = (layer, input_of(small, layer, picture), small, of_cnv)
    made["cnv2"] = (cnv, bits, of_cnv, small)
    sizes = {
        name: f"{layer.image[2]} to {layer.outputs} channels, {layer.windows[0]} x "
        f"{layer.windows[1]} windows"
        for name, (layer, *_) in made.items()
    }
    return made, {
        "soc_workloads": (sizes, "1"),
        "soc_cifar10_epoch": (epoch, "epochs"),
        "soc_cnv_weights": ("trained" if large else "random", "1"),
    }


def store_of(network: Network, slots: int) -> Store:
    """256 slots hold all kernels with their complements: 512 do without these."""
    return pick(network, slots, complement=slots < 512)


WITHOUT: dict[tuple[str, str], dict[str, Any]] = {}
"""What was measured without the unit, by core and workload."""


def core(name: str, slots: int) -> Figures:
    """Everything on one core with a unit of so many slots, beside what was measured before."""
    made, origins = workloads()
    facts = dict(origins)
    costs = load_technology(None)
    table: dict[str, dict[str, Any]] = {}
    variants = [""]
    variants += [" other"] * (slots in OTHER) + [" in full"] * (slots in IN_FULL)
    for workload, (layer, bits, own, other) in made.items():
        for variant in variants:
            where = f"{workload}, {slots}{variant}"
            store = store_of(other if variant == " other" else own, slots)
            job = Job(layer, bits, store, in_full=variant == " in full")
            found = measure(name, job, costs, ("unit",))
            if (name, workload) not in WITHOUT:
                ways = ("words", "library") if layer.windows[0] < 20 else ("words",)
                WITHOUT[name, workload] = measure(name, job, costs, ways)
            off = WITHOUT[name, workload]
            if "library" in off:
                table.setdefault("cycles_library", {})[workload] = off["library"]["cycles"]
                wrong = table.setdefault("mismatches_library", {})
                wrong[workload] = off["library"]["mismatches"]
            figures = _compared(off["words"], found)
            figures["places_an_output"] = round(found["places"] / layer.outputs, 2)
            for key, value in figures.items():
                table.setdefault(key, {})[where] = value
            print(f"{name}: {where}: {figures['speedup']}", flush=True)
    before = (read("soc") or {"figures": {}})["figures"]
    for key, values in table.items():
        old = before.get(f"{name}_{key}", {"value": {}})["value"]
        facts[f"{name}_{key}"] = ({**old, **values}, _unit(key))
    return facts


def _compared(off: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Figures with the unit beside those without."""
    on = found["unit"]
    figures = {
        "hit_rate": round(100 * found["hits"] / (found["hits"] + found["misses"]), 2),
        "speedup": round(off["cycles"] / on["cycles"], 3),
        "output_mismatches": off["mismatches"] + on["mismatches"],
        "results": on["results"],
        "unit_energy_j": on["unit_energy_j"],
    }
    for key in KEYS:
        name, ending = key.removesuffix("_j"), "_j" * key.endswith("_j")
        figures[f"{name}_off{ending}"] = off[key]
        figures[f"{name}_on{ending}"] = on[key]
    for key, of in SAVED.items():
        figures[key] = round(100 * (1 - on[of] / off[of]), 1)
    return figures


def _unit(key: str) -> str:
    if key.endswith("_j"):
        return "J"
    if key in ("hit_rate", "memory_saved", "data_saved", "energy_saved"):
        return "%"
    return "cycles" if key.startswith("cycles") else "1"


def areas() -> Figures:
    """Cells of the cores and of units."""
    found: Figures = {}
    for name, port in (("picorv32", "pcpi"), ("vexriscv", "cfu")):
        cells = core_area(name)
        found[f"{name}_core_cells"] = (cells.cells, "cells")
        found[f"{name}_core_memory_bits"] = (cells.memory_bits, "bits")
        units = {}
        for slots in AREA_SLOTS:
            store = Store((3, 3), slots, (), complement=slots < 512)
            config = Job(cnv_layer(None), np.zeros((30, 30, 64), np.int8), store).unit
            units[str(slots)] = unit_area(config, port)
        found[f"{name}_unit_cells"] = ({k: a.cells for k, a in units.items()}, "cells")
        found[f"{name}_unit_memory_bits"] = ({k: a.memory_bits for k, a in units.items()}, "bits")
        found[f"{name}_macro_devices"] = (
            {str(slots): slots * 9 * 2 for slots in AREA_SLOTS}, "devices",
        )  # fmt: skip
    return found


def devices() -> Figures:
    """The digits network's second layer with kernels in devices that spread, on PicoRV32."""
    network = digits()
    layer = choose_layer(network, "conv2")
    images, labels = load("digits")
    bits = input_of(network, layer, images[0])
    store = pick(network, DEVICE_SLOTS)
    job, costs = Job(layer, bits, store), load_technology(None)
    table: dict[str, dict[str, Any]] = {}
    for window, sigma in DEVICES:
        where = f"{window:g}, {100 * sigma:g} %"
        made = draw_map(spread(window, sigma), DEVICE_SLOTS, store.taps, SEED)
        found = measure("picorv32", job, costs, ("unit",), device_map=made.text())
        read = DeviceCells(made, store.kernels).kernels()
        stored = [sum(1 << k for k in range(9) if row[k] > 0) for row in read]
        wrong = sum((a ^ b).bit_count() for a, b in zip(store.kernels, stored, strict=False))
        misread = replace(network, layers=tuple(
            _misread(each, store, stored) if isinstance(each, Conv) and each.kernel == (3, 3)
            and each is not network.layers[0] else each
            for each in network.layers
        ))  # fmt: skip
        predicted = layer_results(choose_layer(misread, "conv2"), bits)
        ideal = layer_results(layer, bits)
        right = Packed(misread).predictions(images) == labels
        figures = {
            "misread": wrong,
            "output_mismatches": found["unit"]["mismatches"],
            "output_mismatches_predicted": int((predicted != ideal).sum()),
            "accuracy": round(100 * float(right.mean()), 2),
        }
        for key, value in figures.items():
            table.setdefault(key, {})[where] = value
        print(where, figures, flush=True)
    units = {"misread": "weights", "accuracy": "%"}
    found_figures: Figures = {
        f"device_{key}": (values, units.get(key, "1")) for key, values in table.items()
    }
    right = Packed(network).predictions(images) == labels
    return found_figures | {
        "device_stored_weights": (len(store.kernels) * store.taps, "weights"),
        "device_results": (int(np.prod(layer.windows)) * layer.outputs, "1"),
        "device_accuracy_ideal": (round(100 * float(right.mean()), 2), "%"),
    }


def _misread(layer: Conv, store: Store, stored: list[int]) -> Conv:
    """The layer with kernels that the store holds as they are read."""
    kernels = kernels_of(layer)
    numbers = store.find(kernels)
    whole = (1 << store.taps) - 1
    slot = numbers >> store.complement
    read = np.array(stored)[slot] ^ np.where(numbers & store.complement, whole, 0)
    taken = np.where(numbers >= 0, read, kernels)
    bits = taken[:, :, None] >> np.arange(store.taps) & 1
    return replace(layer, weights=np.where(bits, 1, -1).astype(np.int8).reshape(layer.outputs, -1))


def _core(name: str, slots: int, _: Path) -> Figures:
    return core(name, slots)


PARTS: dict[str, Part] = {
    f"{name}-{slots}": partial(_core, name, slots)
    for slots in SLOTS
    for name in ("picorv32", "vexriscv")
} | {
    "area": lambda _: areas(),
    "device": lambda _: devices(),
}

if __name__ == "__main__":
    measure_parts("soc", PARTS, description=__doc__ or "", seed=SEED)
