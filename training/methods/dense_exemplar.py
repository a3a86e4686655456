"""Exemplar-CNN of the pixels of scenes."""

from __future__ import annotations

from pydantic import Field, model_validator

from iic_tf.errors import expected
from iic_tf.models.dense_exemplar import ExemplarSegmenter
from iic_tf.training.methods.exemplar import ABOUT, PAPER
from iic_tf.training.methods.pretext import PretextRecipe
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole


@method("exemplar", ABOUT, PAPER)
class ExemplarSegmentation(PretextRecipe):
    """Exemplar-CNN of the pixels of scenes."""

    model_class = ExemplarSegmenter

    rate: Real = Field(
        1e-3, gt=0, allow_inf_nan=False, description="learning rate, at the beginning"
    )
    exemplars: Whole = Field(2000, ge=2, description="patches, each a class")
    patch: Whole = Field(32, ge=2, description="side of a patch, pixels, scaled down")
    patches: Whole = Field(4, ge=1, description="copies of patches for each pair of a batch")

    @model_validator(mode="after")
    def _check_patch(self) -> ExemplarSegmentation:
        if 2 * self.patch > self.crop:
            raise expected(f"patch of at most half the crop={self.crop}", self.patch, "patch")
        return self

    def build(self, channels: int) -> ExemplarSegmenter:
        return ExemplarSegmenter(
            exemplars=self.exemplars,
            patch=self.patch,
            patches=self.patches,
            **self.common(channels),
        )

    @property
    def own_weights(self) -> float:
        return 512.0 * self.width * self.exemplars

    @property
    def pretext_loss(self) -> str:
        return f"the cross-entropy of {self.exemplars} patches"

    def describe_pretext(self) -> str:
        return f"{self.exemplars} patches of {self.patch}×{self.patch} told apart"
