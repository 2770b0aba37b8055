"""Learning on the arrays."""
