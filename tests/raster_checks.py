"""Pixels to be stored in image files, and whether they are read back."""

import numpy as np

from iic_tf.data.raster import Raster

WINDOWS = [(0, 0, 37, 53), (5, 7, 11, 13), (36, 52, 1, 1), (15, 15, 18, 34), (0, 30, 37, 3)]


def noise(*shape, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(3).integers(0, top, shape, dtype, endpoint=True)


def whole(path, **how):
    """All pixels, and which of them hold data, of a file."""
    raster = Raster(path, **how)
    return raster.read_with_valid(0, 0, raster.height, raster.width)


def check_windows(path, pixels, palette="rgb"):
    raster = Raster(path, palette)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    assert (raster.height, raster.width, raster.channels) == pixels.shape
    assert raster.dtype == pixels.dtype
    for top, left, height, width in WINDOWS:
        window = raster.read(top, left, height, width)
        assert window.dtype == pixels.dtype
        np.testing.assert_array_equal(window, pixels[top : top + height, left : left + width])
        window[...] = 0  # The window is the caller's own.
    np.testing.assert_array_equal(raster.read(0, 0, 37, 53), pixels)
