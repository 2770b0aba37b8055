"""Streams between components: waiting, splitting, joining, in turn."""
