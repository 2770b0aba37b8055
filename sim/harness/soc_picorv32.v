// PicoRV32 with the unit at its co-processor interface. The memory is outside, in soc.cpp, and
// answers within a cycle by way of the look-ahead signals.
module soc (
    input clk, input reset,
    output la_read, output la_write, output [31:0] la_addr, output [31:0] la_wdata,
    output [3:0] la_wstrb, input [31:0] rdata,
    output bus_valid, output bus_fetch, output bus_store,
    output retired, output unit_used, output trap
);
    wire pcpi_valid, pcpi_wr, pcpi_wait, pcpi_ready;
    wire [31:0] pcpi_insn, pcpi_rs1, pcpi_rs2, pcpi_rd;
    wire [3:0] wstrb;
    reg [63:0] counted;

    picorv32 #(
        .BARREL_SHIFTER(1), .ENABLE_FAST_MUL(1), .ENABLE_DIV(1), .ENABLE_PCPI(1),
        .STACKADDR(`STACK)
    ) cpu (
        .clk(clk), .resetn(!reset), .trap(trap),
        .mem_valid(bus_valid), .mem_instr(bus_fetch), .mem_ready(1'b1),
        .mem_addr(), .mem_wdata(), .mem_wstrb(wstrb), .mem_rdata(rdata),
        .mem_la_read(la_read), .mem_la_write(la_write), .mem_la_addr(la_addr),
        .mem_la_wdata(la_wdata), .mem_la_wstrb(la_wstrb),
        .pcpi_valid(pcpi_valid), .pcpi_insn(pcpi_insn), .pcpi_rs1(pcpi_rs1), .pcpi_rs2(pcpi_rs2),
        .pcpi_wr(pcpi_wr), .pcpi_rd(pcpi_rd), .pcpi_wait(pcpi_wait), .pcpi_ready(pcpi_ready),
        .irq(32'b0), .eoi(), .trace_valid(), .trace_data()
    );

    assign bus_store = |wstrb;
    always @(posedge clk) counted <= cpu.count_instr;
    assign retired = cpu.count_instr != counted && !reset;
    assign unit_used = pcpi_valid && pcpi_ready;

`ifdef UNIT
    binohm_soc_pcpi unit (
        .clk(clk), .resetn(!reset), .pcpi_valid(pcpi_valid), .pcpi_insn(pcpi_insn),
        .pcpi_rs1(pcpi_rs1), .pcpi_rs2(pcpi_rs2), .pcpi_wr(pcpi_wr), .pcpi_rd(pcpi_rd),
        .pcpi_wait(pcpi_wait), .pcpi_ready(pcpi_ready)
    );
`else
    assign {pcpi_wr, pcpi_wait, pcpi_ready, pcpi_rd} = 35'b0;
`endif
endmodule
