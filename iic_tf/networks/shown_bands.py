"""What a network of so many channels is shown of the bands of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected

LEARNED = "learned"
"""A linear map of all bands, trained with the heads."""


def of_channels(value: Any, channels: int, name: str) -> tuple[float, ...]:
    """A number for each channel: the one given for all, or one of each.

    Raises:
        InputError: none of these, or numbers that are not finite.
    """
    several = isinstance(value, (list, tuple)) and all(isinstance(v, (int, float)) for v in value)
    values = tuple(float(v) for v in value) if several else None
    if values is None and isinstance(value, (int, float)):
        values = (float(value),) * channels
    if values is None or len(values) != channels or not np.isfinite(values).all():
        raise expected(f"a number, or {channels} of them", value, name)
    return values


def checked_bands(bands: Any, channels: int) -> Any:
    """None, `learned`, or the number of a band for each channel.

    Raises:
        InputError: none of these.
    """
    if bands is None or bands == LEARNED:
        return bands
    known = isinstance(bands, (list, tuple)) and len(bands) == channels
    if not known or any(isinstance(b, bool) or not isinstance(b, int) or b < 0 for b in bands):
        raise expected(f"{LEARNED}, or {channels} numbers of bands from 0", bands, "bands")
    return tuple(bands)


def first_bands(shape: Sequence[int], dtype: str | None = None) -> Tensor:
    """Of a 1×1 convolution that hands its first channels on, and repeats what there are."""
    _, _, came, wanted = shape
    return ops.cast(ops.one_hot(ops.arange(wanted) % came, came, axis=0), dtype)[None, None]
