"""Bench of the trainer: after every batch, all that it holds and has counted equals golden.

It runs beside ``trainer.json``, whose ``rule`` is a :class:`binohm.sim.training.rule.Rule`, and
``batches.npz``. What happened in the steps that were compared goes to ``counts.json``.
"""

import json
import random
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge
from numpy.typing import NDArray

from binohm.sim.bench import PERIOD_NS, pack, unpack
from binohm.sim.device.pair import PairMap
from binohm.sim.streams import Sink, Source
from binohm.sim.training.beside import BATCHES, COUNTS
from binohm.sim.training.pairs import DevicePairs, IdealPairs
from binohm.sim.training.rule import LayerRule, Rule
from binohm.sim.training.trainer import Training

PHASES = ("init", "forward", "backward", "update", "refresh", "readout", "copy")
EVENTS = (
    "batches", "pulses_1", "pulses_2", "clipped", "rows", "saturations", "refreshes",
    "refresh_pulses", "sign_changes", "copies",
)  # fmt: skip
NEEDS_SIGNS = ("sign_changes", "copies")
"""What row-by-row mode does not know: it reads no sign twice and copies none."""

COUNTER_BITS = 48

IMAGES = 12
"""That are not learned, at the end."""

EVERY = 20
"""Steps after which all of a device is compared: reading it takes longer than the step."""

Ints = NDArray[np.int64]


def counters(handle: Any, names: tuple[str, ...]) -> dict[str, int]:
    """Counters by name, from the port that holds them."""
    values = unpack(int(handle.value), COUNTER_BITS, len(names))
    return dict(zip(names, values.tolist(), strict=True))


class Compare:
    """A trainer beside golden."""

    def __init__(self, dut: Any, golden: Training, facts: dict[str, Any]) -> None:
        self.dut, self.golden, self.by_row = dut, golden, facts["by_row"]
        self.neuron_bits: dict[str, int] = facts["neuron_bits"]
        self.level_bits = golden.rule.pulses.bit_length()

    def check(self, step: int, passes: int = 0) -> None:
        """Counters, then every pair, every copy of a sign and every threshold.

        ``passes`` images were not learned: they count in the forward phase alone.
        """
        counts, rule = self.golden.counts, self.golden.rule
        steps = asdict(counts.by_row if self.by_row else counts.parallel)
        hidden = len(rule.shapes) - 1
        once = sum(rule.sizes[:-1]) if self.by_row else rule.pixel_bits + hidden
        steps["forward"] += passes * once + (0 if self.by_row or not passes else hidden)
        self._equal(step, "steps", counters(self.dut.steps, PHASES), steps)
        found = counters(self.dut.events, EVENTS)
        expected = {name: getattr(counts, name) for name in EVENTS}
        if self.by_row:
            expected |= dict.fromkeys(NEEDS_SIGNS, 0)
        self._equal(step, "events", found, expected)
        for number, layer in enumerate(self.golden.layers):
            name = f"layer {number + 1}"
            if isinstance(layer.pairs, DevicePairs):
                self._devices(step, name, self._array(self.dut.pairs, number), layer.pairs)
            else:
                assert isinstance(layer.pairs, IdealPairs)
                for k, n in enumerate((layer.pairs.n1, layer.pairs.n2)):
                    self._compare(step, f"{name}, device {k + 1}", self._pairs(number, k), n)
            if not self.by_row:
                self._compare(step, f"layer {number + 1}, sign", self._signs(number), layer.signs)
        mean = [layer.mean for layer in self.golden.layers[:-1]]
        offset = [layer.offset for layer in self.golden.layers[:-1]]
        if mean:
            self._compare(step, "mean", self._neurons("mean"), np.concatenate(mean))
            self._compare(step, "offset", self._neurons("offset"), np.concatenate(offset))

    def _equal(self, step: int, what: str, found: Any, expected: Any) -> None:
        wrong = [name for name in expected if found[name] != expected[name]]
        assert not wrong, "; ".join(
            f"after step {step}, {what}, {name}: found {found[name]}, expected {expected[name]}"
            for name in wrong
        )

    def _compare(self, step: int, what: str, found: Ints, expected: Any) -> None:
        wrong = np.argwhere(found != expected)
        assert not len(wrong), (
            f"after step {step}, {what} {wrong[0].tolist()}: found {found[tuple(wrong[0])]}, "
            f"expected {expected[tuple(wrong[0])]} ({len(wrong)} of {found.size} differ)"
        )

    def _devices(self, step: int, name: str, array: Any, pairs: DevicePairs) -> None:
        """Pulses of every device; now and then also its deviation and its wear."""
        values: dict[str, NDArray[Any]] = {"pulses": pairs.n}
        if step % EVERY == 0:
            values |= {"deviation": pairs.deviation, "wear": pairs.wear}
        for what, expected in values.items():
            memory = getattr(array, what)
            found = np.array([memory[k].value.to_signed() for k in range(len(expected))])
            self._compare(step, f"{name}, {what}", found, expected.astype(np.int64))

    def _array(self, part: Any, number: int) -> Any:
        """The array of a layer, behind its socket."""
        return getattr(part, f"array_{number}").array

    def _pairs(self, number: int, device: int) -> Ints:
        rows, columns = self.golden.rule.shapes[number]
        memory = self._array(self.dut.pairs, number).mem
        words = [int(memory[row].value) for row in range(rows)]
        return np.array([unpack(word, self.level_bits, 2 * columns)[device::2] for word in words])

    def _signs(self, number: int) -> Ints:
        rows, columns = self.golden.rule.shapes[number]
        word = int(self._array(self.dut.propagation, number).mem[0].value)
        return 2 * unpack(word, 1, rows * columns).reshape(columns, rows).T - 1

    def _neurons(self, name: str) -> Ints:
        fields = self.neuron_bits
        names = list(fields)
        low = sum(fields[other] for other in names[: names.index(name)])
        bits, count = fields[name], sum(self.golden.rule.sizes[1:-1])
        words = [int(self.dut.neurons[k].value) >> low & (1 << bits) - 1 for k in range(count)]
        return np.array([word - (word >> bits - 1 << bits) for word in words])


def image(rule: Rule, levels: NDArray[np.uint8], label: int, *, learn: bool) -> int:
    """Payload of an image."""
    label_bits = (rule.sizes[-1] - 1).bit_length()
    bits = rule.pixel_bits * rule.sizes[0]
    return pack(levels, rule.pixel_bits) | (label | learn << label_bits) << bits


async def classes_equal_golden(
    dut: Any, source: Source, golden: Training, rng: np.random.Generator
) -> None:
    """Images that are not learned, with any label."""
    rule = golden.rule
    await RisingEdge(dut.clk)
    sink = Sink(dut, "o")
    levels = rng.integers(0, 1 << rule.pixel_bits, (IMAGES, rule.sizes[0]), np.uint8)
    for level in levels:
        source.send(image(rule, level, int(rng.integers(rule.sizes[-1])), learn=False))
    found = [await sink.received.get() for _ in levels]
    expected = golden.scores(levels).argmax(axis=1).tolist()
    assert found == expected, f"classes are {found}, expected {expected}"


@cocotb.test(timeout_time=10, timeout_unit="sec")
async def equals_golden(dut: Any) -> None:
    """As many batches as asked for, under stalls of the images."""
    facts: dict[str, Any] = json.loads(Path("trainer.json").read_text(encoding="utf-8"))
    given = facts["rule"]
    layers = tuple(LayerRule(**layer) for layer in given["layers"])
    rule = Rule(**{**given, "sizes": tuple(given["sizes"]), "layers": layers})
    maps = [
        PairMap.from_text(Path(name).read_text(encoding="utf-8"), name) for name in facts["maps"]
    ]
    devices = [DevicePairs(map, number) for number, map in enumerate(maps)]
    golden = Training(rule, facts["seed"], devices or None)
    compare = Compare(dut, golden, facts)
    with np.load(BATCHES) as file:
        batches = [*zip(file["levels"], file["labels"], file["slower"].tolist(), strict=True)]

    dut.start.value = dut.slower.value = dut.i__valid.value = dut.o__ready.value = 0
    dut.seed.value = facts["seed"]
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    source = Source(dut, "i", iter(lambda: random.random() < 0.5, None))
    dut.start.value = 1
    await FallingEdge(dut.idle)
    dut.start.value = 0
    await RisingEdge(dut.idle)
    await ReadOnly()
    compare.check(0)
    begun = time.perf_counter()
    for step, (levels, labels, slower) in enumerate(batches, 1):
        await RisingEdge(dut.clk)
        dut.slower.value = slower
        for level, label in zip(levels, labels, strict=True):
            source.send(image(rule, level, int(label), learn=True))
        await FallingEdge(dut.idle)
        await RisingEdge(dut.idle)
        await ReadOnly()
        golden.step(levels, labels, slower)
        compare.check(step)
        if step % EVERY == 0:
            dut._log.info(f"{step} of {len(batches)} steps are equal")
    counts = asdict(golden.counts) | {"cycles": counters(dut.cycles, PHASES)}
    rng = np.random.default_rng(random.getrandbits(32))
    await classes_equal_golden(dut, source, golden, rng)
    await ClockCycles(dut.clk, 3)
    await ReadOnly()
    compare.check(len(batches), passes=IMAGES)
    counts |= {"seconds": time.perf_counter() - begun}
    Path(COUNTS).write_text(json.dumps(counts), encoding="utf-8")
