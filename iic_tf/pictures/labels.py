"""Maps of class or cluster indices, and of the confidence in them, as images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from iic_tf.data.scene import IGNORE
from iic_tf.errors import InputError, expected
from iic_tf.pictures.size import MOST
from iic_tf.pictures.text import font

_VIRIDIS = (
    *((68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141)),
    *((39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37)),
)
"""Nine even steps of the scale, for where Matplotlib is not installed."""
_NO_DATA = (150, 150, 150)
_LEAST_SPAN = 0.05
_MOST_MAP = MOST - 260
"""Pixels of a map of confidence, beside what stands below it."""


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
    """The probability of the likeliest cluster at each pixel, over its scale.

    The scale runs over what the map holds: dark is its 2nd percentile, bright its 98th, and the
    figures below say how sure that is between undecided (1 / k) and certain (1). A map whose values
    hardly differ has a scale of at least 0.05. Grey holds no data: NaN, or less than 1 / k. Narrow
    maps are centred on a canvas that has room for the scale, large ones reduced until the picture
    is less than 2,000 pixels on each side.

    Args:
        probabilities_max: `[h, w]`, 1 / `clusters` to 1; larger ones count as 1.
        clusters: k, at least 1.

    Raises:
        InputError: not a map `[h, w]` with at least one pixel, or no cluster.
    """
    if probabilities_max.ndim != 2 or 0 in probabilities_max.shape:
        raise expected("probabilities [h, w]", probabilities_max.shape, "probabilities_max.shape")
    if clusters < 1:
        raise expected("at least 1 cluster", clusters, "clusters")
    least = 1.0 / clusters
    values = np.minimum(probabilities_max.astype(np.float64), 1.0)
    # Means over pixels some of which hold no data are below it, too; rounding may be.
    empty = ~(values >= least - 1e-3)
    low, high = _scale(values[~empty], least)
    heat = _heat(np.clip((np.where(empty, low, values) - low) / (high - low), 0.0, 1.0))
    heat[empty] = _NO_DATA
    shown = Image.fromarray(heat)
    if max(shown.size) > _MOST_MAP:
        factor = _MOST_MAP / max(shown.size)
        size = (max(1, int(shown.width * factor)), max(1, int(shown.height * factor)))
        shown = shown.resize(size, Image.Resampling.NEAREST)

    # Letters grow with the map, as wide maps are looked at reduced.
    letters = max(13, min(32, shown.width // 55))
    pad = letters // 2
    draws = font(letters)
    told = f"probability of the likeliest of {clusters}: undecided {least:.2f}, certain 1.00"
    told += "; grey: no data" * bool(empty.any())
    # A narrow map's words go on lines of their own.
    width = max(shown.width, 20 * letters)
    lines = _wrapped(told, width - 2 * pad, draws.getlength)
    foot = pad + letters + pad + letters + pad + len(lines) * (letters + pad) + pad
    canvas = Image.new("RGB", (width, shown.height + foot), "white")
    canvas.paste(shown, ((width - shown.width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    top = shown.height + pad
    bar = np.repeat(np.linspace(0.0, 1.0, width - 2 * pad)[None], letters, axis=0)
    canvas.paste(Image.fromarray(_heat(bar)), (pad, top))
    top += letters + pad
    marks = 5 if width >= 30 * letters else 3
    for index, value in enumerate(np.linspace(low, high, marks)):
        at = pad + (width - 2 * pad) * index / (marks - 1)
        anchor = "l" if index == 0 else "r" if index == marks - 1 else "m"
        draw.text((at, top), f"{value:.2f}", "#222222", draws, anchor=f"{anchor}t")
    for line in lines:
        top += letters + pad
        draw.text((pad, top), line, "#555555", draws, anchor="lt")
    return canvas


def _scale(known: NDArray[np.float64], least: float) -> tuple[float, float]:
    """Where a scale begins and ends that shows how these values differ."""
    if not known.size:
        return least, max(1.0, least + _LEAST_SPAN)
    low, high = (float(p) for p in np.percentile(known, (2.0, 98.0)))
    lack = max(_LEAST_SPAN - (high - low), 0.0)
    low = max(least, min(low - lack / 2, 1.0 - _LEAST_SPAN)) if least < 1 else 1.0 - _LEAST_SPAN
    return low, max(high, low + _LEAST_SPAN)


def _wrapped(text: str, room: float, measure: Callable[[str], float]) -> list[str]:
    """The words in lines that are no longer than `room`, unless a word is."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and measure(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


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
