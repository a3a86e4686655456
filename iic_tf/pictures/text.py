"""Text in pictures: one typeface for Pillow and Matplotlib, and names that fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import ImageFont


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, as Matplotlib carries it, in pixels; Pillow's own where that is missing."""
    try:
        import matplotlib
    except ImportError:
        own = ImageFont.load_default(size)
        # Pillow without FreeType has one small font of pixels.
        if not isinstance(own, ImageFont.FreeTypeFont):
            raise
        return own
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def shorten(text: str, room: float, measure: Callable[[str], float] = len) -> str:
    """The text in one line, cut with an ellipsis where it is longer than `room`.

    Args:
        text: any text; runs of white space become one blank.
        room: the most that `measure` may give.
        measure: the length of a text, by default its characters.
    """
    line = " ".join(text.split())
    if measure(line) <= room:
        return line
    # Bisection: a name may be a whole paragraph, and measuring costs.
    fits, breaks = 0, len(line)
    while breaks - fits > 1:
        middle = (fits + breaks) // 2
        if measure(line[:middle].rstrip() + "…") <= room:
            fits = middle
        else:
            breaks = middle
    return line[:fits].rstrip() + "…"


def literal(text: str) -> str:
    """The text for Matplotlib, which would set what stands between dollar signs as a formula."""
    return text.replace("$", r"\$")
