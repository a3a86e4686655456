"""SCAN: features, neighbours, a head, its own labels."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from iic_tf.annotations import Callback, Config, Rate
from iic_tf.errors import expected
from iic_tf.models.fitting import Fit
from iic_tf.models.scan import PROJECTION, ScanClusterer, check_stages
from iic_tf.training.learned_images import LearnedImages
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole
from iic_tf.turns import MAIN
from iic_tf.views.numbered_batches import NumberedBatches

ABOUT = "features by contrast, then a head that gives an image and its neighbours one answer"
PAPER = (
    "Van Gansbeke, Vandenhende, Georgoulis, Proesmans, Van Gool: SCAN: Learning to Classify Images "
    "without Labels, ECCV 2020"
)


@method("scan", ABOUT, PAPER)
class ScanClustering(LearnedImages):
    """SCAN of whole images."""

    model_class = ScanClusterer
    own: ClassVar[tuple[str, ...]] = (
        *("feature_epochs", "self_labelling_epochs", "dimension", "temperature", "neighbours"),
        *("entropy_weight", "confidence"),
    )
    staged: ClassVar[tuple[str, ...]] = ("feature_epochs", "self_labelling_epochs")
    loss_label: ClassVar[str] = "-ln<p, p'> - λ H"
    replicas_differ: ClassVar[str] = (
        "features are contrasted within each device's own share of a batch"
    )

    batch: Whole = Field(128, ge=1, description="images in a step")
    repeats: Whole = Field(1, ge=1, description="transformed copies of each image in a batch, r")
    feature_epochs: Whole = Field(
        15, ge=0, description="epochs of SimCLR before; 0 for a trunk that learned elsewhere"
    )
    feature_rate: Real = Field(
        1e-3, gt=0, allow_inf_nan=False, description="learning rate of these epochs"
    )
    self_labelling_epochs: Whole = Field(
        0, ge=0, description="epochs, the last ones, of the network's own sure labels"
    )
    dimension: Whole = Field(128, ge=1, description="numbers that are contrasted")
    temperature: Real = Field(
        0.1, gt=0, allow_inf_nan=False, description="temperature of the contrast"
    )
    neighbours: Whole = Field(20, ge=1, description="nearest neighbours of each image")
    entropy_weight: Real = Field(
        5.0, ge=0, allow_inf_nan=False, description="λ, weight of the entropy of the mean answer"
    )
    confidence: Real = Field(
        0.99, ge=0, lt=1, description="how likely a label must be to be learned from"
    )

    @model_validator(mode="after")
    def _check_stages(self) -> ScanClustering:
        check_stages(self.epochs, self.feature_epochs, self.self_labelling_epochs)
        if self.feature_epochs and self.trunk_rests:
            raise expected(
                "feature_epochs=0 of a trunk that learned elsewhere",
                self.feature_epochs,
                "feature_epochs",
            )
        if self.feature_epochs and self.schedule != "constant":
            raise expected("schedule constant with feature_epochs", self.schedule, "schedule")
        return self

    @property
    def trained_parts(self) -> tuple[str, ...]:
        return (MAIN, *((PROJECTION,) if self.feature_epochs else ()))

    def more(self, channels: int) -> Config:
        return {"epochs_of_all": self.epochs}

    def scheduled_rate(self, steps: int, factor: float = 1.0, first: int = 0) -> Rate:
        if not self.feature_epochs:
            return super().scheduled_rate(steps, factor, first)
        return self.rate_behind(steps, factor, self.feature_epochs, self.feature_rate)

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [Fit(pairs)]

    @property
    def own_weights(self) -> float:
        hidden = 512.0 * self.width
        return hidden * (hidden + self.dimension) if self.feature_epochs else 0.0

    @property
    def losses(self) -> str:
        return (
            "-ln<p, p'> - λ H of views and their copies, down to -λ ln k; they choose nothing: the "
            "last epoch is kept"
        )

    def describe_model(self) -> str:
        between = self.epochs - self.feature_epochs - self.self_labelling_epochs
        return (
            f"{self.trunk_text}, {self.classes} classes; {self.feature_epochs} epochs of SimCLR, "
            f"{between} of {self.neighbours} neighbours, {self.self_labelling_epochs} of "
            "self-labelling"
        )
