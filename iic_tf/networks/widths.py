"""The width multiplier that all networks share."""

from __future__ import annotations

from collections.abc import Sequence

from iic_tf.errors import expected

LEAST_FILTERS = 4


def widened(filters: Sequence[int], width: float) -> list[int]:
    """Channel counts times `width`, rounded, 4 at least.

    Raises:
        InputError: `width` is not above 0.
    """
    if not width > 0:
        raise expected("width > 0", width, "width")
    return [max(LEAST_FILTERS, round(f * width)) for f in filters]
