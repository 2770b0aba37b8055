"""What stands around the accelerator on an FPGA board: a UART, packets, reset."""
