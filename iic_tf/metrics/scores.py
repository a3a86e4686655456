"""How well clusters agree with classes: accuracy, IoU, NMI, ARI and a table by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Json
from iic_tf.errors import InputError
from iic_tf.metrics.assignment import apply_mapping
from iic_tf.metrics.confusion import require_confusion


class ClassScore(NamedTuple):
    """One line of the table by class; every figure 0 to 1, or None where it is 0 / 0.

    Attributes:
        name: the class's name.
        share: the part of the labelled pixels that are of this class.
        precision: the part of the pixels predicted as this class that are of it.
        recall: the part of this class's pixels that were predicted as it.
        iou: intersection over union of true and predicted pixels.
    """

    name: str
    share: float
    precision: float | None
    recall: float | None
    iou: float | None


@dataclass(frozen=True)
class Scores:
    """Agreement of a clustering with the classes.

    Attributes:
        accuracy: part of the pixels whose mapped class is right, 0 to 1.
        mean_iou: mean over the classes present in the truth, 0 to 1.
        nmi: normalised mutual information of classes and unmapped clusters, 0 to 1.
        ari: adjusted Rand index of classes and unmapped clusters, −0.5 to 1; 0 is chance.
        per_class: one line for each class, in the order of the indices.
    """

    accuracy: float
    mean_iou: float
    nmi: float
    ari: float
    per_class: list[ClassScore]

    def to_json(self) -> Json:
        """A plain dictionary of numbers, text and None, ready for `json.dump`."""
        return asdict(self) | {"per_class": [line._asdict() for line in self.per_class]}


def scores(
    confusion_clusters: NDArray[np.integer],
    mapping: NDArray[np.integer],
    names: Sequence[str],
) -> Scores:
    """Score a clustering by its confusion matrix.

    Args:
        confusion_clusters: counts `[classes, clusters]`, clusters not yet mapped.
        mapping: integers `[clusters]`, the class of each cluster.
        names: one name for each class.

    Raises:
        InputError: no labelled pixels were counted, or the shapes do not fit.

    Examples:
        >>> found = scores(np.array([[1, 9], [8, 2]]), np.array([1, 0]), ["water", "land"])
        >>> found.accuracy, round(found.mean_iou, 4), found.per_class[0].recall
        (0.85, 0.7386, 0.9)
    """
    matrix = _counted(confusion_clusters)
    if len(names) != matrix.shape[0]:
        raise InputError(
            f"Expected one name for each of the {matrix.shape[0]} classes; received {len(names)}."
        )
    mapped = apply_mapping(matrix, mapping, matrix.shape[0])
    total = int(mapped.sum())
    per_class = []
    for index, name in enumerate(names):
        right = int(mapped[index, index])
        true, said = int(mapped[index].sum()), int(mapped[:, index].sum())
        per_class.append(
            ClassScore(
                name=str(name),
                share=true / total,
                precision=_ratio(right, said),
                recall=_ratio(right, true),
                iou=_ratio(right, true + said - right),
            )
        )
    ious = [line.iou for line in per_class if line.share > 0 and line.iou is not None]
    return Scores(
        accuracy=int(mapped.trace()) / total,
        mean_iou=sum(ious) / len(ious),
        nmi=normalised_mutual_information(matrix),
        ari=adjusted_rand_index(matrix),
        per_class=per_class,
    )


def normalised_mutual_information(confusion: NDArray[np.integer]) -> float:
    """NMI of classes C and clusters K, with the arithmetic mean and natural logarithms.

    With p the counts over their total and p(c), p(k) its row and column sums:
    `I = Σ p(c,k) ln(p(c,k) / (p(c) p(k)))`, `H(C) = −Σ p(c) ln p(c)`, H(K) likewise, and
    `NMI = I / ((H(C) + H(K)) / 2)` (Strehl and Ghosh 2002; Vinh, Epps and Bailey 2010).
    One class in one cluster is perfect agreement: 1.

    Args:
        confusion: counts `[classes, clusters]`.

    Raises:
        InputError: no labelled pixels were counted.

    Examples:
        >>> round(normalised_mutual_information(np.array([[0, 5], [5, 0]])), 4)
        1.0
    """
    matrix = _counted(confusion)
    joint = matrix / matrix.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    entropies = _entropy(rows) + _entropy(columns)
    if entropies == 0.0:
        return 1.0
    filled = joint > 0
    quotient = joint[filled] / np.outer(rows, columns)[filled]
    information = float((joint[filled] * np.log(quotient)).sum())
    # Rounding can leave the bounds by some 1e-16.
    return min(max(2.0 * information / entropies, 0.0), 1.0)


def adjusted_rand_index(confusion: NDArray[np.integer]) -> float:
    """ARI of classes and clusters: agreement on pairs of pixels, corrected for chance.

    With `S = Σ C(n(c,k), 2)`, `A = Σ C(n(c), 2)`, `B = Σ C(n(k), 2)` and `T = C(n, 2)`:
    `ARI = (S − A B / T) / ((A + B) / 2 − A B / T)` (Hubert and Arabie 1985). Where both
    partitions are trivial, hence equal, it is 1. Computed in Python's unbounded integers, as
    pairs of some billions of pixels overflow int64.

    Args:
        confusion: counts `[classes, clusters]`.

    Raises:
        InputError: no labelled pixels were counted.

    Examples:
        >>> adjusted_rand_index(np.array([[0, 5], [5, 0]]))
        1.0
    """
    matrix = _counted(confusion)
    both = sum(comb(n, 2) for n in matrix.ravel().tolist())
    rows = sum(comb(n, 2) for n in matrix.sum(axis=1).tolist())
    columns = sum(comb(n, 2) for n in matrix.sum(axis=0).tolist())
    total = comb(int(matrix.sum()), 2)
    most = (rows + columns) * total - 2 * rows * columns
    return 2 * (both * total - rows * columns) / most if most else 1.0


def _counted(confusion: NDArray[np.integer]) -> NDArray[np.int64]:
    matrix = require_confusion(confusion)
    if not matrix.any():
        raise InputError(
            "Expected at least one labelled pixel to score; received no labelled pixels."
        )
    return matrix


def _entropy(p: NDArray[np.float64]) -> float:
    # + 0.0 turns the −0.0 of a single filled bin into 0.0.
    return -float((p[p > 0] * np.log(p[p > 0])).sum()) + 0.0


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
