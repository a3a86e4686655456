"""Isola's co-occurrences: features that tell whether two patches lie near each other."""

from __future__ import annotations

from pydantic import Field, model_validator

from iic_tf.annotations import Config
from iic_tf.models.isola import IsolaSegmenter, check_distances
from iic_tf.training.methods.pretext import PairRecipe
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole


@method(
    "isola",
    "features that tell near patches from far ones, then k-means on them",
    "Isola, Zoran, Krishnan, Adelson: Learning visual groups from co-occurrences, 2015",
)
class IsolaSegmentation(PairRecipe):
    """Isola's co-occurrences, of the pixels of scenes; distances are those of IIC's baseline."""

    model_class = IsolaSegmenter
    replicas_differ = "far patches of two images are paired within a replica"

    near: Whole = Field(11, ge=1, description="near patches are so many pixels apart at most")
    far: Whole = Field(22, ge=1, description="far patches are so many pixels apart at least")
    other_images: Real = Field(
        0.0, ge=0, le=1, description="share of the far pairs that are of two images"
    )

    @model_validator(mode="after")
    def _check_distances(self) -> IsolaSegmentation:
        check_distances(self.patch, self.near, self.far)
        return self

    def build(self, channels: int) -> IsolaSegmenter:
        own: Config = {
            "near": self.near,
            "far": self.far,
            "other_images": self.other_images,
        }
        model: IsolaSegmenter = self.checked(IsolaSegmenter(**self.common(channels), **own))
        return model

    @property
    def pretext_loss(self) -> str:
        return "the binary cross-entropy of near and far, 0.693 by chance"

    def describe_pretext(self) -> str:
        return f"{self.pairs} pairs of near and far patches a view"
