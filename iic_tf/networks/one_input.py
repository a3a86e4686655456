"""A network that is called with images themselves."""

from __future__ import annotations

import keras

from iic_tf.annotations import Network


def of_images(network: Network) -> Network:
    """A functional network of one input, as one of a tensor, not of a list or dictionary with it.

    Keras warns where a tensor comes for a list.
    """
    # A Sequential one is of a tensor, and does not know `input` as it comes from a file.
    if isinstance(network, keras.Sequential) or not isinstance(network.input, (list, tuple, dict)):
        return network
    outputs = network.outputs if len(network.outputs) > 1 else network.outputs[0]
    return keras.Model(network.inputs[0], outputs, name=network.name)
