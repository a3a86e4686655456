"""The sheet of some predictions beside their images and masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE, Scene
from iic_tf.export.labelling import Labelling
from iic_tf.export.legend import Legend
from iic_tf.pictures import TripletRow, triplet_sheet
from iic_tf.training.atomic import replacing

ROWS = 8

PANEL = 800
"""Longest side of what is kept for a panel; on the sheet it is about half of that."""


def choose(scenes: Sequence[Scene]) -> list[Scene]:
    """At most 8 scenes, evenly from all; only ones with masks where there are any."""
    labelled = [scene for scene in scenes if scene.has_mask]
    among = labelled or list(scenes)
    picked = np.linspace(0, len(among) - 1, min(ROWS, len(among)))
    return [among[round(index)] for index in picked]


def make_row(labelling: Labelling) -> TripletRow:
    """The row of one scene, reduced to what the sheet can show."""
    rgb, predicted, truth = labelling.rgb, labelling.labels, labelling.truth
    step = max(1, max(predicted.shape) // PANEL)
    return (
        labelling.scene.name,
        rgb[::step, ::step].copy(),
        predicted[::step, ::step].astype(np.int64),
        None if truth is None else truth[::step, ::step].astype(np.int64),
    )


def write_sheet(path: Path, rows: Sequence[TripletRow], legend: Legend) -> None:
    """Write the sheet; predictions and masks share colours only where they share names."""
    names, colours = legend.names, legend.colours
    classes, shared = legend.classes, legend.shared
    if classes is not None and shared is not None:
        # Named by the user, in the user's colours.
        names, own = classes.names, classes.colours.copy()
        own[shared] = colours
        colours = own
        # One more, for IGNORE, which is the last of all.
        to_class = np.append(shared, IGNORE)
        rows = [(name, rgb, to_class[found], truth) for name, rgb, found, truth in rows]
    elif classes is not None:
        # One table for both: the masks' classes come after the clusters.
        first = len(names)
        names = (*names, *(f"{name} (mask)" for name in classes.names))
        colours = np.concatenate([colours, classes.colours])
        rows = [
            (name, rgb, found, None if truth is None else _moved(truth, first))
            for name, rgb, found, truth in rows
        ]
    with replacing(path) as temporary:
        triplet_sheet(rows, names, colours).save(temporary)


def _moved(truth: NDArray[np.integer], first: int) -> NDArray[np.integer]:
    return np.where(truth == IGNORE, IGNORE, truth + first)
