// Clock and reset for digit_reader, and a look at what it shows.
`timescale 1ns / 1ps
module test;
    reg clk = 0, resetn = 0;
    wire [3:0] digit;
    wire digit_valid, finished, failed;
    reg [3:0] digits [0:`FRAMES-1];
    integer seen = 0, wrong = 0;

    digit_reader #(.FRAMES(`FRAMES)) reader (
        .clk(clk), .resetn(resetn), .digit(digit), .digit_valid(digit_valid),
        .finished(finished), .failed(failed)
    );

    always #5 clk = ~clk;
    initial begin
        $readmemh("digits.hex", digits);
        repeat (4) @(posedge clk);
        resetn <= 1;
        repeat (2000 * `FRAMES) @(posedge clk);
        $display("FAIL: no end");
        $finish;
    end

    always @(posedge clk) begin
        if (digit_valid) begin
            if (seen >= `FRAMES || digit !== digits[seen]) wrong = wrong + 1;
            seen = seen + 1;
        end
        if (failed || (finished && (wrong != 0 || seen != `FRAMES))) begin
            $display("FAIL: %0d digits read, %0d wrong", seen, wrong);
            $finish;
        end else if (finished) begin
            $display("PASS: %0d digits read", seen);
            $finish;
        end
    end
endmodule
