"""Labelled images in folds, and the confusion matrices of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import expected
from iic_tf.metrics import many_to_one
from iic_tf.views.draws import generator

Confusions = dict[str, list[NDArray[np.int64]]]
"""For each head one matrix `[classes, clusters]` a sub-head."""


def split_folds(names: Sequence[str], folds: int, seed: int) -> list[tuple[str, ...]]:
    """Split whole scenes, never single crops, into folds that differ by one scene at most."""
    order = generator(seed, 0, 0, "folds").permutation(len(names))
    count = min(folds, len(names))
    return [tuple(names[i] for i in sorted(order[fold::count])) for fold in range(count)]


@dataclass(frozen=True)
class Split:
    """How labelled images are parted into those that give a mapping and those that are scored.

    Attributes:
        folds: so many, each scored with the mapping of the others; fewer where images are fewer.
        labelled: how many images, drawn, give the mapping for all others; None: folds.

    Raises:
        InputError: fewer than 2 folds, or fewer than 1 labelled image.
    """

    folds: int = 5
    labelled: int | None = None

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise expected("at least 2 folds", self.folds, "folds")
        if self.labelled is not None and self.labelled < 1:
            raise expected("at least 1 labelled image", self.labelled, "labelled")

    def draw(self, count: int, seed: int) -> NDArray[np.int64]:
        """Which of so many labelled images give the mapping, in order.

        Raises:
            InputError: none would be left to be scored.
        """
        assert self.labelled is not None
        if self.labelled >= count:
            wanted = f"fewer labelled images than the {count} that there are, to score the others"
            raise expected(wanted, self.labelled, "labelled")
        drawn = generator(seed, 0, 0, "labelled").permutation(count)[: self.labelled]
        return np.sort(drawn).astype(np.int64)

    def parts(self, names: Sequence[str], seed: int) -> list[tuple[str, ...]]:
        """The folds; or the images that give the mapping, and the others."""
        if self.labelled is None:
            return split_folds(names, self.folds, seed)
        drawn = {names[i] for i in self.draw(len(names), seed)}
        return [tuple(n for n in names if (n in drawn) == first) for first in (True, False)]


@dataclass(frozen=True)
class FoldConfusions:
    """Confusion matrices of each fold.

    Attributes:
        folds: the matrices.
        mapped_first: the first fold gives the mapping of the others, and is not scored.
    """

    folds: list[Confusions]
    mapped_first: bool = False

    def whole(self, head: str, sub_head: int) -> NDArray[np.int64]:
        """Counts `[classes, clusters]` over all that is scored."""
        return _sum([fold[head][sub_head] for fold in self.folds[self.mapped_first :]])

    def shown(self, head: str, sub_head: int) -> NDArray[np.int64]:
        """Counts `[classes, clusters]` over all that a mapping may see."""
        if self.mapped_first:
            return self.folds[0][head][sub_head]
        return self.whole(head, sub_head)

    def across(self, head: str, sub_head: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each fold's clusters by themselves, and their many-to-one mapping from the others.

        Counts `[classes, folds · clusters]` and classes `[folds · clusters]`. A single scene has
        no others: its mapping is its own. With `mapped_first` counts are `[classes, clusters]`.
        """
        if self.mapped_first:
            return self.whole(head, sub_head), many_to_one(self.shown(head, sub_head))
        whole = self.whole(head, sub_head)
        counts = [fold[head][sub_head] for fold in self.folds]
        others = [whole - count if len(counts) > 1 else whole for count in counts]
        return np.hstack(counts), np.concatenate([many_to_one(other) for other in others])


def _sum(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.sum(counts, axis=0)
    return total
