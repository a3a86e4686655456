"""Maps of class or cluster indices, and of the confidence in them, as images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from iic_tf.data.scene import IGNORE
from iic_tf.errors import InputError, expected
from iic_tf.pictures.text import font

_VIRIDIS = (
    *((68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141)),
    *((39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37)),
)
"""Nine even steps of the scale, for where Matplotlib is not installed."""


def label_image(labels: NDArray[np.integer], colours: NDArray[np.uint8]) -> Image.Image:
    """Each pixel in the colour of its index; ignored pixels are black.

    Args:
        labels: integers `[h, w]`, 0 to k − 1, or `IGNORE`.
        colours: uint8 `[k, 3]`.

    Raises:
        InputError: a shape does not fit or an index has no colour.
    """
    return Image.fromarray(_coloured(labels, colours))


def overlay(
    rgb: NDArray[np.uint8],
    labels: NDArray[np.integer],
    colours: NDArray[np.uint8],
    strength: float = 0.5,
) -> Image.Image:
    """The image tinted by index, with the borders between regions in stronger colour.

    Args:
        rgb: uint8 `[h, w, 3]`.
        labels: integers `[h, w]`, 0 to k − 1; `IGNORE` leaves the image as it is.
        colours: uint8 `[k, 3]`.
        strength: 0 shows the image alone, 1 the colours alone.

    Raises:
        InputError: a shape does not fit, an index has no colour or `strength` is out of range.
    """
    if not 0.0 <= strength <= 1.0:
        raise expected("a strength of 0 to 1", strength, "strength")
    tint = _coloured(labels, colours)
    if rgb.shape != tint.shape:
        raise expected(f"an RGB image of shape {tint.shape}", rgb.shape, "rgb.shape")
    # Half of what is left between the tint and the pure colour; nothing at strength 0.
    edge = (1.0 + strength) / 2.0 if strength > 0.0 else 0.0
    weight = np.where(_borders(labels), edge, strength)
    weight = np.where(labels == IGNORE, 0.0, weight)[..., None]
    mixed = rgb * (1.0 - weight) + tint * weight
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def confidence_image(probabilities_max: NDArray[np.floating], clusters: int) -> Image.Image:
    """The probability of the likeliest cluster at each pixel, over a legend.

    Dark is undecided (1 / k), bright is certain (1). Narrow maps are centred on a canvas that
    has room for the legend.

    Args:
        probabilities_max: `[h, w]`, 1 / `clusters` to 1; clipped to that range.
        clusters: k, at least 1.

    Raises:
        InputError: not a map `[h, w]` with at least one pixel, or no cluster.
    """
    if probabilities_max.ndim != 2 or 0 in probabilities_max.shape:
        raise expected("probabilities [h, w]", probabilities_max.shape, "probabilities_max.shape")
    if clusters < 1:
        raise expected("at least 1 cluster", clusters, "clusters")
    least = 1.0 / clusters
    span = max(1.0 - least, 1e-6)
    known = np.nan_to_num(probabilities_max.astype(np.float64), nan=least)
    shown = Image.fromarray(_heat(np.clip((known - least) / span, 0.0, 1.0)))

    # Letters grow with the map, as wide maps are looked at reduced.
    size = max(13, min(48, shown.width // 55))
    low, high = f"1/{clusters} = {least:.2f}  undecided", "certain  1.00"
    pad = size // 2
    low_width, high_width = font(size).getlength(low), font(size).getlength(high)
    width = max(shown.width, int(low_width + high_width) + 8 * size)
    canvas = Image.new("RGB", (width, shown.height + size + 3 * pad), "white")
    canvas.paste(shown, ((width - shown.width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    middle = shown.height + (size + 3 * pad) // 2
    draw.text((pad, middle), low, "#222222", font(size), anchor="lm")
    draw.text((width - pad, middle), high, "#222222", font(size), anchor="rm")
    left, right = int(2 * pad + low_width), int(width - 2 * pad - high_width)
    bar = np.repeat(np.linspace(0.0, 1.0, right - left)[None], size, axis=0)
    canvas.paste(Image.fromarray(_heat(bar)), (left, middle - size // 2))
    return canvas


def _coloured(labels: NDArray[np.integer], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if labels.ndim != 2 or 0 in labels.shape:
        raise expected("labels [h, w]", labels.shape, "labels.shape")
    if colours.ndim != 2 or colours.shape[1] != 3:
        raise expected("colours [k, 3]", colours.shape, "colours.shape")
    if labels.min() < IGNORE or labels.max() >= len(colours):
        raise InputError(
            f"Expected indices 0 to {len(colours) - 1}, or {IGNORE}; "
            f"received {labels.min()} to {labels.max()}."
        )
    # Black last, where the index −1 finds it.
    table = np.concatenate([colours.astype(np.uint8), np.zeros((1, 3), np.uint8)])
    coloured: NDArray[np.uint8] = table[labels]
    return coloured


def _borders(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels with a different neighbour above, below, left or right."""
    border = np.zeros(labels.shape, np.bool_)
    down = labels[1:] != labels[:-1]
    along = labels[:, 1:] != labels[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= along
    border[:, :-1] |= along
    return border


def _heat(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values 0 to 1 in viridis, whose brightness rises evenly: uint8 `[h, w, 3]`."""
    try:
        import matplotlib
    except ImportError:
        steps = np.linspace(0.0, 1.0, len(_VIRIDIS))
        bands = [np.interp(values, steps, band) for band in zip(*_VIRIDIS, strict=True)]
        return np.asarray(np.rint(np.stack(bands, -1)), np.uint8)
    heat: NDArray[np.uint8] = matplotlib.colormaps["viridis"](values, bytes=True)[..., :3].copy()
    return heat
