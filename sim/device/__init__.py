"""RRAM arrays as devices: what a map holds, what pulses do to it and what reads of it return."""
