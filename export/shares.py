"""How much belongs to each cluster, in a few words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def largest_shares(counts: NDArray[np.int64], names: Sequence[str]) -> str:
    """The four largest clusters with their shares, the most first, and how many more there are.

    Args:
        counts: integers `[clusters]`.
        names: of the clusters.
    """
    shares = counts / max(1, int(counts.sum()))
    largest = [i for i in np.argsort(-shares, kind="stable")[:4] if shares[i] > 0]
    text = ", ".join(
        f"{names[i]} " + (f"{shares[i]:.0%}" if shares[i] >= 0.01 else "<1%") for i in largest
    )
    more = int((shares > 0).sum()) - len(largest)
    return text + (f" and {more} more" if more else "")
