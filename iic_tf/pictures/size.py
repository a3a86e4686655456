"""How large pictures are at most, and rows of something on as many pages as that takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

MOST = 1999
"""The longest side of a sheet or chart, in pixels: more is not looked at whole on any screen."""


def pages_of(heights: Sequence[int], room: int) -> list[slice]:
    """Which rows come on which page, in order and as even as their number allows.

    Args:
        heights: of the rows, pixels; one is put on a page of its own where it is higher than that.
        room: of a page, pixels.

    Returns:
        A slice of the rows for each page; one at least.
    """

    def cuts(most: int) -> list[int]:
        found, filled = [0], 0
        for index, height in enumerate(heights):
            if filled and filled + height > most:
                found.append(index)
                filled = 0
            filled += height
        return [*found, len(heights)]

    wanted = len(cuts(room))
    # The lowest page that needs no further one: no page with a single row at the end.
    low, high = 0, room
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if len(cuts(middle)) <= wanted else (middle, high)
    return [slice(a, b) for a, b in pairwise(cuts(high))]
