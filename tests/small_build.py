"""A small build directory with every readout, for tests of what is done with one."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from random_networks import random_network

from binohm.gen.config import Config
from binohm.gen.cycles import predict
from binohm.gen.emit import write_build
from binohm.gen.mapping import map_network
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim.check import bench_files
from binohm.sim.device.draw import draw
from binohm.sim.device.physics import Device
from binohm.sim.directory import open_build

MIXED: dict[str, Any] = {
    "array": {"rows": 32, "columns": 8, "bias_rows": 24},
    "layers": {
        "fc0": {"readout": "adc", "cell": "2t2r", "rows": 8, "columns_per_cycle": 3},
        "fc1": {"readout": "sa", "columns_per_cycle": 4},
        "out": {"readout": "pcsa", "engines": 2, "slices_per_read": 1},
    },
    "host": {"input_bytes": 3, "output_bytes": 4},
}

INPUTS = {
    "aclk": 1, "aresetn": 1, "s_axis_tdata": 24, "s_axis_tkeep": 3, "s_axis_tlast": 1,
    "s_axis_tvalid": 1, "m_axis_tready": 1, "s_axi_awaddr": 12, "s_axi_awvalid": 1,
    "s_axi_wdata": 32, "s_axi_wstrb": 4, "s_axi_wvalid": 1, "s_axi_bready": 1,
    "s_axi_araddr": 12, "s_axi_arvalid": 1, "s_axi_rready": 1,
}  # fmt: skip
OUTPUTS = {
    "s_axis_tready": 1, "m_axis_tdata": 32, "m_axis_tkeep": 4, "m_axis_tlast": 1,
    "m_axis_tvalid": 1, "s_axi_awready": 1, "s_axi_wready": 1, "s_axi_bresp": 2,
    "s_axi_bvalid": 1, "s_axi_arready": 1, "s_axi_rdata": 32, "s_axi_rresp": 2, "s_axi_rvalid": 1,
    "irq": 1,
}  # fmt: skip


def small_network(form: str = "unsigned", groups: int = 1) -> Network:
    """Pixels to 13, 9 and 5 outputs."""
    return random_network(np.random.default_rng(11), (11, 13, 9, 5), form, groups)


def small_build(
    directory: Path,
    network: Network,
    config: dict[str, Any],
    images: int = 3,
    device: Device | None = None,
) -> Plan:
    """Write a build, with device maps of ``device``; the bench knows the predicted cycles."""
    settled = Config.model_validate(config)
    plan = map_network(network, settled)
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, (images, *network.input.shape), np.uint8)
    files = bench_files(network, plan, pictures, cycles=predict(network, plan).results)
    maps = draw(device, plan, 3) if device else {}
    write_build(
        directory, network, plan, config=settled.model_dump(), bench_files=files,
        device={name: map.text() for name, map in maps.items()} if device else None,
    )  # fmt: skip
    return plan


def flip_bit(path: Path, word: int, bit: int) -> None:
    """Invert one bit of a memory image."""
    lines = path.read_text().splitlines()
    lines[word] = f"{int(lines[word], 16) ^ 1 << bit:0{len(lines[word])}x}"
    path.write_text("\n".join(lines) + "\n")


def wrap(build: Path, faults: dict[str, str]) -> None:
    """Put a faulty host adapter around the top.

    Inside, every port has the name it has outside with ``i_`` before it; ``faults`` says what a
    wire is instead of its counterpart. ``count`` counts cycles, ``results`` result frames.
    """
    plan = open_build(build).plan
    top = f"binohm_{plan.name}"
    path = build / "rtl" / f"{top}.v"
    text, count = re.subn(rf"^module {top}\(", f"module {top}_inner(", path.read_text(), flags=re.M)
    assert count == 1
    ports = INPUTS | OUTPUTS
    assign = {f"i_{name}": name for name in INPUTS} | {name: f"i_{name}" for name in OUTPUTS}
    assign |= faults
    lines = [
        f"module {top}({', '.join(ports)});",
        *(f"input [{width - 1}:0] {name};" for name, width in INPUTS.items()),
        *(f"output [{width - 1}:0] {name};" for name, width in OUTPUTS.items()),
        *(f"wire [{width - 1}:0] i_{name};" for name, width in ports.items()),
        *(f"assign {name} = {value};" for name, value in assign.items()),
        "reg [31:0] count = 0, results = 0;",
        "always @(posedge aclk) count <= count + 1;",
        "always @(posedge aclk)",
        "  if (m_axis_tvalid & m_axis_tready & m_axis_tlast) results <= results + 1;",
        f"{top}_inner inner({', '.join(f'.{name}(i_{name})' for name in ports)});",
        "endmodule",
    ]
    path.write_text(text + "\n".join(lines) + "\n")
    taps = {name: f"inner.{tap}" for name, tap in plan.taps.items()}
    (build / "plan.json").write_text(replace(plan, taps=taps).to_json())
