"""A RISC-V core with the unit beside it, simulated: programs are compiled, run and counted."""
