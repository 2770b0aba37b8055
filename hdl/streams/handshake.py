"""A stream without its payload."""

from amaranth.lib.wiring import In, Out, Signature

__all__ = ["HANDSHAKE"]

HANDSHAKE = Signature({"valid": Out(1), "ready": In(1)})
"""``valid`` and ``ready`` with the rules of a stream; whoever connects it wires the payload."""
