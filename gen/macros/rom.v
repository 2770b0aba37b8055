// Read-only memory, one word a cycle: data is the word at the address of the cycle before. INIT
// names a $readmemh image.
module binohm_rom #(
    parameter WIDTH = 1,
    parameter DEPTH = 1,
    parameter INIT = ""
) (
    input  wire                                     clk,
    input  wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] addr,
    output reg  [WIDTH-1:0]                         data
);
    reg [WIDTH-1:0] mem [0:DEPTH-1];
    initial if (INIT != "") $readmemh(INIT, mem);
    always @(posedge clk) data <= mem[addr];
endmodule
