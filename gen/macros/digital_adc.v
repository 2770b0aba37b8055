// Digital view of an array with converters: every column gives the number of matching driven rows,
// at most 2^ADC_BITS - 1.
//
// A column in memory: a bit for each row (1 is +1).
module binohm_digital_adc #(
    parameter ROWS = 1,
    parameter COLUMNS = 1,
    parameter ADC_BITS = 1,
    parameter PER_CYCLE = 1,
    parameter INIT = ""
) (
    input  wire                        clk,
    input  wire                        rst,
    input  wire [2:0]                  cmd,
    input  wire [ROWS-1:0]             x_p,
    input  wire [ROWS-1:0]             x_n,
    input  wire                        req_valid,
    output wire                        req_ready,
    output wire [COLUMNS*ADC_BITS-1:0] q,
    output wire                        q_valid,
    input  wire                        q_ready
);
    localparam COUNT_BITS = $clog2(ROWS + 1);
    localparam WIDE = COUNT_BITS > ADC_BITS ? COUNT_BITS : ADC_BITS;
    localparam [WIDE-1:0] MOST = {WIDE{1'b1}} >> (WIDE - ADC_BITS);

    wire [ROWS-1:0]              line_p, line_n;
    wire [PER_CYCLE*ROWS-1:0]    word;
    reg [PER_CYCLE*ADC_BITS-1:0] part;
    wire                         busy, moved;
    wire unused = &{1'b0, moved};

    binohm_digital_walk #(
        .LINES(ROWS), .COLUMNS(COLUMNS), .PER_CYCLE(PER_CYCLE), .COLUMN_BITS(ROWS),
        .RESULT_BITS(ADC_BITS), .INIT(INIT)
    ) walk (
        .clk(clk), .rst(rst), .cmd(cmd), .x_p(x_p), .x_n(x_n),
        .req_valid(req_valid), .req_ready(req_ready), .q(q), .q_valid(q_valid), .q_ready(q_ready),
        .line_p(line_p), .line_n(line_n), .word(word), .busy(busy), .moved(moved), .part(part)
    );

    // What the converter of a column gives.
    function [ADC_BITS-1:0] code(
        input [ROWS-1:0] weights, input [ROWS-1:0] plus, input [ROWS-1:0] minus
    );
        reg [ROWS-1:0] match;
        reg [WIDE-1:0] count;
        begin
            match = (plus & weights) | (minus & ~weights);
            count = $countones(match);  // of a named vector: Icarus 11 overcounts expressions
            code = count[ADC_BITS-1:0] | {ADC_BITS{|(count & ~MOST)}};
        end
    endfunction

    integer c;
    always @* begin
        c = 0;  // in every case: no latch
        part = {PER_CYCLE*ADC_BITS{1'b0}};
        if (busy) begin
            /* verilator unroll_disable */
            for (c = 0; c < PER_CYCLE; c = c + 1)
                part[c*ADC_BITS +: ADC_BITS] = code(word[c*ROWS +: ROWS], line_p, line_n);
        end
    end
endmodule
