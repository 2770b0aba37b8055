// Stands in for an accelerator: the result of an image is the sum of its pixels, the number of good
// frames so far, and then WORDS - 2 copies of the sum with its bits inverted, after LATENCY cycles.
// A frame of another length, or with other bytes kept, is dropped.
module summing #(
    parameter ELEMENTS = 1,
    parameter INPUT_BYTES = 1,
    parameter OUTPUT_BYTES = 1,
    parameter WORDS = 2,
    parameter LATENCY = 3
) (
    input  wire                      aclk,
    input  wire                      aresetn,
    input  wire [8*INPUT_BYTES-1:0]  s_axis_tdata,
    input  wire [INPUT_BYTES-1:0]    s_axis_tkeep,
    input  wire                      s_axis_tlast,
    input  wire                      s_axis_tvalid,
    output wire                      s_axis_tready,
    output wire [8*OUTPUT_BYTES-1:0] m_axis_tdata,
    output wire [OUTPUT_BYTES-1:0]   m_axis_tkeep,
    output wire                      m_axis_tlast,
    output wire                      m_axis_tvalid,
    input  wire                      m_axis_tready,
    input  wire [11:0]               s_axi_awaddr,
    input  wire                      s_axi_awvalid,
    input  wire [31:0]               s_axi_wdata,
    input  wire [3:0]                s_axi_wstrb,
    input  wire                      s_axi_wvalid,
    input  wire                      s_axi_bready,
    input  wire [11:0]               s_axi_araddr,
    input  wire                      s_axi_arvalid,
    input  wire                      s_axi_rready
);
    localparam BEATS = (ELEMENTS + INPUT_BYTES - 1) / INPUT_BYTES;
    localparam [INPUT_BYTES-1:0] FULL = {INPUT_BYTES{1'b1}};
    localparam [INPUT_BYTES-1:0] REST = FULL >> (BEATS * INPUT_BYTES - ELEMENTS);
    localparam RESULT_BEATS = (4 * WORDS + OUTPUT_BYTES - 1) / OUTPUT_BYTES;
    localparam [OUTPUT_BYTES-1:0] ALL = {OUTPUT_BYTES{1'b1}};

    reg  [31:0] sum, total, frames, beat, left, wait_for;
    reg         bad;
    reg  [8*RESULT_BEATS*OUTPUT_BYTES-1:0] result;
    wire [7:0]  slow = beat[7:0];  // not always ready, in a pattern of its own
    wire        last = beat == BEATS - 1;
    wire        moved = s_axis_tvalid & s_axis_tready;
    wire        wrong = bad | s_axis_tlast != last | s_axis_tkeep != (last ? REST : FULL);
    reg  [1:0]  pause;
    integer     k;
    reg  [31:0] added;

    assign s_axis_tready = pause == 0 & left == 0;
    assign m_axis_tvalid = left != 0 & wait_for == 0;
    assign m_axis_tlast = left == 1;
    assign m_axis_tdata = result[8*OUTPUT_BYTES-1:0];
    assign m_axis_tkeep = m_axis_tlast ? ALL >> (RESULT_BEATS * OUTPUT_BYTES - 4 * WORDS) : ALL;

    always @* begin
        added = sum;
        for (k = 0; k < INPUT_BYTES; k = k + 1)
            if (s_axis_tkeep[k]) added = added + s_axis_tdata[8*k +: 8];
    end

    always @(posedge aclk)
        if (!aresetn) begin
            sum <= 0; frames <= 0; beat <= 0; bad <= 0; left <= 0; pause <= 0; wait_for <= 0;
        end else begin
            pause <= moved ? slow[1:0] : pause != 0 ? pause - 1 : 0;
            if (moved) begin
                sum <= s_axis_tlast ? 0 : added;
                beat <= s_axis_tlast ? 0 : beat + 1;
                bad <= s_axis_tlast ? 0 : wrong;
                if (s_axis_tlast & ~wrong) begin
                    result <= {{WORDS{~added}}, frames + 32'd1, added};
                    frames <= frames + 1;
                    left <= RESULT_BEATS;
                    wait_for <= LATENCY - 1;
                end
            end
            if (wait_for != 0) wait_for <= wait_for - 1;
            if (m_axis_tvalid & m_axis_tready) begin
                left <= left - 1;
                result <= result >> 8 * OUTPUT_BYTES;
            end
        end
endmodule
