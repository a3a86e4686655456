"""Associative deep clustering."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from pydantic import Field

from iic_tf.annotations import Optimizer, Rate
from iic_tf.models.adam import Adam
from iic_tf.models.adc import CENTROIDS, EMBEDDING, ADCClusterer
from iic_tf.training.learned_images import LearnedImages
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole
from iic_tf.turns import MAIN

ABOUT = "centroids of classes, from which walks to images and back end in the class they began in"
PAPER = "Haeusser, Plapp, Golkov, Aljalbout, Cremers: Associative Deep Clustering, GCPR 2018"


def _weight(default: float, of: str) -> Any:
    return Field(default, ge=0, allow_inf_nan=False, description=f"weight of {of}")


@method("adc", ABOUT, PAPER)
class ADCClustering(LearnedImages):
    """ADC of whole images; the defaults are those of the authors' code."""

    model_class = ADCClusterer
    own: ClassVar[tuple[str, ...]] = (
        *("embedding", "centroids", "walker", "visit", "logit", "transformation"),
    )
    parts: ClassVar[tuple[str, ...]] = (EMBEDDING, CENTROIDS, MAIN)
    loss_label: ClassVar[str] = "weighted cross-entropies of walks, visits and centroids, nats"
    replicas_differ: ClassVar[str] = (
        "each device walks among the images of its own share of a batch"
    )

    rate: Real = Field(
        2e-4, gt=0, allow_inf_nan=False, description="learning rate, at the beginning"
    )
    batch: Whole = Field(100, ge=1, description="images in a step")
    repeats: Whole = Field(3, ge=1, description="transformed copies of each image in a batch, r")
    embedding: Whole = Field(128, ge=1, description="numbers of the embedding")
    centroids: Whole = Field(4, ge=1, description="centroids of each class")
    walker: Real = _weight(1.0, "walks that should end in their class, or at their image")
    visit: Real = _weight(0.5, "visits, which should be to all images evenly")
    logit: Real = _weight(0.5, "the cross-entropy of the centroids' classes")
    transformation: Real = _weight(0.0, "|1 - CE - z·z'| of images and copies; 0 in their code")
    decay: Real = Field(0.33, gt=0, le=1, description="factor of the rate every decay_steps")
    decay_steps: Whole = Field(5000, ge=1, description="steps behind which the rate falls")

    def scheduled_rate(self, steps: int, factor: float = 1.0, first: int = 0) -> Rate:
        if self.schedule != "constant" or self.decay == 1:
            return super().scheduled_rate(steps, factor, first)
        return keras.optimizers.schedules.ExponentialDecay(
            factor * self.rate, self.decay_steps, self.decay, staircase=True
        )

    def step_by(self, rate: Rate) -> Optimizer:
        return Adam(rate, beta_1=0.8, beta_2=0.9)

    @property
    def own_weights(self) -> float:
        return (512.0 * self.width + self.centroids * self.classes) * self.embedding

    @property
    def losses(self) -> str:
        return (
            "weighted cross-entropies in nats, 0 or more, of fixed pairs; they choose nothing: the "
            "last epoch is kept"
        )

    def describe_model(self) -> str:
        return (
            f"{self.trunk_text}, {self.classes} classes of {self.centroids} centroids each, an "
            f"embedding of {self.embedding} numbers"
        )
