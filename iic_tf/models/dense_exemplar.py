"""Exemplar-CNN of scenes: features by which transformed copies of many patches are told apart.

Dosovitskiy, Fischer, Springenberg, Riedmiller, Brox: Discriminative unsupervised feature learning
with exemplar convolutional neural networks, TPAMI 38(9), 2016. The trunk learns on patches and is
taken over whole images then; classes are found by k-means on its features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Tensor, Trunk
from iic_tf.errors import InputError, expected
from iic_tf.losses.exemplar import exemplar_losses
from iic_tf.models.learned_stages import mean_sums
from iic_tf.models.looked_up import LookedUp
from iic_tf.models.pretext import PRETEXT, Pretext
from iic_tf.views.draws import generator
from iic_tf.views.geometry import warp
from iic_tf.views.numbered_batches import NumberedBatches
from iic_tf.views.numbered_draws import uniform
from iic_tf.views.photometry import jitter

DRAW, DRAWS = 141, 9
"""Purpose of the draws, and how many there are of a copy."""
SHIFT, TURN, SCALE, COLOUR, HUE = 0.2, 20.0, (0.7, 1.4), 0.4, 0.1
"""How far copies go: shares of a patch, degrees, factors, factors 1 − v to 1 + v, turns."""


@keras.saving.register_keras_serializable("iic_tf")
class ExemplarSegmenter(Pretext):
    """Exemplar-CNN for the pixels of scenes; see the module.

    Patches are found once, before the first epoch: at places of `crops` crops that are drawn by
    their gradients' squares. In a step `patches` copies are made for each pair of the batch, by its
    number; the pair's own views are not looked at.

    Args:
        classes: as `Pretext`'s, like the next four.
        overclusters: see there.
        channels: see there.
        width: see there.
        inputs: see there.
        exemplars: patches, each a class.
        patch: side of a patch, in pixels; crops must be twice as large.
        patches: copies for each pair of a batch.
        components, sample, starts, crops: of k-means, as `KMeansSegmenter`'s.
        trunk: as `IICSegmenter`'s; not frozen.
        kwargs: those of `Pretext`.

    Raises:
        InputError: a value outside its range; before an epoch, crops that are too small.

    Examples:
        >>> model = ExemplarSegmenter(3, 15, 4, width=0.1, exemplars=100)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    arguments = (*Pretext.own_arguments, "exemplars", "patch", "patches")

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        width: float = 1.0,
        inputs: str = "bands",
        exemplars: int = 2000,
        patch: int = 32,
        patches: int = 4,
        trunk: Trunk = "c",
        **kwargs: Any,
    ):
        super().__init__(classes, overclusters, channels, width, inputs, **kwargs)
        for name, value, least in (
            ("exemplars", exemplars, 2),
            ("patch", patch, 2),
            ("patches", patches, 1),
        ):
            if value < least:
                raise expected(f"{name} of at least {least}", value, name)
        self.exemplars, self.patch, self.patches = exemplars, patch, patches
        self.set_trunk(trunk, width)
        self.pretext = keras.layers.Dense(exemplars, name=PRETEXT, dtype=self.dtype_policy)
        # They follow from the data and the seed: found again where a run is resumed.
        self.kept = LookedUp("exemplars")
        self.add_centres()

    def build_pretext(self, shape: tuple[int | None, ...]) -> None:
        self.pretext.build((None, shape[-1]))

    # --- what is fitted

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Find the patches, where they have not been."""
        super().before_epoch(pairs, epoch)
        if self.kept.values is None:
            self.kept.put(self, self._found(pairs))

    def _found(self, pairs: NumberedBatches) -> NDArray[np.float32]:
        rng = generator(pairs.seed, 0, 0, "exemplars")
        views = pairs.views_at(pairs.spread_places(max(self.crops, 1)))
        crops = [(image, valid) for x, v in views for image, valid in _each(x, v)]
        wide, found = 2 * self.patch, []
        if min(crops[0][0].shape[:2]) < wide:
            raise expected(
                f"crops of at least {wide} pixels, twice a patch", crops[0][0].shape[0], "crop"
            )
        for i, (image, valid) in enumerate(crops):
            # As many of each crop, or one more.
            count = (i + 1) * self.exemplars // len(crops) - i * self.exemplars // len(crops)
            weights = strong_places(image, valid, wide)
            if count and weights.sum():
                share = (weights / weights.sum()).ravel()
                for place in rng.choice(share.size, count, p=share):
                    row, column = divmod(int(place), weights.shape[1])
                    found.append(image[row : row + wide, column : column + wide])
        if len(found) < 2:
            raise InputError(
                f"Expected at least 2 patches of {wide}×{wide} valid pixels that are not even; "
                f"received {len(found)}."
            )
        return np.stack(found).astype(np.float32)

    # --- the loss

    def copies(self, data: Batch) -> tuple[Tensor, Tensor]:
        """Transformed copies `[batch · patches, patch, patch, channels]`, and whose they are."""
        draws = uniform(data["epoch"], data["number"], DRAWS * self.patches, DRAW)
        draws = tf.reshape(draws, (-1, DRAWS))
        # Asked for first, for whoever has none yet.
        self.kept.at([0])
        count = self.kept.values.shape[0]
        labels = tf.minimum(tf.cast(draws[:, 0] * count, tf.int32), count - 1)
        turn = (2 * draws[:, 1] - 1) * math.radians(TURN)
        # Factors and their inverses as likely.
        scale = tf.exp(math.log(SCALE[0]) + draws[:, 2] * math.log(SCALE[1] / SCALE[0]))
        cosine, sine = tf.cos(turn) / scale, tf.sin(turn) / scale
        matrices = tf.stack([tf.stack([cosine, -sine], -1), tf.stack([sine, cosine], -1)], 1)
        turned = warp(self.kept.at(labels), matrices)
        inside = []
        for axis in (3, 4):
            off = (2 * draws[:, axis] - 1) * (SHIFT * self.patch) + self.patch / 2
            begin = tf.cast(tf.round(off), tf.int32)
            inside.append(begin[:, None] + tf.range(self.patch)[None])
        turned = tf.gather(turned, inside[0], axis=1, batch_dims=1)
        cut = tf.gather(turned, inside[1], axis=2, batch_dims=1)
        cut = tf.ensure_shape(cut, (None, self.patch, self.patch, self.channels))
        factors = 1 + (2 * draws[:, 5:8] - 1) * COLOUR
        colours = tf.concat([factors, (2 * draws[:, 8:9] - 1) * HUE], axis=1)
        return jitter(cut, colours), labels

    def pretext_sums(self, data: Batch, training: bool) -> Tensor:
        """(Σ cross-entropy of the copies' classes, count)."""
        images, labels = self.copies(data)
        features = ops.mean(self.features(images, training), axis=(1, 2))
        return mean_sums(exemplar_losses(self.pretext(features), labels))


def _each(x: Tensor, valid: Tensor | None) -> Iterator[tuple[NDArray[np.float32], Tensor | None]]:
    images = np.asarray(x)
    yield from zip(
        images, [None] * len(images) if valid is None else np.asarray(valid), strict=True
    )


def strong_places(
    image: NDArray[np.floating], valid: NDArray[np.floating] | None, side: int
) -> NDArray[np.float64]:
    """What a square of an image counts as an exemplar: the sum of its gradients' squares.

    Args:
        image: `[height, width, channels]`.
        valid: which pixels are, `[height, width]`; None: all.
        side: of the squares, in pixels.

    Returns:
        By their corners, `[height − side + 1, width − side + 1]`; 0 where not all of one is valid.
    """
    down, right = np.gradient(image.astype(np.float64), axis=(0, 1))
    found = _summed((down**2 + right**2).sum(-1), side)
    if valid is not None:
        found = np.where(_summed((valid < 1).astype(np.float64), side) > 0.5, 0.0, found)
    return np.maximum(found, 0.0)


def _summed(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Sums over all squares of a map."""
    total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    found = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    return np.asarray(found + total[:-side, :-side])
