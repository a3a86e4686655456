"""Batches of features that a frozen trunk has made before, in place of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iic_tf.annotations import Batch
from iic_tf.errors import InputError, expected
from iic_tf.models.trunk_fitting import require_fitted
from iic_tf.replicas import local_shape
from iic_tf.views.feature_pairs import FEATURES

if TYPE_CHECKING:
    from iic_tf.models.segmenter import Segmenter


def check_features(model: Segmenter, data: Batch) -> None:
    """A batch of `iic_tf.views.feature_pairs.FeaturePairs` must be one that a model learns from.

    Raises:
        InputError: a trunk that learns, pixels that are compared, or a batch of something else.
    """
    require_fitted(model)
    if not model.frozen_trunk or model.trunk.trainable_variables:
        raise InputError("Expected images, for a trunk that learns; received features.")
    if not model.cells:
        raise InputError("Expected cells=True of a model that learns from features; received not.")
    keys = (*FEATURES, "epoch", "number")
    if not set(keys) <= set(data):
        raise expected(f"batches with {', '.join(keys)}", ", ".join(sorted(data)))
    for name in FEATURES:
        came = local_shape(data[name])[-1]
        if came != model.trunk.features:
            raise expected(f"{model.trunk.features} features in a cell", came, name)
