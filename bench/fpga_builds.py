"""Accelerators whose estimates are fitted and judged, and what yosys makes of them.

What was synthesised once stays in ``build/fpga``.
"""

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from results import ROOT

from binohm.gen.config import load
from binohm.gen.emit import write_build
from binohm.gen.fpga import tools
from binohm.gen.fpga.flow import Used, synthesis, used
from binohm.gen.importer.qonnx import import_model
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan

sys.path.append(str(ROOT / "tests"))
from random_networks import random_network

__all__ = ["FITTED", "JUDGED", "SHOWN", "Case", "made", "synthesised"]

CACHE = ROOT / "build" / "fpga"

PCSA, ADC = ("array.readout=pcsa",), ("array.readout=adc",)


@dataclass(frozen=True)
class Case:
    """A network, random or by name, and settings for it."""

    network: str | tuple[int, ...]
    form: str = "step"
    settings: tuple[str, ...] = ()


def _pcsa(*sizes: int, form: str = "step", columns: int, engines: int = 1, width: int = 8) -> Case:
    settings = (f"array.columns={columns}", f"array.engines={engines}", f"host.input_bytes={width}")
    return Case(sizes, form, (*PCSA, "array.rows=128", *settings))


def _walked(
    *sizes: int,
    form: str = "step",
    rows: int,
    columns: int,
    at_once: int = 1,
    more: tuple[str, ...] = (),
) -> Case:
    settings = (f"array.rows={rows}", f"array.columns={columns}")
    return Case(sizes, form, (*settings, f"array.columns_per_cycle={at_once}", *more))


FITTED = {
    "words 64-32-10": _pcsa(64, 32, 10, columns=64),
    "words 64-64-10, planes": _pcsa(64, 64, 10, form="unsigned", columns=32, engines=2),
    "words 196-64-10": _pcsa(196, 64, 10, columns=196),
    "words 100-48-32-10": _pcsa(100, 48, 32, 10, columns=50, engines=4),
    "words 64-128-10, planes": _pcsa(64, 128, 10, form="unsigned", columns=64, width=1),
    "sense 64-64-10": _walked(64, 64, 10, rows=64, columns=32),
    "converters 64-64-10": _walked(64, 64, 10, rows=64, columns=16, more=ADC),
}

SHOWN = {
    "digits": Case("digits", "", (*PCSA, "array.engines=1", "layers.fc1.columns=64",
                                  "host.input_bytes=1", "host.output_bytes=1")),
    "TFC_1W1A": Case("TFC_1W1A", "", (*PCSA, "array.engines=1", "array.rows=64", "array.columns=64",
                                      "layers.fc1.columns=49", "layers.fc1.engines=16",
                                      "layers.fc1.slices_per_read=1", "host.input_bytes=16",
                                      "host.output_bytes=16")),
}  # fmt: skip

JUDGED = {
    "digits": SHOWN["digits"],
    "words 128-64-10": _pcsa(128, 64, 10, columns=128, engines=2),
    "words 81-50-10, planes": _pcsa(81, 50, 10, form="unsigned", columns=40),
    "words 160-64-32-10": _pcsa(160, 64, 32, 10, columns=80, width=4),
    "sense 96-96-10": _walked(96, 96, 10, rows=96, columns=48),
    "converters 64-80-20": _walked(64, 80, 20, rows=64, columns=40, more=ADC),
}


def made(case: Case) -> tuple[Network, Plan]:
    """The network and its plan."""
    if isinstance(case.network, tuple):
        network = random_network(np.random.default_rng(7), case.network, case.form)
    elif case.network == "digits":
        network = Network.load(ROOT / "gen" / "data" / "digits.npz")
    else:
        network = import_model(Path(os.environ["BINOHM_DATA"]) / "models" / f"{case.network}.onnx")
    return network, map_network(network, load(None, list(case.settings)))


def synthesised(case: Case, family: str) -> Used:
    """What yosys makes of the accelerator, for a family of devices."""
    network, plan = made(case)
    script = synthesis(family, f"binohm_{plan.name}", None)
    key = hashlib.sha256(f"{plan.to_json()}{script}".encode()).hexdigest()[:16]
    kept = CACHE / f"{family}-{key}.json"
    if not kept.is_file():
        with TemporaryDirectory() as place:
            out = Path(place) / "build"
            write_build(out, network, plan, config={}, bench_files={})
            sources = (out / "digital.f").read_text(encoding="utf-8").split()
            lines = [f"read_verilog -sv {source}" for source in sources]
            lines += [script, "tee -q -o stat.json stat -json", ""]
            (out / "script.ys").write_text("\n".join(lines), encoding="utf-8")
            tools.run("yosys", ["-s", "script.ys"], cwd=out, log=out / "yosys.log")
            CACHE.mkdir(parents=True, exist_ok=True)
            shutil.copy(out / "stat.json", kept)
    return used(family, json.loads(kept.read_bytes()))
