"""Which of many places are shown: from all over, and where a model is least sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SPREAD, UNSURE = 5, 3
"""How many are shown from all over, and of those that the model is least sure of."""


def picked(
    sure: Sequence[float], spread: int = SPREAD, unsure: int = UNSURE
) -> tuple[list[int], list[int]]:
    """Which are shown: some evenly from all, and of the others the least sure, least first.

    Args:
        sure: how sure the model is of each, NaN where there is nothing to see: shown where there
            is nothing else.
        spread: how many from all.
        unsure: how many of the others.
    """
    there = [i for i, value in enumerate(sure) if not np.isnan(value)] or list(range(len(sure)))
    places = np.linspace(0, len(there) - 1, min(spread, len(there)))
    evenly = sorted({there[round(place)] for place in places})
    rest = sorted((i for i in there if i not in evenly), key=lambda i: sure[i])
    return evenly, rest[:unsure]
