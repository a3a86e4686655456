"""The most typical places of clusters, and where a label would tell most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from iic_tf.training.survey import NOTHING, View

WINDOW = 9
"""Side of the square whose mean certainty says how typical its middle is."""

AROUND = 65
"""Side of a second one, about as large as what is shown of a place."""

LARGE = 0.05
"""Share from which on an unlabelled cluster is called large."""


@dataclass(frozen=True)
class Spot:
    """A place in a view, the middle of what is typical of a cluster.

    Attributes:
        view: index of the view.
        row, column: in the view.
        score: 0 to 1, the mean probability of the cluster near and around it.
    """

    view: int
    row: int
    column: int
    score: float


def typical_spots(views: Sequence[View], cluster: int, count: int) -> list[Spot]:
    """The places around which a cluster is surest, at most one a view, the best first."""
    spots = []
    for index, view in enumerate(views):
        own = np.where(view.labels == cluster, view.confidence, 0.0)
        if not own.any():
            continue
        # Nothing beyond the view: places well inside it and inside the cluster come first.
        near, far = (uniform_filter(own, side, mode="constant") for side in (WINDOW, AROUND))
        mean = (near + far) / 2
        # The place itself must be of the cluster: it is what gets the label.
        mean = np.where(view.labels == cluster, mean, -1.0)
        row, column = np.unravel_index(int(mean.argmax()), mean.shape)
        spots.append(Spot(index, int(row), int(column), float(mean[row, column])))
    return sorted(spots, key=lambda s: -s.score)[:count]


@dataclass(frozen=True)
class Suggestion:
    """A place whose label would tell much.

    Attributes:
        image: the scene's name.
        row, column: of its own pixels.
        cluster: what lies there.
        reason: why, in words.
        spot: where it is in the views.
    """

    image: str
    row: int
    column: int
    cluster: int
    reason: str
    spot: Spot


def suggest(
    views: Sequence[View],
    shares: NDArray[np.floating],
    count: int,
    votes: NDArray[np.integer] | None = None,
) -> list[Suggestion]:
    """Places to label next: of large clusters without a label, and of those whose labels disagree.

    What a label of a cluster tells is taken to be the cluster's share times how undecided its class
    is: the entropy of its classes, each image that labels it being a vote beside one vote for every
    class, as a part of the largest entropy. Each place suggested counts as half of its cluster
    settled.

    Args:
        views: of `survey_scenes`, or of whole images.
        shares: of the clusters, `[clusters]`.
        count: how many places.
        votes: `[classes, clusters]`, how many images gave a cluster mostly this class; None: no
            labels yet.
    """
    clusters = len(shares)
    undecided = np.ones(clusters)
    if votes is not None:
        p = (votes + 1) / (votes + 1).sum(0)
        undecided = -(p * np.log(p)).sum(0) / np.log(len(votes))
    worth = np.asarray(shares, np.float64) * undecided
    spots = {c: typical_spots(views, c, len(views)) for c in range(clusters)}
    found: list[Suggestion] = []
    while len(found) < count:
        open_ = [c for c in range(clusters) if spots[c] and worth[c] > 0]
        if not open_:
            break
        best = max(open_, key=lambda c: float(worth[c]))
        spot = spots[best].pop(0)
        worth[best] /= 2
        view = views[spot.view]
        row, column = view.place(spot.row, spot.column)
        reason = _reason(best, float(shares[best]), None if votes is None else votes[:, best])
        found.append(Suggestion(view.scene, row, column, best, reason, spot))
    return found


def _reason(cluster: int, share: float, votes: NDArray[np.integer] | None) -> str:
    size = f"{share:.0%} of the pixels" if share >= 0.01 else "under 1 % of the pixels"
    if votes is None or not votes.sum():
        kind = "a large cluster" if share >= LARGE else "a cluster"
        return f"{kind} without a label, {size}"
    if (votes > 0).sum() > 1:
        return f"labels disagree, {size}"
    return f"few labels, {size}"


def crop_of(view: View, spot: Spot, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The square around a spot: rgb uint8 `[side, side, 3]` and labels uint8 `[side, side]`.

    Beyond the view it is white, and of no data.
    """
    rgb = np.full((side, side, 3), 255, np.uint8)
    labels = np.full((side, side), NOTHING, np.uint8)
    top, left = spot.row - side // 2, spot.column - side // 2
    height, width = view.labels.shape
    rows = slice(max(0, top), min(height, top + side))
    columns = slice(max(0, left), min(width, left + side))
    there = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    rgb[there], labels[there] = view.rgb[rows, columns], view.labels[rows, columns]
    return rgb, labels
