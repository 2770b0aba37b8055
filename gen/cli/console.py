"""What the command line prints: tables and JSON to stdout, progress to stderr."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

__all__ = ["bar", "emit", "note", "print_table", "status"]

WIDTH = 110
"""Columns where the output is not a terminal and nobody says how many there are."""


def emit(figures: Mapping[str, Any]) -> None:
    """Print figures as JSON and nothing else."""
    print(json.dumps(figures, indent=1))


def note(text: str) -> None:
    """Say something that is no result."""
    print(f"binohm: {text}", file=sys.stderr)


def print_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table. Numbers stand right and are never cut; every cell is plain text."""
    console = _console(stderr=False)
    table = Table(
        title=escape(title), title_justify="left", title_style="bold", box=None,
        show_header=any(heads),
    )  # fmt: skip
    for index, head in enumerate(heads):
        numeric = all(isinstance(row[index], int | float | None) for row in rows)
        widest = max((len(_text(row[index])) for row in rows), default=0) if numeric else None
        table.add_column(
            head, justify="right" if numeric else "left", header_style="dim", overflow="fold",
            min_width=widest,
        )  # fmt: skip
    for row in rows:
        table.add_row(*(escape(_text(cell)) for cell in row))
    console.print(table)
    console.print()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


@contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """Show what happens now; the function given changes the text."""
    with _console(stderr=True).status(escape(text)) as shown:
        yield lambda more: shown.update(escape(f"{text}: {more}"))


@contextmanager
def bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar; the function given takes how many are done, and of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = _console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        task = progress.add_task(escape(text), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=max(WIDTH, console.width))
    return console
