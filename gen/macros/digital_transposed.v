// Digital view of an array of cells with one device that is read both ways and written, with
// converters on the bit lines and on the source lines.
//
// A read gives, for every column, the driven rows that match; a transposed read, for every row, the
// columns that are on (col_x and col_en) and whose cell is 1: column or row k in field k of `q`, at
// most 2^ADC_BITS - 1, zeros beyond. Set and reset write 1 and 0 into the enabled columns of a row
// where col_x is 1. Any other command gives zeros.
//
// All commands walk along the columns, PER_CYCLE of them a cycle. With
// STEPS = ceil(COLUMNS / PER_CYCLE): latency STEPS + 1, interval STEPS, 2 outstanding.
//
// Cells: one word a step, the first column lowest, a bit for each row. INIT names a $readmemh image;
// "" leaves zeros. `word` is fetched one cycle ahead, and passes by the memory while it is written.
// Rows are counted in loops: as so many wires, an array of 512 x 784 takes minutes to compile.
/* verilator lint_off BLKSEQ */  // counts of the step at hand
module binohm_digital_transposed #(
    parameter ROWS = 1,
    parameter COLUMNS = 1,
    parameter ROW_BITS = 1,
    parameter ADC_BITS = 1,
    parameter PER_CYCLE = 1,
    parameter INIT = "",
    parameter FIELDS = 1  // rows or columns, whichever are more
) (
    input  wire                       clk,
    input  wire                       rst,
    input  wire [2:0]                 cmd,
    input  wire [ROW_BITS-1:0]        row,
    input  wire [ROWS-1:0]            x_p,
    input  wire [ROWS-1:0]            x_n,
    input  wire [COLUMNS-1:0]         col_x,
    input  wire [COLUMNS-1:0]         col_en,
    input  wire                       req_valid,
    output wire                       req_ready,
    output reg  [FIELDS*ADC_BITS-1:0] q,
    output reg                        q_valid,
    input  wire                       q_ready
);
    localparam [2:0] READ = 0, TRANSPOSED_READ = 1, SET = 2, RESET = 3;
    localparam integer STEPS = (COLUMNS + PER_CYCLE - 1) / PER_CYCLE;
    localparam integer STEP_BITS = STEPS > 1 ? $clog2(STEPS) : 1;
    localparam integer LAST = STEPS - 1;
    localparam integer PLACES = STEPS * PER_CYCLE;  // for columns
    localparam integer MOST = (1 << ADC_BITS) - 1;

    reg [PER_CYCLE*ROWS-1:0] mem [0:STEPS-1];
    integer i;
    initial begin
        if (INIT != "") $readmemh(INIT, mem);
        else for (i = 0; i < STEPS; i = i + 1) mem[i] = 0;
    end

    // The request at work
    reg                 busy;
    reg [2:0]           command;
    reg [ROW_BITS-1:0]  line;
    reg [ROWS-1:0]      line_p, line_n;
    reg [PLACES-1:0]    on;  // columns, those of the current step lowest
    reg [STEP_BITS-1:0] step;
    wire last = step == LAST[STEP_BITS-1:0];
    wire moved = busy & (~last | ~q_valid | q_ready);
    wire finished = moved & last;
    wire accepted = req_valid & req_ready;
    assign req_ready = ~busy | finished;

    wire [PLACES-1:0] chosen = {{PLACES-COLUMNS{1'b0}}, col_x & col_en};
    always @(posedge clk) begin
        if (accepted) begin
            command <= cmd;
            line <= row;
            line_p <= x_p;
            line_n <= x_n;
            on <= chosen;
        end else if (moved) on <= on >> PER_CYCLE;
        busy <= ~rst & (accepted | (busy & ~finished));
        q_valid <= ~rst & (finished | (q_valid & ~q_ready));
    end

    // The cells of this step, and what a set or a reset makes of them
    reg [PER_CYCLE*ROWS-1:0] word, changed;
    wire write = moved & ~rst & (command == SET | command == RESET);
    integer w;
    always @* begin
        changed = word;
        /* verilator unroll_disable */
        for (w = 0; w < PER_CYCLE; w = w + 1)
            if (on[w]) changed[w*ROWS+{{32-ROW_BITS{1'b0}}, line}] = command == SET;
    end
    wire [STEP_BITS-1:0] following =
        rst | finished ? {STEP_BITS{1'b0}} : moved ? step + 1'b1 : step;
    always @(posedge clk) begin
        step <= following;
        if (write) mem[step] <= changed;
        word <= write & following == step ? changed : mem[following];
    end

    // Counts so far: of the columns that were walked, and of all rows
    reg [PLACES*ADC_BITS-1:0] columns;
    reg [31:0]                rows [0:ROWS-1];
    reg [ROWS-1:0]            match;
    reg [PER_CYCLE-1:0]       high;
    reg [31:0]                count;
    integer r, c;
    // verilator lint_off WIDTHTRUNC
    function automatic [ADC_BITS-1:0] code(input [31:0] counted);
        code = counted > MOST ? MOST : counted;
    endfunction
    // verilator lint_on WIDTHTRUNC
    always @(posedge clk)
        if (moved) begin
            if (last) q <= 0;
            if (command == READ) begin
                /* verilator unroll_disable */
                for (c = 0; c < PER_CYCLE; c = c + 1) begin
                    // $countones takes named vectors only: Icarus 11 overcounts expressions.
                    match = word[c*ROWS +: ROWS];
                    match = (line_p & match) | (line_n & ~match);
                    count = $countones(match);
                    columns[(LAST*PER_CYCLE+c)*ADC_BITS +: ADC_BITS] = code(count);
                end
                if (last) q[COLUMNS*ADC_BITS-1:0] <= columns[COLUMNS*ADC_BITS-1:0];
                else columns = columns >> PER_CYCLE * ADC_BITS;
            end
            if (command == TRANSPOSED_READ) begin
                /* verilator unroll_disable */
                for (r = 0; r < ROWS; r = r + 1) begin
                    /* verilator unroll_disable */
                    for (c = 0; c < PER_CYCLE; c = c + 1) high[c] = word[c*ROWS+r] & on[c];
                    count = $countones(high);
                    rows[r] = count + (step == 0 ? 0 : rows[r]);
                    if (last) q[r*ADC_BITS +: ADC_BITS] <= code(rows[r]);
                end
            end
        end
endmodule
/* verilator lint_on BLKSEQ */
