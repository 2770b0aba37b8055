"""What a layer must give, by the golden model."""

from dataclasses import replace

import numpy as np

from binohm.gen.network import Conv, Input, Network, Scores, Signs
from binohm.sim.golden import forward

__all__ = ["layer_results"]


def layer_results(layer: Conv, image: Signs) -> Signs:
    """Results of all windows of a convolution, without its pool: shape (rows, columns, outputs).

    Parameters
    ----------
    image : int8 array of -1 and +1, shape (rows, columns, channels)
    """
    alone = replace(layer, name="alone", pool=None)
    table = np.where(np.arange(256) > 0, 1, -1).astype(np.int64)
    scores = Scores("scores", np.ones((1, alone.gives), np.int8))
    network = Network("alone", Input(layer.image, table, True), (alone, scores))
    pixels = (image > 0).astype(np.uint8)[None]
    return forward(network, pixels).hidden[0].reshape(*alone.windows, layer.outputs)
