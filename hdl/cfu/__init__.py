"""The BDPE as a custom function unit beside a processor."""
