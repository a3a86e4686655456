"""Labelled images in folds, and the confusion matrices of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iic_tf.metrics import many_to_one
from iic_tf.views.draws import generator

Confusions = dict[str, list[NDArray[np.int64]]]
"""For each head one matrix `[classes, clusters]` a sub-head."""


def split_folds(names: Sequence[str], folds: int, seed: int) -> list[tuple[str, ...]]:
    """Split whole scenes, never single crops, into folds that differ by one scene at most."""
    order = generator(seed, 0, 0, "folds").permutation(len(names))
    count = min(folds, len(names))
    return [tuple(names[i] for i in sorted(order[fold::count])) for fold in range(count)]


@dataclass
class FoldConfusions:
    """Confusion matrices of each fold."""

    folds: list[Confusions]

    def whole(self, head: str, sub_head: int) -> NDArray[np.int64]:
        """Counts `[classes, clusters]` over all labelled pixels."""
        total: NDArray[np.int64] = sum(fold[head][sub_head] for fold in self.folds)  # type: ignore[assignment]
        return total

    def across(self, head: str, sub_head: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each fold's clusters by themselves, and their many-to-one mapping from the others.

        Counts `[classes, folds · clusters]` and classes `[folds · clusters]`. A single scene has
        no others: its mapping is its own.
        """
        whole = self.whole(head, sub_head)
        counts = [fold[head][sub_head] for fold in self.folds]
        others = [whole - count if len(counts) > 1 else whole for count in counts]
        return np.hstack(counts), np.concatenate([many_to_one(other) for other in others])
