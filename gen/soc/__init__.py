"""A layer of a network for a processor with the unit of :mod:`binohm.hdl.cfu` beside it."""
