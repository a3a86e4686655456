"""The feature maps of a network that a trunk takes, by their strides."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from iic_tf.annotations import Network, Tensor
from iic_tf.errors import InputError, expected
from iic_tf.networks.levels import PROBE, input_side

STRIDES = (4, 8, 16)
"""What is taken of a network's strides where nobody says which."""


def maps_at(network: Network, strides: Sequence[int] = ()) -> Network:
    """A network whose outputs are its last feature maps of some strides.

    Args:
        network: a functional `keras.Model`.
        strides: which; none: those of 4, 8 and 16 that there are, or its outputs as they are where
            it has several, or no map of these.

    Raises:
        InputError: it has no map of such a stride, or takes no images of a plain size.
    """
    if not strides and len(network.outputs) > 1:
        return network
    tensors = [
        one
        for layer in network.layers
        for one in keras.tree.flatten(layer.output)
        if len(one.shape) == 4
    ]
    # A map that is handed on goes before others of its stride.
    tensors += [one for one in network.outputs if len(one.shape) == 4]
    found = _strides(network, tensors) if tensors else []
    last = {stride: one for one, stride in zip(tensors, found, strict=True) if stride}
    wanted = [s for s in strides or STRIDES if s in last]
    if strides and len(wanted) < len(strides):
        there = ", ".join(map(str, sorted(last)))
        raise expected(f"strides of feature maps that the network has ({there})", tuple(strides))
    if not wanted:
        return network
    return keras.Model(network.inputs[0], [last[s] for s in wanted], name=network.name)


def strides_of(network: Network) -> list[int]:
    """The strides of a network's outputs that are maps.

    Raises:
        InputError: it takes no images of a plain size.
    """
    maps = [one for one in network.outputs if len(one.shape) == 4]
    return [stride for stride in _strides(network, maps) if stride] if maps else []


def _strides(network: Network, maps: Sequence[Tensor]) -> list[int]:
    """The stride of each map; 0 of what is no whole fraction of the image."""
    side = input_side(network) or PROBE
    try:
        shapes = keras.Model(network.inputs[0], list(maps)).compute_output_shape(
            (1, side, side, network.input_shape[-1])
        )
    except ValueError as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"Expected a network that takes images of {side}×{side} pixels; received one that "
            f"does not: {said[:200]}."
        ) from error
    shapes = shapes if isinstance(shapes, list) else [shapes]
    whole = (len(s) == 4 and s[1] == s[2] and s[1] > 1 and side % s[1] == 0 for s in shapes)
    return [side // shape[1] if fits else 0 for shape, fits in zip(shapes, whole, strict=True)]
