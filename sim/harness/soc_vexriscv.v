// VexRiscv, the variant with a custom function unit and caches of 4 KiB, with the unit on its CFU
// bus. The memory is outside, in soc.cpp, and answers every beat of its two Wishbone buses at once.
module soc (
    input clk, input reset,
    output i_strobe, output [29:0] i_addr, input [31:0] i_rdata, input i_ack,
    output d_strobe, output d_write, output [29:0] d_addr, output [31:0] d_wdata,
    output [3:0] d_select, input [31:0] d_rdata, input d_ack,
    output retired, output [31:0] instruction, output unit_used, output trap
);
    wire i_cyc, i_stb, d_cyc, d_stb;
    wire cmd_valid, cmd_ready, rsp_valid, rsp_ready;
    wire [9:0] function_id;
    wire [31:0] inputs_0, inputs_1, outputs_0;

    VexRiscv cpu (
        .externalResetVector(32'b0), .timerInterrupt(1'b0), .softwareInterrupt(1'b0),
        .externalInterruptArray(32'b0),
        .CfuPlugin_bus_cmd_valid(cmd_valid), .CfuPlugin_bus_cmd_ready(cmd_ready),
        .CfuPlugin_bus_cmd_payload_function_id(function_id),
        .CfuPlugin_bus_cmd_payload_inputs_0(inputs_0),
        .CfuPlugin_bus_cmd_payload_inputs_1(inputs_1),
        .CfuPlugin_bus_rsp_valid(rsp_valid), .CfuPlugin_bus_rsp_ready(rsp_ready),
        .CfuPlugin_bus_rsp_payload_outputs_0(outputs_0),
        .iBusWishbone_CYC(i_cyc), .iBusWishbone_STB(i_stb), .iBusWishbone_ACK(i_ack),
        .iBusWishbone_WE(), .iBusWishbone_ADR(i_addr), .iBusWishbone_DAT_MISO(i_rdata),
        .iBusWishbone_DAT_MOSI(), .iBusWishbone_SEL(), .iBusWishbone_ERR(1'b0),
        .iBusWishbone_CTI(), .iBusWishbone_BTE(),
        .dBusWishbone_CYC(d_cyc), .dBusWishbone_STB(d_stb), .dBusWishbone_ACK(d_ack),
        .dBusWishbone_WE(d_write), .dBusWishbone_ADR(d_addr), .dBusWishbone_DAT_MISO(d_rdata),
        .dBusWishbone_DAT_MOSI(d_wdata), .dBusWishbone_SEL(d_select), .dBusWishbone_ERR(1'b0),
        .dBusWishbone_CTI(), .dBusWishbone_BTE(),
        .clk(clk), .reset(reset)
    );

    assign i_strobe = i_cyc && i_stb;
    assign d_strobe = d_cyc && d_stb;
    assign retired = cpu.lastStageIsFiring;
    assign instruction = cpu.lastStageInstruction;
    assign unit_used = cmd_valid && cmd_ready;
    assign trap = cpu.CsrPlugin_hadException;

`ifdef UNIT
    binohm_soc_cfu unit (
        .clk(clk), .reset(reset), .cmd_valid(cmd_valid), .cmd_ready(cmd_ready),
        .cmd_payload_function_id(function_id), .cmd_payload_inputs_0(inputs_0),
        .cmd_payload_inputs_1(inputs_1), .rsp_valid(rsp_valid), .rsp_ready(rsp_ready),
        .rsp_payload_outputs_0(outputs_0)
    );
`else
    assign cmd_ready = 1'b1;
    assign rsp_valid = cmd_valid;
    assign outputs_0 = 32'b0;
`endif
endmodule
