"""A drawn sample of images, and what a model makes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.data.image_set import ImageSet
from iic_tf.graphs import as_graph
from iic_tf.models.clusterer import Clusterer
from iic_tf.turns import MAIN
from iic_tf.views.central_views import central_views
from iic_tf.views.draws import generator
from iic_tf.views.image_view import ImageView


def cluster_sample(images: ImageSet, most: int, seed: int) -> ImageSet:
    """At most so many ordinary images, in a drawn order: the first of them are a sample, too.

    Args:
        images: the data set.
        most: 2 or more.
        seed: of the draw; a larger sample of the same seed begins with the smaller one.

    Returns:
        A data set of the sample, with its labels and files where there are any.
    """
    drawn = generator(seed, 0, 0, "sample").permutation(len(images))[:most]
    return dataclasses.replace(
        images,
        images=images.read(drawn),
        labels=None if images.labels is None else images.labels[drawn],
        files=None if images.files is None else tuple(images.files[i] for i in drawn),
        extra=None,
        test=0,
    )


def predictor(model: Clusterer) -> Callable[[ImageSet, ImageView], NDArray[np.float32]]:
    """What gives the main head's probabilities on the central views of images.

    It returns float32 `[sub_heads, n, classes]`, and always those of the weights that the model
    has at the time.
    """

    @as_graph  # type: ignore[untyped-decorator]
    def probabilities(views: tf.Tensor) -> Tensor:
        return tf.stack(model.probabilities(views, MAIN))

    def of(images: ImageSet, view: ImageView) -> NDArray[np.float32]:
        batches = [probabilities(views).numpy() for views in central_views(images, view)]
        return np.concatenate(batches, axis=1)

    return of
