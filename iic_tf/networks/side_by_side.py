"""Several networks of the same images as one, whose feature maps stand side by side."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from iic_tf.annotations import Config, Network
from iic_tf.errors import InputError
from iic_tf.networks.levels import maps_of
from iic_tf.networks.shown_bands import of_channels


def side_by_side(networks: Sequence[Network], shown: Sequence[Config]) -> Network:
    """One network that has all maps of several, for a `KerasTrunk`.

    Args:
        networks: each makes maps, or vectors, of images of the same number of channels.
        shown: what each is shown for 0 and for 1, `low` and `high` as `KerasTrunk`'s; empty where
            it sees 0 to 1.

    Returns:
        A `keras.Model` of images in 0 to 1.

    Raises:
        InputError: networks of other numbers of channels, or of images of one size and of another.

    Examples:
        >>> from iic_tf.networks.texture_network import texture_network
        >>> two = side_by_side([texture_network(3, 4), texture_network(3, 8, (5,))], [{}, {}])
        >>> [one.shape for one in two.outputs]
        [(None, None, None, 75), (None, None, None, 21)]
    """
    sizes = [network.input_shape[1:] for network in networks]
    if len(set(sizes)) > 1:
        said = ", ".join(f"{one.name} {one.input_shape[1:]}" for one in networks)
        raise InputError(
            "Expected trunks beside each other that take the same images [height, width, "
            f"channels], as --trunk-bands shows a choice of bands to all; received {said}."
        )
    image = keras.Input(sizes[0])
    found = []
    for number, (network, own) in enumerate(zip(networks, shown, strict=True)):
        x = image
        if own:
            channels = int(sizes[0][-1])
            low, high = (of_channels(own[name], channels, name) for name in ("low", "high"))
            spans = [b - a for a, b in zip(low, high, strict=True)]
            x = keras.layers.Rescaling(spans, list(low), name=f"shown{number}")(x)
        # Names of layers are their own.
        again = keras.Model(network.inputs, network.outputs, name=f"beside{number}_{network.name}")
        found += maps_of(again(x))
    return keras.Model(image, found, name="side_by_side")
