"""Images and label maps as text within a page."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iic_tf.export.page.content import Crop

CROP = 64
"""Side of a crop on a strip."""

_DIM, _LINE = 1, 2
# Transparent over the cluster, dark over the rest, a light line between.
_PALETTE = bytes((0, 0, 0, 12, 14, 18, 255, 255, 255))
_ALPHA = bytes((0, 150, 235))


def jpeg(rgb: NDArray[np.uint8], quality: int = 86) -> str:
    """A data URI of uint8 `[h, w, 3]`."""
    return _uri(Image.fromarray(rgb), "jpeg", quality=quality)


def deflated(labels: NDArray[np.uint8]) -> str:
    """Bytes in row order, zlib, base64.

    Not a PNG: canvases of some browsers add noise to what is read from them.
    """
    return base64.b64encode(zlib.compress(np.ascontiguousarray(labels).tobytes(), 9)).decode()


def strip(crops: Sequence[Crop]) -> str:
    """The crops as squares side by side, a data URI."""
    return jpeg(np.concatenate([_square(crop.rgb) for crop in crops], axis=1), 82)


def veil(crops: Sequence[Crop]) -> str | None:
    """What dims all but the clusters' pixels on a strip, a data URI; None without masks."""
    if all(crop.mask is None for crop in crops):
        return None
    image = Image.fromarray(np.concatenate([_veil(crop) for crop in crops], axis=1), "P")
    image.putpalette(_PALETTE)
    return _uri(image, "png", optimize=True, transparency=_ALPHA)


def _veil(crop: Crop) -> NDArray[np.uint8]:
    veil = np.zeros((CROP, CROP), np.uint8)
    if crop.mask is None:
        return veil
    rest = ~_square(crop.mask)
    veil[rest] = _DIM
    # The outermost pixels of the rest, where it meets the cluster.
    beside = np.zeros_like(rest)
    beside[1:] |= ~rest[:-1]
    beside[:-1] |= ~rest[1:]
    beside[:, 1:] |= ~rest[:, :-1]
    beside[:, :-1] |= ~rest[:, 1:]
    veil[rest & beside] = _LINE
    return veil


def _square(pixels: NDArray[Any]) -> NDArray[Any]:
    """The middle square, `CROP` a side."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side]
    if side == CROP:
        return square
    if square.dtype == np.bool_:
        near = (np.arange(CROP) * side + side // 2) // CROP
        return np.asarray(square[np.ix_(near, near)])
    return np.asarray(Image.fromarray(square).resize((CROP, CROP), Image.Resampling.BICUBIC))


def _uri(image: Image.Image, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
