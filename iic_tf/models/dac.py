"""Deep adaptive clustering: probabilities learnt from pairs that are plainly alike or unlike."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from iic_tf.annotations import Batch, Tensor, Tensors
from iic_tf.errors import expected
from iic_tf.losses.dac import label_features, pair_losses, thresholds
from iic_tf.metrics.loss_meter import LossMeter
from iic_tf.models.learned_clusterer import LearnedClusterer, copies_of
from iic_tf.models.learned_stages import LearnedStages, mean_sums
from iic_tf.networks.normalised_head import NormalisedHead
from iic_tf.turns import MAIN


class DAC(LearnedStages):
    """What DAC of images and of pixels have in common: η, the head, and the pairs' loss."""

    eta: float

    def add_pairs(self, eta: float, shape: tuple[int | None, ...]) -> None:
        """Make the head and what adds up its losses, and build all for images of this shape.

        Raises:
            InputError: η of 0 or less.
        """
        if not eta > 0:
            raise expected("eta > 0", eta, "eta")
        self.eta = eta
        self.clusters = {MAIN: self.classes}
        self.heads = {MAIN: NormalisedHead(self.classes, name=MAIN, dtype=self.dtype_policy)}
        self.learning = {MAIN: [self.heads[MAIN]]}
        self.add_meters({MAIN: LossMeter(self.classes, name=f"{MAIN}_pairs")})
        self.build(shape)

    def sums_of_pairs(self, p: Tensor, data: Batch, valid: Tensor | None = None) -> Tensor:
        """Of the pairs of probabilities `[n, k]`, by the thresholds of the batch's epoch.

        Args:
            p: of images, or of cells.
            data: the batch.
            valid: bool `[n]`, which of them are paired; None: all.
        """
        # λ is one number of an epoch; of a stand-in for no images it is no matter.
        bounds = thresholds(ops.max(data["epoch"]), self.eta)
        return mean_sums(*pair_losses(label_features(p), *bounds, valid))

    def bound(self, name: str) -> float:
        """The lowest that a mean of cross-entropies can be: 0."""
        return 0.0


@keras.saving.register_keras_serializable("iic_tf")
class DACClusterer(DAC, LearnedClusterer):
    """Network A or B with a head, trained by DAC's pairs.

    Chang, Wang, Meng, Xiang, Pan: Deep Adaptive Image Clustering, ICCV 2017, without the losses
    that the authors' code has besides. All copies gx of a batch are paired with one another.

    Args:
        eta: η, how fast the thresholds close: 46 epochs at 0.009.
        kwargs: those of `LearnedClusterer`.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = DACClusterer(classes=3, channels=3, size=16, network="B", width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
    """

    arguments = (*LearnedClusterer.shared, "eta")

    def __init__(self, eta: float = 0.009, **kwargs: Any):
        super().__init__(**kwargs)
        self.add_pairs(eta, (None, self.size, self.size, self.channels))

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        features = self.features(copies_of(data), training)
        (p,) = self.heads[MAIN](features, training=training)
        return self.sums_of_pairs(p, data)

    def judged(self, data: Batch) -> Tensors:
        """Of the pairs of the views x, by the thresholds of the batch's epoch."""
        (p,) = self.probabilities(data["x"])
        masses = ops.cast(ops.sum(p, axis=0), "float64")
        return {MAIN: ops.concatenate([self.sums_of_pairs(p, data), masses])}
