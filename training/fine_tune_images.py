"""Training a trunk on with labels of whole images: as `fine_tune`, an image a label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.data.image_set import ImageSet
from iic_tf.models.linear_head import LinearHead
from iic_tf.training.fine_tune import (
    SCORE_FOLDS,
    FineTuned,
    Say,
    Tuning,
    copied,
    taking_steps,
)
from iic_tf.training.labelled_points import LabelledPoints
from iic_tf.training.linear_fit import fit_linear, image_folds
from iic_tf.training.progress import progress
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView

if TYPE_CHECKING:
    from iic_tf.models.clusterer import Clusterer
    from iic_tf.training.linear_fit import LinearFit

BATCH = 32

PointsOf = Callable[[Any, LinearHead], LabelledPoints]
"""The features of the labelled images by a model, with their classes."""


def fine_tune_images(
    model: Clusterer,
    images: ImageSet,
    points_of: PointsOf,
    head: LinearHead,
    view: ImageView,
    seed: int = 0,
    say: Say = print,
    tuning: Tuning | None = None,
    folds: int = SCORE_FOLDS,
) -> FineTuned:
    """Fit a linear head to labelled images, then train trunk and head on with them.

    Args:
        model: a `Clusterer`, which stays as it is.
        images: the labelled ones alone, in the order of the points.
        points_of: gives features and classes.
        head: of the model's features; says how many classes there are.
        view: what views are drawn from.
        seed: of all draws.
        say: gets lines for the user.
        tuning: steps and rates; None: `Tuning(batch=32)`.
        folds: of images, for the score, each trained without; below 2: no score.
    """
    tuning = tuning or Tuning(batch=BATCH)
    points = points_of(model, head)

    def tuned(
        known: NDArray[np.bool_], what: str
    ) -> tuple[Clusterer, LinearHead, list[float], LinearFit]:
        """By the labels of some images alone."""
        own = LinearHead.from_config(head.get_config())
        fit = fit_linear(points.taken(known), own, seed=seed)
        fit.onto(own)
        copy = copied(model)
        # A set has two images at least.
        there = np.flatnonzero(known)
        there = np.resize(there, max(2, len(there)))
        some = replace(images, images=images.images[there], labels=None, files=None, extra=None)
        losses = _train(copy, own, some, points.classes[there], view, tuning, seed, what)
        return copy, own, losses, fit

    score, parts = None, image_folds(points.images, max(folds, 1), seed)
    if len(parts) > 1:
        right = 0
        for number, held in enumerate(parts):
            what = f"fold {number + 1} of {len(parts)}, for the score"
            other, own, _, _ = tuned(~held, what)
            asked = points_of(other, own).taken(held)
            found = np.asarray(own(asked.inputs)).argmax(-1)
            right += int((found == asked.classes).sum())
        score = right / len(points)
    copy, own, losses, fit = tuned(np.ones(len(points), np.bool_), "fine-tuning")
    say(f"fine-tuned for {tuning.steps} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}")
    return FineTuned(copy, own, score, tuple(losses), fit.notes)


def _train(
    model: Clusterer,
    head: LinearHead,
    images: ImageSet,
    classes: NDArray[np.integer],
    view: ImageView,
    tuning: Tuning,
    seed: int,
    what: str,
) -> list[float]:
    """Train in place, with cross-entropy; the loss of each step."""
    batch = min(tuning.batch, len(images))
    pairs = ImagePairs(images, batch, 1, view, view, seed=seed, steps=tuning.steps)

    def loss_of(x: Tensor, wanted: Tensor) -> Tensor:
        logits = head.logits(model.features(x, not tuning.frozen))
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits))

    step = taking_steps(model, head, tuning, loss_of)
    losses: list[float] = []
    with progress(what, tuning.steps) as bar:
        for number in range(tuning.steps):
            data = pairs[number]
            wanted = tf.constant(classes[np.asarray(data["image"])], tf.int32)
            losses.append(float(step(data["x"], wanted)))
            bar.advance()
            bar.note(f"loss {losses[-1]:.3f}")
    return losses
