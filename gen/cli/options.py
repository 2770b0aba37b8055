"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Costs", "Force", "Json", "Output"]

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON and nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is already there.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The network, an .npz.")]
Costs = Annotated[
    Path | None,
    typer.Option("--technology", help="What events cost: `binohm init --technology` writes one."),
]
