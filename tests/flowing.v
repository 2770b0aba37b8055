// Sends every frame without a gap, takes every result at once, and prints when its beats moved.
// Cycle 0 is the one in which the first beat of the first frame moves.
`timescale 1ns / 1ps
module flowing;
  reg clk = 0;
  reg resetn = 0;
  integer cycle = -1, sent = 0, done = 0;
  reg [8*`IN+`IN:0] beats[0:`BEATS-1];  // last, keep, data
  wire ready, valid, last;
  wire [8*`OUT-1:0] data;
  reg feed = 0;

  `TOP dut (
      .aclk(clk), .aresetn(resetn),
      .s_axis_tdata(beats[sent][8*`IN-1:0]), .s_axis_tkeep(beats[sent][8*`IN+:`IN]),
      .s_axis_tlast(beats[sent][9*`IN]), .s_axis_tvalid(feed), .s_axis_tready(ready),
      .m_axis_tdata(data), .m_axis_tkeep(), .m_axis_tlast(last),
      .m_axis_tvalid(valid), .m_axis_tready(1'b1),
      .s_axi_awaddr(12'd0), .s_axi_awvalid(1'b0), .s_axi_awready(),
      .s_axi_wdata(32'd0), .s_axi_wstrb(4'd0), .s_axi_wvalid(1'b0), .s_axi_wready(),
      .s_axi_bresp(), .s_axi_bvalid(), .s_axi_bready(1'b0),
      .s_axi_araddr(12'd0), .s_axi_arvalid(1'b0), .s_axi_arready(),
      .s_axi_rdata(), .s_axi_rresp(), .s_axi_rvalid(), .s_axi_rready(1'b0)
  );

  always #5 clk = ~clk;

  always @(negedge clk) begin  // every port has settled
    if (feed && ready && sent == 0 && cycle < 0) cycle = 0;
    else if (cycle >= 0) cycle = cycle + 1;
    if (valid) begin
      $display("beat %0d %0d %h", cycle, last, data);
      done = done + last;
    end
    if (done == `FRAMES) $finish;
    if (cycle > `LIMIT) begin
      $display("no result for too long");
      $finish;
    end
  end

  always @(posedge clk) begin
    if (feed && ready) begin
      if (sent == `BEATS - 1) feed <= 0;
      else sent <= sent + 1;
    end else if (resetn && sent == 0) feed <= 1;
  end

  initial begin
    $readmemh("frames.hex", beats);
    repeat (3) @(posedge clk);
    resetn <= 1;
  end
endmodule
