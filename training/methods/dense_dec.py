"""Deep embedded clustering of the pixels of scenes."""

from __future__ import annotations

from typing import ClassVar

import keras
from pydantic import Field

from iic_tf.annotations import Callback, Optimizer, Rate
from iic_tf.models.dense_dec import CENTRES, EMBEDDING, DECSegmenter
from iic_tf.models.fitting import Fit
from iic_tf.training.learned_scenes import LearnedScenes
from iic_tf.training.methods.dec import ABOUT, PAPER
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole
from iic_tf.views.numbered_batches import NumberedBatches


@method("dec", ABOUT, PAPER)
class DECSegmentation(LearnedScenes):
    """DEC of the pixels of scenes; rate, momentum, α and starts are the authors'."""

    model_class = DECSegmenter
    own: ClassVar[tuple[str, ...]] = ("embedding", "alpha", "sample", "starts")
    parts: ClassVar[tuple[str, ...]] = (EMBEDDING, CENTRES)
    loss_label: ClassVar[str] = "KL(P ‖ Q) in nats"

    rate: Real = Field(
        0.01, gt=0, allow_inf_nan=False, description="learning rate, at the beginning"
    )
    embedding: Whole = Field(10, ge=1, description="numbers of the embedding")
    alpha: Real = Field(
        1.0, gt=0, allow_inf_nan=False, description="degrees of freedom of Student's t"
    )
    sample: Whole = Field(50_000, ge=2, description="cells that k-means is fitted to")
    starts: Whole = Field(20, ge=1, description="starts of k-means, of which the best stays")

    def step_by(self, rate: Rate) -> Optimizer:
        return keras.optimizers.SGD(rate, momentum=0.9)

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [Fit(pairs)]

    @property
    def own_weights(self) -> float:
        return 512.0 * self.width * self.embedding

    @property
    def losses(self) -> str:
        return (
            "KL(P ‖ Q) in nats, 0 or more, of targets that change with each epoch; they choose "
            "nothing: the last epoch is kept"
        )

    def describe_method(self) -> str:
        return f"an embedding of {self.embedding} numbers"
