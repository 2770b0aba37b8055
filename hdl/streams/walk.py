"""Walking along a held vector: the step counter, and its ROM address."""

from amaranth.hdl import Const, Module, Mux, ResetSignal, Shape, Signal, Value

__all__ = ["rom_address", "rom_address_shape", "walk"]


def walk(m: Module, steps: int, moved: Value, *, name: str = "step") -> tuple[Value, Value, Value]:
    """Add a counter that takes a step in each cycle in which ``moved`` is high.

    Parameters
    ----------
    m : Module
    steps : int
        The counter wraps after this many; with a single one no hardware is added.
    moved : Value
    name : str
        Of the counter; prefix of the signals beside it.

    Returns
    -------
    step, last, following : Value
        The current step from 0 on; whether it is the last one; the step of the next cycle.
    """
    if steps == 1:
        return Const(0, 1), Const(1, 1), Const(0, 1)
    step = Signal(range(steps), name=name)
    last = Signal(name=f"{name}_is_last")
    following = Signal(range(steps), name=f"{name}_following")
    m.d.comb += [last.eq(step == steps - 1), following.eq(step)]
    with m.If(moved):
        m.d.comb += following.eq(Mux(last, 0, step + 1))
    m.d.sync += step.eq(following)
    return step, last, following


def rom_address_shape(steps: int) -> Shape:
    """Shape of the address of ``steps`` words; one bit, always 0, where there is one word."""
    return Shape.cast(range(max(steps, 2)))


def rom_address(following: Value) -> Value:
    """Address to present now so that a synchronous ROM answers with word ``following`` next.

    It is 0 during reset, so that word 0 is there in the first cycle after it.
    """
    return Mux(ResetSignal(), 0, following)
