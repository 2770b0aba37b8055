// What each of the 256 pixel bytes stands for, in the same cycle. INIT names a $readmemh image.
module binohm_table #(
    parameter WIDTH = 1,
    parameter INIT = ""
) (
    input  wire [7:0]       addr,
    output wire [WIDTH-1:0] data
);
    reg [WIDTH-1:0] mem [0:255];
    initial if (INIT != "") $readmemh(INIT, mem);
    assign data = mem[addr];
endmodule
