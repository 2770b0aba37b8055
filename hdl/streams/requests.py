"""One image becomes a series of requests."""

from typing import Any

from amaranth.hdl import Module, Signal, Value

__all__ = ["issue"]


def issue(m: Module, i: Any, o: Any, driven: Any | None, first: Value, last: Value) -> Signal:
    """Connect the handshakes of a component that answers one ``i`` with several ``o``.

    ``i`` is accepted with the last request. ``driven``, if given, is offered together with the
    first request and takes part once per image; each of the two may be accepted before the other.
    It must not come later: the first results of an image may follow long before its last request.

    Parameters
    ----------
    m : Module
    i, o, driven : stream interface
        Payloads are the caller's.
    first, last : Value
        The request on offer is the first, the last one of the image.

    Returns
    -------
    Signal
        High in the cycle in which the caller must go on to the next request.
    """
    moved = Signal(name="moved")
    if driven is None:
        m.d.comb += [
            o.valid.eq(i.valid),
            moved.eq(i.valid & o.ready),
            i.ready.eq(o.ready & last),
        ]
        return moved

    o_sent, driven_sent = Signal(name="o_sent"), Signal(name="driven_sent")
    o_done, driven_done = Signal(name="o_done"), Signal(name="driven_done")
    m.d.comb += [
        o.valid.eq(i.valid & ~o_sent),
        driven.valid.eq(i.valid & first & ~driven_sent),
        o_done.eq(o.ready | o_sent),
        driven_done.eq(driven.ready | driven_sent | ~first),
        moved.eq(i.valid & o_done & driven_done),
        i.ready.eq(o_done & driven_done & last),
    ]
    with m.If(i.valid & first):
        m.d.sync += [
            o_sent.eq(o_done & ~driven_done),
            driven_sent.eq(driven_done & ~o_done),
        ]
    return moved
