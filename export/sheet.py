"""The sheet of some predictions beside their images and masks, on as many pages as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE, Scene
from iic_tf.export.labelling import Labelling
from iic_tf.export.legend import Legend
from iic_tf.pictures import TripletRow, triplet_sheets
from iic_tf.training.picked import picked
from iic_tf.training.picture_pages import write_pages
from iic_tf.views.draws import generator

ROWS = 8

PANEL = 800
"""Longest side of what is kept for a panel; on the sheet it is about half of that."""

WINDOW = 256
"""Side of a window of a large scene, pixels of the scene as it is reduced for pictures."""

_Place = tuple[slice, slice]


def windows_each(scenes: int) -> int:
    """How many windows a large scene gets where so many are shown."""
    return max(1, ROWS // max(1, scenes) - 1)


def choose(scenes: Sequence[Scene]) -> list[Scene]:
    """At most 8 scenes, evenly from all; only ones with masks where there are any."""
    labelled = [scene for scene in scenes if scene.has_mask]
    among = labelled or list(scenes)
    picked = np.linspace(0, len(among) - 1, min(ROWS, len(among)))
    return [among[round(index)] for index in picked]


@dataclass(frozen=True)
class Panel:
    """A square of a scene's rendering, in its pixels, and what is said of it."""

    top: int
    left: int
    height: int
    width: int
    told: str


@dataclass(frozen=True)
class Panels:
    """Which windows of a large scene are shown beside all of it.

    Attributes:
        seed: of where windows lie.
        windows: how many.
    """

    seed: int
    windows: int

    def of(self, labelling: Labelling) -> tuple[Panel, ...]:
        """Those of a scene that is done; none of one that a panel shows as it is.

        Windows are drawn by seed from cells all over the scene; the last third of them, at least
        one, are those of which the model is least sure.
        """
        if max(labelling.labels.shape) < 2 * WINDOW or not self.windows:
            return ()
        places = _places(labelling.labels.shape, generator(self.seed, 0, 0, "sheet"))
        sure = [_certainty(labelling, place) for place in places]
        few = -(-self.windows // 3)
        spread, unsure = picked(sure, self.windows - few, few)
        panels = []
        for index in (*spread, *unsure):
            rows, columns = places[index]
            top, left = rows.start * labelling.factor, columns.start * labelling.factor
            told = f"{labelling.scene.name}, from row {top}, column {left}"
            if index in unsure:
                told += f"; among the least sure, {sure[index]:.2f} on average"
            sides = rows.stop - rows.start, columns.stop - columns.start
            panels.append(Panel(rows.start, columns.start, *sides, told))
        return tuple(panels)


def make_rows(labelling: Labelling, panels: Sequence[Panel]) -> tuple[TripletRow, ...]:
    """The row of one scene, reduced to what the sheet can show, and those of its panels.

    Args:
        labelling: of the scene, done.
        panels: what `Panels.of` gave.
    """
    step = max(1, max(labelling.labels.shape) // PANEL)
    whole = slice(0, None, step), slice(0, None, step)
    rows = [_row(labelling, labelling.scene.name, whole)]
    for one in panels:
        place = slice(one.top, one.top + one.height), slice(one.left, one.left + one.width)
        rows.append(_row(labelling, one.told, place))
    return tuple(rows)


def _row(labelling: Labelling, name: str, place: _Place) -> TripletRow:
    truth = labelling.truth
    return (
        name,
        labelling.rgb[place].copy(),
        labelling.labels[place].astype(np.int64),
        None if truth is None else truth[place].astype(np.int64),
    )


def _places(shape: tuple[int, ...], rng: np.random.Generator) -> list[_Place]:
    """A window within each cell of a grid over a rendering of this size."""
    cells = [max(1, size // WINDOW) for size in shape]
    places = []
    for row, column in np.ndindex(*cells):
        place = []
        for size, count, at in zip(shape, cells, (row, column), strict=True):
            first, end = at * size // count, (at + 1) * size // count
            side = min(WINDOW, size)
            begin = int(rng.integers(first, max(first, end - side) + 1))
            place.append(slice(begin, begin + side))
        places.append((place[0], place[1]))
    return places


def _certainty(labelling: Labelling, place: _Place) -> float:
    """The mean largest probability of a window; NaN where hardly anything holds data."""
    holds = labelling.labels[place] != IGNORE
    if holds.mean() < 0.1:
        return float("nan")
    return float(labelling.confidence[place][holds].mean())


def write_sheet(path: Path, rows: Sequence[TripletRow], legend: Legend) -> list[Path]:
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
    return write_pages(path, triplet_sheets(rows, names, colours))


def _moved(truth: NDArray[np.integer], first: int) -> NDArray[np.integer]:
    return np.where(truth == IGNORE, IGNORE, truth + first)
