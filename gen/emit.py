"""Writing a build directory, whole or not at all: the only module that does."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from binohm.gen import build, cycles, handoff, host_files, images
from binohm.gen.errors import OutputError
from binohm.gen.macros import datasheet, macro_views
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.gen.reporting import report

__all__ = ["claim", "write_build"]


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
        files = handoff.handoff_files(plan, rtl, maps=device is not None, bench=sorted(bench_files))
        for name, text in files.items():
            _write(target / name, text)
        for name, text in host_files.host_files(plan).items():
            _write(target / "host" / name, text)
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
    for view in ("digital", "asic", *(["storage"] if plan.storage else [])):
        _write(target / "macros" / f"{view}.v", macro_views.render(plan, view))
    _write(target / "macros" / "device.sv", macro_views.render(plan, "device"))
    _write(target / "macros" / "stubs.v", macro_views.render_stubs(plan))
    _write(target / "macros" / "datasheet.toml", datasheet.render(plan))
    return list(texts)
