"""Learning on the arrays, in integers: what the trainer's Verilog must compute."""
