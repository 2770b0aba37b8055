// PicoRV32's pins, and in place of a processor a list of accesses: what the system counts is known.
module picorv32 #(
    parameter BARREL_SHIFTER = 0, ENABLE_FAST_MUL = 0, ENABLE_DIV = 0, ENABLE_PCPI = 0,
    parameter [31:0] STACKADDR = 0
) (
    input clk, resetn, output trap,
    output reg mem_valid, output reg mem_instr, input mem_ready,
    output [31:0] mem_addr, mem_wdata, output reg [3:0] mem_wstrb, input [31:0] mem_rdata,
    output mem_la_read, mem_la_write, output [31:0] mem_la_addr, mem_la_wdata,
    output [3:0] mem_la_wstrb,
    output pcpi_valid, output [31:0] pcpi_insn, pcpi_rs1, pcpi_rs2,
    input pcpi_wr, input [31:0] pcpi_rd, input pcpi_wait, pcpi_ready,
    input [31:0] irq, output [31:0] eoi, output trace_valid, output [35:0] trace_data
);
    // Kind (0 nothing, 1 fetch, 2 load, 3 store), byte lanes, address, data.
    function [69:0] step(input [5:0] k);
        case (k)
            0: step = {2'd1, 4'd0, 32'h00000000, 32'd0};
            1: step = {2'd3, 4'hf, 32'h80000008, 32'd2};         // phase 2
            2: step = {2'd2, 4'd0, 32'h00000004, 32'd0};         // a load: 0x04030201
            3: step = {2'd3, 4'h5, 32'h00000008, 32'haabbccdd};  // lanes 0 and 2
            4: step = {2'd1, 4'd0, 32'h00000010, 32'd0};
            5: step = {2'd0, 4'd0, 32'd0, 32'd0};
            6: step = {2'd3, 4'hf, 32'h0000000c, 32'hffffffff};  // data: what was loaded
            7: step = {2'd2, 4'd0, 32'h80000008, 32'd0};         // the mode
            9: step = {2'd3, 4'hf, 32'h00000010, 32'hffffffff};  // data: the mode
            10: step = {2'd3, 4'hf, 32'h80000008, 32'd3};        // phase 3
            11: step = {2'd3, 4'hf, 32'h80000000, 32'h00000021}; // a character
            12: step = {2'd3, 4'hf, 32'h8000000c, 32'd4};        // results from 4
            13: step = {2'd3, 4'hf, 32'h80000010, 32'd16};       // 16 bytes
            14: step = {2'd3, 4'hf, 32'h80000004, 32'd7};        // status 7
            default: step = 70'd0;
        endcase
    endfunction

    reg [5:0] now = 0;
    reg [31:0] loaded = 0;
    reg [63:0] count_instr = 0;
    reg reading = 0;
    wire [1:0] kind;
    wire [3:0] lanes;
    wire [31:0] address, data;
    assign {kind, lanes, address, data} = step(now);
    assign mem_la_read = resetn && (kind == 1 || kind == 2);
    assign mem_la_write = resetn && kind == 3;
    assign mem_la_addr = address;
    assign mem_la_wdata = &data ? loaded : data;
    assign mem_la_wstrb = lanes;
    assign trap = 0;
    assign {pcpi_valid, pcpi_insn, pcpi_rs1, pcpi_rs2} = 0;
    assign {mem_addr, mem_wdata, eoi, trace_valid, trace_data} = 0;
    always @(posedge clk) begin
        mem_valid <= resetn && kind != 0;
        mem_instr <= kind == 1;
        mem_wstrb <= kind == 3 ? lanes : 4'd0;
        reading <= kind == 2;
        if (reading) loaded <= mem_rdata;
        if (resetn) begin
            now <= now + 1;
            if (kind == 1) count_instr <= count_instr + 1;
        end
    end
endmodule
