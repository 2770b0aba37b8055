"""Exploration: many designs of one network, or of several, side by side."""
