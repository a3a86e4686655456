"""Deep adaptive clustering: probabilities learnt from pairs that are plainly alike or unlike."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from iic_tf.errors import expected
from iic_tf.losses.dac import label_features, pair_losses, thresholds
from iic_tf.metrics.loss_meter import LossMeter
from iic_tf.models.learned_clusterer import LearnedClusterer, copies_of, mean_sums
from iic_tf.networks.normalised_head import NormalisedHead
from iic_tf.turns import MAIN


@keras.saving.register_keras_serializable("iic_tf")
class DACClusterer(LearnedClusterer):
    """Network A or B with a head, trained by DAC's pairs.

    Chang, Wang, Meng, Xiang, Pan: Deep Adaptive Image Clustering, ICCV 2017, without the losses
    that the authors' code has besides. All copies gx of a batch are paired with one another.

    Args:
        eta: η, how fast the thresholds close: 46 epochs at 0.009.
        kwargs: those of `LearnedClusterer`.

    Raises:
        InputError: a value outside its range.
    """

    arguments = (*LearnedClusterer.shared, "eta")

    def __init__(self, eta: float = 0.009, **kwargs: Any):
        super().__init__(**kwargs)
        if not eta > 0:
            raise expected("eta > 0", eta, "eta")
        self.eta = eta
        self.clusters = {MAIN: self.classes}
        self.heads = {MAIN: NormalisedHead(self.classes, name=MAIN, dtype=self.dtype_policy)}
        self.learning = {MAIN: [self.heads[MAIN]]}
        self.add_meters({MAIN: LossMeter(self.classes, name=f"{MAIN}_pairs")})
        self.build((None, self.size, self.size, self.channels))

    def objective(self, data: dict[str, Any], stage: str, training: bool) -> Any:
        features = self.features(copies_of(data), training)
        (p,) = self.heads[MAIN](features, training=training)
        return self._sums_of(p, data)

    def judged(self, data: dict[str, Any]) -> dict[str, Any]:
        """Of the pairs of the views x, by the thresholds of the batch's epoch."""
        (p,) = self.probabilities(data["x"])
        masses = ops.cast(ops.sum(p, axis=0), "float64")
        return {MAIN: ops.concatenate([self._sums_of(p, data), masses])}

    def _sums_of(self, p: Any, data: dict[str, Any]) -> Any:
        losses, counted = pair_losses(
            label_features(p), *thresholds(ops.max(data["epoch"]), self.eta)
        )
        return mean_sums(losses, counted)

    def bound(self, name: str) -> float:
        """The lowest that a mean of cross-entropies can be: 0."""
        return 0.0
