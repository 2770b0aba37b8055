"""The BDPE as a custom function unit: its sizes, its files, its area."""
