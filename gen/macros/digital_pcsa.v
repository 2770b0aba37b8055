// Digital view of an array with precharge sense amplifiers: one row is compared with the inputs on
// the columns; an enabled column that matches gives 1, a disabled one 0.
//
// Latency 1, interval 1, 1 outstanding. The word is fetched as the request is accepted, and q is
// what the registers of word and request say.
//
// Cells: one word a row. INIT names a $readmemh image; "" leaves zeros.
module binohm_digital_pcsa #(
    parameter ROWS = 1,
    parameter COLUMNS = 1,
    parameter ROW_BITS = 1,
    parameter INIT = ""
) (
    input  wire                clk,
    input  wire                rst,
    input  wire [2:0]          cmd,
    input  wire [ROW_BITS-1:0] row,
    input  wire [COLUMNS-1:0]  col_x,
    input  wire [COLUMNS-1:0]  col_en,
    input  wire                req_valid,
    output wire                req_ready,
    output wire [COLUMNS-1:0]  q,
    output reg                 q_valid,
    input  wire                q_ready
);
    localparam READ = 3'd0;

    reg [COLUMNS-1:0] mem [0:ROWS-1];
    integer i;
    initial begin
        if (INIT != "") $readmemh(INIT, mem);
        else for (i = 0; i < ROWS; i = i + 1) mem[i] = 0;
    end

    assign req_ready = ~q_valid | q_ready;
    wire accepted = req_valid & req_ready;

    reg [COLUMNS-1:0] word, input_bits, enabled;
    always @(posedge clk) begin
        if (accepted) begin
            word <= mem[row];
            input_bits <= col_x;
            enabled <= col_en & {COLUMNS{cmd == READ}};  // any other command gives zeros
        end
        q_valid <= ~rst & (accepted | (q_valid & ~q_ready));
    end
    assign q = ~(word ^ input_bits) & enabled;
endmodule
