"""The command ``binohm explore``; what it does is in :mod:`binohm.gen.cli.exploring`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from binohm.gen.cli.options import Costs, Json
from binohm.gen.errors import CapacityError, ConfigError

if TYPE_CHECKING:
    from binohm.gen.exploration.sweep import Sweep
    from binohm.gen.exploration.table import Row

__all__ = ["explore"]

UNSHOWN = {
    "amplifiers", "converters", "ff", "readout_pj", "energy_converters_pj", "readout_converters_pj",
}  # fmt: skip
"""Figures that are in the files alone: a terminal is narrow."""


def explore(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Networks, as `binohm build` takes them."),
    ],
    config: Annotated[
        Path,
        typer.Option("--config", "-c", metavar="SWEEP.toml", help="A configuration with [[grid]]."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Results; what is there is not redone."),
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="As `binohm run` takes it, for accuracy and energy."),
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="KEY", help="What the picture is drawn over.")
    ] = None,
    y: Annotated[
        str | None, typer.Option("--y", metavar="FIGURE", help="What the picture shows.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes.", show_default="cores")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Dask cluster: tcp://host:8786.")
    ] = None,
    technology: Costs = None,
    as_json: Json = False,
) -> None:
    """Compare designs, mappings or devices: a table and a picture. Goes on after a break."""
    from binohm.gen.cli import actions, exploring
    from binohm.gen.cli.console import bar, emit, note
    from binohm.gen.exploration import plot, sweep, table
    from binohm.gen.exploration.store import Store
    from binohm.gen.output import replacing
    from binohm.gen.reporting.technology import load

    for name, given in (("--images", images), ("--technology", technology)):
        if given is not None and data is None:
            raise ConfigError(f"{name} {given}: needs --data; add it, or drop {name}")
    designs = sweep.load(config, models)
    costs = load(technology)
    networks = {model: actions.load_network(model) for model in models}
    looks = None
    if data is not None:
        pixels, labels = actions.labelled(data)
        looks = exploring.Looks(pixels[:images], labels[:images], costs)
    with bar("explore") as shown:
        found, before = exploring.explore(
            designs, networks, looks, Store(output), workers=workers, scheduler=scheduler,
            progress=shown,
        )  # fmt: skip
    rows = table.rows(designs, found)
    if all("refused" in row for row in rows):
        raise CapacityError(f"{config}: no design can be built: {rows[0]['refused']}")
    with replacing(output / "table.csv", force=True) as path:
        path.write_text(table.as_csv(designs, rows), encoding="utf-8")
    axis, figure = plot.choose(designs, rows, x, y)
    with replacing(output / "plot.svg", force=True) as path:
        plot.plot(path, designs, rows, axis, figure)
    if before:
        note(f"{before} of {len(found)} points were in {output} before")
    if as_json:
        emit({"axes": list(designs.axes), "draws": designs.draws, "designs": rows})
    else:
        _show(designs, rows)
        print(output / "table.csv")
        print(output / "plot.svg")


def _show(designs: "Sweep", rows: Sequence["Row"]) -> None:
    """A table of what varies, a line of what does not, and what cannot be built with the reason."""
    from binohm.gen.cli.console import print_table
    from binohm.gen.exploration.table import FIGURES

    built = [row for row in rows if "refused" not in row]
    keys = [key for key in FIGURES if key not in UNSHOWN and built[0].get(key) is not None]
    varied = [key for key in keys if len({row[key] for row in built}) > 1]
    labels = list(designs.labels.values())
    body = [
        [*(row[axis] for axis in designs.axes), *(_shown(key, row[key]) for key in varied),
         "*" if row["front"] else ""]
        for row in built
    ]  # fmt: skip
    heads = [*labels, *(FIGURES[key] for key in varied), "front"]
    print_table(f"{len(built)} designs", heads, body)
    same = [f"{FIGURES[key]} {_shown(key, built[0][key])}" for key in keys if key not in varied]
    if same:
        print(f"All: {'; '.join(same)}.\n")
    reasons: dict[str, list[Row]] = {}
    for row in rows:
        if "refused" in row:
            reasons.setdefault(row["refused"], []).append(row)
    for reason, found in reasons.items():
        print(f"Cannot be built: {reason}")
        print_table("", labels, [[row[axis] for axis in designs.axes] for row in found])


def _shown(key: str, value: Any) -> Any:
    from binohm.gen.exploration.table import PERCENT

    if key in PERCENT:
        return round(100 * value, 2)
    return round(value, 1) if isinstance(value, float) else value
