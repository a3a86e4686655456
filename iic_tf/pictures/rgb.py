"""Three bands of an image as people see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import expected

_LEAST_SPAN = 0.2


def to_rgb(
    normalised: NDArray[np.floating],
    bands: tuple[int, int, int] = (0, 1, 2),
    stretch: bool = False,
) -> NDArray[np.uint8]:
    """Show three bands as red, green and blue.

    Args:
        normalised: values 0 to 1 `[h, w, channels]`; others are clipped. NaN, which stands for no
            data, becomes 0 and has no part in the stretch.
        bands: which channels show as red, green and blue; may repeat.
        stretch: spread the 1st to 99th percentile of the three bands together to the full range,
            for dark imagery. One spread for all bands keeps the hues; spans below 0.2 count as
            0.2, so that noise in an even image is not blown up. It is taken from the given
            window, hence windows of one image may differ in brightness.

    Returns:
        uint8 `[h, w, 3]`.

    Raises:
        InputError: not an image with at least one pixel, or a band is not among its channels.
    """
    if normalised.ndim != 3 or 0 in normalised.shape:
        raise expected("an image [h, w, channels]", normalised.shape, "normalised.shape")
    channels = normalised.shape[2]
    if len(bands) != 3 or not all(0 <= band < channels for band in bands):
        raise expected(f"three bands of 0 to {channels - 1}", bands, "bands")
    shown = normalised[..., list(bands)].astype(np.float32)
    known = shown[~np.isnan(shown)]
    shown = np.clip(np.nan_to_num(shown, nan=0.0), 0.0, 1.0)
    if stretch and known.size:
        low, high = (float(p) for p in np.percentile(np.clip(known, 0.0, 1.0), (1.0, 99.0)))
        lack = max(_LEAST_SPAN - (high - low), 0.0)
        # What the span lacks is added on both sides: an even image keeps its middle.
        low = max(low - lack / 2.0, 0.0)
        high = max(high + lack / 2.0, low + _LEAST_SPAN)
        shown = np.clip((shown - low) / (high - low), 0.0, 1.0)
    return np.asarray(np.rint(shown * 255.0).astype(np.uint8))
