"""Predictions as points in a circle of clusters, and the course of a training as an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from iic_tf.data.image_set import NO_LABEL
from iic_tf.errors import InputError, expected
from iic_tf.pictures.colours import cycled
from iic_tf.pictures.predictions import Predictions
from iic_tf.pictures.size import MOST
from iic_tf.pictures.text import font, shorten

_INK = "#222222"
_RING = (216, 216, 216)
_UNKNOWN = (128, 128, 128)
# Drawn so many times larger and then reduced: Pillow's circles have hard edges.
_FINER = 3


def circle_projection(
    probabilities: NDArray[np.floating],
    names: Sequence[str] | None = None,
    truth: NDArray[np.integer] | None = None,
    title: str = "",
    side: int = 320,
) -> Image.Image:
    """Draw each image at the mean of the clusters' places, weighted by its probabilities.

    Cluster c of k lies on the unit circle at (sin 2πc/k, cos 2πc/k), number 0 at the top and the
    others clockwise; an image lies at Σ_c p_c · (place of c): certain ones at a cluster, undecided
    ones in the middle (supplementary material 2019, section 4; paper, figure 3). Points have the
    colour of their true class where a truth is given, grey where it is not known, else that of
    their likeliest cluster.

    Args:
        probabilities: `[n, k]`, each row 0 to 1 with sum 1, k up to 256. Where clusters are
            matched to classes, the columns are in the order of the classes.
        names: of the k clusters, or of the classes once matched; None numbers them from 0.
        truth: integers `[n]`, the true column of each image, or -1 where it is not known.
        title: stands at the top left, shortened where it is too long.
        side: height and width of the picture in pixels, 160 to 1999.

    Returns:
        An RGB image, `side` by `side`.

    Raises:
        InputError: shapes that do not fit, values that are no probabilities (NaN among them), a
            truth that is no column, more than 256 clusters, or another side.
    """
    if not 160 <= side <= MOST:
        raise expected(f"a side of 160 to {MOST} pixels", side, "side")
    known = Predictions(probabilities, names, truth)
    count, k = known.p.shape
    colours = [*(tuple(c) for c in cycled(k).tolist()), _UNKNOWN]
    angles = 2.0 * np.pi * np.arange(k) / k
    # Rows of pictures run downwards.
    places = np.stack([np.sin(angles), -np.cos(angles)], axis=1)

    letters = max(11, side // 36)
    margin = 0.09 * side
    # Names of more than a number stand beside the circle and take their room from it.
    longest = max(font(letters).getlength(name) for name in known.names)
    margin += min(max(longest, letters), 0.13 * side)
    # The title has a line of its own above the circle.
    middle = np.array([side / 2, side / 2 + (letters if title else 0) / 2])
    radius = side / 2 - margin

    fine = Image.new("RGB", (side * _FINER, side * _FINER), "white")
    draw = ImageDraw.Draw(fine)
    _disc(draw, middle, radius, None, _RING)
    points = middle + radius * (known.p @ places)
    of = known.truth if known.labelled else known.chosen
    dot = max(1.8, side / 150) if count <= 1000 else max(1.3, side / 250)
    # In no order of classes, of which the last would cover the others.
    for i in np.random.default_rng(0).permutation(count):
        _disc(draw, points[i], dot, colours[of[i] if of[i] != NO_LABEL else k])
    for cluster in range(k):
        at = middle + (radius + 0.035 * side) * places[cluster]
        _disc(draw, at, 0.014 * side if k <= 40 else dot, colours[cluster])
    frame = fine.resize((side, side), Image.Resampling.BOX)

    draw = ImageDraw.Draw(frame)
    # More names than that run into each other.
    for cluster in range(k) if k <= 40 else ():
        x, y = middle + (radius + 0.065 * side) * places[cluster]
        across = places[cluster, 0]
        anchor = "m" if abs(across) < 0.2 else "l" if across > 0 else "r"
        room = side - x if anchor == "l" else x if anchor == "r" else side / 2
        text = shorten(known.names[cluster], room - 2, font(letters).getlength)
        draw.text((x, y), text, _INK, font(letters), anchor=f"{anchor}m")
    head = shorten(title, side - letters, font(letters, bold=True).getlength)
    draw.text((letters // 2, letters // 2), head, _INK, font(letters, bold=True), anchor="lt")
    return frame


def animation(frames: Sequence[Image.Image], milliseconds: int = 250) -> bytes:
    """Frames as a GIF that runs over and over, the last one held for two seconds.

    The frames share the 128 colours that suit the last one best. 50 frames of 320 pixels with 500
    points take about half a megabyte.

    Args:
        frames: at least one, RGB and of one size.
        milliseconds: that each frame is shown, 20 or more.

    Returns:
        The contents of a GIF file.

    Raises:
        InputError: no frame, frames of several sizes, or too short a time.
    """
    if not frames:
        raise InputError("Expected at least one frame; received 0.")
    sizes = sorted({frame.size for frame in frames})
    if len(sizes) > 1:
        raise expected("frames of one size", sizes, "sizes")
    if milliseconds < 20:
        raise expected("20 milliseconds or more for each frame", milliseconds, "milliseconds")
    shades = _shades(frames[-1])
    few = [frame.quantize(palette=shades, dither=Image.Dither.NONE) for frame in frames]
    # Browsers show a GIF's hundredths of a second.
    times = [milliseconds] * (len(few) - 1) + [max(2000, milliseconds)]
    buffer = io.BytesIO()
    few[0].save(
        buffer, "GIF", save_all=True, append_images=few[1:], duration=times, loop=0, optimize=False
    )
    return buffer.getvalue()


def _shades(frame: Image.Image) -> Image.Image:
    """An image with the palette of 128 colours that suits a frame best."""
    few = frame.quantize(128, Image.Quantize.FASTOCTREE).getpalette() or []
    table = np.array(few, np.uint8).reshape(-1, 3)
    # Its lightest colour is a mean of near whites, which looks dirty on a page.
    table[table.sum(axis=1, dtype=np.int64).argmax()] = 255
    shades = Image.new("P", (1, 1))
    shades.putpalette(table.tobytes())
    return shades


def _disc(
    draw: ImageDraw.ImageDraw,
    at: NDArray[np.float64],
    radius: float,
    fill: tuple[int, ...] | None,
    outline: tuple[int, ...] | None = None,
) -> None:
    x, y = (at * _FINER).tolist()
    r = radius * _FINER
    draw.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=outline, width=_FINER)
