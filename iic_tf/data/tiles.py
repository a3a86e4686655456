"""Scenes in parts that are looked at as a whole: small ones each in one, large ones in several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Tile:
    """A part of a scene, scaled down.

    Attributes:
        number: among all tiles of the set.
        scene: the scene's number.
        top, left, bottom, right: its first row and column, and the first ones behind it.
    """

    number: int
    scene: int
    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left


def tiles_of(shapes: Iterable[tuple[int, int]], side: int, align: int) -> list[Tile]:
    """Tiles edge to edge over all scenes, about equally large within each.

    Args:
        shapes: height and width of each scene.
        side: what a tile's sides are at most, or up to `align` more, in pixels.
        align: tiles begin at multiples of so many pixels.

    Returns:
        Every pixel of every scene in one of them. Sides of those in a scene that is longer than
        `side` are above side / 2 − align.
    """
    tiles: list[Tile] = []
    for scene, (height, width) in enumerate(shapes):
        for top, bottom in _spans(int(height), side, align):
            for left, right in _spans(int(width), side, align):
                tiles.append(Tile(len(tiles), scene, top, left, bottom, right))
    return tiles


def _spans(length: int, side: int, align: int) -> list[tuple[int, int]]:
    count = -(-length // side)
    begins = [i * length // count // align * align for i in range(count)]
    return [(a, b) for a, b in pairwise([*begins, length]) if b > a]
