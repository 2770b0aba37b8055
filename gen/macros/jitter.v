// Random latency for tests: a request is let through, and a response shown, when a generator says
// so. A response that is shown stays.
module binohm_jitter #(
    parameter integer SEED = 0
) (
    input  wire clk,
    input  wire rst,
    input  wire req_valid,
    output wire req_ready,
    output wire q_valid,
    input  wire q_ready,
    output wire inner_req_valid,
    input  wire inner_req_ready,
    input  wire inner_q_valid,
    output wire inner_q_ready
);
    // xorshift32; its state must not be 0
    localparam [31:0] START = (SEED * 32'h9e3779b1) ^ 32'h2545f491;
    reg  [31:0] state;
    wire [31:0] one = state ^ (state << 13);
    wire [31:0] two = one ^ (one >> 17);
    reg         shown;
    wire        request_goes = state[7];
    wire        response_goes = shown | state[19];
    always @(posedge clk) begin
        state <= rst ? START | 32'd1 : two ^ (two << 5);
        shown <= ~rst & q_valid & ~q_ready;
    end

    assign inner_req_valid = req_valid & request_goes;
    assign req_ready = inner_req_ready & request_goes;
    assign q_valid = inner_q_valid & response_goes;
    assign inner_q_ready = q_ready & response_goes;
endmodule
