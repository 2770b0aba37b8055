"""The other end of a board's serial line."""
