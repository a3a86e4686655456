"""Images beside bars of their predicted probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from iic_tf.data.image_set import NO_LABEL
from iic_tf.errors import expected
from iic_tf.pictures.predictions import (
    CHOSEN,
    OTHER,
    RIGHT,
    WRONG,
    Colour,
    Predictions,
    thumbnail,
)
from iic_tf.pictures.size import MOST
from iic_tf.pictures.text import font, shorten

_INK = "#222222"
_SOFT = "#666666"
_AXIS = "#8a8a8a"
_SIDE = 112
_GAP = 12
_LETTERS = 11
_BAR = 13
_NAME = 84
_LENGTH = 110
_FIGURE = 34
_COLUMNS = 5


def probability_bars(
    images: NDArray[np.uint8],
    probabilities: NDArray[np.floating],
    names: Sequence[str] | None = None,
    truth: NDArray[np.integer] | None = None,
    columns: int = 3,
    most: int = 12,
) -> Image.Image:
    """Draw each image beside a bar for each cluster (supplementary material 2019, figures 1, 2).

    As there, the prediction is the longest bar; the true class is green, a wrong prediction red,
    all others blue. Where an image has no truth the prediction is dark blue. Bars run from 0 to
    1; the predicted one bears its figure.

    Args:
        images: uint8 `[n, height, width, channels]`, see `thumbnail` for what is shown of them.
        probabilities: `[n, k]`, each row 0 to 1 with sum 1. Where clusters are matched to
            classes, the columns are in the order of the classes.
        names: of the k clusters, or of the classes once matched; None numbers them from 0.
        truth: integers `[n]`, the true column of each image, or -1 where it is not known.
        columns: images side by side, 1 to 5; fewer where there are fewer images.
        most: bars of an image, 2 to 100. Of more clusters the likeliest are shown, in the
            clusters' order, and always the true one.

    Returns:
        An RGB image, less than 2,000 pixels on each side.

    Raises:
        InputError: shapes that do not fit, values that are no probabilities (NaN among them), a
            truth that is no column, `columns` or `most` out of range, or more images than a
            picture has room for.
    """
    if not 1 <= columns <= _COLUMNS:
        raise expected(f"1 to {_COLUMNS} columns", columns, "columns")
    if not 2 <= most <= 100:
        raise expected("2 to 100 bars", most, "most")
    known = Predictions(probabilities, names, truth)
    known.check_images(images)
    count, k = known.p.shape
    columns = min(columns, count)
    measure = font(_LETTERS).getlength
    short = [shorten(name, _NAME, measure) for name in known.names]
    room = int(max(measure(name) for name in short)) + 1
    width = _SIDE + _GAP // 2 + room + 5 + _LENGTH + _FIGURE
    height = max(_SIDE, min(most, k) * _BAR) + _GAP
    fit = (MOST - _GAP - 2 * _LETTERS) // (height + _GAP) * columns
    if count > fit:
        raise expected(f"at most {fit} images in {columns} columns", count, "images")
    entries = _entries(known)
    legend = sum(int(measure(text)) + 18 + 2 * _GAP for _, text in entries)
    size = (
        max(columns * (width + _GAP) + _GAP, legend),
        -(-count // columns) * (height + _GAP) + _GAP + 2 * _LETTERS,
    )
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for index in range(count):
        left = _GAP + index % columns * (width + _GAP)
        top = _GAP + index // columns * (height + _GAP)
        sheet.paste(thumbnail(images[index], _SIDE), (left, top))
        _draw_bars(draw, left + _SIDE + _GAP // 2 + room, top, known, index, short, most)
    middle, at = size[1] - _LETTERS - 2, _GAP
    for colour, text in entries:
        draw.rectangle((at, middle - 5, at + 10, middle + 5), fill=colour)
        draw.text((at + 16, middle), text, _SOFT, font(_LETTERS), anchor="lm")
        at += int(measure(text)) + 18 + 2 * _GAP
    return sheet


def _draw_bars(
    draw: ImageDraw.ImageDraw,
    left: int,
    top: int,
    known: Predictions,
    index: int,
    names: Sequence[str],
    most: int,
) -> None:
    """The bars of one image, their names right-aligned at `left`."""
    p, truth, chosen = known.p[index], int(known.truth[index]), int(known.chosen[index])
    shown = np.argsort(-p, kind="stable")[:most]
    if truth != NO_LABEL and truth not in shown:
        shown[-1] = truth
    axis = left + 5
    for place, cluster in enumerate(sorted(shown.tolist())):
        middle = top + place * _BAR + _BAR / 2
        told = cluster in (truth, chosen)
        ink = _INK if told else _SOFT
        draw.text((left, middle), names[cluster], ink, font(_LETTERS), anchor="rm")
        length = round(p[cluster] * _LENGTH)
        if length:
            box = (axis + 1, middle - _BAR / 2 + 2, axis + length, middle + _BAR / 2 - 2)
            draw.rectangle(box, fill=_colour(cluster, truth, chosen))
        if cluster == truth and cluster != chosen:
            # However short its bar, the true class is found.
            box = (axis - 3, middle - _BAR / 2 + 1, axis, middle + _BAR / 2 - 1)
            draw.rectangle(box, fill=RIGHT)
        if told:
            at = (axis + length + 4, middle)
            draw.text(at, f"{p[cluster]:.2f}", _INK, font(_LETTERS), anchor="lm")
    draw.line((axis, top, axis, top + len(shown) * _BAR), fill=_AXIS)


def _colour(cluster: int, truth: int, chosen: int) -> Colour:
    if cluster == truth:
        return RIGHT
    if cluster == chosen:
        return CHOSEN if truth == NO_LABEL else WRONG
    return OTHER


def _entries(known: Predictions) -> list[tuple[Colour, str]]:
    entries = [(RIGHT, "true"), (WRONG, "predicted, wrong")] if known.labelled else []
    if (known.truth == NO_LABEL).any():
        entries.append((CHOSEN, "predicted, truth not known" if known.labelled else "predicted"))
    return [*entries, (OTHER, "others")]
