"""Reading a build directory, and keeping what is compiled from it."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from binohm.gen.errors import BinohmError, OutputError
from binohm.gen.network import Network
from binohm.gen.plan import Plan

__all__ = [
    "Build",
    "beside",
    "digest",
    "harness",
    "locked",
    "open_build",
    "patience",
    "remove",
    "replace_text",
    "scratch",
]


@dataclass(frozen=True)
class Build:
    """A build directory.

    Parameters
    ----------
    directory : Path
        Absolute.
    network : Network
    plan : Plan
    view : str
    sources : tuple of str
        Verilog files of the view, relative to the directory.
    """

    directory: Path
    network: Network
    plan: Plan
    view: str
    sources: tuple[str, ...]

    @property
    def top(self) -> str:
        """Module name of the top."""
        return f"binohm_{self.plan.name}"

    def require_images(self) -> None:
        """Raise OutputError unless all memory images are there.

        A simulator reads a missing one as zeros.
        """
        for image in self.plan.images:
            name = f"mem/{image.name}.hex"
            if not (self.directory / name).is_file():
                raise OutputError(f"{self.directory / name} is missing; build again")

    def require_plain_path(self) -> None:
        """Raise OutputError if Verilator's makefiles cannot work in the directory."""
        if len(str(self.directory).split()) > 1:
            raise OutputError(
                f"{self.directory}: Verilator cannot compile in a path with spaces; move the build"
            )


def open_build(directory: Path, view: str = "digital") -> Build:
    """Read a build directory.

    Raises
    ------
    OutputError
        If it is not one, or is damaged.
    """
    if not directory.is_dir():
        raise OutputError(f"{directory} is not a directory; make one with `binohm build`")
    if not (directory / "plan.json").is_file():
        raise OutputError(
            f"{directory} is not a build directory: no plan.json; make one with `binohm build`"
        )
    try:
        plan = Plan.from_json(_text(directory / "plan.json"))
        network = Network.load(directory / "model.npz")
    except BinohmError as error:
        named = str(error) if str(directory) in str(error) else f"{directory}: {error}"
        raise OutputError(named) from error
    if view == "storage" and plan.storage is None:
        raise OutputError(f"{directory} has no storage view; build it with a section [storage]")
    sources = tuple(_text(directory / f"{view}.f").split())
    for name in (*sources, "taps.vlt"):
        if not (directory / name).is_file():
            raise OutputError(f"{directory / name} is missing; build again")
    return Build(directory.absolute(), network, plan, view, sources)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise OutputError(f"{path}: {reason}; build again") from error


def patience(network: Network, plan: Plan) -> int:
    """Cycles without any transfer after which a simulation gives up.

    Far more than one image takes, were everything done in turn.
    """
    cycles = plan.host.input_beats(network.input.elements)
    cycles += plan.host.output_beats(network.scores.outputs)
    for layer in plan.on_storage.layers:
        slowest = max(layer.array.interval, layer.array.latency, layer.chunks) + 1
        cycles += layer.activations * slowest + layer.windows * layer.chunks
        cycles += 3 * layer.sweep.positions if layer.sweep else 0
    return 4 * cycles + 1000


def harness(name: str) -> str:
    """Text of a file under ``harness/``."""
    return (Path(__file__).parent / "harness" / name).read_text(encoding="utf-8")


def digest(build: Build, *texts: str) -> str:
    """16 hex digits that change with the Verilog, the tools' versions and ``texts``."""
    versions = [metadata.version(name) for name in ("cocotb", "verilator")]
    made = hashlib.sha256(repr((versions, texts)).encode())
    for name in (*build.sources, "taps.vlt"):
        made.update(hashlib.sha256((build.directory / name).read_bytes()).digest())
    return made.hexdigest()[:16]


def scratch(build: Build, name: str) -> Path:
    """``sim/<name>`` in the build directory, made if it is not there.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = build.directory / "sim" / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; copy the build first") from error
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of the directory ``path``."""
    with (path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A temporary directory that becomes ``path`` when the block ends well."""
    made = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    made.chmod(0o755)
    try:
        yield made
        if path.exists():
            shutil.rmtree(path)
        made.rename(path)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, and leave it alone if it holds ``text`` already."""
    if path.is_file() and path.read_bytes() == text.encode():
        return
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def remove(paths: Iterable[Path]) -> None:
    """Delete directories of older builds."""
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
