# amaranth: UnusedElaboratable=no
"""Arrays behind their sockets, with random cells, for benches of the views."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Module, Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from binohm.gen.macros.macro_views import macro_pins
from binohm.gen.plan import Array
from binohm.hdl.arrays.macro import Command, macro

__all__ = ["Sockets", "draw_cells", "image"]


class Sockets(wiring.Component):
    """Macro ``k`` behind the streams ``i<k>`` and ``o<k>``."""

    def __init__(
        self, arrays: Sequence[Array], images: Sequence[str], maps: Sequence[str] = ()
    ) -> None:
        self.arrays, self.images = arrays, images
        self.maps = maps or [""] * len(arrays)
        members = {}
        for k, kind in enumerate(arrays):
            pins = macro_pins(kind)
            request = data.StructLayout({
                "cmd": Command,
                "row": Shape.cast(range(max(pins.lines, 2))),
                "x_p": pins.lines,
                "x_n": pins.lines,
                "col_x": pins.columns,
                "col_en": pins.columns,
                "ref_code": max(1, pins.ref_bits),
            })
            members[f"i{k}"] = In(stream.Signature(request))
            members[f"o{k}"] = Out(stream.Signature(pins.q_bits))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for k, kind in enumerate(self.arrays):
            i, o = getattr(self, f"i{k}"), getattr(self, f"o{k}")
            request = {name: i.payload[name] for name in i.payload.shape().members}
            m.submodules[f"macro_{k}"] = macro(
                f"binohm_t_{kind.name}",
                macro_pins(kind),
                init=self.images[k],
                map=self.maps[k],
                id=k,
                req_valid=i.valid,
                req_ready=i.ready,
                q=o.payload,
                q_valid=o.valid,
                q_ready=o.ready,
                **request,
            )
        return m


def draw_cells(rng: np.random.Generator, kind: Array, *, empty: bool) -> np.ndarray:
    """Random cells; bias cells may be 0. An array without image holds -1, its bias cells 0."""
    if empty:
        return np.repeat([-1, 0], [kind.rows, kind.bias_rows])[:, None] * np.ones(
            (1, kind.columns), np.int8
        )
    weights = rng.choice([-1, 1], (kind.rows, kind.columns))
    bias = rng.integers(-1, 2, (kind.bias_rows, kind.columns))
    return np.concatenate([weights, bias]).astype(np.int8)


def image(kind: Array, cells: np.ndarray) -> str:
    """The cells as a memory image, bit by bit."""
    rows = kind.rows
    if kind.readout == "pcsa":
        words = [list(row > 0) for row in cells]
    else:
        columns = [[*(c[:rows] > 0), *(c[rows:] > 0), *(c[rows:] < 0)] for c in cells.T]
        columns += [[0] * kind.column_bits] * (kind.depth * kind.per_cycle - kind.columns)
        words = list(np.reshape(columns, (kind.depth, kind.word_bits)))
    digits = -(-kind.word_bits // 4)
    values = [sum(1 << k for k, bit in enumerate(word) if bit) for word in words]
    return "".join(f"{value:0{digits}x}\n" for value in values)
