"""Pins of the boards, one file a board, ports as the board's top has them; clocks."""
