"""cocotb benches, one per component: what must come out is computed in -1/+1 arithmetic."""
