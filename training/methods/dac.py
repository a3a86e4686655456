"""Deep adaptive clustering, as its paper has it."""

from __future__ import annotations

from typing import ClassVar, Self

import keras
from pydantic import Field

from iic_tf.annotations import Optimizer, Rate
from iic_tf.models.dac import DACClusterer
from iic_tf.training.learned import Learned
from iic_tf.training.learned_images import LearnedImages
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole
from iic_tf.turns import MAIN

ABOUT = "probabilities learnt from pairs of images that are plainly alike or plainly unlike"
PAPER = "Chang, Wang, Meng, Xiang, Pan: Deep Adaptive Image Clustering, ICCV 2017"


class DACValues(Learned):
    """What both kinds of data have in common; the defaults are the authors'."""

    own: ClassVar[tuple[str, ...]] = ("eta",)
    parts: ClassVar[tuple[str, ...]] = (MAIN,)
    loss_label: ClassVar[str] = "cross-entropy of pairs in nats"

    rate: Real = Field(
        1e-3, gt=0, allow_inf_nan=False, description="learning rate, at the beginning"
    )
    epochs: Whole = Field(46, ge=1, description="epochs; thresholds meet in 46 at eta=0.009")
    eta: Real = Field(
        0.009, gt=0, allow_inf_nan=False, description="how fast thresholds close: λ = 1.1 η epoch"
    )

    def step_by(self, rate: Rate) -> Optimizer:
        return keras.optimizers.RMSprop(rate)

    def of_epochs(self, epochs: int) -> Self:
        # Thresholds meet at the same part of the training.
        eta = self.eta * self.epochs / epochs
        return super().of_epochs(epochs).replaced(eta=eta)

    @property
    def losses(self) -> str:
        return (
            "mean cross-entropies of pairs in nats, 0 or more, by the first epoch's thresholds; "
            "they choose nothing: the last epoch is kept"
        )

    def describe_method(self) -> str:
        """What is learned, in a few words."""
        return f"thresholds closing by eta={self.eta:g}"


@method("dac", ABOUT, PAPER)
class DACClustering(DACValues, LearnedImages):
    """DAC of whole images."""

    model_class = DACClusterer
    replicas_differ: ClassVar[str] = "each device pairs the images of its own share of a batch"

    batch: Whole = Field(128, ge=1, description="images in a step")
    repeats: Whole = Field(1, ge=1, description="transformed copies of each image in a batch, r")

    def describe_model(self) -> str:
        return f"{self.trunk_text}, {self.classes} classes, {self.describe_method()}"
