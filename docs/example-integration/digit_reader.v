`timescale 1ns / 1ps
// A design of one's own around the accelerator: it holds images, sends them, and shows each digit.
//
// Everything it knows of the accelerator is in the build directory: the ports of binohm_digits, and
// the offsets of host/registers.h.
module digit_reader #(
    parameter FRAMES = 1
) (
    input  wire       clk,
    input  wire       resetn,
    output reg  [3:0] digit,        // the last digit read
    output reg        digit_valid,  // for a cycle, when it is new
    output wire       finished,     // all images were read, and the accelerator agrees
    output wire       failed
);
    // BINOHM_DIGITS_INTERRUPT_ENABLE, _INTERRUPT_STATUS, _FRAMES_OUT
    localparam [11:0] ENABLE = 12'h030, STATUS = 12'h034, FRAMES_OUT = 12'h01c;
    localparam [2:0] SET = 0, SEND = 1, WAIT = 2, CLEAR = 3, COUNT = 4, GOOD = 5, BAD = 6;

    reg [2:0] state;
    reg [31:0] frame;

    // An image is 64 pixels, a byte each: 8 beats of 8 bytes.
    reg [63:0] images [0:8*FRAMES-1];
    initial $readmemh("frames.hex", images);
    reg [2:0] beat;
    wire sent;
    wire taken = sent & (state == SEND);

    // A result is 44 bytes, the digit first: 6 beats.
    wire [63:0] result;
    wire result_valid, result_last;
    reg result_first;

    // The registers: one access at a time.
    reg asked, address_given, data_given;
    wire awready, wready, bvalid, arready, rvalid;
    wire [1:0] bresp, rresp;
    wire [31:0] rdata;
    wire writes = asked & (state == SET || state == CLEAR);
    wire reads = asked & (state == COUNT);
    wire irq;

    binohm_digits accelerator (
        .aclk(clk), .aresetn(resetn),
        .s_axis_tdata(images[8*frame+{29'd0, beat}]), .s_axis_tkeep(8'hff),
        .s_axis_tlast(beat == 3'd7), .s_axis_tvalid(state == SEND), .s_axis_tready(sent),
        .m_axis_tdata(result), .m_axis_tkeep(), .m_axis_tlast(result_last),
        .m_axis_tvalid(result_valid), .m_axis_tready(1'b1),
        .s_axi_awaddr(state == SET ? ENABLE : STATUS), .s_axi_awvalid(writes & ~address_given),
        .s_axi_awready(awready), .s_axi_wdata(32'd1), .s_axi_wstrb(4'hf),
        .s_axi_wvalid(writes & ~data_given), .s_axi_wready(wready),
        .s_axi_bresp(bresp), .s_axi_bvalid(bvalid), .s_axi_bready(1'b1),
        .s_axi_araddr(FRAMES_OUT), .s_axi_arvalid(reads & ~address_given),
        .s_axi_arready(arready), .s_axi_rdata(rdata), .s_axi_rresp(rresp),
        .s_axi_rvalid(rvalid), .s_axi_rready(1'b1),
        .irq(irq)
    );

    wire answered = asked & (bvalid | rvalid);
    wire refused = bvalid ? bresp != 0 : rresp != 0;
    assign finished = state == GOOD;
    assign failed = state == BAD;

    always @(posedge clk)
        if (!resetn) begin
            state <= SET;
            frame <= 0;
            beat <= 0;
            {asked, address_given, data_given} <= 3'b100;
            result_first <= 1;
            digit_valid <= 0;
        end else begin
            digit_valid <= result_valid & result_first;
            if (result_valid) begin
                result_first <= result_last;
                if (result_first) digit <= result[3:0];
            end

            if (asked) begin
                address_given <= address_given | (writes & awready) | (reads & arready);
                data_given <= data_given | (writes & wready);
            end
            if (answered) {asked, address_given, data_given} <= 3'b000;

            case (state)
                SET: if (answered) state <= refused ? BAD : SEND;
                SEND: if (taken) begin
                    beat <= beat + 3'd1;
                    if (beat == 3'd7) state <= WAIT;
                end
                WAIT: if (irq) begin
                    state <= CLEAR;
                    asked <= 1;
                end
                CLEAR: if (answered) begin
                    frame <= frame + 1;
                    asked <= frame == FRAMES - 1;
                    state <= refused ? BAD : frame == FRAMES - 1 ? COUNT : SEND;
                end
                COUNT: if (answered) state <= refused || rdata != FRAMES ? BAD : GOOD;
                default: ;
            endcase
        end
endmodule
