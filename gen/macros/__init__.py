"""The Verilog behind the sockets, and what a macro promises."""
