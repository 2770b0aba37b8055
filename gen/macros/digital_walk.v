// What the digital views of the sa and adc readouts share: requests, responses and the walk along
// the columns, PER_CYCLE of them a cycle. The parent computes `part`, the results of the columns in
// `word`, from the drive of the lines.
//
// With STEPS = ceil(COLUMNS / PER_CYCLE): latency STEPS + 1, interval STEPS, 2 outstanding. One
// request may be at work while the response before it waits.
//
// Cells: one word a step, the first column lowest. INIT names a $readmemh image; "" leaves zeros.
// `word` holds the word of the current step: it is fetched one cycle ahead, during reset as well.
// `busy` is high while there is one, `moved` in its last cycle.
module binohm_digital_walk #(
    parameter LINES = 1,
    parameter COLUMNS = 1,
    parameter PER_CYCLE = 1,
    parameter COLUMN_BITS = 1,
    parameter RESULT_BITS = 1,
    parameter INIT = ""
) (
    input  wire                               clk,
    input  wire                               rst,
    input  wire [2:0]                         cmd,
    input  wire [LINES-1:0]                   x_p,
    input  wire [LINES-1:0]                   x_n,
    input  wire                               req_valid,
    output wire                               req_ready,
    output reg  [COLUMNS*RESULT_BITS-1:0]     q,
    output reg                                q_valid,
    input  wire                               q_ready,
    output reg  [LINES-1:0]                   line_p,
    output reg  [LINES-1:0]                   line_n,
    output reg  [PER_CYCLE*COLUMN_BITS-1:0]   word,
    output reg                                busy,
    output wire                               moved,
    input  wire [PER_CYCLE*RESULT_BITS-1:0]   part
);
    localparam READ = 3'd0;
    localparam STEPS = (COLUMNS + PER_CYCLE - 1) / PER_CYCLE;
    localparam STEP_BITS = STEPS > 1 ? $clog2(STEPS) : 1;
    localparam integer LAST = STEPS - 1;

    reg [PER_CYCLE*COLUMN_BITS-1:0] mem [0:STEPS-1];
    integer i;
    initial begin
        if (INIT != "") $readmemh(INIT, mem);
        else for (i = 0; i < STEPS; i = i + 1) mem[i] = 0;
    end

    reg                  reads;  // any other command gives zeros
    reg  [STEP_BITS-1:0] step;
    wire                 last = step == LAST[STEP_BITS-1:0];
    wire                 finished = moved & last;
    wire                 accepted = req_valid & req_ready;
    assign moved = busy & (~last | ~q_valid | q_ready);
    assign req_ready = ~busy | finished;

    wire [STEP_BITS-1:0] following =
        rst | finished ? {STEP_BITS{1'b0}} : moved ? step + 1'b1 : step;
    always @(posedge clk) begin
        step <= following;
        word <= mem[following];
    end

    // Results of the whole walk, once its last step is there.
    wire [STEPS*PER_CYCLE*RESULT_BITS-1:0] results;
    generate
        if (STEPS == 1) begin : at_once
            assign results = part;
        end else begin : in_steps
            reg [(STEPS-1)*PER_CYCLE*RESULT_BITS-1:0] earlier;
            assign results = {part, earlier};
            always @(posedge clk)
                if (moved) earlier <= results[STEPS*PER_CYCLE*RESULT_BITS-1:PER_CYCLE*RESULT_BITS];
        end
    endgenerate

    always @(posedge clk) begin
        if (accepted) begin
            line_p <= x_p;
            line_n <= x_n;
            reads <= cmd == READ;
        end
        if (finished) q <= results[COLUMNS*RESULT_BITS-1:0] & {COLUMNS*RESULT_BITS{reads}};
        busy <= ~rst & (accepted | (busy & ~finished));
        q_valid <= ~rst & (finished | (q_valid & ~q_ready));
    end
endmodule
