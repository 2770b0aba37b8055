"""What a host sees: frames of bytes in and out, and registers."""
