"""Sheets of image, prediction and truth side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from iic_tf.data.scene import IGNORE
from iic_tf.errors import InputError, expected
from iic_tf.pictures.labels import label_image
from iic_tf.pictures.size import MOST, pages_of
from iic_tf.pictures.text import font, shorten

TripletRow = tuple[str, NDArray[np.uint8], NDArray[np.integer], NDArray[np.integer] | None]
"""Name, RGB uint8 `[h, w, 3]`, prediction `[h, w]`, truth `[h, w]` or None where unknown."""

_INK = "#222222"
_SOFT = "#666666"
_NO_MASK = "#cdcdcd"
_BEHIND = "#f1f1f1"
_TITLES = ("image", "prediction", "truth")
_LEGEND = 0.4
"""Share of a page's height that its legend may take."""


@dataclass(frozen=True)
class _Look:
    """All measures in pixels, from the width of the sheet and the number of panels in a row."""

    width: int
    columns: int

    @property
    def text(self) -> int:
        return max(11, self.width // 75)

    @property
    def gap(self) -> int:
        return max(6, self.width // 100)

    @property
    def panel(self) -> int:
        return (self.width - (self.columns + 1) * self.gap) // self.columns

    @property
    def line(self) -> int:
        return int(self.text * 1.8)

    def left(self, column: int) -> int:
        return self.gap + column * (self.panel + self.gap)


def triplet_sheets(
    rows: Sequence[TripletRow],
    names: Sequence[str],
    colours: NDArray[np.uint8],
    width: int = 1200,
) -> list[Image.Image]:
    """Draw one row of three panels for each image, under column titles, over a legend.

    As many pages as that takes, each with its titles and legend and less than 2,000 pixels high.

    Panels keep the image's proportions within bounds; very long or narrow images are centred on
    a light ground. Ignored pixels are black, and where there is no truth a grey panel says so;
    where no image has one the column is left out.

    Args:
        rows: at least one of (name, rgb, prediction, truth or None), see `TripletRow`; indices
            are of classes.
        names: one name for each class; long ones are shortened. Where a legend has no room for
            all, it names those that occur on its page first, and says how many are left out.
        colours: uint8 `[classes, 3]`.
        width: of the sheet in pixels, 300 to 1999.

    Returns:
        RGB images `width` wide, of even height.

    Raises:
        InputError: no rows, another width, or shapes and indices that do not fit.
    """
    if not rows:
        raise InputError("Expected at least one row for the sheet; received 0.")
    if not 300 <= width <= MOST:
        raise expected(f"a width of 300 to {MOST}", width, "width")
    if colours.shape != (len(names), 3):
        raise expected(f"colours of shape {(len(names), 3)}", colours.shape, "colours.shape")
    known = any(truth is not None for _, _, _, truth in rows)
    look = _Look(width, 3 if known else 2)
    drawn = [_row(look, row, colours) for row in rows]
    title = _title_strip(look)
    room = MOST - title.height
    most = int(_LEGEND * room)
    # The legend that all rows need is the highest that a page of some can have.
    legend = _legend(look, rows, names, colours, most)
    return [
        _page([title, *drawn[page], _legend(look, rows[page], names, colours, most)])
        for page in pages_of([part.height for part in drawn], room - legend.height)
    ]


def _page(parts: Sequence[Image.Image]) -> Image.Image:
    page = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        page.paste(part, (0, top))
        top += part.height
    return page


def _black(rows: Sequence[TripletRow]) -> str:
    """What black stands for in these rows."""
    empty = any(bool((found == IGNORE).any()) for _, _, found, _ in rows)
    ignored = any(bool((t == IGNORE).any()) for _, _, _, t in rows if t is not None)
    meanings = (("no data", empty), ("not scored", ignored))
    return " or ".join(meaning for meaning, there in meanings if there)


def _title_strip(look: _Look) -> Image.Image:
    strip = Image.new("RGB", (look.width, look.gap + look.line), "white")
    draw = ImageDraw.Draw(strip)
    for column, title in enumerate(_TITLES[: look.columns]):
        at = (look.left(column) + look.panel / 2, look.gap + look.line / 2)
        draw.text(at, title, _INK, font(look.text + 2, bold=True), anchor="mm")
    return strip


def _row(look: _Look, row: TripletRow, colours: NDArray[np.uint8]) -> Image.Image:
    name, rgb, prediction, truth = row
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise expected(f"an RGB image [h, w, 3] of '{name}'", rgb.shape, "rgb.shape")
    for what, labels in (("prediction", prediction), ("truth", truth)):
        if labels is not None and labels.shape != rgb.shape[:2]:
            raise expected(f"{rgb.shape[:2]} pixels of '{name}'", labels.shape, f"{what}.shape")
    # Bounds, so that a panorama is not a hairline and a tower not a sheet of its own.
    height = int(look.panel * min(max(rgb.shape[0] / rgb.shape[1], 0.18), 1.25))
    # A page must have room for it, with its titles and the largest legend.
    height = min(height, MOST // 2)
    part = Image.new("RGB", (look.width, height + look.line + look.gap), "white")
    draw = ImageDraw.Draw(part)
    caption = shorten(name, look.width - 2 * look.gap, font(look.text).getlength)
    draw.text((look.gap, look.line / 2), caption, _SOFT, font(look.text), anchor="lm")
    box = (look.panel, height)
    panels = [
        _fitted(Image.fromarray(rgb.astype(np.uint8, copy=False)), box, Image.Resampling.LANCZOS),
        _fitted(label_image(prediction, colours), box, Image.Resampling.NEAREST),
        _no_mask(look, box)
        if truth is None
        else _fitted(label_image(truth, colours), box, Image.Resampling.NEAREST),
    ]
    for column, panel in enumerate(panels[: look.columns]):
        part.paste(panel, (look.left(column), look.line))
    return part


def _fitted(image: Image.Image, box: tuple[int, int], shrink: Image.Resampling) -> Image.Image:
    """The image as large as the box allows, in its proportions, centred."""
    scale = min(box[0] / image.width, box[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # Enlarged pixels stay squares: the sheet shows what there is.
    resampling = shrink if scale < 1.0 else Image.Resampling.NEAREST
    panel = Image.new("RGB", box, _BEHIND)
    panel.paste(image.resize(size, resampling), ((box[0] - size[0]) // 2, (box[1] - size[1]) // 2))
    return panel


def _no_mask(look: _Look, box: tuple[int, int]) -> Image.Image:
    panel = Image.new("RGB", box, _NO_MASK)
    middle = (box[0] / 2, box[1] / 2)
    ImageDraw.Draw(panel).text(middle, "no mask", _SOFT, font(look.text + 2), anchor="mm")
    return panel


def _legend(
    look: _Look,
    rows: Sequence[TripletRow],
    names: Sequence[str],
    colours: NDArray[np.uint8],
    most_high: int,
) -> Image.Image:
    """Swatches and names in as many equal columns as fit, no higher than `most_high`."""
    entries = [(name, tuple(int(c) for c in rgb)) for name, rgb in zip(names, colours, strict=True)]
    black = _black(rows)
    last = [(black, (0, 0, 0))] * bool(black)
    swatch = look.text
    most = look.panel - swatch - 2 * look.gap
    texts = [shorten(name, most, font(look.text).getlength) for name, _ in (*entries, *last)]
    needed = max((font(look.text).getlength(text) for text in texts), default=0.0)
    cell = int(needed) + swatch + 3 * look.gap
    columns = max(1, (look.width - look.gap) // cell)
    fit = columns * max(1, (most_high - 2 * look.gap) // look.line) - len(last)
    if len(entries) > fit:
        kept = _occurring(rows, len(entries))[: fit - 1]
        last = [(f"and {len(entries) - len(kept)} more", (255, 255, 255)), *last]
        entries = [entries[index] for index in sorted(kept)]
    entries += last
    texts = [shorten(name, most, font(look.text).getlength) for name, _ in entries]
    lines = -(-len(entries) // columns)
    strip = Image.new("RGB", (look.width, lines * look.line + 2 * look.gap), "white")
    draw = ImageDraw.Draw(strip)
    for index, (text, (_, colour)) in enumerate(zip(texts, entries, strict=True)):
        left = look.gap + (index % columns) * cell
        middle = look.gap + (index // columns) * look.line + look.line / 2
        corners = (left, middle - swatch / 2, left + swatch, middle + swatch / 2)
        draw.rectangle(corners, fill=colour, outline=_SOFT)
        draw.text((left + swatch + look.gap, middle), text, _INK, font(look.text), anchor="lm")
    return strip


def _occurring(rows: Sequence[TripletRow], classes: int) -> list[int]:
    """All classes, those that occur most in these rows first."""
    counts = np.zeros(classes, np.int64)
    for _, _, prediction, truth in rows:
        for labels in (prediction, truth):
            if labels is not None:
                counts += np.bincount(labels[labels != IGNORE].ravel(), minlength=classes)
    return [int(index) for index in np.argsort(-counts, kind="stable")]
