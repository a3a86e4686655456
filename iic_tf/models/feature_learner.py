"""Models that learn an embedding of images by a loss, in which k-means then finds clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from iic_tf.annotations import Batch, Tensors
from iic_tf.errors import expected
from iic_tf.models.fitted_centres import FittedCentres, OfImages
from iic_tf.models.learned_clusterer import LearnedClusterer
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.numbered_batches import NumberedBatches


class FeatureLearner(OfImages, FittedCentres, LearnedClusterer):
    """What methods have in common whose loss knows no clusters.

    Behind each epoch centres are found in the embeddings of the plain views of all images: as many
    as classes, and more of the overclustering answer. What is shown is the share of the variance
    that they leave, which says nothing of the loss: the last epoch counts.

    A model adds its layers to `learning`, then calls `add_centres`; it provides `objective` and,
    unless clusters are found in the trunk's features, `embedded` and `build_embedding`.

    Args:
        overclusters: centres of the overclustering answer.
        sample: embeddings that centres are fitted to, drawn evenly from those of all images.
        starts: of k-means++; the one of the lowest sum of squares stays.
        kwargs: those of `LearnedClusterer`.

    Raises:
        InputError: a value outside its range.
    """

    shared: ClassVar[tuple[str, ...]] = (
        *LearnedClusterer.shared,
        *("overclusters", "sample", "starts"),
    )

    def __init__(self, overclusters: int, sample: int = 50_000, starts: int = 3, **kwargs: Any):
        super().__init__(**kwargs)
        if sample < 2:
            raise expected("a sample of at least 2 features", sample, "sample")
        if starts < 1:
            raise expected("at least 1 start", starts, "starts")
        self.overclusters = overclusters
        self.sample = sample
        self.starts = starts

    def add_centres(self, alike: bool) -> None:
        """Make scale and centres, and build all.

        Args:
            alike: whether the numbers of the embedding count alike, see `ScaledFeatures`.
        """
        clusters = {MAIN: self.classes, OVERCLUSTERING: self.overclusters}
        self.add_fitted(clusters, alike=alike)
        self.build((None, self.size, self.size, self.channels))

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Find centres in what the embeddings have become."""
        super().after_epoch(pairs, epoch)
        self.find_centres(pairs, epoch + 1)

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """Of a stage what `objective` says, of the monitors the distances to the centres."""
        return LearnedClusterer.sums(self, data, names, training)

    def judged(self, data: Batch) -> Tensors:
        return FittedCentres.sums(self, data, tuple(self.meters), training=False)
