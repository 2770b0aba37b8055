// Digital view of an array with precharge sense amplifiers whose cells are written by pulses: one
// row is compared with the inputs on the columns; an enabled column that matches gives 1, a disabled
// one 0. A column has two devices, which a set or reset changes with one pulse; +1 is device a in low
// resistance and device b in high, and any other pair but the opposite reads as -1, too.
//
// Latency 1, interval 1, 1 outstanding.
//
// Cells: one word a row. INIT names a $readmemh image of weights; "" leaves all devices in high
// resistance.
module binohm_digital_written #(
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
    localparam [2:0] READ = 3'd0, SET = 3'd2, RESET = 3'd3, VERIFY_SET = 3'd4, VERIFY_RESET = 3'd5;

    reg [COLUMNS-1:0] low_a [0:ROWS-1];
    reg [COLUMNS-1:0] low_b [0:ROWS-1];
    integer i;
    initial begin
        if (INIT != "") $readmemh(INIT, low_a);
        else for (i = 0; i < ROWS; i = i + 1) low_a[i] = 0;
        for (i = 0; i < ROWS; i = i + 1)
            low_b[i] = INIT != "" ? ~low_a[i] : {COLUMNS{1'b0}};
    end

    assign req_ready = ~q_valid | q_ready;
    wire accepted = req_valid & req_ready;

    // One pulse, to device a of the enabled columns where col_x is 1, to b where it is 0.
    wire [COLUMNS-1:0] a = low_a[row];
    wire [COLUMNS-1:0] b = low_b[row];
    wire [COLUMNS-1:0] to_a = col_en & col_x;
    wire [COLUMNS-1:0] to_b = col_en & ~col_x;

    reg [COLUMNS-1:0] word_a, word_b, input_bits, enabled;
    reg [2:0] asked;
    always @(posedge clk) begin
        if (accepted) begin
            word_a <= a;
            word_b <= b;
            input_bits <= col_x;
            enabled <= col_en;
            asked <= cmd;
            if (cmd == SET) begin
                low_a[row] <= a | to_a;
                low_b[row] <= b | to_b;
            end
            if (cmd == RESET) begin
                low_a[row] <= a & ~to_a;
                low_b[row] <= b & ~to_b;
            end
        end
        q_valid <= ~rst & (accepted | (q_valid & ~q_ready));
    end

    wire [COLUMNS-1:0] chosen = (input_bits & word_a) | (~input_bits & word_b);
    assign q = enabled & (
        asked == READ ? ~((word_a & ~word_b) ^ input_bits) :
        asked == VERIFY_SET ? chosen :
        asked == VERIFY_RESET ? ~chosen : {COLUMNS{1'b0}});
endmodule
