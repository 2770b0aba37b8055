# amaranth: UnusedElaboratable=no
"""Vectors and lines that are longer than tools take."""

import re

import numpy as np
import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from binohm.gen.build import modules
from binohm.gen.config import load
from binohm.gen.errors import CapacityError
from binohm.gen.mapping import map_network
from binohm.gen.network import Dense, Input, Network, Scores
from binohm.gen.plan import Plan
from binohm.gen.verilog import to_verilog

# Ten tiles above each other, each with 512 columns of 13 bits: 66,560 bits.
SETTINGS = [
    "array.readout=adc",
    "layers.wide.rows=1",
    "layers.wide.columns=512",
    "layers.wide.adc_bits=13",
]


def designed(*more: str) -> tuple[Network, Plan]:
    rng = np.random.default_rng(1)
    signs = np.array([-1, 1], np.int8)
    layers = (
        Dense(
            "wide",
            rng.choice(signs, (512, 10)),
            np.zeros((1, 512), int),
            np.zeros((1, 512), bool),
            (0, 10),
        ),
        Scores("last", rng.choice(signs, (2, 512))),
    )
    pixels = Input((10,), np.where(np.arange(256) < 128, -1, 1), True)
    network = Network("wide", pixels, layers)
    return network, map_network(network, load(None, [*SETTINGS, *more]))


@pytest.mark.slow
def test_each_row_of_arrays_is_walked_by_itself() -> None:
    network, plan = designed()
    text = modules(network, plan)["binohm_wide_layer_wide"]
    assert len(re.findall(r"^ +binohm_wide_chunk_select\w* select_\d+ ", text, re.MULTILINE)) == 10


@pytest.mark.slow
def test_what_is_too_wide_in_one_cycle_is_refused() -> None:
    network, plan = designed("layers.wide.columns_per_cycle=512")
    with pytest.raises(CapacityError) as refusal:
        modules(network, plan)
    assert re.fullmatch(
        r"module binohm_wide\w*: a vector of 66560 bits, more than 65536; set fewer "
        r"columns_per_cycle for its layer, or give a model with smaller layers",
        str(refusal.value),
    )


class Reversed(wiring.Component):
    """600 bits, the last one first."""

    i: In(600)
    o: Out(600)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(Cat(self.i[k] for k in reversed(range(600))))
        return m


def test_long_lines_are_folded() -> None:
    text = to_verilog({"dut": Reversed()})["dut"]
    assert max(map(len, text.splitlines())) <= 100
    (bits,) = re.findall(r"assign o = \{([^}]*)\};", text)
    assert bits.split() == [*(f"i[{k}]," for k in range(599)), "i[599]"]
