"""Exemplar-CNN: features by which copies of many images are told apart; k-means finds clusters."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from iic_tf.annotations import Batch, Tensor
from iic_tf.errors import expected
from iic_tf.losses.exemplar import exemplar_losses
from iic_tf.models.feature_learner import FeatureLearner
from iic_tf.models.learned_clusterer import copies_of, mean_sums
from iic_tf.models.looked_up import LookedUp
from iic_tf.views.numbered_batches import NumberedBatches

CLASSIFIER = "classifier"


@keras.saving.register_keras_serializable("iic_tf")
class ExemplarClusterer(FeatureLearner):
    """Network A or B with a classifier of as many classes as there are exemplars.

    Exemplars are the images that the pairs draw from (`ImagePairs.chosen`), in that order. Clusters
    are found in the trunk's features, each of which counts alike.

    Args:
        exemplars: outputs of the classifier; where there are fewer images, the others are nobody's.
        kwargs: those of `FeatureLearner`.

    Raises:
        InputError: a value outside its range; in training, more images than exemplars.

    Examples:
        >>> model = ExemplarClusterer(50, classes=3, overclusters=9, channels=3, size=16, width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
    """

    arguments = (*FeatureLearner.shared, "exemplars")

    def __init__(self, exemplars: int = 8000, **kwargs: Any):
        super().__init__(**kwargs)
        if exemplars < 2:
            raise expected("at least 2 exemplars", exemplars, "exemplars")
        self.exemplars = exemplars
        self.classifier = keras.layers.Dense(exemplars, name=CLASSIFIER, dtype=self.dtype_policy)
        self.learning = {CLASSIFIER: [self.classifier]}
        self.labels = LookedUp("exemplars")
        self.add_centres(alike=True)

    def build_embedding(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        self.classifier.build(shape)
        return shape

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Say which class each of the images is."""
        super().before_epoch(pairs, epoch)
        if self.labels.values is not None:
            return
        chosen = pairs.chosen  # type: ignore[attr-defined]
        if len(chosen) > self.exemplars:
            raise expected(f"at most {self.exemplars} images, one an exemplar", len(chosen))
        labels = np.zeros(len(pairs.images), np.int32)  # type: ignore[attr-defined]
        labels[chosen] = np.arange(len(chosen))
        self.labels.put(self, labels)

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        logits = self.classifier(self.features(copies_of(data), training))
        labels = ops.repeat(self.labels.at(data["image"]), data["gx"].shape[1])
        return mean_sums(exemplar_losses(logits, labels))
