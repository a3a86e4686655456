"""What does not fit on a naming page is refused before anything is made of it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import expected
from iic_tf.export.page.content import NO_DATA, Class, Example, PageCluster, PageContent, Suggestion

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_UNITS = ("pixels", "images")


def check_content(content: PageContent) -> None:
    """Refuse content that contradicts itself.

    Raises:
        InputError: which part, and what was expected of it.
    """
    k = len(content.clusters)
    if not 2 <= k <= NO_DATA:
        raise expected(f"2 to {NO_DATA} clusters", k)
    if content.unit not in _UNITS:
        raise expected(f"a unit of {' or '.join(_UNITS)}", content.unit, "unit")
    if content.groups is not None and not 2 <= content.groups <= k:
        raise expected(f"2 to {k} groups", content.groups, "groups")
    for number, cluster in enumerate(content.clusters):
        _check_cluster(cluster, f"clusters[{number}]")
    _check_tree(content, k)
    _check_classes(content.classes, content.guessed, k)
    for index, example in enumerate(content.examples):
        _check_example(example, k, f"examples[{index}]")
    for index, place in enumerate(content.suggestions):
        _check_suggestion(place, content, f"suggestions[{index}]")


def _check_cluster(cluster: PageCluster, name: str) -> None:
    if not 0.0 <= cluster.share <= 1.0:
        raise expected("a share of 0 to 1", cluster.share, f"{name}.share")
    _check_colour(cluster.colour, f"{name}.colour")
    for index, crop in enumerate(cluster.crops):
        _check_rgb(crop.rgb, f"{name}.crops[{index}].rgb")
        if crop.mask is not None and crop.mask.shape != crop.rgb.shape[:2]:
            what = f"a mask of shape {crop.rgb.shape[:2]}"
            raise expected(what, crop.mask.shape, f"{name}.crops[{index}].mask.shape")


def _check_tree(content: PageContent, k: int) -> None:
    merges, losses = np.asarray(content.tree.merges), np.asarray(content.tree.losses)
    if merges.shape != (k - 1, 2):
        raise expected(f"merges of shape {(k - 1, 2)}", merges.shape, "merges.shape")
    if losses.shape != (k - 1,) or not np.isfinite(losses).all():
        raise expected(f"{k - 1} finite losses", losses, "losses")
    later = merges >= k + np.arange(k - 1)[:, None]
    # Each node but the last is merged once.
    if later.any() or sorted(merges.ravel().tolist()) != list(range(2 * k - 2)):
        raise expected(f"merges that join {k} clusters into one", merges.tolist(), "merges")


def _check_classes(classes: Any, guessed: Any, k: int) -> None:
    taken: Counter[int] = Counter()
    names: Counter[str] = Counter()
    one: Class
    for one in classes:
        _check_colour(one.colour, f"the colour of {one.name!r}")
        taken.update(int(cluster) for cluster in one.clusters)
        names[one.name] += 1
    if "" in names or any(times > 1 for times in names.values()):
        raise expected("a name of its own for each class", list(names.elements()), "classes")
    if any(times > 1 for times in taken.values()):
        raise expected("each cluster in one class at most", sorted(taken.elements()), "clusters")
    for cluster in (*taken, *guessed):
        _check_number(cluster, k, "the cluster of a class")


def _check_example(example: Example, k: int, name: str) -> None:
    _check_rgb(example.rgb, f"{name}.rgb")
    if (example.labels is None) == (example.cluster is None):
        raise expected("labels, or a cluster of the whole image", "both or neither", name)
    if example.cluster is not None:
        _check_number(example.cluster, k, f"{name}.cluster")
        return
    labels = np.asarray(example.labels)
    if labels.shape != example.rgb.shape[:2] or labels.dtype != np.uint8:
        what = f"uint8 labels of shape {example.rgb.shape[:2]}"
        raise expected(what, f"{labels.dtype} {labels.shape}", f"{name}.labels")
    strange = labels[(labels >= k) & (labels != NO_DATA)]
    if strange.size:
        raise expected(f"labels 0 to {k - 1}, or {NO_DATA}", int(strange[0]), f"{name}.labels")


def _check_suggestion(place: Suggestion, content: PageContent, name: str) -> None:
    _check_number(place.cluster, len(content.clusters), f"{name}.cluster")
    if place.crop is not None:
        _check_rgb(place.crop, f"{name}.crop")
    if (place.example is None) != (place.at is None):
        raise expected("an example together with the place on it", "one of both", name)
    if place.example is None or place.at is None:
        return
    _check_number(place.example, len(content.examples), f"{name}.example")
    height, width = content.examples[place.example].rgb.shape[:2]
    if not (0 <= place.at[0] < height and 0 <= place.at[1] < width):
        raise expected(f"a place within {height} × {width}", place.at, f"{name}.at")


def _check_number(number: int, count: int, name: str) -> None:
    if not 0 <= number < count:
        raise expected(f"a number of 0 to {count - 1}", number, name)


def _check_colour(colour: str, name: str) -> None:
    if not _COLOUR.fullmatch(colour):
        raise expected("a colour #rrggbb", colour, name)


def _check_rgb(rgb: NDArray[np.uint8], name: str) -> None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape or rgb.dtype != np.uint8:
        raise expected("an image uint8 [h, w, 3]", f"{rgb.dtype} {rgb.shape}", name)
