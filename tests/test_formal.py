# amaranth: UnusedElaboratable=no
"""Streams and registers, proved: every traffic, up to a number of cycles or for ever."""

import importlib
from pathlib import Path

import pytest
from formal import mutated, refuted, verify
from proofs import PROOFS

pytestmark = pytest.mark.slow

FAULTS = {
    "queue 3": ("m.d.sync += used.eq(used >> 1)", "m.d.sync += used.eq(used >> 2)"),
    "skid buffer": ("with m.If(~full):", "with m.If(1):"),
    "fork": ("Mux(self.i.ready, 0, accepted)", "Mux(self.i.ready, 0, done)"),
    "join": ("Cat(i.valid for i in inputs).all()", "Cat(i.valid for i in inputs).any()"),
    "dispatch": ("Cat(~o.valid | o.ready for o in outputs)", "Cat(1 for o in outputs)"),
    "merge": ("moved.eq(self.o.valid & self.o.ready)", "moved.eq(self.o.valid)"),
    "gather": ("self.i.ready.eq(free | ~last)", "self.i.ready.eq(1)"),
    "frame output": ("with m.Elif(self.tready):", "with m.Elif(1):"),
    "pixel input": (
        "frame.room.eq(~last | ~self.o.valid | self.o.ready)",
        "frame.room.eq(1)",
    ),
    "registers": (
        "self.arready.eq(~self.rvalid | self.rready)",
        "self.arready.eq(1)",
    ),
    "wishbone": ("taken.eq(offered & ~pending)", "taken.eq(offered)"),
}


@pytest.mark.parametrize("name", PROOFS)
def test_claims_hold_and_covers_are_reached(tmp_path: Path, name: str) -> None:
    module, claims, sizes, depth, induction = PROOFS[name]
    monitor = claims(importlib.import_module(module), *sizes)
    verify(monitor, tmp_path, depth=depth, induction=induction)


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_caught(tmp_path: Path, name: str) -> None:
    module, claims, sizes, depth, _ = PROOFS[name]
    assert refuted(claims(mutated(module, *FAULTS[name]), *sizes), tmp_path, depth=depth)
