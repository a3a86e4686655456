"""The page to name a run's clusters by hand, filled from the run: RUN/label.html."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iic_tf.export.page import Crop, Example, PageCluster, PageContent, Suggestion, naming_page
from iic_tf.pictures import palette
from iic_tf.training.atomic import replacing
from iic_tf.training.label import Naming
from iic_tf.training.labelled import Counts
from iic_tf.training.meaning import Meaning, model_mark
from iic_tf.training.survey import View, shares_of
from iic_tf.training.typical import Suggestion as Place
from iic_tf.training.typical import crop_of, typical_spots

PAGE = "label.html"
CROPS = 6
CROP = 64
EXAMPLES = 8
GALLERY = 60
"""Whole images shown as examples."""
PLACES = 12


@dataclass(frozen=True)
class _Class:
    name: str
    colour: str
    number: int
    clusters: tuple[int, ...]


def write_page(
    naming: Naming, meaning: Meaning | None, counts: Counts | None, places: int = PLACES
) -> Path:
    """Write the page, whole or not at all.

    Args:
        naming: the run.
        meaning: what its clusters mean so far.
        counts: the labels that this goes by, if any.
        places: how many places to label it suggests.

    Raises:
        InputError: more clusters than a page has room for.
    """
    views, clusters = naming.views, naming.clusters
    whole = naming.data.unit == "images"
    shares = shares_of(views, clusters)
    named = meaning if meaning is not None and meaning.head == naming.head else None
    shown = _examples(views, whole)
    content = PageContent(
        run=naming.run.folder.name,
        head=naming.head,
        clusters=_clusters(views, shares, whole),
        tree=naming.tree,
        model=model_mark(naming.run),
        examples=[_example(views[index], whole) for index in shown],
        classes=[] if named is None else _classes(named),
        guessed=[] if named is None else named.guessed,
        suggestions=[
            _suggestion(place, views, shown, whole) for place in naming.suggestions(places, counts)
        ],
        unit=naming.data.unit,
        command=f"iic-tf label {shlex.quote(str(naming.run.folder))} --names classes.yaml",
        notes=naming.data.notes,
    )
    path = naming.run.folder / PAGE
    with replacing(path) as temporary:
        temporary.write_text(naming_page(content), encoding="utf-8")
    return path


def _classes(meaning: Meaning) -> list[_Class]:
    return [
        _Class(c.name, f"#{bytes(c.colour).hex()}", c.number, c.clusters) for c in meaning.classes
    ]


def _clusters(views: list[View], shares: np.ndarray, whole: bool) -> list[PageCluster]:
    found = []
    for cluster, colour in enumerate(palette(len(shares))):
        crops = []
        for spot in typical_spots(views, cluster, CROPS):
            view = views[spot.view]
            if whole:
                crops.append(Crop(view.rgb))
                continue
            rgb, labels = crop_of(view, spot, CROP)
            crops.append(Crop(rgb, labels == cluster))
        found.append(PageCluster(float(shares[cluster]), f"#{bytes(colour).hex()}", crops))
    return found


def _examples(views: list[View], whole: bool) -> list[int]:
    """Which of the views are shown: spread over all."""
    count = min(len(views), GALLERY if whole else EXAMPLES)
    return sorted({round(i) for i in np.linspace(0, len(views) - 1, count)})


def _example(view: View, whole: bool) -> Example:
    if whole:
        return Example(view.scene, view.rgb, cluster=int(view.labels[0, 0]))
    return Example(view.scene, view.rgb, view.labels)


def _suggestion(place: Place, views: list[View], shown: list[int], whole: bool) -> Suggestion:
    spot, view = place.spot, views[place.spot.view]
    known = shown.index(spot.view) if spot.view in shown and not whole else None
    crop = view.rgb if whole else crop_of(view, spot, CROP)[0]
    return Suggestion(
        *(place.image, place.row, place.column, place.cluster, place.reason),
        example=known,
        at=None if known is None else (spot.row, spot.column),
        crop=crop,
    )
