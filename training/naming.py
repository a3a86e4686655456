"""Which class each cluster means, by the labels that touched it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError
from iic_tf.metrics import many_to_one
from iic_tf.metrics.cluster_tree import ClusterTree
from iic_tf.training.meaning import MOST_NUMBER, Meaning, NamedClass


@dataclass(frozen=True)
class ClusterMapping:
    """Classes of clusters.

    Attributes:
        class_of: int64 `[clusters]`, the class of each.
        guessed: clusters that no label touched, with the class of the nearest in the tree.
    """

    class_of: NDArray[np.int64]
    guessed: tuple[int, ...]


def map_clusters(counts: NDArray[np.integer], tree: ClusterTree) -> ClusterMapping:
    """Give each cluster the class that most of its labelled pixels or images have.

    Args:
        counts: `[classes, clusters]`.
        tree: of these clusters.

    Raises:
        InputError: nothing is labelled.
    """
    if not counts.sum():
        raise InputError("Expected labelled pixels or images with data; received none.")
    seen = counts.sum(0)
    own = np.where(seen > 0, many_to_one(counts), -1)
    found = tree.nearest(own, seen.astype(np.float64))
    return ClusterMapping(
        np.asarray(found, np.int64), tuple(int(n) for n in np.flatnonzero(seen == 0))
    )


def expected_accuracy(folds: Sequence[NDArray[np.integer]], tree: ClusterTree) -> float | None:
    """The share that is right where each fold is mapped by the others; None of a single fold.

    Args:
        folds: counts `[classes, clusters]` of each.
        tree: of the clusters.
    """
    if len(folds) < 2:
        return None
    right, total = 0, 0
    whole = np.sum(folds, axis=0)
    for fold in folds:
        others = whole - fold
        if not others.sum() or not fold.sum():
            continue
        class_of = map_clusters(others, tree).class_of
        right += int(fold[class_of, np.arange(fold.shape[1])].sum())
        total += int(fold.sum())
    return right / total if total else None


def meaning_of(
    head: str,
    mapping: ClusterMapping,
    names: Sequence[str],
    colours: NDArray[np.uint8],
    model: str,
) -> Meaning:
    """The named classes of a mapping, numbered in order; by their names where all are numbers.

    Classes that no cluster means stay, with none: maps do not have them, and numbers stay theirs.
    """
    numbers = _numbers(names)
    classes = tuple(
        NamedClass(
            name,
            numbers[index],
            (int(colour[0]), int(colour[1]), int(colour[2])),
            tuple(int(n) for n in np.flatnonzero(mapping.class_of == index)),
        )
        for index, (name, colour) in enumerate(zip(names, colours, strict=True))
    )
    return Meaning(head, classes, mapping.guessed, model)


def _numbers(names: Sequence[str]) -> Sequence[int]:
    """What stands for each class: its name, where these are numbers that label files can hold."""
    if all(name.isascii() and name.isdecimal() and len(name) <= 3 for name in names):
        found = [int(name) for name in names]
        if max(found) <= MOST_NUMBER and len(set(found)) == len(found):
            return found
    return range(len(names))


def completed(meaning: Meaning, tree: ClusterTree) -> Meaning:
    """With a class for every cluster: those that have none get that of the nearest in the tree.

    Raises:
        InputError: a cluster that does not exist, or no class with a cluster.
    """
    class_of = meaning.class_of(len(tree))
    missing = tuple(int(n) for n in np.flatnonzero(class_of < 0))
    if not missing:
        return meaning
    found = tree.nearest(class_of, tree.shares)
    known = {n for n in meaning.guessed if n not in missing}
    return meaning.of_classes(np.asarray(found), tuple(sorted({*known, *missing})))
