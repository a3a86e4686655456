"""Balanced prototypes of pixels, that two views of a place tell of each other."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from iic_tf.annotations import Callback, Config
from iic_tf.errors import expected
from iic_tf.models.fitting import Fit
from iic_tf.models.prototypes import PROJECTION, PROTOTYPES, PrototypeSegmenter
from iic_tf.training.learned_scenes import LearnedScenes
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.numbered_batches import NumberedBatches


@method(
    "prototypes",
    "balanced assignments to prototypes that two views of a place tell of each other, then merged",
    "Caron, Misra, Mairal, Goyal, Bojanowski, Joulin: SwAV, NeurIPS 2020",
)
class PrototypeSegmentation(LearnedScenes):
    """Prototypes of the pixels of scenes; ε, T, iterations and numbers are SwAV's."""

    model_class = PrototypeSegmenter
    own: ClassVar[tuple[str, ...]] = (
        *("embedding", "hidden", "temperature", "epsilon", "iterations", "held"),
        "crops",
    )
    staged: ClassVar[tuple[str, ...]] = ("held",)
    parts: ClassVar[tuple[str, ...]] = (PROJECTION, PROTOTYPES)
    loss_label: ClassVar[str] = "swapped prediction, cross-entropy in nats"

    overclusters_per_class: Whole = Field(10, ge=1, description="prototypes for each class")
    embedding: Whole = Field(128, ge=2, description="numbers of the vectors that are compared")
    hidden: Whole = Field(512, ge=0, description="units of the layer before them; 0: none")
    temperature: Real = Field(0.1, ge=0.025, le=10, description="T of the predictions")
    epsilon: Real = Field(0.05, ge=0.025, le=10, description="ε of the assignments")
    iterations: Whole = Field(3, ge=1, description="of Sinkhorn's, in a step")
    held: Whole = Field(1, ge=0, description="first epochs, in which prototypes stay as they began")

    crops: Whole = Field(
        200, ge=1, description="crops whose neighbouring cells tell which prototypes are one class"
    )

    @model_validator(mode="after")
    def _check_held(self) -> PrototypeSegmentation:
        if self.held >= self.epochs:
            raise expected(f"held below the {self.epochs} epochs", self.held, "held")
        return self

    @property
    def clusters(self) -> dict[str, int]:
        return {MAIN: self.classes, OVERCLUSTERING: self.overclusters_per_class * self.classes}

    def more(self, channels: int) -> Config:
        return {"overclusters": self.clusters[OVERCLUSTERING]}

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [Fit(pairs)]

    @property
    def own_weights(self) -> float:
        features = 512.0 * self.width
        return features * (self.hidden or self.embedding) + float(self.hidden * self.embedding)

    @property
    def losses(self) -> str:
        return (
            "the cross-entropy of one view's assignments by the other's prediction, in nats, from "
            "the logarithm of the prototypes' number, which is chance, down to 0; targets change "
            "with each step: the last epoch is kept"
        )

    def describe_method(self) -> str:
        return f"{self.clusters[OVERCLUSTERING]} prototypes in {self.embedding} dimensions"
