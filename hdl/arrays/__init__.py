"""What stands directly before RRAM arrays: pins, drive, programming."""
