"""One layer of a network, put together."""
