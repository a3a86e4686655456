"""DAC of pixels: cells are told to be alike or not, where that is plain."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from iic_tf.annotations import Batch, Tensor, Tensors
from iic_tf.models.dac import DAC
from iic_tf.models.learned_segmenter import LearnedSegmenter
from iic_tf.turns import MAIN


@keras.saving.register_keras_serializable("iic_tf")
class DACSegmenter(DAC, LearnedSegmenter):
    """A trunk of maps with a head, trained by DAC's pairs of cells.

    Chang, Wang, Meng, Xiang, Pan: Deep Adaptive Image Clustering, ICCV 2017, with the cells of a
    trunk's map in place of images (`models.dac`): the cells that are drawn from all gx of a batch
    are paired with one another.

    Args:
        eta: η, how fast the thresholds close: 46 epochs at 0.009.
        kwargs: those of `LearnedSegmenter`.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = DACSegmenter(classes=3, channels=4, width=0.1)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    arguments = (*LearnedSegmenter.shared, "eta")

    def __init__(self, eta: float = 0.009, **kwargs: Any):
        super().__init__(**kwargs)
        self.add_pairs(eta, (None, None, None, self.channels))

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        found: list[Tensor] = self.heads[head](features, training=training)
        return found

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        (maps,) = self.small_maps(self.features(data["gx"], training), MAIN, training)
        p = self.drawn_of(data, maps)
        shares = ops.expand_dims(self.shares_of_gx(data), -1)
        return self.sums_of_pairs(p, data, self.drawn_of(data, shares)[:, 0] > 0.5)

    def judged(self, data: Batch) -> Tensors:
        """Of the pairs of cells of the views x, by the thresholds of the batch's epoch."""
        (maps,) = self.small_maps(self.features(data["x"]), MAIN, False)
        p = self.drawn_of(data, maps)
        counted = self.drawn_of(data, self.counted_cells(data, back=False))[:, 0] > 0.5
        masses = tf.reduce_sum(tf.boolean_mask(p, counted), axis=0)
        sums = self.sums_of_pairs(p, data, counted)
        return {MAIN: ops.concatenate([sums, ops.cast(masses, "float64")])}
