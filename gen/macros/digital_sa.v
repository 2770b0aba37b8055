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
    localparam BIAS = BIAS_ROWS > 0 ? BIAS_ROWS : 1;
    localparam BIAS_BITS = $clog2(BIAS + 1);

    wire [LINES-1:0]                 line_p, line_n;
    wire [PER_CYCLE*COLUMN_BITS-1:0] word;
    reg  [PER_CYCLE-1:0]             part;
    wire                             busy, moved;

    binohm_digital_walk #(
        .LINES(LINES), .COLUMNS(COLUMNS), .PER_CYCLE(PER_CYCLE), .COLUMN_BITS(COLUMN_BITS),
        .RESULT_BITS(1), .INIT(INIT)
    ) walk (
        .clk(clk), .rst(rst), .cmd(cmd), .x_p(x_p), .x_n(x_n),
        .req_valid(req_valid), .req_ready(req_ready), .q(q), .q_valid(q_valid), .q_ready(q_ready),
        .line_p(line_p), .line_n(line_n), .word(word), .busy(busy), .moved(moved), .part(part)
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

    // The matching rows of a column.
    function [COUNT_BITS-1:0] matching(
        input [ROWS-1:0] weights, input [ROWS-1:0] plus, input [ROWS-1:0] minus
    );
        reg [ROWS-1:0] match;
        begin
            match = (plus & weights) | (minus & ~weights);
            matching = $countones(match);  // of a named vector: Icarus 11 overcounts expressions
        end
    endfunction

    // What `same` bias cells add where they are driven with +1, and `other` with -1.
    function [SUM_BITS-1:0] biases(
        input [BIAS-1:0] same, input [BIAS-1:0] other, input [BIAS-1:0] plus, input [BIAS-1:0] minus
    );
        reg [BIAS-1:0]      count;
        reg [BIAS_BITS-1:0] ones;
        begin
            count = (plus & same) | (minus & other);
            ones = $countones(count);
            biases = {{SUM_BITS-BIAS_BITS{1'b0}}, ones};
        end
    endfunction

    // s + b + 1/2 > 0, where s = 2 * matches - driven and b = raises - lowers.
    function decide(
        input [COUNT_BITS-1:0] match_count, input [COUNT_BITS-1:0] drives,
        input [SUM_BITS-1:0] raises, input [SUM_BITS-1:0] lowers
    );
        reg [SUM_BITS-1:0] above, below;
        begin
            above = {{SUM_BITS-COUNT_BITS-1{1'b0}}, match_count, 1'b0} + raises;
            below = {{SUM_BITS-COUNT_BITS{1'b0}}, drives} + lowers;
            decide = above >= below;
        end
    endfunction

    integer c;
    generate
        if (REF_CODES > 0) begin : referred
            // The absolute value of a code, if it has this sign.
            function [SUM_BITS-1:0] size(input [REF_BITS-1:0] code, input negative);
                reg [SUM_BITS-1:0] extended;
                begin
                    extended = {{SUM_BITS-REF_BITS{code[REF_BITS-1]}}, code};
                    size = code[REF_BITS-1] != negative ? {SUM_BITS{1'b0}}
                         : negative ? -extended : extended;
                end
            endfunction
            always @* begin
                c = 0;  // in every case: no latch
                part = {PER_CYCLE{1'b0}};
                if (busy) begin
                    /* verilator unroll_disable */
                    for (c = 0; c < PER_CYCLE; c = c + 1)
                        part[c] = decide(
                            matching(word[c*COLUMN_BITS +: ROWS], row_p, row_n), driven_count,
                            size(codes[(CODES > 1 ? c * REF_BITS : 0) +: REF_BITS], 1'b0),
                            size(codes[(CODES > 1 ? c * REF_BITS : 0) +: REF_BITS], 1'b1)
                        );
                end
            end
        end else if (BIAS_ROWS == 0) begin : unbiased
            always @* begin
                c = 0;  // in every case: no latch
                part = {PER_CYCLE{1'b0}};
                if (busy) begin
                    /* verilator unroll_disable */
                    for (c = 0; c < PER_CYCLE; c = c + 1)
                        part[c] = decide(
                            matching(word[c*COLUMN_BITS +: ROWS], row_p, row_n), driven_count,
                            {SUM_BITS{1'b0}}, {SUM_BITS{1'b0}}
                        );
                end
            end
        end else begin : biased
            wire [BIAS-1:0] bias_p = line_p[LINES-1:ROWS];
            wire [BIAS-1:0] bias_n = line_n[LINES-1:ROWS];
            always @* begin
                c = 0;  // in every case: no latch
                part = {PER_CYCLE{1'b0}};
                if (busy) begin
                    /* verilator unroll_disable */
                    for (c = 0; c < PER_CYCLE; c = c + 1)
                        part[c] = decide(
                            matching(word[c*COLUMN_BITS +: ROWS], row_p, row_n), driven_count,
                            biases(word[c*COLUMN_BITS+ROWS +: BIAS],
                                   word[c*COLUMN_BITS+ROWS+BIAS +: BIAS], bias_p, bias_n),
                            biases(word[c*COLUMN_BITS+ROWS+BIAS +: BIAS],
                                   word[c*COLUMN_BITS+ROWS +: BIAS], bias_p, bias_n)
                        );
                end
            end
        end
    endgenerate
endmodule
