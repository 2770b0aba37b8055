"""Bench for ports of one polarity: products from reads that drive each line one way only.

The design holds, for each size ``n``, a macro that counts (``i<2k>``, ``o<2k>``) and one that
decides (``i<2k+1>``), both with every vector of ``n`` weights in a column. Each input vector is
multiplied with all of them in three ways: *affine*, one read in which +1 drives and -1 does not;
*complementary*, one read with two ports an input; *two_phase*, what a polarity that depends on the
data comes to on ports of one polarity, a read for +1 and a read for -1. The figures are left in
``ports.json``.
"""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from binohm.sim.bench import fact, moves, record, unpack
from binohm.sim.benches.macro import READ, Request
from binohm.sim.golden import from_bits

SOME = 60
"""Input vectors with lines off, where they are not all tried."""

CODE_BITS = 5

Ints = NDArray[np.int64]
Signs = NDArray[np.int8]


class Traffic:
    """Input vectors of one size, and their reads."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self.n = n
        self.cells = np.array([*product([-1, 1], repeat=n)], np.int64).T
        self.x = np.array([*product([-1, 1], repeat=n)], np.int8)
        padded = np.array([*product([-1, 0, 1], repeat=n)], np.int8)
        if not fact("exhaustive") and len(padded) > SOME:
            padded = rng.choice(padded, SOME)
        self.x = np.concatenate([self.x, padded])
        self.theta = rng.integers(-n - 1, n + 2, (len(self.x), self.cells.shape[1]))
        self.reads = {
            "affine": [(self.x > 0).astype(np.int8)],
            "complementary": [self.x],
            "two_phase": [(self.x > 0).astype(np.int8), (self.x < 0).astype(np.int8)],
        }

    def counts(self) -> list[int]:
        """Requests to the macro that counts, mapping by mapping, vector by vector."""
        return [
            self._payload(drive[k], ())
            for drives in self.reads.values()
            for k in range(len(self.x))
            for drive in drives
        ]

    def decisions(self) -> list[int]:
        """Requests to the macro that decides: affine, then complementary."""
        total = np.abs(self.x).astype(np.int64) @ self.cells
        codes = {"affine": -(self.theta + total) // 2, "complementary": -self.theta}
        return [
            self._payload(self.reads[mapping][0][k], [int(code) for code in own[k]])
            for mapping, own in codes.items()
            for k in range(len(self.x))
        ]

    def _payload(self, drive: Signs, codes: Sequence[int]) -> int:
        columns = np.ones(self.cells.shape[1], np.int8)
        request = Request(READ, 0, drive, columns, tuple(codes), CODE_BITS if codes else 1)
        return request.payload(max(1, (self.n - 1).bit_length()))

    def products(self, counts: Ints) -> dict[str, Ints]:
        """What the periphery makes of the counts ``m`` of all reads: products, by mapping."""
        on = np.abs(self.x).astype(np.int64)
        found, at = {}, 0
        for mapping, drives in self.reads.items():
            own = counts[at : at + len(drives) * len(self.x)].reshape(len(self.x), len(drives), -1)
            at += len(drives) * len(self.x)
            driven = np.stack([np.abs(drive).sum(axis=1) for drive in drives], axis=1)
            sums = 2 * own - driven[:, :, None]
            if mapping == "affine":
                found[mapping] = 2 * sums[:, 0] - on @ self.cells
            elif mapping == "complementary":
                found[mapping] = sums[:, 0]
            else:
                found[mapping] = sums[:, 0] - sums[:, 1]
        return found


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def products_are_equal(dut: Any) -> None:
    """Every mapping gives the product, and both comparators its threshold."""
    rng = np.random.default_rng(3)
    traffic = [Traffic(n, rng) for n in fact("sizes")]
    sent = {f"i{2 * k}": own.counts() for k, own in enumerate(traffic)}
    sent |= {f"i{2 * k + 1}": own.decisions() for k, own in enumerate(traffic)}
    cycles = await record(dut, sent, [f"o{k}" for k in range(len(sent))])

    compared = unequal = 0
    products: dict[str, int] = {}
    reads: dict[str, int] = {}
    for k, own in enumerate(traffic):
        columns, bits = own.cells.shape[1], own.n.bit_length()
        counts, decided = (_taken(cycles, f"o{2 * k + j}") for j in range(2))
        assert len(moves(cycles, f"i{2 * k}")) == len(counts) == len(sent[f"i{2 * k}"])
        assert len(decided) == len(sent[f"i{2 * k + 1}"])
        truth = own.x.astype(np.int64) @ own.cells
        for mapping, found in own.products(
            np.stack([unpack(word, bits, columns) for word in counts])
        ).items():
            compared += truth.size
            unequal += int((found != truth).sum())
            products[mapping] = products.get(mapping, 0) + len(truth)
            reads[mapping] = reads.get(mapping, 0) + len(own.reads[mapping]) * len(truth)
        wanted = np.concatenate([truth >= own.theta] * 2)
        got = np.stack([from_bits(word, columns) for word in decided]) > 0
        compared += wanted.size
        unequal += int((wanted != got).sum())
    facts = {"compared": compared, "unequal": unequal, "products": products, "activations": reads}
    Path("ports.json").write_text(json.dumps(facts), encoding="utf-8")
    assert not unequal, f"{unequal} of {compared} products differ"


def _taken(cycles: Sequence[Any], prefix: str) -> list[int]:
    return [cycle[prefix].payload for cycle in cycles if cycle[prefix].moved]
