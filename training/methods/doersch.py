"""Doersch's relative positions: features that tell in which direction a patch lies from another."""

from __future__ import annotations

from pydantic import Field, model_validator

from iic_tf.annotations import Config
from iic_tf.models.doersch import DoerschSegmenter, check_gap
from iic_tf.training.methods.pretext import PairRecipe
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Flag, Whole


@method(
    "doersch",
    "features that tell in which direction a patch lies from another, then k-means on them",
    "Doersch, Gupta, Efros: Unsupervised visual representation learning by context prediction, "
    "ICCV 2015",
)
class DoerschSegmentation(PairRecipe):
    """Doersch's relative positions, of the pixels of scenes; distances are IIC's baseline's."""

    model_class = DoerschSegmenter

    gap: Whole = Field(8, ge=1, description="pixels between two patches")
    jitter: Whole = Field(3, ge=0, description="pixels by which the second one is off at most")
    one_band: Flag = Field(True, description="a view keeps one of its bands, the others are noise")

    @model_validator(mode="after")
    def _check_gap(self) -> DoerschSegmentation:
        check_gap(self.gap, self.jitter)
        return self

    def build(self, channels: int) -> DoerschSegmenter:
        own: Config = {"gap": self.gap, "jitter": self.jitter, "one_band": self.one_band}
        model: DoerschSegmenter = self.checked(DoerschSegmenter(**self.common(channels), **own))
        return model

    @property
    def pretext_loss(self) -> str:
        return "the cross-entropy of eight directions, 2.079 by chance"

    def describe_pretext(self) -> str:
        return f"directions of {self.pairs} pairs of patches a view"
