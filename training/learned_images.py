"""What recipes of whole images have in common whose methods train a trunk and some layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import keras
from pydantic import Field

from iic_tf.annotations import Callback, Config, Rate
from iic_tf.models.fitting import Fit
from iic_tf.training.learned import Learned
from iic_tf.training.tasks.clustering import ClusteringRecipe
from iic_tf.training.values import Whole
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.numbered_batches import NumberedBatches

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised


class LearnedImages(Learned, ClusteringRecipe):
    """Values of a run by `iic_tf.models.learned_clusterer`; each method adds its own."""

    def build(self, channels: int) -> SelfSupervised:
        return self.model_class(
            classes=self.classes,
            channels=channels,
            size=self.x.size,
            network=self.network,
            width=self.width,
            inputs=self.seen,
            trunk_from=self.trunk_from,
            dtype=self.precision,
            **{name: getattr(self, name) for name in self.own},
            **self.more(channels),
            **self.trunk_arguments(channels, vector=True),
        )

    def rate_behind(self, steps: int, factor: float, epochs: int, first_rate: float) -> Rate:
        """Another rate in so many epochs at the beginning, and the recipe's behind them."""
        # A boundary is the last step of what lies before it.
        piecewise = keras.optimizers.schedules.PiecewiseConstantDecay
        return piecewise([steps * epochs - 1], [factor * rate for rate in (first_rate, self.rate)])


class LearnedFeatures(LearnedImages):
    """Values of a run whose clusters k-means finds in what was learnt."""

    loss_label: ClassVar[str] = "share of the variance within clusters"

    overclusters_per_class: Whole = Field(
        5, ge=1, description="centres of the overclustering head for each class"
    )
    sample: Whole = Field(50_000, ge=2, description="embeddings that k-means is fitted to")
    starts: Whole = Field(3, ge=1, description="starts of k-means, of which the best stays")

    @property
    def clusters(self) -> dict[str, int]:
        return {MAIN: self.classes, OVERCLUSTERING: self.overclusters_per_class * self.classes}

    @property
    def losses(self) -> str:
        return (
            "mean squared distances to the nearest centre, as a share of the variance, from 1 down "
            "to 0; they choose nothing: the last epoch is kept"
        )

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [Fit(pairs)]

    def more(self, channels: int) -> Config:
        return {
            "overclusters": self.clusters[OVERCLUSTERING],
            "sample": self.sample,
            "starts": self.starts,
        }
