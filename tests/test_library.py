"""Equal components become one Verilog module."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from binohm.gen.verilog import to_verilog
from binohm.hdl.library import Library


class Delay(wiring.Component):
    """``o`` is ``i`` of the cycle before."""

    def __init__(self, width: int, *, init: int = 0) -> None:
        self.width = width
        self.init = init
        super().__init__({"i": In(width), "o": Out(width, init=init)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


class Invert(wiring.Component):
    """Combinational: has no clock to connect."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(~self.i)
        return m


class Chain(wiring.Component):
    """Two equal delays, a wider one, one of another start, and an inverter."""

    def __init__(self, library: Library) -> None:
        self.library = library
        super().__init__({"i": In(4), "o": Out(4)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first = self.library.place(m, "first", Delay, 4)
        second = self.library.place(m, "second", Delay, 4, init=0)
        third = self.library.place(m, "third", Delay, 8)
        fourth = self.library.place(m, "fourth", Delay, 4, init=5)
        last = self.library.place(m, "last", Invert, 4)
        unused = Signal(4)
        m.d.comb += [
            first.i.eq(self.i),
            second.i.eq(first.o),
            third.i.eq(second.o),
            fourth.i.eq(third.o),
            last.i.eq(fourth.o),
            self.o.eq(last.o),
            unused.eq(0),
        ]
        return m


def test_equal_components_are_one_module() -> None:
    library = Library("binohm_x")
    top = to_verilog({"top": Chain(library)})["top"]
    assert list(library.components) == [
        "binohm_x_delay",
        "binohm_x_delay_2",
        "binohm_x_delay_3",
        "binohm_x_invert",
    ]
    assert top.count("binohm_x_delay ") == 2
    parts = to_verilog(library.components)
    assert list(parts) == list(library.components)
    assert all(text.startswith(f"module {name}(") for name, text in parts.items())


def test_verilog_is_reproducible_and_bare() -> None:
    first = to_verilog({"top": Chain(Library("x"))})
    assert to_verilog({"top": Chain(Library("x"))}) == first
    text = first["top"]
    assert "Yosys" not in text and "src" not in text and "/" not in text
