"""A board that is simulated, behind a pseudo-terminal that is opened like a serial port."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from binohm.gen.errors import BinohmError, ToolError
from binohm.sim.directory import Build
from binohm.sim.runner import run_bench
from binohm.sim.tools import require

__all__ = ["DIVISOR", "simulated"]

DIVISOR = 4
"""Cycles of a bit on the simulated line: as few as there can be."""

COMPILATION_S = 600


@contextmanager
def simulated(build: Build, board: str, simulator: str) -> Iterator[str]:
    """The path of a terminal behind which the board is, while the block runs.

    Parameters
    ----------
    board : str
        Verilog text of the module ``binohm_<name>_board``, with :data:`DIVISOR`.
    simulator : str
        One of :data:`binohm.sim.tools.SIMULATORS`.

    Raises
    ------
    ToolError
        If the simulator is missing, or does not take the Verilog.
    """
    require(simulator)
    build.require_images()
    if simulator == "verilator":
        build.require_plain_path()
    with tempfile.TemporaryDirectory(prefix="binohm-board-") as name:
        place = Path(name)
        (place / "mem").symlink_to(build.directory / "mem")
        (place / "board.v").write_text(board, encoding="utf-8")
        port = place / "port"
        failures: list[Exception] = []

        def run() -> None:
            try:
                run_bench(
                    [place / "board.v", *(build.directory / source for source in build.sources)],
                    top=f"binohm_{build.plan.name}_board",
                    bench="binohm.sim.benches.board_port",
                    build_dir=place,
                    simulator=simulator,
                    variables={"FACT_PORT": str(port), "FACT_DIVISOR": str(DIVISOR)},
                )
            except (AssertionError, BinohmError, OSError) as error:
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        limit = time.monotonic() + COMPILATION_S
        while not port.exists() and thread.is_alive() and time.monotonic() < limit:
            time.sleep(0.05)
        if not port.exists():
            why = str(failures[0]).splitlines()[-1] if failures else "it takes too long"
            raise ToolError(f"{simulator} does not simulate the board: {why}")
        try:
            yield port.read_text(encoding="utf-8")
        finally:
            with suppress(OSError):  # who never said anything cannot hang up
                file = os.open(port.read_text(encoding="utf-8"), os.O_RDWR | os.O_NOCTTY)
                os.write(file, b"\xc0")
                os.close(file)
            thread.join(timeout=60)
