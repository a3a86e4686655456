"""Examples of what a model makes of scenes: from all over them, and where it is least sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE, SceneSet
from iic_tf.pictures import TripletRow
from iic_tf.training.picked import picked
from iic_tf.training.survey import NOTHING, View, survey_scenes

if TYPE_CHECKING:
    from iic_tf.models.served import ServedSegmenter

LOOKED = 16
"""Windows that are looked at."""

SIDE = 128
"""Of a window, in pixels as the network sees them."""

_LEAST_DATA = 0.1
"""Share of a window that must hold data, where others do."""


def example_views(served: ServedSegmenter, scenes: SceneSet, seed: int, masks: bool) -> list[View]:
    """Windows drawn by seed from all scenes.

    Args:
        served: answers with clusters, at most 255.
        scenes: under the value range of the training.
        seed: of where windows lie.
        masks: whether masks are read, too.
    """
    return survey_scenes(served, scenes, seed, LOOKED, SIDE, masks)


def seen_in(views: Sequence[View]) -> dict[str, float | int | None]:
    """How much of some windows holds no data, and how sure the model is of the rest."""
    labels = np.concatenate([view.labels.ravel() for view in views])
    sure = np.concatenate([view.confidence.ravel() for view in views])[labels != NOTHING]
    return {
        "windows": len(views),
        "no_data": float((labels == NOTHING).mean()),
        "certainty": float(sure.mean()) if sure.size else None,
    }


def example_rows(
    views: Sequence[View], class_of: NDArray[np.integer] | None = None
) -> list[TripletRow]:
    """Rows of a sheet: windows from all over, then those of which the model is least sure.

    Args:
        views: of `example_views`.
        class_of: the class of each cluster, which labels then are; None: clusters by number.
    """
    spread, unsure = picked([certainty(view) for view in views])
    # The last number finds what holds no data.
    numbers = np.full(NOTHING + 1, IGNORE, np.int64)
    known = np.arange(NOTHING) if class_of is None else np.asarray(class_of)[:NOTHING]
    numbers[: len(known)] = known
    numbers[NOTHING] = IGNORE
    return [
        (_caption(views[index], index in unsure), view.rgb, numbers[view.labels], view.truth)
        for index in (*spread, *unsure)
        for view in (views[index],)
    ]


def certainty(view: View) -> float:
    """The mean probability of the likeliest cluster; NaN where hardly anything holds data."""
    holds = view.labels != NOTHING
    if holds.mean() < _LEAST_DATA:
        return float("nan")
    return float(view.confidence[holds].mean())


def _caption(view: View, unsure: bool) -> str:
    told = f"{view.scene}, from row {view.top}, column {view.left}"
    return f"{told}; among the least sure, {certainty(view):.2f} on average" if unsure else told
