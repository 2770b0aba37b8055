// Digital view of an update array: pairs of ideal devices that count potentiation pulses, up to
// PULSES each. A command works on all columns of one row:
//
//   0 sign    bit 0 of a field: 1 where branch 1 has at least the pulses of branch 2
//   1 level   pulses of the branch that col_x names: 1 for branch 1, 0 for branch 2
//   2 pulse   one pulse to the branch that col_x names, in enabled columns; a full branch stays
//   3 reset   that branch has none, in enabled columns
//
// Field k of `q` is column k; pulse, reset and other commands give zeros. Latency 1, interval 1, one
// outstanding. rst drops requests and responses; the devices begin without pulses and stay.
//
// Memory: a word a row, of each column the pulses of branch 1 and, above them, of branch 2.
/* verilator lint_off BLKSEQ */
/* verilator lint_off UNUSEDSIGNAL */  // places have more bits than they need
module binohm_digital_pairs #(
    parameter ROWS = 1,
    parameter COLUMNS = 1,
    parameter ROW_BITS = 1,
    parameter PULSES = 1,
    parameter LEVEL_BITS = 1
) (
    input  wire                          clk,
    input  wire                          rst,
    input  wire [2:0]                    cmd,
    input  wire [ROW_BITS-1:0]           row,
    input  wire [COLUMNS-1:0]            col_x,
    input  wire [COLUMNS-1:0]            col_en,
    input  wire                          req_valid,
    output wire                          req_ready,
    output reg  [COLUMNS*LEVEL_BITS-1:0] q,
    output reg                           q_valid,
    input  wire                          q_ready
);
    localparam [2:0] SIGN = 0, LEVEL = 1, PULSE = 2, RESET = 3;
    localparam integer PAIR_BITS = 2 * LEVEL_BITS;

    reg [COLUMNS*PAIR_BITS-1:0] mem [0:ROWS-1];
    integer i;
    initial for (i = 0; i < ROWS; i = i + 1) mem[i] = 0;

    assign req_ready = ~q_valid | q_ready;
    wire accepted = req_valid & req_ready;

    reg [COLUMNS*PAIR_BITS-1:0]  pairs;
    reg [COLUMNS*LEVEL_BITS-1:0] answer;
    reg [LEVEL_BITS-1:0]         first, second, level;
    integer c, place;
    always @(posedge clk) begin
        q_valid <= ~rst & (accepted | (q_valid & ~q_ready));
        if (accepted & ~rst) begin
            pairs = mem[row];
            answer = 0;
            /* verilator unroll_disable */
            for (c = 0; c < COLUMNS; c = c + 1) begin
                first = pairs[c*PAIR_BITS +: LEVEL_BITS];
                second = pairs[c*PAIR_BITS+LEVEL_BITS +: LEVEL_BITS];
                level = col_x[c] ? first : second;
                place = c * PAIR_BITS + (col_x[c] ? 0 : LEVEL_BITS);
                if (cmd == SIGN) answer[c*LEVEL_BITS] = first >= second;
                if (cmd == LEVEL) answer[c*LEVEL_BITS +: LEVEL_BITS] = level;
                if (cmd == PULSE && col_en[c] && level != PULSES[LEVEL_BITS-1:0])
                    pairs[place +: LEVEL_BITS] = level + 1'b1;
                if (cmd == RESET && col_en[c]) pairs[place +: LEVEL_BITS] = 0;
            end
            mem[row] <= pairs;
            q <= answer;
        end
    end
endmodule
/* verilator lint_on UNUSEDSIGNAL */
/* verilator lint_on BLKSEQ */
