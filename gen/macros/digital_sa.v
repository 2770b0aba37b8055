// Digital view of an array with sense amplifiers: every column decides s + b + 1/2 > 0, with s the
// matching less the other driven rows, and b the sum of its bias cells, each +1, 0 or -1, or the
// reference code that came with the request: one for all columns or one a column.
//
// A column in memory: a bit for each row (1 is +1), then a bit for each bias row whose cell is +1,
// then a bit for each whose cell is -1.
module binohm_digital_sa #(
    parameter ROWS = 1,
    parameter BIAS_ROWS = 0,
    parameter REF_BITS = 0,
    parameter REF_CODES = 0,
    parameter COLUMNS = 1,
    parameter PER_CYCLE = 1,
    parameter INIT = ""
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire [2:0]                cmd,
    input  wire [ROWS+BIAS_ROWS-1:0] x_p,
    input  wire [ROWS+BIAS_ROWS-1:0] x_n,
    input  wire [(REF_CODES > 0 ? REF_CODES*REF_BITS : 1)-1:0] ref_code,
    input  wire                      req_valid,
    output wire                      req_ready,
    output wire [COLUMNS-1:0]        q,
    output wire                      q_valid,
    input  wire                      q_ready
);
    localparam LINES = ROWS + BIAS_ROWS;
    localparam COLUMN_BITS = ROWS + 2 * BIAS_ROWS;
    localparam COUNT_BITS = $clog2(ROWS + 1);
    localparam REACH = BIAS_ROWS + (REF_CODES > 0 ? 1 << (REF_BITS - 1) : 0);
    localparam SUM_BITS = $clog2(2 * ROWS + REACH + 1) + 1;

    wire [LINES-1:0]                 line_p, line_n;
    wire [PER_CYCLE*COLUMN_BITS-1:0] word;
    wire [PER_CYCLE-1:0]             part;
    wire                             moved;

    binohm_digital_walk #(
        .LINES(LINES), .COLUMNS(COLUMNS), .PER_CYCLE(PER_CYCLE), .COLUMN_BITS(COLUMN_BITS),
        .RESULT_BITS(1), .INIT(INIT)
    ) walk (
        .clk(clk), .rst(rst), .cmd(cmd), .x_p(x_p), .x_n(x_n),
        .req_valid(req_valid), .req_ready(req_ready), .q(q), .q_valid(q_valid), .q_ready(q_ready),
        .line_p(line_p), .line_n(line_n), .word(word), .moved(moved), .part(part)
    );

    wire [ROWS-1:0]       row_p = line_p[ROWS-1:0];
    wire [ROWS-1:0]       row_n = line_n[ROWS-1:0];
    wire [ROWS-1:0]       driven = row_p | row_n;
    wire [COUNT_BITS-1:0] driven_count = $countones(driven);

    // The codes of the columns in `word`, lowest: those of a request walk past with its columns.
    localparam CODE_BITS = REF_CODES > 0 ? REF_BITS : 1;
    localparam CODES = REF_CODES > 1 ? PER_CYCLE : 1;
    wire [CODES*CODE_BITS-1:0] codes;
    generate
        if (REF_CODES == 0) begin : no_code
            assign codes = 1'b0;
            wire unused = &{1'b0, ref_code, moved, codes};
        end else if (REF_CODES <= PER_CYCLE) begin : still
            reg [REF_CODES*REF_BITS-1:0] held;
            always @(posedge clk) if (req_valid & req_ready) held <= ref_code;
            assign codes = held;
            wire unused = &{1'b0, moved};
        end else begin : walking
            reg [REF_CODES*REF_BITS-1:0] held;
            always @(posedge clk)
                if (req_valid & req_ready) held <= ref_code;
                else if (moved) held <= held >> CODES * REF_BITS;
            assign codes = held[CODES*REF_BITS-1:0];
        end
    endgenerate

    genvar c;
    generate
        for (c = 0; c < PER_CYCLE; c = c + 1) begin : column
            // $countones takes named vectors only: Icarus 11 overcounts expressions.
            wire [ROWS-1:0]       weights = word[c*COLUMN_BITS +: ROWS];
            wire [ROWS-1:0]       match = (row_p & weights) | (row_n & ~weights);
            wire [COUNT_BITS-1:0] match_count = $countones(match);
            wire [SUM_BITS-1:0]   raises, lowers;
            if (REF_CODES > 0) begin : referred
                localparam PLACE = CODES > 1 ? c * REF_BITS : 0;
                wire [SUM_BITS-1:0] code =
                    {{SUM_BITS-REF_BITS{codes[PLACE+REF_BITS-1]}}, codes[PLACE +: REF_BITS]};
                wire negative = codes[PLACE+REF_BITS-1];
                assign raises = negative ? {SUM_BITS{1'b0}} : code;
                assign lowers = negative ? -code : {SUM_BITS{1'b0}};
            end else if (BIAS_ROWS == 0) begin : unbiased
                assign raises = {SUM_BITS{1'b0}};
                assign lowers = {SUM_BITS{1'b0}};
            end else begin : biased
                localparam BIAS_BITS = $clog2(BIAS_ROWS + 1);
                wire [BIAS_ROWS-1:0] bias_p = line_p[LINES-1:ROWS];
                wire [BIAS_ROWS-1:0] bias_n = line_n[LINES-1:ROWS];
                wire [BIAS_ROWS-1:0] plus = word[c*COLUMN_BITS+ROWS +: BIAS_ROWS];
                wire [BIAS_ROWS-1:0] minus = word[c*COLUMN_BITS+ROWS+BIAS_ROWS +: BIAS_ROWS];
                wire [BIAS_ROWS-1:0] up = (bias_p & plus) | (bias_n & minus);
                wire [BIAS_ROWS-1:0] down = (bias_p & minus) | (bias_n & plus);
                wire [BIAS_BITS-1:0] up_count = $countones(up);
                wire [BIAS_BITS-1:0] down_count = $countones(down);
                assign raises = {{SUM_BITS-BIAS_BITS{1'b0}}, up_count};
                assign lowers = {{SUM_BITS-BIAS_BITS{1'b0}}, down_count};
            end
            // s = 2 * match_count - driven_count
            wire [SUM_BITS-1:0] above = {{SUM_BITS-COUNT_BITS-1{1'b0}}, match_count, 1'b0} + raises;
            wire [SUM_BITS-1:0] below = {{SUM_BITS-COUNT_BITS{1'b0}}, driven_count} + lowers;
            assign part[c] = above >= below;
        end
    endgenerate
endmodule
