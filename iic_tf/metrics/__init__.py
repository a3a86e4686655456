"""Scores of a clustering against known classes, and the baseline to compare with."""

from iic_tf.metrics.assignment import apply_mapping, many_to_one, one_to_one
from iic_tf.metrics.confusion import confusion_matrix
from iic_tf.metrics.pixel_kmeans import PixelKMeans
from iic_tf.metrics.scores import (
    ClassScore,
    Scores,
    adjusted_rand_index,
    normalised_mutual_information,
    scores,
)

__all__ = [
    "ClassScore",
    "PixelKMeans",
    "Scores",
    "adjusted_rand_index",
    "apply_mapping",
    "confusion_matrix",
    "many_to_one",
    "normalised_mutual_information",
    "one_to_one",
    "scores",
]
