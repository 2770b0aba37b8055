"""Cells as yosys counts them."""

from pathlib import Path

import pytest

from binohm.gen.cfu import area as module
from binohm.gen.cfu.area import Area, area, unit_area
from binohm.gen.cfu.config import unit_config
from binohm.gen.errors import ToolError

DESIGN = """
(* blackbox *) module array (input clk, output q); endmodule
module small #(parameter N = 1) (input clk, input [N-1:0] a, input [2:0] at, output [N-1:0] o,
                                 output reg [3:0] r, output q);
    reg [N-1:0] kept;
    reg [3:0] memory [0:7];
    array black (.clk(clk), .q(q));
    always @(posedge clk) begin
        kept <= a;
        memory[at] <= r + 4'd1;
        r <= memory[at];
    end
    assign o = ~kept;
endmodule
"""


def test_yosys_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"^yosys is missing: pip install 'binohm\[soc\]'$"):
        area([], "top")
    with pytest.raises(ToolError, match="pythondata_cpu_picorv32 is missing"):
        module.core_area("picorv32")


@pytest.mark.extras
def test_what_is_counted(tmp_path: Path) -> None:
    """Five flip-flops and inverters, an incrementer, a memory with its output, a black box."""
    source = tmp_path / "small.v"
    source.write_text(DESIGN)
    found = area([source], "small", {"N": 5})
    assert isinstance(found, Area)
    assert found.flip_flops == 5 and found.memory_bits == 32
    assert found.black_boxes == ("array",)
    assert 5 < found.tables + found.flip_flops <= found.cells < 40
    source.write_text("module small(; endmodule")
    with pytest.raises(ToolError, match=r"^yosys cannot map small: .*ERROR"):
        area([source], "small")


@pytest.mark.extras
def test_slots_cost_cells_of_the_macro_alone() -> None:
    """The macro is a black box; a slot more is a bit of an address at most."""
    few, many = (unit_area(unit_config({"slots": slots}), "pcpi") for slots in (16, 128))
    assert few.memory_bits == many.memory_bits == 256 * 18
    assert few.black_boxes == ("rram_pcsa_2t2r_16x9",)
    assert abs(many.cells - few.cells) < few.cells // 10
