"""Training a trunk on with labels: cross-entropy through a linear head that was fitted first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import keras
import numpy as np
import tensorflow as tf

from iic_tf.annotations import Tensor
from iic_tf.data.scene import SceneSet
from iic_tf.graphs import as_graph
from iic_tf.models.adam import Adam
from iic_tf.models.linear_head import LinearHead
from iic_tf.networks.mirror import mirrored
from iic_tf.training.label_crops import LabelBatch, LabelCrops
from iic_tf.training.labelled_points import LabelledPoints, labelled_points
from iic_tf.training.linear_fit import fit_linear, image_folds
from iic_tf.training.progress import clock, progress
from iic_tf.views.geometry import Geometry, flip
from iic_tf.views.photometry import Photometry, jitter

if TYPE_CHECKING:
    from iic_tf.models.segmenter import Segmenter
    from iic_tf.models.self_supervised import SelfSupervised
    from iic_tf.training.linear_fit import LinearFit

SCORE_FOLDS = 3
"""Folds of images, at most, by which the score is foreseen: each is a training of its own."""

Say = Callable[[str], None]
Model = TypeVar("Model", bound="SelfSupervised")


@dataclass(frozen=True)
class Tuning:
    """How a model is trained with labels.

    The rates are those of IIC's fine-tuning on STL-10 (the published code: two Adams).

    Attributes:
        steps: how many.
        batch: crops in a step.
        crop: side of a crop, pixels after scaling down.
        head_rate, trunk_rate: of Adam; both fall to zero along half a cosine.
        geometry: flips and quarter turns.
        photometry: how far colours move.
        frozen: whether BatchNormalization keeps the statistics of the training before; False: the
            batch's, as for a network that has none yet.
    """

    steps: int = 200
    batch: int = 4
    crop: int = 64
    head_rate: float = 1e-3
    trunk_rate: float = 1e-4
    geometry: Geometry = field(default=Geometry())
    photometry: Photometry = field(default=Photometry())
    frozen: bool = True


@dataclass(frozen=True)
class FineTuned:
    """What fine-tuning made.

    Attributes:
        model: a copy of the model that was given, its trunk trained on.
        head: on its features.
        score: the expected accuracy on images without labels; None where labels are on one image.
        losses: mean cross-entropy of each step, nats.
        notes: what the user has to know.
    """

    model: Segmenter
    head: LinearHead
    score: float | None
    losses: tuple[float, ...]
    notes: tuple[str, ...]


def fine_tune(
    model: Segmenter,
    scenes: SceneSet,
    downscale: int = 1,
    seed: int = 0,
    say: Say = print,
    tuning: Tuning | None = None,
    folds: int = SCORE_FOLDS,
) -> FineTuned:
    """Fit a linear head to labels, then train trunk and head on with them.

    Args:
        model: a `Segmenter`, which stays as it is.
        scenes: with masks and classes, under the value range of the model's training.
        downscale: that of the training.
        seed: of all draws.
        say: gets lines for the user.
        tuning: how; None: `Tuning()`.
        folds: of images, for the score, each trained without; below 2: no score.

    Raises:
        InputError: no labels.
    """
    tuning = tuning or Tuning()
    classes = len(scenes.classes)  # type: ignore[arg-type]
    head = LinearHead(classes, model.trunk.features, model.channels)
    points = labelled_points(model, head, scenes, downscale, seed)

    def tuned(
        known: LabelledPoints, what: str
    ) -> tuple[Segmenter, LinearHead, list[float], LinearFit]:
        """By the labels of some images alone."""
        some = replace(scenes, scenes=tuple(scenes.scenes[i] for i in np.unique(known.images)))
        own = LinearHead.from_config(head.get_config())
        fit = fit_linear(known, own, seed=seed)
        fit.onto(own)
        copy = copied(model)
        crops = LabelCrops(
            some, classes, tuning.crop, downscale, seed, tuning.geometry, tuning.photometry
        )
        return copy, own, train_with_labels(copy, own, crops, tuning, say, what), fit

    score, parts = None, image_folds(points.images, max(folds, 1), seed)
    if len(parts) > 1:
        right = 0
        for number, held in enumerate(parts):
            what = f"fold {number + 1} of {len(parts)}, for the score"
            other, own, _, _ = tuned(points.taken(~held), what)
            pick = np.unique(points.images[held])
            rest = replace(scenes, scenes=tuple(scenes.scenes[i] for i in pick))
            asked = labelled_points(other, own, rest, downscale, seed)
            found = np.asarray(own.of_inputs(asked.inputs)).argmax(-1)
            right += (found == asked.classes).mean() * held.sum()
        score = float(right / len(points))
    copy, own, losses, fit = tuned(points, "fine-tuning")
    return FineTuned(copy, own, score, tuple(losses), fit.notes)


def copied(model: Model) -> Model:
    """A model of the same weights, without its optimiser, whose trunk can be trained."""
    config = model.get_config()
    if model.frozen_trunk:
        trunk = config["trunk"]
        config["trunk"] = {**trunk, "config": {**trunk["config"], "frozen": False}}
    copy: Model = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def train_with_labels(
    model: Segmenter,
    head: LinearHead,
    crops: LabelCrops,
    tuning: Tuning,
    say: Say = print,
    what: str = "fine-tuning",
) -> list[float]:
    """Train trunk and head, in place, with cross-entropy on crops with labels.

    Args:
        model: a `Segmenter`; its own heads stay as they are.
        head: on its trunk's features.
        crops: what there is to learn from.
        tuning: how.
        say: gets a line every quarter of the way.
        what: the work, in a few words.

    Returns:
        The mean cross-entropy of each step, nats.
    """

    def loss_of(images: Tensor, shares: Tensor, g: Tensor, colours: Tensor) -> Tensor:
        x, wanted = jitter(flip(images, g), colours), flip(shares, g)
        return cross_entropy(model, head, x, wanted, not tuning.frozen)

    step = taking_steps(model, head, tuning, loss_of)

    losses: list[float] = []
    started = time.monotonic()
    quarters = {math.ceil(tuning.steps * quarter / 4) for quarter in (1, 2, 3)}
    with progress(what, tuning.steps) as bar:
        for number in range(tuning.steps):
            losses.append(float(step(*_tensors(crops.batch(number, tuning.batch)))))
            bar.advance()
            bar.note(f"loss {losses[-1]:.3f}")
            if number + 1 in quarters:
                past = time.monotonic() - started
                left = past / (number + 1) * (tuning.steps - number - 1)
                say(
                    f"{what}: {number + 1}/{tuning.steps} steps, loss "
                    f"{np.mean(losses[-10:]):.3f}  {clock(past)}, {clock(left)} left"
                )
    return losses


def taking_steps(
    model: Segmenter, head: LinearHead, tuning: Tuning, loss_of: Callable[..., Tensor]
) -> Callable[..., Tensor]:
    """A graph that takes a step of trunk and head, an optimiser each, and returns the loss."""
    variables = [head.trainable_variables, model.trunk.trainable_variables]
    optimizers = [
        Adam(keras.optimizers.schedules.CosineDecay(rate, tuning.steps))
        for rate in (tuning.head_rate, tuning.trunk_rate)
    ]
    for optimizer, own in zip(optimizers, variables, strict=True):
        optimizer.build(own)

    @as_graph  # type: ignore[untyped-decorator]
    def step(*data: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(*data)
        gradients = tape.gradient(loss, variables)
        for optimizer, part, own in zip(optimizers, gradients, variables, strict=True):
            optimizer.apply(part, own)
        return loss

    graph: Callable[..., Tensor] = step
    return graph


def cross_entropy(
    model: Segmenter, head: LinearHead, x: Tensor, shares: Tensor, training: bool
) -> Tensor:
    """Mean over the labelled pixels of crops, in nats.

    Args:
        model: a `Segmenter`.
        head: on its trunk's features.
        x: crops `[batch, h, w, channels]` in 0 to 1.
        shares: of the classes, `[batch, h, w, classes]`; 0 of all where nothing is known.
        training: whether BatchNormalization takes the batch's statistics.
    """
    # Mirrored as images are later, that no trunk learns the padding of crops' borders; no further
    # than the trunk sees: of the head's own windows the part inside is near enough.
    wide, margin = mirrored(x, model.mirror), model.mirror
    inner = slice(margin, -margin or None)
    logits = head.logits(model.features(wide, training), wide, model.trunk.stride)[:, inner, inner]
    known = tf.reduce_sum(shares, -1)
    each = -tf.reduce_sum(shares * tf.nn.log_softmax(logits), -1)
    return tf.reduce_sum(each) / tf.maximum(tf.reduce_sum(known), 1.0)


def _tensors(batch: LabelBatch) -> list[Tensor]:
    parts = (batch.images, batch.shares, batch.g, batch.colours)
    return [tf.convert_to_tensor(part) for part in parts]
