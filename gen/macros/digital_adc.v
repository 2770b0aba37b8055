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

    wire [ROWS-1:0]               line_p, line_n;
    wire [PER_CYCLE*ROWS-1:0]     word;
    wire [PER_CYCLE*ADC_BITS-1:0] part;
    wire                          moved;
    wire unused = &{1'b0, moved};

    binohm_digital_walk #(
        .LINES(ROWS), .COLUMNS(COLUMNS), .PER_CYCLE(PER_CYCLE), .COLUMN_BITS(ROWS),
        .RESULT_BITS(ADC_BITS), .INIT(INIT)
    ) walk (
        .clk(clk), .rst(rst), .cmd(cmd), .x_p(x_p), .x_n(x_n),
        .req_valid(req_valid), .req_ready(req_ready), .q(q), .q_valid(q_valid), .q_ready(q_ready),
        .line_p(line_p), .line_n(line_n), .word(word), .moved(moved), .part(part)
    );

    genvar c;
    generate
        for (c = 0; c < PER_CYCLE; c = c + 1) begin : column
            // $countones takes named vectors only: Icarus 11 overcounts expressions.
            wire [ROWS-1:0]       weights = word[c*ROWS +: ROWS];
            wire [ROWS-1:0]       match = (line_p & weights) | (line_n & ~weights);
            wire [COUNT_BITS-1:0] count = $countones(match);
            wire [ADC_BITS-1:0]   code;
            if (ADC_BITS > COUNT_BITS) begin : wide
                assign code = {{ADC_BITS-COUNT_BITS{1'b0}}, count};
            end else if (ADC_BITS == COUNT_BITS) begin : exact
                assign code = count;
            end else begin : lossy
                assign code = count[ADC_BITS-1:0] | {ADC_BITS{|count[COUNT_BITS-1:ADC_BITS]}};
            end
            assign part[c*ADC_BITS +: ADC_BITS] = code;
        end
    endgenerate
endmodule
