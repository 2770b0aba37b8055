"""The command ``binohm soc``; what it does is in :mod:`binohm.gen.cli.processor`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from binohm.gen.cli.options import Costs, Json

__all__ = ["soc"]

ROWS = {
    "cycles": "cycles",
    "instructions": "instructions",
    "fetches": "fetches",
    "loads": "loads",
    "stores": "stores",
    "unit_instructions": "instructions of the unit",
    "memory_accesses": "accesses to the memory",
    "energy_j": "energy, J",
    "mismatches": "results that differ from golden",
}
"""Figures that are shown, and their names."""


def soc(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A .npz of `binohm import` or `binohm train`.")
    ],
    layer: Annotated[
        str | None,
        typer.Option(help="A binary convolution.", show_default="that with most weights"),
    ] = None,
    core: Annotated[
        Literal["picorv32", "vexriscv"], typer.Option(help="The processor.")
    ] = "vexriscv",
    slots: Annotated[int, typer.Option(help="Kernels that the unit holds, 1 to 1024.")] = 128,
    picked_on: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="The network whose kernels are held.", show_default="MODEL"
        ),
    ] = None,
    positions: Annotated[
        int, typer.Option(help="Windows beside one another in the unit, 1 to 8.")
    ] = 4,
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Where the image comes from.", show_default="made up"),
    ] = None,
    image: Annotated[int, typer.Option(min=0, help="Its number.")] = 0,
    library: Annotated[
        bool, typer.Option("--library", help="A column with the popcount of libgcc, too.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="The program writes the kernels first.")
    ] = False,
    in_full: Annotated[
        bool,
        typer.Option(
            "--in-full",
            help="Kernels that the unit lacks go to its gates; otherwise the program makes up for "
            "them.",
        ),
    ] = False,
    header: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables of C and run nothing.")
    ] = None,
    technology: Costs = None,
    as_json: Json = False,
) -> None:
    """Run a convolution on a RISC-V core, with and without the unit; exit 1 if a result differs."""
    from binohm.gen.cli import actions, processor
    from binohm.gen.cli.console import emit, status
    from binohm.gen.output import replacing
    from binohm.gen.reporting.technology import load
    from binohm.gen.soc.kernels import pick

    costs = load(technology)
    network = actions.load_network(model)
    chosen = processor.choose_layer(network, layer)
    other = actions.load_network(picked_on) if picked_on else network
    store = pick(other, slots, shape=chosen.kernel)
    bits = processor.input_of(network, chosen, processor.picture(network, data, image))
    job = processor.Job(chosen, bits, store, positions, in_full=in_full)
    if header is not None:
        with replacing(header, force=True) as path:
            path.write_text(processor.tables_of(core, job).text, encoding="utf-8")
        print(header)
        return
    ways = ("words", "library", "unit") if library else ("words", "unit")
    with status(f"{core}: {network.name}, {chosen.name}"):
        facts = processor.measure(core, job, costs, ways, write=write)
    facts = {"network": network.name, "picked_on": other.name, **facts}
    if as_json:
        emit(facts)
    else:
        _show(facts, ways)
    if any(facts[way]["mismatches"] for way in ways):
        raise typer.Exit(1)


def _show(facts: dict[str, Any], ways: tuple[str, ...]) -> None:
    from binohm.gen.cli.console import print_table

    heads = {"words": "packed words", "library": "popcount of libgcc", "unit": "with the unit"}
    rows = []
    for key, name in ROWS.items():
        values = [facts[way][key] for way in ways]
        ratio = f"{values[0] / values[-1]:.2f}" if values[0] and values[-1] else ""
        shown = [f"{v:.4g}" if isinstance(v, float) else f"{v:,}" for v in values]
        rows.append([name, *shown, ratio])
    kernels = facts["hits"] + facts["misses"]
    title = (
        f"{facts['core']}, {facts['network']}.{facts['layer']}: {facts['hits']:,} of {kernels:,} "
        f"kernels in {facts['slots']} slots, picked on {facts['picked_on']}"
    )
    print_table(title, ("", *(heads[way] for way in ways), "times"), rows)
