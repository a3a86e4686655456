"""Deep embedded clustering, without pre-training or behind an autoencoder's."""

from __future__ import annotations

from typing import ClassVar

import keras
from pydantic import Field, model_validator

from iic_tf.annotations import Callback, Optimizer, Rate
from iic_tf.errors import expected
from iic_tf.models.dec import CENTRES, DECODER, EMBEDDING, DECClusterer
from iic_tf.models.fitting import Fit
from iic_tf.training.learned_images import LearnedImages
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole
from iic_tf.views.numbered_batches import NumberedBatches

ABOUT = "an embedding and centres in it, trained towards their own sharpened soft assignments"
PAPER = "Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016"


@method("dec", ABOUT, PAPER)
class DECClustering(LearnedImages):
    """DEC of whole images; the defaults are the authors', but for the pre-training."""

    model_class = DECClusterer
    own: ClassVar[tuple[str, ...]] = ("embedding", "alpha", "pretraining", "sample", "starts")
    staged: ClassVar[tuple[str, ...]] = ("pretraining",)
    loss_label: ClassVar[str] = "KL(P ‖ Q) in nats"

    rate: Real = Field(
        0.01, gt=0, allow_inf_nan=False, description="learning rate of the clustering"
    )
    batch: Whole = Field(256, ge=1, description="images in a step")
    repeats: Whole = Field(1, ge=1, description="transformed copies of each image; not looked at")
    embedding: Whole = Field(10, ge=1, description="numbers of the embedding")
    alpha: Real = Field(
        1.0, gt=0, allow_inf_nan=False, description="degrees of freedom of Student's t"
    )
    pretraining: Whole = Field(
        0, ge=0, description="epochs in which an autoencoder learns first; 0: none, as IID had it"
    )
    pretraining_rate: Real = Field(
        0.1, gt=0, allow_inf_nan=False, description="learning rate of these epochs"
    )
    sample: Whole = Field(200_000, ge=2, description="embeddings that k-means is fitted to")
    starts: Whole = Field(20, ge=1, description="starts of k-means, of which the best stays")

    @model_validator(mode="after")
    def _check_pretraining(self) -> DECClustering:
        if self.pretraining >= self.epochs:
            raise expected(
                f"pretraining below the {self.epochs} epochs", self.pretraining, "pretraining"
            )
        if self.pretraining and self.schedule != "constant":
            raise expected("schedule constant with pretraining", self.schedule, "schedule")
        if self.pretraining and self.fine_tune_trunk:
            raise expected("no pretraining with --fine-tune-trunk", self.pretraining, "pretraining")
        return self

    @property
    def trained_parts(self) -> tuple[str, ...]:
        return (EMBEDDING, CENTRES, *((DECODER,) if self.pretraining else ()))

    def scheduled_rate(self, steps: int, factor: float = 1.0, first: int = 0) -> Rate:
        if not self.pretraining:
            return super().scheduled_rate(steps, factor, first)
        return self.rate_behind(steps, factor, self.pretraining, self.pretraining_rate)

    def step_by(self, rate: Rate) -> Optimizer:
        return keras.optimizers.SGD(rate, momentum=0.9)

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [Fit(pairs)]

    @property
    def own_weights(self) -> float:
        decoder = 2000 * 500 + 500 * 500 + 500 * float(self.x.size) ** 2
        return 512.0 * self.width * self.embedding + (decoder if self.pretraining else 0)

    @property
    def losses(self) -> str:
        return (
            "KL(P ‖ Q) in nats, 0 or more, of targets that change with each epoch; they choose "
            "nothing: the last epoch is kept"
        )

    def describe_model(self) -> str:
        first = f"{self.pretraining} epochs of" if self.pretraining else "no"
        return (
            f"{self.trunk_text}, {self.classes} classes, an embedding of {self.embedding} numbers, "
            f"{first} pre-training"
        )
