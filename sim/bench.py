"""What benches of components share: stalls, resets, a record of every cycle, and the comparison.

A bench states two things about its component: a golden function from what was sent to what must
come, and a check of when each handshake happens. :func:`record` runs the traffic and notes every
cycle; both are then checked on the record.
"""

import ast
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from numpy.typing import NDArray

from binohm.sim.streams import Sink, Source

__all__ = [
    "PERIOD_NS",
    "Cycle",
    "Port",
    "Sent",
    "any_items",
    "compare",
    "fact",
    "moves",
    "pack",
    "passed_on",
    "record",
    "under_stalls",
    "unpack",
]

PERIOD_NS = 10
"""Of the clock."""

QUIET = 60
"""Traffic has ended when nothing moved for this many cycles, beside what a bench asks for."""

Sent = Mapping[str, Sequence[int]]

under_stalls = cocotb.parametrize(source_odds=[1.0, 0.3], sink_odds=[1.0, 0.3])
"""Runs a test under {flowing, stalling} x {flowing, stalling}."""


@dataclass(frozen=True)
class Port:
    """A stream in one cycle; ``payload`` is None while not valid."""

    valid: bool
    ready: bool
    payload: int | None

    @property
    def moved(self) -> bool:
        """Whether a transfer takes place."""
        return self.valid and self.ready


@dataclass(frozen=True)
class Cycle:
    """All streams in one cycle, and whether reset is active; ``cycle["i"]`` is a port."""

    reset: bool
    ports: Mapping[str, Port]

    def __getitem__(self, prefix: str) -> Port:
        return self.ports[prefix]


def moves(cycles: Sequence[Cycle], prefix: str) -> list[int]:
    """Numbers of the cycles in which a transfer took place."""
    return [number for number, cycle in enumerate(cycles) if cycle[prefix].moved]


def pack(values: Iterable[int], bits: int) -> int:
    """Fields of ``bits`` bits, two's complement, the first lowest."""
    return sum((int(value) & (1 << bits) - 1) << bits * k for k, value in enumerate(values))


def unpack(word: int, bits: int, count: int) -> NDArray[np.int64]:
    """Unsigned fields of ``bits`` bits, the first lowest."""
    mask = (1 << bits) - 1
    return np.array([word >> bits * k & mask for k in range(count)], dtype=np.int64)


def any_items(dut: Any, count: int = 100) -> Sent:
    """For an input ``i``: the extremes, and ``count`` random payloads."""
    bits = len(dut.i__payload)
    return {"i": [0, (1 << bits) - 1, *(random.getrandbits(bits) for _ in range(count))]}


async def passed_on(dut: Any, **traffic: Any) -> list[Cycle]:
    """Any items, as :func:`record` sends them: what comes in at ``i`` goes out at ``o``."""
    sent = any_items(dut)
    cycles = await record(dut, sent, **traffic)
    compare(cycles, sent, lambda items: items["i"])
    return cycles


def fact(name: str) -> Any:
    """A parameter of the component, as the test passed it in the variable ``FACT_<NAME>``."""
    return ast.literal_eval(os.environ[f"FACT_{name.upper()}"])


async def record(
    dut: Any,
    sent: Sent,
    outputs: Sequence[str] = ("o",),
    *,
    source_odds: float = 1.0,
    sink_odds: float = 1.0,
    resets: int = 0,
    rom: Sequence[int] = (),
    quiet: int = 0,
) -> list[Cycle]:
    """Reset, run until nothing moves any more, and return what happened in each cycle.

    Parameters
    ----------
    sent : mapping of str to sequence of int
        What each input is offered.
    outputs : sequence of str
        Outputs to drain.
    source_odds, sink_odds : float
        Probability, in each cycle, that an input is offered something and an output is ready.
    resets : int
        How often reset is active for one cycle while the traffic goes on.
    rom : sequence of int
        What the ROM behind ``rom_addr`` and ``rom_data`` holds.
    quiet : int
        Cycles, beside :data:`QUIET`, for which the component may work unseen.
    """
    for prefix in sent:
        getattr(dut, f"{prefix}__valid").value = 0
    for prefix in outputs:
        getattr(dut, f"{prefix}__ready").value = 0
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    if rom:
        cocotb.start_soon(_answer(dut, rom))
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    for prefix, payloads in sent.items():
        source = Source(dut, prefix, _sometimes(source_odds))
        for payload in payloads:
            source.send(payload)
    for prefix in outputs:
        Sink(dut, prefix, _sometimes(sink_odds))

    at = _moments(resets, 20 + quiet)
    cycles: list[Cycle] = []
    still = 0
    while still < QUIET + quiet or len(cycles) <= max(at, default=0):
        await ReadOnly()
        cycles.append(Cycle(bool(dut.rst.value), {p: _sample(dut, p) for p in (*sent, *outputs)}))
        still = 0 if any(port.moved for port in cycles[-1].ports.values()) else still + 1
        await RisingEdge(dut.clk)
        dut.rst.value = int(len(cycles) in at)
    return cycles


def compare(
    cycles: Sequence[Cycle],
    sent: Sent,
    golden: Callable[[Sent], Sequence[int]],
    output: str = "o",
) -> None:
    """Check that ``output`` gave what ``golden`` makes of the inputs, and all of it.

    Reset empties the component: what it had taken by then is gone, and golden starts afresh with
    what had not been taken.
    """
    taken = dict.fromkeys(sent, 0)
    expected = golden(sent)
    position = 0
    for number, cycle in enumerate(cycles):
        if cycle[output].moved and not cycle.reset:
            got = cycle[output].payload
            assert position < len(expected), f"cycle {number}: {output} gave {got}, one too many"
            want = expected[position]
            assert got == want, f"cycle {number}, item {position}: got {got:x}, expected {want:x}"
            position += 1
        for prefix in sent:
            taken[prefix] += cycle[prefix].moved
        if cycle.reset:
            expected = golden({prefix: sent[prefix][taken[prefix] :] for prefix in sent})
            position = 0
    assert position == len(expected), f"{len(expected) - position} items never came from {output}"


def _sometimes(odds: float) -> Iterator[bool]:
    """True with probability ``odds`` on each cycle."""
    while True:
        yield random.random() < odds


def _moments(count: int, spacing: int) -> set[int]:
    """Numbers of ``count`` cycles, about ``spacing`` apart."""
    return {n * spacing + random.randint(1, spacing - 1) for n in range(count)}


def _sample(dut: Any, prefix: str) -> Port:
    valid, ready, payload = (
        getattr(dut, f"{prefix}__{name}").value for name in ("valid", "ready", "payload")
    )
    return Port(bool(valid), bool(ready), int(payload) if valid else None)


async def _answer(dut: Any, words: Sequence[int]) -> None:
    """A synchronous ROM: the word of the address that was there before the edge."""
    while True:
        await ReadOnly()
        address = int(dut.rom_addr.value)
        await RisingEdge(dut.clk)
        dut.rom_data.value = words[address]
