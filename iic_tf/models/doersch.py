"""Doersch's relative positions: features that tell in which direction a patch lies from another.

Doersch, Gupta, Efros: Unsupervised visual representation learning by context prediction, ICCV 2015,
as a baseline of IIC has it (supplementary material, section 9): pairs are of dense features, and
classes are found by k-means on these.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from iic_tf.annotations import Batch, Tensor, Trunk
from iic_tf.errors import expected
from iic_tf.losses.doersch import direction_sums
from iic_tf.models.pretext import PairPretext
from iic_tf.views.numbered_draws import normal, uniform
from iic_tf.views.place_pairs import DIRECTIONS, PlacePairs, in_directions

COLOUR_DRAW, NOISE_DRAW = 121, 122
NOISE = 0.01
"""Standard deviation of the noise in place of a band, as a share of the kept band's."""


@keras.saving.register_keras_serializable("iic_tf")
class DoerschSegmenter(PairPretext):
    """Doersch's relative positions, for the pixels of scenes; see the module.

    Args:
        arguments: classes, overclusters, channels, width and inputs, as `Pretext`'s.
        gap: pixels between two patches, above `jitter`. Where it is less than twice what a cell
            sees (16 pixels to each side by network C) both see what lies between them.
        jitter: pixels by which the second patch is off at most, on either axis.
        one_band: whether a view keeps one of its bands, and the others are noise about that one's
            mean: lenses bend colours apart by where they are in an image.
        trunk: as `IICSegmenter`'s; not frozen.
        kwargs: patch, margin, pairs and hidden of `PairPretext`; components, sample, starts and
            crops of k-means, as `KMeansSegmenter`'s.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = DoerschSegmenter(3, 15, 4, 0.1, gap=8)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    arguments = (*PairPretext.own_arguments, "gap", "jitter", "one_band")

    def __init__(
        self,
        *arguments: Any,
        gap: int = 8,
        jitter: int = 3,
        one_band: bool = True,
        trunk: Trunk = "c",
        **kwargs: Any,
    ):
        super().__init__(*arguments, **kwargs)
        check_gap(gap, jitter)
        self.gap, self.jitter, self.one_band = gap, jitter, one_band
        self.set_trunk(trunk, self.width)
        self.add_pretext(len(DIRECTIONS))

    def place_pairs(self, rows: int, columns: int) -> PlacePairs:
        jitter = int(self.jitter / self.trunk.stride)
        step = max(self.to_cells(self.patch + self.gap), self.patch_cells + jitter)
        return PlacePairs(in_directions(step, jitter), rows, columns)

    def shown(self, data: Batch) -> Tensor:
        gx = data["gx"]
        return one_band(gx, data["epoch"], data["number"]) if self.one_band else gx

    def pretext_sums(self, data: Batch, training: bool) -> Tensor:
        """(Σ cross-entropy of the directions, count) over the pairs of a batch."""
        means, shares = self.patches(data, training)
        lost = self.patch_cells - 1
        size = [means.shape[axis] + lost for axis in (1, 2)]
        labels, *places = self.drawn_pairs(data, *size)
        logits = self.pretext(*(tf.gather_nd(means, at, batch_dims=1) for at in places))
        both = [tf.gather_nd(shares, at, batch_dims=1) > 0.5 for at in places]
        counted = ops.cast(both[0] & both[1], "float32")
        return direction_sums(
            ops.reshape(logits, (-1, len(DIRECTIONS))),
            *(ops.reshape(value, (-1,)) for value in (labels, counted)),
        )


def one_band(x: Tensor, epochs: Tensor, numbers: Tensor) -> Tensor:
    """Images `[batch, height, width, bands]` of which one band is kept, drawn by their number.

    The others become normal noise about that one's mean, of a hundredth of its deviation.
    """
    bands = x.shape[-1]
    drawn = ops.cast(uniform(epochs, numbers, 1, COLOUR_DRAW)[:, 0] * bands, "int32")
    chosen = ops.one_hot(ops.minimum(drawn, bands - 1), bands, dtype=x.dtype)[:, None, None]
    kept = ops.sum(x * chosen, axis=-1, keepdims=True)
    mean = ops.mean(kept, axis=(1, 2), keepdims=True)
    deviation = ops.std(kept, axis=(1, 2), keepdims=True)
    count = x.shape[1] * x.shape[2] * bands
    noise = ops.reshape(normal(epochs, numbers, count, NOISE_DRAW), (-1, *x.shape[1:]))
    noise = mean + NOISE * deviation * ops.cast(noise, x.dtype)
    return chosen * x + (1 - chosen) * noise


def check_gap(gap: int, jitter: int) -> None:
    """Patches must not touch, whatever the jitter.

    Raises:
        InputError: they may.
    """
    if jitter < 0:
        raise expected("jitter of at least 0", jitter, "jitter")
    if gap <= jitter:
        raise expected(f"a gap above jitter={jitter}, so that patches never touch", gap, "gap")
