"""Going over a scene of any size in windows, each with a margin of its surroundings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from iic_tf.errors import expected


@dataclass(frozen=True)
class Window:
    """One step: read `outer`, keep of the result what lies in the core.

    Attributes:
        top, left, height, width: of the core, in pixels of the scene.
        outer: (top, left, height, width) of what is to be read.
    """

    top: int
    left: int
    height: int
    width: int
    outer: tuple[int, int, int, int]

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the core lies inside the outer window."""
        top, left = self.top - self.outer[0], self.left - self.outer[1]
        return slice(top, top + self.height), slice(left, left + self.width)


def windows(height: int, width: int, core: int, margin: int, align: int = 1) -> Iterator[Window]:
    """Windows whose cores cover `height` × `width` without overlap, in reading order.

    Args:
        height: rows of the scene.
        width: columns of the scene.
        core: side of a core; rounded up to a multiple of `align`.
        margin: how much more is read on every side, where there is more; rounded up likewise.
        align: outer windows begin at multiples of it, so that pooling falls on the same pixels
            whether a scene is read whole or in windows.
    """
    if core < 1 or margin < 0 or align < 1:
        raise expected("core >= 1, margin >= 0, align >= 1", (core, margin, align))
    core = -(-core // align) * align
    margin = -(-margin // align) * align
    for top in range(0, height, core):
        for left in range(0, width, core):
            bottom, right = min(top + core, height), min(left + core, width)
            first = max(0, top - margin), max(0, left - margin)
            last = min(height, bottom + margin), min(width, right + margin)
            outer = (*first, last[0] - first[0], last[1] - first[1])
            yield Window(top, left, bottom - top, right - left, outer)
