"""A Wishbone B4 host for benches, written from the specification: classic cycles, 32 bits."""

from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

__all__ = ["WishboneMaster"]


class WishboneMaster:
    """Reads and writes words, one access at a time, and watches the rules.

    ``ack_o`` comes only in answer to ``cyc_i`` and ``stb_i``, and ``dat_o`` is 0 without it.

    Parameters
    ----------
    dut
        Ports ``<prefix>stb_i`` and so on.
    clock
    prefix : str
    pauses : iterator of bool, optional
        Whether the host rests for a cycle before the next access; between two accesses without a
        pause, ``cyc_i`` and ``stb_i`` stay high.
    patience : int
        Cycles after which an access is given up.
    """

    def __init__(
        self, dut: Any, clock: Any, *, prefix: str = "wbs_", pauses: Iterator[bool] | None = None,
        patience: int = 50,
    ) -> None:  # fmt: skip
        self.patience = patience
        self.clock = clock
        self.pauses = pauses or iter(lambda: False, True)
        self.pins = {
            name: getattr(dut, f"{prefix}{name}")
            for name in ("stb_i", "cyc_i", "we_i", "sel_i", "dat_i", "adr_i", "ack_o", "dat_o")
        }
        self.acknowledged = 0
        for name in ("stb_i", "cyc_i", "we_i", "sel_i", "dat_i", "adr_i"):
            self.pins[name].value = 0
        cocotb.start_soon(self._watch())

    async def write(self, address: int, value: int, sel: int = 0xF) -> bool:
        """Write the bytes of ``sel``; whether it was acknowledged."""
        return await self._access(address, we_i=1, sel_i=sel, dat_i=value) is not None

    async def read(self, address: int) -> int | None:
        """Read a word; None if nobody acknowledges."""
        return await self._access(address, we_i=0, sel_i=0xF, dat_i=0)

    async def abort(self, address: int, cycles: int) -> None:
        """Offer a read for so many cycles and take it back."""
        await self._offer(address, we_i=0, sel_i=0xF, dat_i=0)
        for _ in range(cycles):
            await RisingEdge(self.clock)
        self._release()
        await RisingEdge(self.clock)

    async def _offer(self, address: int, **values: int) -> None:
        while next(self.pauses):
            self._release()
            await RisingEdge(self.clock)
        for name, value in {"adr_i": address, "cyc_i": 1, "stb_i": 1, **values}.items():
            self.pins[name].value = value

    def _release(self) -> None:
        self.pins["cyc_i"].value = self.pins["stb_i"].value = 0

    async def _access(self, address: int, **values: int) -> int | None:
        await self._offer(address, **values)
        for _ in range(self.patience):
            await ReadOnly()
            answered, data = bool(self.pins["ack_o"].value), int(self.pins["dat_o"].value)
            await RisingEdge(self.clock)
            if answered:
                self._release()
                self.acknowledged += 1
                return data
        self._release()
        await RisingEdge(self.clock)
        return None

    async def _watch(self) -> None:
        while True:
            await RisingEdge(self.clock)
            await ReadOnly()
            pins = {name: pin.value for name, pin in self.pins.items()}
            offered = bool(pins["cyc_i"]) and bool(pins["stb_i"])
            if pins["ack_o"].is_resolvable and pins["ack_o"]:
                assert offered, "wbs_ack_o without an access"
            elif pins["dat_o"].is_resolvable:
                assert int(pins["dat_o"]) == 0, "wbs_dat_o without wbs_ack_o"
