"""From a build directory to a bitstream, and what it will take before anyone synthesises."""
