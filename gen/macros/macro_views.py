"""The Verilog behind the sockets: one view of all arrays of a plan is one file.

A socket is a module ``binohm_<name>_<array.name>`` with the pins of
:class:`binohm.hdl.arrays.macro.MacroPins` and the parameters ``INIT``, ``MAP`` and ``ID``. Geometry
is fixed inside. The modules below the sockets bear the same prefix, so that two builds can live in
one simulation.

- ``digital``: synthesizable and exact; the cells are a memory with the image ``INIT``.
- ``asic``: ignores the parameters and instantiates ``rram_<array.name>``, which has none.
- ``jitter``: ``digital`` with random latency, seeded by ``ID``; for tests.
- ``storage``: ``pcsa`` alone, if the plan has a storage: fetches the words from macros of single
  cells, of which it has a model.
- ``device``: for simulation; reads the devices of the map ``MAP``, loaded with ``INIT``.
"""

import re
from pathlib import Path
from typing import Any, Protocol, get_args

from binohm.gen.errors import ConfigError
from binohm.gen.plan import Array, Cell, Plan, Readout
from binohm.hdl.arrays.macro import MacroPins

__all__ = ["VIEWS", "Sockets", "macro_pins", "render", "render_ram", "render_rom", "render_stubs"]
__all__ += ["render_table", "render_written"]

VIEWS = ("digital", "asic", "jitter", "device", "storage")

HERE = Path(__file__).parent

USED: dict[str, tuple[str, ...]] = {
    "sa": ("x_p", "x_n", "ref_code"),
    "adc": ("x_p", "x_n"),
    "pcsa": ("row", "col_x", "col_en"),
    "transposed": ("row", "x_p", "x_n", "col_x", "col_en"),
}
"""Pins of the request, beside ``cmd``, that a digital view looks at."""

DIGITAL = tuple(USED)
"""The digital views: of each readout, and of arrays that are read both ways."""

NAME_BITS = 8 * 300
"""Of the name of a file, with its folder: a port of the device view."""

HANDSHAKE = ("req_valid", "req_ready", "q_valid", "q_ready")


class Sockets(Protocol):
    """What sockets are made for: a plan, for one."""

    @property
    def name(self) -> str:
        """Prefix of the modules, after ``binohm_``."""

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Each kind of array once."""


def macro_pins(array: Array) -> MacroPins:
    """The pins of the macros of one kind."""
    ref_bits = array.ref_bits * array.ref_codes
    return MacroPins(array.rows, array.bias_rows, array.columns, array.q_bits, ref_bits)


def render(plan: Sockets, view: str) -> str:
    """Text of ``macros/<view>.v``: a socket for each kind of array, and what the sockets need.

    That of ``device`` is SystemVerilog: ``macros/device.sv``.

    Raises
    ------
    ConfigError
        If there is no such view.
    """
    if view not in VIEWS:
        raise ConfigError(f"view must be one of {', '.join(VIEWS)}, not {view!r}")
    sockets = [_socket(plan, array, view) for array in plan.arrays]
    if view == "asic":
        return "\n".join(sockets)
    if view == "device":
        return "\n".join([*sockets, _view(plan, "device.sv")])
    if view == "storage":
        return "\n".join([*sockets, _view(plan, "storage.v")])
    digital = {_digital_name(array) for array in plan.arrays}
    files = [f"digital_{name}.v" for name in DIGITAL if name in digital]
    if digital & {"sa", "adc"}:
        files.append("digital_walk.v")
    if view == "jitter":
        files.append("jitter.v")
    return "\n".join([*sockets, *(_view(plan, file) for file in files)])


def render_written(plan: Sockets, *, jitter: bool = False) -> str:
    """As ``digital``, or ``jitter``, but of cells that set and reset write; ``pcsa`` alone."""
    view = "written jitter" if jitter else "written"
    sockets = [_socket(plan, array, view) for array in plan.arrays]
    files = ["digital_written.v", *(["jitter.v"] if jitter else [])]
    return "\n".join([*sockets, *(_view(plan, file) for file in files)])


def render_stubs(plan: Sockets) -> str:
    """Text of ``macros/stubs.v``: an empty black box for each macro that ``asic`` names."""
    return "\n".join(
        "/* verilator lint_off UNUSEDSIGNAL */\n"
        "/* verilator lint_off UNDRIVEN */\n"
        "(* blackbox *)\n"
        f"module rram_{array.name} (\n{_ports(array)}\n);\nendmodule\n"
        "/* verilator lint_on UNDRIVEN */\n"
        "/* verilator lint_on UNUSEDSIGNAL */\n"
        for array in plan.arrays
    )


def render_rom(plan: Sockets) -> str:
    """Text of ``rtl/binohm_<name>_rom.v``."""
    return _view(plan, "rom.v")


def render_ram(plan: Sockets) -> str:
    """Text of ``rtl/binohm_<name>_ram.v``."""
    return _view(plan, "ram.v")


def render_table(plan: Sockets) -> str:
    """Text of ``rtl/binohm_<name>_table.v``."""
    return _view(plan, "table.v")


def _view(plan: Sockets, file: str) -> str:
    """A file of ``macros/``, with the modules of this plan; plusargs keep their names."""
    text = (HERE / file).read_text(encoding="utf-8")
    return re.sub(r"(?<![+\"])\bbinohm_", f"binohm_{plan.name}_", text)


def _ports(array: Array) -> str:
    lines = []
    for pin in macro_pins(array).ports:
        span = f"[{pin.width - 1}:0] " if pin.width > 1 else ""
        lines.append(f"    {pin.direction} wire {span}{pin.name}")
    return ",\n".join(lines)


def _socket(plan: Sockets, array: Array, view: str) -> str:
    """The module that the layers instantiate, with what the view puts into it."""
    names = [pin.name for pin in macro_pins(array).ports]
    if view == "asic":
        inside = _instance(f"rram_{array.name}", "array", {}, {name: name for name in names})
        ignored = ['INIT == ""', 'MAP == ""', "ID == 0"]
    elif view == "device":
        inside, ignored = _device(plan, array), []
    elif view == "storage":
        inside, used = _storage(plan, array)
        ignored = [*(name for name in names if name not in used), 'MAP == ""', "ID == 0"]
    else:
        inside, used = _digital(plan, array, view)
        ignored = [name for name in names if name not in used]
        ignored += ['MAP == ""'] if view.endswith("jitter") else ['MAP == ""', "ID == 0"]
    return (
        f"module binohm_{plan.name}_{array.name} #(\n"
        '    parameter INIT = "",\n'
        '    parameter MAP = "",\n'
        "    parameter integer ID = 0\n"
        f") (\n{_ports(array)}\n);\n"
        f"{inside}"
        + (f"    wire unused = &{{1'b0, {', '.join(ignored)}}};\n" if ignored else "")
        + "endmodule\n"
    )


def _digital(plan: Sockets, array: Array, view: str) -> tuple[str, list[str]]:
    """The digital view inside a socket, behind a random delay or not, and the pins it uses."""
    prefix, jitter = f"binohm_{plan.name}", view.endswith("jitter")
    module = "written" if view.startswith("written") else _digital_name(array)
    used = ["clk", "rst", "cmd", *USED[_digital_name(array)], "q", *HANDSHAKE]
    connections = {name: name for name in used}
    delay = ""
    if jitter:
        inner = {name: f"inner_{name}" for name in HANDSHAKE}
        connections |= inner
        wires = ["clk", "rst", *HANDSHAKE, *inner.values()]
        delay = f"    wire {', '.join(inner.values())};\n" + _instance(
            f"{prefix}_jitter", "jitter", {"SEED": "ID"}, {name: name for name in wires}
        )
    array_itself = _instance(f"{prefix}_digital_{module}", "array", _parameters(array), connections)
    return delay + array_itself, used


def _storage(plan: Sockets, array: Array) -> tuple[str, list[str]]:
    """The adapter of the storage inside a socket, and the pins it uses."""
    if not isinstance(plan, Plan) or plan.storage is None or array.readout != "pcsa":
        raise ConfigError("view storage: the plan has no storage; give the configuration [storage]")
    own = plan.storage
    used = ["clk", "rst", "cmd", *USED["pcsa"], "q", *HANDSHAKE]
    parameters = {
        "ROWS": array.rows,
        "COLUMNS": array.columns,
        "ROW_BITS": macro_pins(array).row_bits,
        "CACHED": int(own.cached),
        "CELL_ROWS": own.rows,
        "CELL_COLUMNS": own.columns,
        "WRITE_CYCLES": own.write_cycles,
        "READ_CYCLES": own.read_cycles,
        "MODE_WRITE": own.mode_write,
        "MODE_READ": own.mode_read,
        "THRESHOLD": own.threshold,
        "INIT": "INIT",
    }
    connections = {name: name for name in used}
    return _instance(f"binohm_{plan.name}_storage_pcsa", "array", parameters, connections), used


def _device(plan: Sockets, array: Array) -> str:
    """The device view inside a socket."""
    pins = macro_pins(array)
    parameters = {
        "ROWS": array.rows,
        "BIAS_ROWS": array.bias_rows,
        "COLUMNS": array.columns,
        "READOUT": get_args(Readout).index(array.readout),
        "CELL": get_args(Cell).index(array.cell),
        "BITS": max(1, array.adc_bits),
        "REF_BITS": max(1, array.ref_bits),
        "REF_CODES": array.ref_codes,
        "FIELDS": array.fields,
        "TRANSPOSED": int(array.transposed),
        "PER_CYCLE": array.per_cycle,
        "ROW_BITS": pins.row_bits,
        "LATENCY": array.latency,
        "INTERVAL": array.interval,
        "OUTSTANDING": array.outstanding,
        "NAME_BITS": NAME_BITS,
    }
    names = {
        port: f"{{{{({NAME_BITS}-$bits({parameter})){{1'b0}}}}, {parameter}}}"
        for port, parameter in {"init": "INIT", "map": "MAP"}.items()
    }
    connections = {**names, "id": "ID", **{pin.name: pin.name for pin in pins.ports}}
    return _instance(f"binohm_{plan.name}_device", "array", parameters, connections)


def _digital_name(array: Array) -> str:
    """Which of :data:`DIGITAL` an array is."""
    return "transposed" if array.transposed else array.readout


def _parameters(array: Array) -> dict[str, Any]:
    """Geometry of the digital view."""
    geometry: dict[str, Any] = {"ROWS": array.rows, "COLUMNS": array.columns}
    row_bits = macro_pins(array).row_bits
    if array.readout == "pcsa":
        return {**geometry, "ROW_BITS": row_bits, "INIT": "INIT"}
    if array.transposed:
        geometry |= {"ROW_BITS": row_bits, "FIELDS": array.fields}
    own = _sense_parameters(array) if array.readout == "sa" else {"ADC_BITS": array.adc_bits}
    return {**geometry, **own, "PER_CYCLE": array.per_cycle, "INIT": "INIT"}


def _sense_parameters(array: Array) -> dict[str, Any]:
    if array.ref_bits:
        return {"REF_BITS": array.ref_bits, "REF_CODES": array.ref_codes}
    return {"BIAS_ROWS": array.bias_rows}


def _instance(
    module: str, name: str, parameters: dict[str, Any], connections: dict[str, str]
) -> str:
    def listed(pairs: dict[str, Any]) -> str:
        return ",\n".join(f"        .{key}({value})" for key, value in pairs.items())

    settings = f" #(\n{listed(parameters)}\n    )" if parameters else ""
    return f"    {module}{settings} {name} (\n{listed(connections)}\n    );\n"
