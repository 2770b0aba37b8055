"""Trainers in Verilog: networks that learn on their arrays."""
