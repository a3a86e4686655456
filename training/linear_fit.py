"""Fitting a linear head to labels, few or many, and what it may be expected to score.

Two logistic regressions, one on the trunk's features with their box means, one on hand-made
statistics, are fitted apart, and their logits averaged: still one linear map. Fitted as one they
explain the labelled images by whichever of 300 inputs tell these apart; each by itself errs on
other images in its own way (a logarithmic opinion pool, Heskes 1998).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import expected
from iic_tf.metrics import many_to_one
from iic_tf.models.linear_head import NEVER, LinearHead
from iic_tf.training.labelled_points import LabelledPoints
from iic_tf.training.progress import progress
from iic_tf.views.draws import generator

FEATURE_STRENGTHS = (1e-3, 1e-2, 1e-1)
STATISTIC_STRENGTHS = (0.1, 1.0, 10.0)
"""Inverse strengths of regularisation C that are tried, as scikit-learn's; small is strong."""

DEFAULT_STRENGTHS = (1e-2, 1.0)
"""C where nothing can be compared, or nothing is clearly better."""

FOLDS = 5

Map = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Kernel `[inputs, classes]` and bias `[classes]`."""


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear map and what is known of it.

    Attributes:
        kernel, bias: `[inputs, classes]` and `[classes]` for `LinearHead.set_linear`.
        score: the expected accuracy on images without labels: that of held-out images' labelled
            pixels, each fold by the others' fit; None where there is one image.
        strengths: C of the features' and of the statistics' regression.
        notes: what the user has to know.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    score: float | None
    strengths: tuple[float, float]
    notes: tuple[str, ...]

    def onto(self, head: LinearHead) -> LinearHead:
        """Set a head's weights."""
        head.set_linear(self.kernel, self.bias)
        return head


def fit_linear(
    points: LabelledPoints, head: LinearHead, folds: int = FOLDS, seed: int = 0
) -> LinearFit:
    """Fit a head's linear map to labelled pixels.

    Regularisation is chosen by accuracy on held-out images; the default gives way only to what is
    better by more than a standard error of the difference over the folds. Classes without a label
    are never found.

    Args:
        points: what `labelled_points` found for this head.
        head: which inputs there are, and how many classes.
        folds: of images, at most; as many as images where these are fewer.
        seed: of the folds.

    Raises:
        InputError: no points, or not of the head's inputs and classes.
    """
    _check(points, head)
    notes = [*points.notes, *_missing(points.classes, head.classes)]
    parts = image_folds(points.images, folds, seed)
    score, strengths = None, DEFAULT_STRENGTHS
    if len(parts) > 1:
        score, strengths = _choose(points, head, parts)
    else:
        notes.append(
            "labels are on one image: what to expect on others is not known, and regularisation "
            f"is the default, C = {DEFAULT_STRENGTHS[0]:g} and {DEFAULT_STRENGTHS[1]:g}"
        )
    kernel, bias = pooled_map(points, head, strengths)
    return LinearFit(
        kernel.astype(np.float32), bias.astype(np.float32), score, strengths, tuple(notes)
    )


def image_folds(
    images: NDArray[np.integer], folds: int = FOLDS, seed: int = 0
) -> list[NDArray[np.bool_]]:
    """Masks `[points]` of the points in each fold; an image's points are all in one.

    Images are dealt out by chance, so that folds differ by one image at most.
    """
    names = np.unique(images)
    order = generator(seed, 0, 0, "folds").permutation(len(names))
    count = min(folds, len(names))
    return [np.isin(images, names[order[fold::count]]) for fold in range(count)]


def pooled_map(points: LabelledPoints, head: LinearHead, strengths: tuple[float, float]) -> Map:
    """The mean of both regressions' logits as one map of all inputs."""
    split = head.inputs - head.statistics
    parts = [
        logistic_map(points.inputs[:, columns], points.classes, head.classes, strength)
        for columns, strength in zip((slice(0, split), slice(split, None)), strengths, strict=True)
        if points.inputs[:, columns].shape[1]
    ]
    share = 1 / len(parts)
    kernel = np.concatenate([kernel * share for kernel, _ in parts])
    return kernel, np.sum([bias * share for _, bias in parts], axis=0)


def logistic_map(
    inputs: NDArray[np.floating], classes: NDArray[np.integer], count: int, strength: float
) -> Map:
    """Multinomial logistic regression on standardised inputs, folded into one linear map.

    Args:
        inputs: `[points, inputs]`.
        classes: `[points]`, 0 to count − 1, some of which may be missing.
        count: how many classes there are.
        strength: C, the inverse strength of the quadratic penalty.

    Returns:
        Kernel `[inputs, count]` and bias `[count]` in double precision; the softmax of the map is
        scikit-learn's `predict_proba`. A class without a point has bias `NEVER`.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    values = np.asarray(inputs, np.float64)
    middle, spread = values.mean(axis=0), values.std(axis=0)
    # What is the same in all points says nothing, and must not count elsewhere.
    spread = np.where(spread > 1e-6, spread, np.inf)
    there = np.unique(classes)
    kernel, bias = np.zeros((values.shape[1], count)), np.full(count, float(NEVER))
    if len(there) == 1:
        bias[there] = 0
        return kernel, bias
    regression: Any = LogisticRegression(C=strength, max_iter=150, tol=1e-3)
    with warnings.catch_warnings():
        # Far enough: what is left to gain is below the noise of the labels.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit((values - middle) / spread, classes)
    weights, offset = regression.coef_, regression.intercept_
    if len(there) == 2:
        weights, offset = (np.concatenate([-part / 2, part / 2]) for part in (weights, offset))
    kernel[:, there] = (weights / spread).T
    bias[there] = offset - (weights / spread) @ middle
    return kernel, bias


def mapping_score(
    confusions: NDArray[np.integer], folds: int = FOLDS, seed: int = 0
) -> float | None:
    """The expected accuracy of clusters named by labels, to be compared with `LinearFit.score`.

    Args:
        confusions: labelled pixels of each image, counts `[images, classes, clusters]`.
        folds: as `fit_linear`'s; each fold's clusters are named by the others' labels.
        seed: of the folds.

    Returns:
        The share of all labelled pixels that is right; None where labels are on one image.
    """
    counts = np.asarray(confusions)
    counts = counts[counts.sum(axis=(1, 2)) > 0]
    if len(counts) < 2:
        return None
    right = 0
    for held in image_folds(np.arange(len(counts)), folds, seed):
        mapping = many_to_one(counts[~held].sum(axis=0))
        right += counts[held].sum(axis=0)[mapping, np.arange(len(mapping))].sum()
    return float(right / counts.sum())


def _choose(
    points: LabelledPoints, head: LinearHead, parts: Sequence[NDArray[np.bool_]]
) -> tuple[float, tuple[float, float]]:
    """Accuracy over folds and the C of both regressions."""
    split = head.inputs - head.statistics
    sides = (FEATURE_STRENGTHS, STATISTIC_STRENGTHS if head.statistics else (1.0,))
    pairs = list(itertools.product(*sides))
    right = np.zeros((len(parts), len(pairs)))
    with progress("choosing regularisation", len(parts) * sum(map(len, sides))) as bar:
        for row, held in enumerate(parts):
            known, asked = points.taken(~held), points.inputs[held]
            logits: list[dict[float, NDArray[np.float64]]] = []
            for strengths, columns in zip(sides, (slice(split), slice(split, None)), strict=True):
                logits.append({})
                for strength in strengths:
                    bar.advance()
                    if not asked[:, columns].shape[1]:
                        logits[-1][strength] = np.zeros((len(asked), head.classes))
                        continue
                    kernel, bias = logistic_map(
                        known.inputs[:, columns], known.classes, head.classes, strength
                    )
                    logits[-1][strength] = asked[:, columns] @ kernel + bias
            for column, (first, second) in enumerate(pairs):
                found = (logits[0][first] + logits[1][second]).argmax(-1)
                right[row, column] = (found == points.classes[held]).sum()
    best = _clearly_best(right, [int(held.sum()) for held in parts], pairs)
    return float(right[:, best].sum() / len(points)), pairs[best]


def _clearly_best(
    right: NDArray[np.float64], sizes: Sequence[int], pairs: Sequence[tuple[float, float]]
) -> int:
    """The default, or what is better by more than a standard error over the folds."""
    default = pairs.index(DEFAULT_STRENGTHS)
    best = int(right.sum(axis=0).argmax())
    gain = (right[:, best] - right[:, default]) / np.asarray(sizes)
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return best if gain.mean() > error else default


def _missing(classes: NDArray[np.integer], count: int) -> list[str]:
    missing = sorted(set(range(count)) - set(classes.tolist()))
    if not missing:
        return []
    return [f"no label of class {', '.join(map(str, missing))}: it is found nowhere"]


def _check(points: LabelledPoints, head: LinearHead) -> None:
    if not len(points):
        raise expected("at least one labelled pixel", 0, "points")
    if points.inputs.shape[1] != head.inputs:
        raise expected(f"{head.inputs} inputs of a pixel", points.inputs.shape[1], "points.inputs")
    if points.classes.min() < 0 or points.classes.max() >= head.classes:
        wanted = f"classes from 0 to {head.classes - 1}"
        raise expected(wanted, (points.classes.min(), points.classes.max()), "points.classes")
