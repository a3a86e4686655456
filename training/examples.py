"""Examples of what a model makes of scenes: from all over them, and where it is least sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE, SceneSet
from iic_tf.pictures import TripletRow
from iic_tf.training.survey import NOTHING, View, survey_scenes

LOOKED = 16
"""Windows that are looked at."""

SPREAD, UNSURE = 5, 3
"""Of these so many are shown, from all over, and those of which the model is least sure."""

SIDE = 128
"""Of a window, in pixels as the network sees them."""

_LEAST_DATA = 0.1
"""Share of a window that must hold data, where others do."""


def example_views(served: object, scenes: SceneSet, seed: int, masks: bool) -> list[View]:
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


def _caption(view: View, unsure: bool) -> str:
    told = f"{view.scene}, from row {view.top}, column {view.left}"
    return f"{told}; among the least sure, {certainty(view):.2f} on average" if unsure else told
