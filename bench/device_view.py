"""Random vectors through the device view, on both simulators, against NumPy: what the tests do."""

import json
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from results import ROOT

from binohm.gen.verilog import to_verilog
from binohm.sim.runner import run_bench
from binohm.sim.tools import SIMULATORS

sys.path.append(str(ROOT / "tests"))
from test_device_view import ARRAYS, CELLS, WILD, prepare, sockets

__all__ = ["measure"]


def measure(place: Path) -> dict[str, tuple[Any, str]]:
    """Vectors compared by cell and readout, how many differed, and how wrong devices made them.

    A vector is a read with random lines; the response of every column must be that of NumPy. A
    bench stops at the first that is not.
    """
    equal, unequal = Counter[str](), Counter[str]()
    wrong, columns = Counter[str](), Counter[str]()
    for simulator in SIMULATORS:
        for cell in CELLS:
            arrays = [replace(kind, cell=cell) for kind in ARRAYS]
            names = [f"{kind.readout}, {cell}" for kind in arrays]
            own = place / f"{simulator}_{cell}"
            own.mkdir()
            source = prepare(own / "build", arrays, WILD)
            dut = own / "dut.v"
            dut.write_text(to_verilog({"dut": sockets(arrays)})["dut"], encoding="utf-8")
            facts = {"FACT_ARRAYS": str([asdict(kind) for kind in arrays]), "FACT_FIRST": "0"}
            try:
                run_bench(
                    [dut, source], top="dut", bench="binohm.sim.benches.device",
                    build_dir=own / "build", simulator=simulator, variables=facts,
                )  # fmt: skip
            except AssertionError as error:
                print(error, file=sys.stderr)
                unequal.update(names)
            for line in (own / "build" / "faults.json").read_text().splitlines():
                for name, kind, (some, all_) in zip(names, arrays, json.loads(line), strict=True):
                    equal[name] += all_ // kind.columns
                    wrong[name] += some
                    columns[name] += all_
    kinds = list(equal)
    return {
        "view_equal_vectors": (dict(equal), "1"),
        "view_unequal_vectors": ({kind: unequal[kind] for kind in kinds}, "1"),
        "view_bits_differing_from_ideal": (
            {kind: round(100 * wrong[kind] / columns[kind], 1) for kind in kinds},
            "%",
        ),
    }
