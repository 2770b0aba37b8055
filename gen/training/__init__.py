"""Training in software, by PyTorch: an extra that only ``model`` and ``fit`` import."""
