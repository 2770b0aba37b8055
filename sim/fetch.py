"""Finding the files of public data sets, and downloading those that are missing.

A file is looked for in ``$BINOHM_DATA``, then in the user's cache (``$XDG_CACHE_HOME/binohm``, by
default ``~/.cache/binohm``). If it is in neither it is downloaded into the cache, from the first
mirror that delivers the right bytes. A download is written beside its destination, compared with
its sha256 and renamed, so a file in the cache is always whole.
"""

import hashlib
import http.client
import os
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from binohm.gen.errors import DataError

__all__ = ["Progress", "Remote", "locate", "places"]

Progress = Callable[[str, int, int], None]
"""Called as ``progress(file, bytes_done, bytes_total)``; the total is 0 where unknown."""

TIMEOUT_S = 30.0
"""A mirror that sends nothing for so long is given up."""

BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Remote:
    """A file of a data set.

    Parameters
    ----------
    file : str
        ``folder/name`` below a data folder.
    sha256 : str
    mirrors : tuple of str
        URLs to which the name is appended.
    """

    file: str
    sha256: str
    mirrors: tuple[str, ...]


def places() -> list[Path]:
    """Folders in which data sets are looked for, the user's cache last."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "binohm"
    chosen = os.environ.get("BINOHM_DATA")
    return [Path(chosen), cache] if chosen else [cache]


def locate(remote: Remote, also: Sequence[str] = (), progress: Progress | None = None) -> Path:
    """Path of a file, downloaded if it is nowhere.

    Parameters
    ----------
    remote : Remote
    also : sequence of str
        Files that hold the same data; looked for first.
    progress : Progress, optional

    Raises
    ------
    DataError
        If there is no such file and none can be downloaded.
    """
    for folder in places():
        for name in (*also, remote.file):
            if (folder / name).is_file():
                return folder / name
    failures = []
    for mirror in remote.mirrors:
        url = mirror + Path(remote.file).name
        try:
            return _download(url, places()[-1] / remote.file, remote.sha256, progress)
        except (OSError, http.client.HTTPException, DataError) as error:
            failures.append(f"{url}: {error}")
    unset = "" if os.environ.get("BINOHM_DATA") else " ($BINOHM_DATA is not set)"
    raise DataError(
        f"no data file {remote.file} in {' or '.join(map(str, places()))}{unset}, and the download "
        f"failed ({'; '.join(failures)}); put the file into one of these folders"
    )


def _download(url: str, target: Path, sha256: str, progress: Progress | None) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with (
            os.fdopen(handle, "wb") as file,
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer,
        ):
            total, done = int(answer.headers.get("Content-Length") or 0), 0
            while block := answer.read(BLOCK_BYTES):
                file.write(block)
                digest.update(block)
                done += len(block)
                if progress is not None:
                    progress(target.name, done, total)
        if digest.hexdigest() != sha256:
            raise DataError(
                f"{done} bytes with sha256 {digest.hexdigest()[:16]}..., not {sha256[:16]}..."
            )
        Path(partial).replace(target)
    finally:
        Path(partial).unlink(missing_ok=True)
    return target
