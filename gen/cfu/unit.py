"""The files of a unit: Verilog behind both buses, views of the macro, a C header."""

import json
from collections.abc import Sequence
from pathlib import Path

from binohm.gen import emit, handoff
from binohm.gen.cfu.config import UnitConfig
from binohm.gen.errors import ConfigError
from binohm.gen.macros import datasheet, macro_views
from binohm.gen.verilog import to_verilog
from binohm.hdl.cfu.functions import OPCODE, Function, Get, Set, UnitSpec
from binohm.hdl.cfu.ports import Cfu, Pcpi
from binohm.hdl.library import Library

__all__ = ["header", "modules", "write_unit"]

MARKER = "unit.json"

WAIVED = (
    ("PROCASSINIT", "rtl", "registers have a start value and a synchronous reset to it"),
    ("UNUSEDSIGNAL", "rtl", "carries of counters that wrap, bits of a command that nothing needs"),
    (
        "WIDTHEXPAND",
        "rtl",
        "operands are extended by the rules of Verilog: the result fits",
    ),
    ("WIDTHTRUNC", "rtl", "a part of a vector is selected by a shift; its upper bits are dropped"),
    ("CASEOVERLAP", "rtl", "one-hot selection, written as a parallel case"),
    ("DECLFILENAME", "rtl", "the parts of a unit are one file"),
    ("DECLFILENAME", "macros", "one view of all arrays is one file"),
)
"""What conversion writes, by Verilator's rule and folder, with the reason."""


def write_unit(
    directory: Path,
    config: UnitConfig,
    *,
    kernels: Sequence[int] | None = None,
    map: str | None = None,
    force: bool = False,
) -> None:
    """Write a unit: the same arguments give the same bytes.

    ``rtl/`` has the tops ``binohm_<name>_cfu`` and ``binohm_<name>_pcpi`` and what both share;
    ``macros/`` the views, of which ``digital.v`` takes pulses; ``<name>.h`` the sizes and numbers
    for a program; ``mem/kernels.hex`` and ``device/kernels.hex`` what is given of them.

    Parameters
    ----------
    directory : Path
        Must not exist; with ``force``, may be an older unit, which is then replaced.
    config : UnitConfig
    kernels : sequence of int, optional
        What the first slots hold from the start, element (r, c) as bit ``r * columns + c``; the
        others hold -1. Without it every device is as made, in high resistance.
    map : str, optional
        Text of a device map of the macro.

    Raises
    ------
    ConfigError
        If there are more kernels than slots, or one has more bits than fit.
    OutputError
        If the directory exists, or cannot be written.
    """
    files = _files(config, kernels, map)
    with emit.claim(directory, force=force, marker=MARKER) as target:
        for name, text in files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")


def modules(config: UnitConfig, *, init: str = "", map: str = "") -> dict[str, str]:
    """Verilog text of both tops and the module that they share, by module name.

    Parameters
    ----------
    config : UnitConfig
    init, map : str
        Names of the image of the cells and of the device map; empty for none.
    """
    prefix = f"binohm_{config.name}"
    library = Library(prefix)
    spec = UnitSpec(
        config.slots,
        rows=config.rows,
        columns=config.columns,
        positions=config.positions,
        windows=config.windows,
        complement=config.complement,
        accumulator_bits=config.accumulator_bits,
    )
    store = {
        "socket": f"{prefix}_{config.array.name}",
        "memory": f"{prefix}_ram",
        "init": init,
        "map": map,
    }
    tops = {f"{prefix}_cfu": Cfu(library, spec, **store)}
    tops[f"{prefix}_pcpi"] = Pcpi(library, spec, **store)
    texts = to_verilog(tops, ports={name: list(top.ports.values()) for name, top in tops.items()})
    return texts | to_verilog(library.components)


def header(config: UnitConfig) -> str:
    """Text of the C header: sizes of the unit, numbers of functions and registers."""
    name = config.name.upper()
    sizes = {
        **{key: int(getattr(config, key)) for key in type(config).model_fields if key != "name"},
        "number_bits": config.number_bits,
        "numbers": config.numbers,
        "codes": config.codes,
        "in_full": config.codes,
        "kernel_fields": config.kernel_fields,
        "none": (1 << config.number_bits) - 1,
        "opcode": OPCODE,
    }
    lines = [f"#define {name}_{key.upper()} {value}" for key, value in sizes.items()]
    for kind in (Function, Set, Get):
        part = "" if kind is Function else f"_{kind.__name__.upper()}"
        lines += [f"#define {name}{part}_{member.name} {member.value}" for member in kind]
    guard = f"BINOHM_{name}_H"
    return "\n".join([f"#ifndef {guard}", f"#define {guard}", *lines, "#endif", ""])


def _files(config: UnitConfig, kernels: Sequence[int] | None, map: str | None) -> dict[str, str]:
    """Text of every file, by its name."""
    files: dict[str, str] = {}
    if kernels is not None:
        files["mem/kernels.hex"] = _image(config, kernels)
    if map is not None:
        files["device/kernels.hex"] = map
    init = "mem/kernels.hex" if kernels is not None else ""
    texts = modules(config, init=init, map="device/kernels.hex" if map is not None else "")
    texts[f"binohm_{config.name}_ram"] = macro_views.render_ram(config)
    rtl = {f"rtl/{name}.v": text for name, text in texts.items()}
    files |= rtl | {
        "macros/digital.v": macro_views.render_written(config),
        "macros/device.sv": macro_views.render(config, "device"),
        "macros/asic.v": macro_views.render(config, "asic"),
        "macros/stubs.v": macro_views.render_stubs(config),
        "macros/datasheet.toml": datasheet.text({
            f"binohm_{config.name}_{config.array.name}": datasheet.written(config.array)
        }),
        f"{config.name}.h": header(config),
        "lint.vlt": _waivers(config),
        MARKER: json.dumps(config.model_dump(), indent=1) + "\n",
    }
    for view in ("digital.v", "device.sv", "asic.v"):
        listed = [*rtl, f"macros/{view}", *(["macros/stubs.v"] if view == "asic.v" else [])]
        files[f"{view.split('.')[0]}.f"] = "\n".join(listed) + "\n"
    return files


def _image(config: UnitConfig, kernels: Sequence[int]) -> str:
    """What the slots hold, a line each."""
    if len(kernels) > config.slots:
        raise ConfigError(
            f"{len(kernels)} kernels, but unit.slots = {config.slots}: give more slots, or fewer "
            "kernels"
        )
    for number, kernel in enumerate(kernels):
        if not 0 <= kernel < 1 << config.width:
            raise ConfigError(
                f"kernel {number} = {kernel}: must be 0 to {(1 << config.width) - 1}, for "
                f"{config.rows} x {config.columns} bits"
            )
    digits = -(-config.width // 4)
    padded = [*kernels, *[0] * (config.slots - len(kernels))]
    return "".join(f"{int(kernel):0{digits}x}\n" for kernel in padded)


def _waivers(config: UnitConfig) -> str:
    lines = [
        f'// {reason}\nlint_off -rule {rule} -file "*{folder}/*"' for rule, folder, reason in WAIVED
    ]
    return handoff.LINT.format(lines="\n".join(lines))
