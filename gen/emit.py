"""Writing a build directory, whole or not at all: the only module that does."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from binohm.gen import build, cycles, images
from binohm.gen.errors import OutputError
from binohm.gen.macros import datasheet, macro_views
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.gen.reporting import report

__all__ = ["claim", "write_build"]

TAP = ("valid", "ready", "payload")

LINT = """`verilator_config
// Every line has its reason; the scope is the modules of this build.
{lines}
"""

TAPS = """`verilator_config
// The streams between the layers, which the bench in tb/ watches.
{lines}
"""

WAIVED = {
    "PROCASSINIT": "registers have a start value and a synchronous reset to the same value",
    "UNUSEDSIGNAL": "columns and register bits a layer does not use, carries of counters that wrap",
    "WIDTHEXPAND": "operands are extended by the rules of Verilog: the result is wide enough",
    "WIDTHTRUNC": "a part of a vector is selected by a shift whose upper bits are dropped",
}
"""What conversion writes in modules of ours, by Verilator's rule, with the reason."""

SDC = """# Clock and I/O of binohm_{name}. The period is a starting point: set it to your target.
create_clock -name aclk -period {period_ns} [get_ports aclk]
set_input_delay 0.5 -clock aclk [get_ports {{aresetn s_axis_* m_axis_tready s_axi_*}}]
set_output_delay 0.5 -clock aclk [get_ports {{s_axis_tready m_axis_t*}}]
"""


def write_build(
    directory: Path,
    network: Network,
    plan: Plan,
    *,
    config: Mapping[str, Any],
    bench_files: Mapping[str, bytes],
    device: Mapping[str, str] | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Write everything ``binohm build`` promises and return the report.

    The same network, plan and bench files give the same bytes: no dates, no absolute paths.

    Parameters
    ----------
    directory : Path
        Must not exist; with ``force``, may be an older build, which is then replaced.
    config : mapping
        The configuration in full, for the report.
    bench_files : mapping of str to bytes
        What goes under ``tb/``.
    device : mapping of str to str, optional
        Text of the device map of every tile, by its name.

    Raises
    ------
    OutputError
        If the directory exists, or cannot be written.
    """
    predicted = cycles.predict(network, plan)
    facts = report.report_data(network, plan, predicted, config=config)
    with claim(directory, force=force) as target:
        rtl = _write_verilog(target, network, plan, maps=device is not None)
        _write_lists(target, plan, rtl, maps=device is not None)
        for name, text in images.render(network, plan).items():
            _write(target / "mem" / f"{name}.hex", text)
        for name, text in (device or {}).items():
            _write(target / "device" / f"{name}.hex", text)
        for name, content in bench_files.items():
            path = target / "tb" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        network.save(target / "model.npz")
        _write(target / "plan.json", plan.to_json())
        _write(target / "report.json", json.dumps(facts, indent=1) + "\n")
        _write(target / "report.html", report.render_html(facts))
    return facts


@contextmanager
def claim(directory: Path, *, force: bool = False, marker: str = "plan.json") -> Iterator[Path]:
    """A new directory beside ``directory`` that takes its place when the block ends well.

    If the block raises, or is interrupted, ``directory`` is as it was. One that is replaced must
    hold ``marker``, as what was written here before does.

    Raises
    ------
    OutputError
        If ``directory`` is in the way or its parent cannot be written.
    """
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise OutputError(f"{directory} exists and is not a directory; choose another with -o")
    if directory.is_dir() and any(directory.iterdir()):
        if not (directory / marker).is_file():
            raise OutputError(
                f"{directory} exists and is not a build of ours; choose another with -o"
            )
        if not force:
            raise OutputError(f"{directory} exists; replace it with --force or choose another -o")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    except OSError as error:
        raise OutputError(f"cannot write {directory}: {error.strerror}") from error
    fresh = beside / "new"
    try:
        fresh.mkdir()
        yield fresh
        if directory.exists():
            directory.rename(beside / "old")
        fresh.rename(directory)
    except OSError as error:
        if (beside / "old").exists() and not directory.exists():
            (beside / "old").rename(directory)
        raise OutputError(f"cannot write {directory}: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_verilog(target: Path, network: Network, plan: Plan, *, maps: bool) -> list[str]:
    """rtl/ and macros/; returns the names under rtl/, top first."""
    texts = build.modules(network, plan, maps=maps)
    prefix = f"binohm_{plan.name}"
    texts[f"{prefix}_rom"] = macro_views.render_rom(plan)
    if plan.host.programming:
        texts[f"{prefix}_ram"] = macro_views.render_ram(plan)
    if any(image.kind == "table" for image in plan.images):
        texts[f"{prefix}_table"] = macro_views.render_table(plan)
    for name, text in texts.items():
        _write(target / "rtl" / f"{name}.v", text)
    for view in ("digital", "asic"):
        _write(target / "macros" / f"{view}.v", macro_views.render(plan, view))
    _write(target / "macros" / "device.sv", macro_views.render(plan, "device"))
    _write(target / "macros" / "stubs.v", macro_views.render_stubs(plan))
    _write(target / "macros" / "datasheet.toml", datasheet.render(plan))
    return list(texts)


def _write_lists(target: Path, plan: Plan, rtl: list[str], *, maps: bool) -> None:
    """File lists, constraints, waivers and the FuseSoC core."""
    sources = [f"rtl/{name}.v" for name in rtl]
    _write(target / "digital.f", "\n".join([*sources, "macros/digital.v"]) + "\n")
    _write(target / "device.f", "\n".join([*sources, "macros/device.sv"]) + "\n")
    _write(target / "asic.f", "\n".join([*sources, "macros/asic.v", "macros/stubs.v"]) + "\n")
    _write(target / "constraints" / "timing.sdc", SDC.format(name=plan.name, period_ns=20.0))
    _write(target / "lint.vlt", LINT.format(lines=_waivers(plan)))
    taps = "\n".join(
        f'public_flat_rd -module "binohm_{plan.name}" -var "{path}__{signal}"'
        for path in plan.taps.values()
        for signal in TAP
    )
    _write(target / "taps.vlt", TAPS.format(lines=taps))
    _write(target / f"{plan.name}.core", _core(plan, sources, maps=maps))


def _waivers(plan: Plan) -> str:
    prefix = f"*rtl/binohm_{plan.name}"
    rows = [(rule, f"{prefix}*.v", reason) for rule, reason in WAIVED.items()]
    one_hot = ["registers", *(["program*"] if plan.host.programming else [])]
    rows += [
        *(
            ("CASEOVERLAP", f"{prefix}_{name}.v", "one-hot selection, written as a parallel case")
            for name in one_hot
        ),
        ("DECLFILENAME", "*macros/*", "one view of all arrays is one file"),
    ]
    if plan.layers[0].sweep:
        one_of = "one of several shifts, written as a parallel case"
        rows.append(("CASEOVERLAP", f"{prefix}_positions.v", one_of))
    if any(layer.sweep and layer.sweep.pool for layer in plan.layers):
        rows.append(("DECLFILENAME", f"{prefix}_pool*.v", "a pool and its window are one file"))
    return "\n".join(
        f'// {reason}\nlint_off -rule {rule} -file "{file}"' for rule, file, reason in rows
    )


def _core(plan: Plan, sources: list[str], *, maps: bool) -> str:
    """FuseSoC CAPI2 description."""

    def fileset(files: list[str], kind: str = "verilogSource-2005") -> str:
        listed = "".join(f"      - {file}\n" for file in files)
        return f"    files:\n{listed}    file_type: {kind}\n"

    memories = [f"mem/{image.name}.hex" for image in plan.images]
    tiles = [tile for layer in plan.layers for tile in layer.tiles] if maps else []
    memories += [f"device/{tile.name}.hex" for tile in tiles]
    copied = "".join(f"      - {file}: {{copyto: {file}}}\n" for file in memories)
    return (
        "CAPI=2:\n"
        f"name: ::binohm_{plan.name}:0\n"
        "description: Binary neural network accelerator around RRAM arrays\n"
        "filesets:\n"
        f"  rtl:\n{fileset(sources)}"
        f"  behavioural_macro:\n{fileset(['macros/digital.v'])}"
        f"  device_macro:\n{fileset(['macros/device.sv'], 'systemVerilogSource')}"
        f"  macro_stub:\n{fileset(['macros/asic.v', 'macros/stubs.v'])}"
        f"  tb:\n    files:\n{copied}    file_type: user\n"
        "targets:\n"
        f"  default: &default\n    filesets: [rtl]\n    toplevel: binohm_{plan.name}\n"
        "  sim:\n    <<: *default\n    filesets: [rtl, behavioural_macro, tb]\n"
        "  device:\n    <<: *default\n    filesets: [rtl, device_macro, tb]\n"
        "  asic:\n    <<: *default\n    filesets: [rtl, macro_stub]\n"
    )
