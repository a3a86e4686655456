"""The most confident images of each cluster, a row for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from iic_tf.data.image_set import NO_LABEL
from iic_tf.errors import expected
from iic_tf.pictures.predictions import CHOSEN, RIGHT, WRONG, Predictions, thumbnail
from iic_tf.pictures.size import MOST, pages_of
from iic_tf.pictures.text import font, shorten

_INK = "#222222"
_SOFT = "#666666"
_SIDE = 64
_FRAME = 4
_GAP = 8
_LETTERS = 12
_LINE = 17
_HEADER = 132
_CELL = _SIDE + 2 * _FRAME + _GAP
_COLUMNS = (MOST - _HEADER - _GAP) // _CELL
_ROW = _SIDE + 2 * _FRAME + _LINE + _GAP


def confident_sheets(
    images: NDArray[np.uint8],
    probabilities: NDArray[np.floating],
    names: Sequence[str] | None = None,
    truth: NDArray[np.integer] | None = None,
    most: int = 10,
) -> list[Image.Image]:
    """Draw, a row a cluster, the images that it is the likeliest one of and the surest about.

    As many pages as that takes, each with its legend and less than 2,000 pixels high.

    At the left stands the cluster's number, or the name of its class once matched, and of how
    many of the given images it is the likeliest; below each image its probability, the largest
    first, equal ones in the order of the images. Frames are green where the matched class is the
    true one and red where it is not, with the true class beside the probability; blue where there
    is no truth. A cluster without images keeps its row, which says so.

    Args:
        images: uint8 `[n, height, width, channels]`, see `thumbnail` for what is shown of them.
        probabilities: `[n, k]`, each row 0 to 1 with sum 1. Where clusters are matched to
            classes, the columns are in the order of the classes.
        names: of the k clusters, or of the classes once matched; None numbers them from 0.
        truth: integers `[n]`, the true column of each image, or -1 where it is not known.
        most: images in a row, 1 to 23.

    Returns:
        RGB images of one width.

    Raises:
        InputError: shapes that do not fit, values that are no probabilities (NaN among them), a
            truth that is no column, or no image or too many a row.
    """
    if not 1 <= most <= _COLUMNS:
        raise expected(f"1 to {_COLUMNS} images in a row", most, "most")
    known = Predictions(probabilities, names, truth)
    if names is None:
        known.names = [f"cluster {name}" for name in known.names]
    known.check_images(images)
    rows = []
    for cluster in range(known.p.shape[1]):
        own = np.flatnonzero(known.chosen == cluster)
        rows.append((own, own[np.argsort(-known.p[own, cluster], kind="stable")][:most]))

    # No wider than the fullest row, but with room for the words of the legend.
    columns = max(5, *(len(shown) for _, shown in rows))
    numbered = list(enumerate(rows))
    pages = pages_of([_ROW] * len(rows), MOST - _LINE - 2 * _GAP)
    width = _HEADER + columns * _CELL + _GAP
    return [_page(width, numbered[page], images, known) for page in pages]


def _page(
    width: int,
    rows: Sequence[tuple[int, tuple[NDArray[np.integer], NDArray[np.integer]]]],
    images: NDArray[np.uint8],
    known: Predictions,
) -> Image.Image:
    """Clusters by their numbers, with all of their images and those that are shown."""
    size = (width, _GAP + len(rows) * _ROW + _LINE + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for place, (cluster, (own, shown)) in enumerate(rows):
        top = _GAP + place * _ROW
        _header(draw, top, known, cluster, len(own))
        for column, index in enumerate(shown):
            at = (_HEADER + column * _CELL, top)
            _cell(sheet, draw, at, images[index], known, int(index))
        if not len(shown):
            at = (_HEADER + _FRAME, top + _FRAME + _SIDE // 2)
            draw.text(at, "likeliest for no image", _SOFT, font(_LETTERS), anchor="lm")
    _legend(draw, size[1] - _LINE // 2 - _GAP, known)
    return sheet


def _header(draw: ImageDraw.ImageDraw, top: int, known: Predictions, index: int, own: int) -> None:
    name = shorten(known.names[index], _HEADER - 2 * _GAP, font(15, bold=True).getlength)
    middle = top + _FRAME + _SIDE // 2
    draw.text((_GAP, middle - 2), name, _INK, font(15, bold=True), anchor="ls")
    count = f"{own} image" if own == 1 else f"{own} images"
    draw.text((_GAP, middle + 4), count, _SOFT, font(_LETTERS), anchor="lt")


def _cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    image: NDArray[np.uint8],
    known: Predictions,
    index: int,
) -> None:
    truth, chosen = int(known.truth[index]), int(known.chosen[index])
    wrong = truth not in (NO_LABEL, chosen)
    frame = WRONG if wrong else CHOSEN if truth == NO_LABEL else RIGHT
    left, top = at
    outer = _SIDE + 2 * _FRAME
    corners = (left, top, left + outer - 1, top + outer - 1)
    draw.rectangle(corners, fill=frame)
    sheet.paste(thumbnail(image, _SIDE), (left + _FRAME, top + _FRAME))
    text = f"{known.p[index, chosen]:.2f}"
    if wrong:
        text = shorten(f"{text} {known.names[truth]}", outer + 4, font(_LETTERS).getlength)
    below = (left + outer / 2, top + outer + _LINE / 2)
    draw.text(below, text, _INK, font(_LETTERS), anchor="mm")


def _legend(draw: ImageDraw.ImageDraw, middle: float, known: Predictions) -> None:
    left = float(_GAP)
    entries = [(RIGHT, "right"), (WRONG, "wrong, with the true class")] if known.labelled else []
    if (known.truth == NO_LABEL).any():
        told = "class not known" if known.labelled else "below each image: its probability"
        entries.append((CHOSEN, told))
    for colour, text in entries:
        draw.rectangle((left, middle - 6, left + 12, middle + 6), fill=colour)
        draw.text((left + 18, middle), text, _SOFT, font(_LETTERS), anchor="lm")
        left += 18 + font(_LETTERS).getlength(text) + 3 * _GAP
    # Often a sample: what the counts at the left are parts of.
    draw.text((left, middle), f"{len(known.p):,} images in all", _SOFT, font(_LETTERS), anchor="lm")
