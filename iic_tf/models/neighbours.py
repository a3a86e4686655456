"""The nearest neighbours of embeddings, by the angle between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS = 1000
"""Of which similarities to all others are held at a time."""


def nearest_neighbours(embeddings: NDArray[np.floating], count: int) -> NDArray[np.int32]:
    """The numbers of the nearest others of each embedding, in no order.

    Args:
        embeddings: `[n, d]`, n of at least 2.
        count: how many; all others where there are no more.

    Returns:
        int32 `[n, count]`.
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = np.asarray(embeddings / np.maximum(lengths, 1e-12), np.float32)
    count = min(count, len(unit) - 1)
    found = np.empty((len(unit), count), np.int32)
    for first in range(0, len(unit), ROWS):
        rows = unit[first : first + ROWS] @ unit.T
        # No neighbour of itself.
        rows[np.arange(len(rows)), first + np.arange(len(rows))] = -np.inf
        found[first : first + ROWS] = np.argpartition(-rows, count - 1, axis=1)[:, :count]
    return found
