"""What designs have given, each in a file of its own, so that a second run goes on from there.

A file is named after all that its figures follow from: the network, the configuration, the images,
the costs, and the version of binohm. A sweep that is changed finds what has not changed.
"""

import json
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from binohm.gen.errors import OutputError
from binohm.gen.exploration.sweep import Point
from binohm.gen.output import replacing

__all__ = ["Store"]

FOLDER = "points"


class Store:
    """Figures of designs, in a folder of a directory.

    Parameters
    ----------
    directory : Path
        Made if it is not there.

    Raises
    ------
    OutputError
        If something else is in the directory, or it cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.folder = directory / FOLDER
        strange = directory.exists() and not self.folder.is_dir()
        if strange and (not directory.is_dir() or any(directory.iterdir())):
            raise OutputError(f"{directory} exists and is no exploration; choose another with -o")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {directory}: {error.strerror}") from error

    @staticmethod
    def name(point: Point, *facts: str) -> str:
        """Of the file of a point; ``facts`` are fingerprints of what is not in the point."""
        known = [_version(), point.split, point.config.model_dump(), *facts]
        return sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:24]

    def read(self, name: str) -> dict[str, Any] | None:
        """Figures that were kept; None if there are none, or the file is damaged."""
        try:
            found = json.loads((self.folder / f"{name}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write(self, name: str, figures: dict[str, Any]) -> None:
        """Keep figures, whole or not at all."""
        with replacing(self.folder / f"{name}.json", force=True) as beside:
            beside.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


@cache
def _version() -> str:
    return version("binohm")
