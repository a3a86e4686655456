"""DeepCluster: a network learns the clusters that k-means finds in its own features."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import keras
from pydantic import Field

from iic_tf.annotations import Callback, Config, Optimizer, Optimizers, Rate
from iic_tf.models.deepcluster import CLASSIFIER, DeepClusterClusterer, DeepClusterSegmenter
from iic_tf.models.fitting import Fit
from iic_tf.training.methods.registry import method
from iic_tf.training.recipe import LAST
from iic_tf.training.tasks.clustering import ClusteringRecipe
from iic_tf.training.tasks.segmentation import SegmentationRecipe
from iic_tf.training.trunk_choice import TRUNK
from iic_tf.training.values import Real, Values, Whole
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.numbered_batches import NumberedBatches

ABOUT = "a classifier learns the clusters that k-means finds in its own features, again and again"
PAPER = "Caron, Bojanowski, Joulin, Douze: Deep Clustering, ECCV 2018"


class _DeepCluster(Values):
    """What both kinds of data have in common; the defaults are the authors'."""

    keep: ClassVar[str] = LAST
    loss_label: ClassVar[str] = "mean squared distance to the nearest centre"

    if TYPE_CHECKING:
        classes: int
        width: float
        precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
        fine_tune_trunk: bool
        trunk_rate: float

        @property
        def seen(self) -> str: ...

        @property
        def trunk_rests(self) -> bool: ...

        def scheduled_rate(self, steps: int, factor: float = 1.0, first: int = 0) -> Rate: ...

    rate: Real = Field(
        0.05, gt=0, allow_inf_nan=False, description="learning rate, at the beginning"
    )
    overclusters_per_class: Whole = Field(10, ge=1, description="pseudo-labels for each class")
    components: Whole = Field(256, ge=1, description="principal components of the features")
    sample: Whole = Field(200_000, ge=2, description="features that k-means is fitted to")

    @property
    def clusters(self) -> dict[str, int]:
        return {MAIN: self.classes, OVERCLUSTERING: self.overclusters_per_class * self.classes}

    @property
    def own_weights(self) -> float:
        return 512.0 * self.width * self.components

    @property
    def losses(self) -> str:
        return (
            "mean squared distances of whitened features to the nearest centre, from 4 down to 0; "
            "they choose nothing: the last epoch is kept"
        )

    @property
    def trunk_from(self) -> int:
        """A trunk is trained from the first epoch: pseudo-labels are for it alone."""
        return 0

    def optimizer(self, steps: int) -> Optimizers:
        def sgd(factor: float = 1.0) -> Optimizer:
            rate = self.scheduled_rate(steps, factor)
            return keras.optimizers.SGD(rate, momentum=0.9, weight_decay=1e-5)

        if self.fine_tune_trunk and self.trunk_rests:
            return {TRUNK: sgd(self.trunk_rate), CLASSIFIER: sgd()}
        return sgd()

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [Fit(pairs)]

    def _common(self, channels: int) -> Config:
        return {
            "classes": self.classes,
            "overclusters": self.clusters[OVERCLUSTERING],
            "channels": channels,
            "width": self.width,
            "inputs": self.seen,
            "components": self.components,
            "sample": self.sample,
            "dtype": self.precision,
        }


@method("deepcluster", ABOUT, PAPER)
class DeepClusterSegmentation(_DeepCluster, SegmentationRecipe):
    """DeepCluster of the pixels of scenes."""

    model_class = DeepClusterSegmenter

    def build(self, channels: int) -> DeepClusterSegmenter:
        trunk = self.trunk_arguments(channels, self.crop)
        return DeepClusterSegmenter(**self._common(channels), **trunk)

    def describe_model(self) -> str:
        of_trunk = f"; {self.describe_trunk()}" if self.trunk else ""
        return f"{self.clusters[OVERCLUSTERING]} pseudo-labels{of_trunk}"


@method("deepcluster", ABOUT, PAPER)
class DeepClusterClustering(_DeepCluster, ClusteringRecipe):
    """DeepCluster of whole images."""

    model_class = DeepClusterClusterer

    def build(self, channels: int) -> DeepClusterClusterer:
        trunk = self.trunk_arguments(channels, vector=True)
        return DeepClusterClusterer(
            size=self.x.size, network=self.network, **self._common(channels), **trunk
        )

    def describe_model(self) -> str:
        pseudo = self.clusters[OVERCLUSTERING]
        return f"{self.trunk_text}, {self.classes} classes, {pseudo} pseudo-labels"
