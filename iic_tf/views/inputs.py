"""What a network sees of an image: its bands, its gradients, or both."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected
from iic_tf.views.sobel import sobel

BANDS = "bands"
BANDS_SOBEL = "bands+sobel"
SOBEL = "sobel"
INPUTS = (BANDS, BANDS_SOBEL, SOBEL)


def check_inputs(inputs: str) -> None:
    """One of `INPUTS`."""
    if inputs not in INPUTS:
        raise expected(f"one of {', '.join(INPUTS)}", inputs, "inputs")


def input_channels(channels: int, inputs: str) -> int:
    """How many channels the network's first layer gets."""
    return {BANDS: channels, BANDS_SOBEL: channels + 2, SOBEL: 2}[inputs]


def network_input(images: Tensor, inputs: str) -> Tensor:
    """`[batch, height, width, channels]` → `[batch, height, width, input_channels]`."""
    if inputs == BANDS:
        return images
    if inputs == SOBEL:
        return sobel(images)
    return ops.concatenate([images, sobel(images)], axis=-1)
