"""Exemplar-CNN: each of many images is a class."""

from __future__ import annotations

from typing import ClassVar

import keras
from pydantic import Field

from iic_tf.annotations import Optimizer, Rate
from iic_tf.models.exemplar import CLASSIFIER, ExemplarClusterer
from iic_tf.training.learned_images import LearnedFeatures
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole

ABOUT = "features by which copies of many images are told apart, each a class; then k-means"
PAPER = (
    "Dosovitskiy, Fischer, Springenberg, Riedmiller, Brox: Exemplar Convolutional Neural Networks, "
    "TPAMI 2016"
)


@method("exemplar", ABOUT, PAPER)
class ExemplarClustering(LearnedFeatures):
    """Exemplar-CNN of whole images."""

    model_class = ExemplarClusterer
    own: ClassVar[tuple[str, ...]] = ("exemplars",)
    parts: ClassVar[tuple[str, ...]] = (CLASSIFIER,)

    rate: Real = Field(
        0.01, gt=0, allow_inf_nan=False, description="learning rate, at the beginning"
    )
    exemplars: Whole = Field(
        8000, ge=2, description="images that are drawn from, each a class; more make a larger layer"
    )

    @property
    def only(self) -> int:
        return self.exemplars

    def step_by(self, rate: Rate) -> Optimizer:
        return keras.optimizers.SGD(rate, momentum=0.9)

    @property
    def own_weights(self) -> float:
        return 512.0 * self.width * self.exemplars

    def describe_model(self) -> str:
        return (
            f"{self.trunk_text}, {self.classes} classes by k-means on features that tell "
            f"{self.exemplars} exemplars apart"
        )
