// Counters, one word a cycle: rdata is the word at the address of the cycle before. All are zero at
// the start; nothing clears them later.
module binohm_ram #(
    parameter WIDTH = 1,
    parameter DEPTH = 1
) (
    input  wire                                       clk,
    input  wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] addr,
    input  wire                                       write,
    input  wire [WIDTH-1:0]                           wdata,
    output reg  [WIDTH-1:0]                           rdata
);
    reg [WIDTH-1:0] mem [0:DEPTH-1];
    integer i;
    initial for (i = 0; i < DEPTH; i = i + 1) mem[i] = 0;
    always @(posedge clk) begin
        if (write) mem[addr] <= wdata;
        rdata <= mem[addr];
    end
endmodule
